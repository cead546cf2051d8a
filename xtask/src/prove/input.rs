//! What SentryWard is told of a launch.

use serde_json::{Value, json};

use super::layout::{Field, Kind};

/// A launch with all its arguments.
#[derive(Debug, Clone, Default)]
pub(super) struct Input {
    entry: String,
    grid: [u32; 3],
    block: u32,
    shared: u32,
    arguments: Vec<Value>,
    declarations: Vec<Value>,
    arrays: Vec<Value>,
    pointers: Vec<String>,
}

/// The value of a scalar argument.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar {
    Whole(i64),
    Float(f32),
}

/// The numbers that a launch gives: scalars and contents of arrays by the arguments' names.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    pub(super) scalars: Vec<(&'static str, Scalar)>,
    pub(super) arrays: Vec<(&'static str, Vec<u32>)>,
}

impl Input {
    /// A launch of `grid` times `block` threads without arguments.
    pub(super) fn new(entry: &str, grid: [u32; 3], block: u32, shared: u32) -> Self {
        Self { entry: entry.to_owned(), grid, block, shared, ..Self::default() }
    }

    /// Adds the argument at `field` of parameter `index`. Every scalar must have its number.
    pub(super) fn add(
        &mut self,
        index: usize,
        field: &Field,
        numbers: &Numbers,
    ) -> Result<(), String> {
        let parameter = format!("{}_param_{index}", self.entry);
        let Field { name, kind, offset } = field;
        match kind {
            Kind::Pointer => {
                self.declarations.push(json!({
                    "name": name, "parameter": parameter, "type": "pointer", "offset": offset,
                    "space": "global"
                }));
                self.pointers.push(name.clone());
                if let Some((_, content)) = numbers.arrays.iter().find(|(of, _)| of == name) {
                    self.arrays.push(array(&parameter, *offset, content));
                }
            }
            Kind::Scalar(of) => {
                let number = numbers.scalars.iter().find(|(of, _)| of == name);
                let value = match number.ok_or_else(|| format!("{name} has no number"))?.1 {
                    Scalar::Whole(value) => json!(value),
                    Scalar::Float(value) => json!(value),
                };
                self.arguments.push(json!({
                    "parameter": parameter, "type": of, "offset": offset, "value": value
                }));
            }
        }
        Ok(())
    }

    /// As SentryWard reads it, with branches (lines of the PTX) that go one way throughout.
    pub(super) fn json(&self, decisions: &[(u64, bool)]) -> Value {
        let mut input = json!({
            "schema": "spverify.kernel-input/v1",
            "entry": self.entry,
            "launch": {
                "grid_dim": self.grid, "block_dim": [self.block, 1, 1], "cluster_dim": [1, 1, 1],
                "dynamic_shared_bytes": self.shared
            },
            "arguments": self.arguments,
            "declarations": self.declarations,
        });
        if self.pointers.len() > 1 {
            input["address_invariants"] = json!([{ "distinct_allocations": self.pointers }]);
        }
        if !self.arrays.is_empty() {
            input["shape_arrays"] = json!(self.arrays);
        }
        if !decisions.is_empty() {
            let one = |(line, taken): &(u64, bool)| json!({ "line": line, "taken": taken });
            input["branch_decisions"] = decisions.iter().map(one).collect();
        }
        input
    }
}

/// SentryWard knows arrays of problem shapes, three numbers each: as good for any array of i32 that is
/// not negative. What fills the last shape lies behind the array.
fn array(parameter: &str, offset: u32, content: &[u32]) -> Value {
    let shapes = content.chunks(3).map(|chunk| {
        let mut shape = [0; 3];
        shape[..chunk.len()].copy_from_slice(chunk);
        shape
    });
    let shapes: Vec<_> = shapes.collect();
    json!({ "parameter": parameter, "offset": offset, "shapes": shapes })
}
