//! Where names lie: parameters, shared and local variables, variables in device memory, functions.

use std::collections::{HashMap, HashSet};

use crate::ptx::ast::{Base, Function, Item, Module, Operand, Refusal, Space, Variable};

/// What a module's names mean outside functions.
#[derive(Debug, Default)]
pub(crate) struct Linkage {
    /// Index of each function.
    pub(crate) functions: HashMap<String, usize>,
    /// Address of each `.global` and `.const` variable.
    pub(crate) variables: HashMap<String, u64>,
    /// First address of each `.const` variable, and the one after its last.
    pub(crate) constants: Vec<(u64, u64)>,
}

/// Functions that the emulator itself provides.
pub(crate) fn is_builtin(name: &str) -> bool {
    matches!(name, "vprintf" | "__assertfail")
}

/// Offsets of a kernel's shared variables.
#[derive(Debug, Default)]
pub(crate) struct SharedLayout {
    /// Of module scope, by name.
    module: HashMap<String, u32>,
    /// Of function scope, by function and name.
    function: HashMap<(String, String), u32>,
    /// Bytes of static shared memory.
    pub(crate) static_bytes: u32,
}

impl SharedLayout {
    /// Offset of a name that function `function` uses.
    pub(crate) fn offset(&self, function: &str, name: &str) -> Option<u32> {
        self.function
            .get(&(function.to_owned(), name.to_owned()))
            .or_else(|| self.module.get(name))
            .copied()
    }
}

/// Lays out the shared variables that the functions use: sized ones in order of declaration, then
/// all arrays without a size at one offset, where dynamic shared memory starts.
pub(crate) fn shared_layout(module: &Module, reachable: &[usize]) -> SharedLayout {
    let used = names(module, reachable);
    let mut layout = SharedLayout::default();
    let mut end = 0u32;
    let mut place = |variable: &Variable| {
        let bytes = variable.size? as u32;
        let start = end.next_multiple_of(variable.align.max(1));
        end = start + bytes;
        Some(start)
    };
    for variable in &module.variables {
        if variable.space == Space::Shared
            && used.contains(variable.name.as_str())
            && let Some(offset) = place(variable)
        {
            layout.module.insert(variable.name.clone(), offset);
        }
    }
    for &index in reachable {
        let function = &module.functions[index];
        for variable in function.body.iter().flat_map(|b| &b.variables) {
            if variable.space == Space::Shared
                && let Some(offset) = place(variable)
            {
                layout.function.insert((function.name.clone(), variable.name.clone()), offset);
            }
        }
    }
    layout.static_bytes = end;
    let dynamic = end.next_multiple_of(16);
    for variable in &module.variables {
        if variable.space == Space::Shared && variable.size.is_none() {
            layout.module.insert(variable.name.clone(), dynamic);
        }
    }
    for &index in reachable {
        let function = &module.functions[index];
        for variable in function.body.iter().flat_map(|b| &b.variables) {
            if variable.space == Space::Shared && variable.size.is_none() {
                layout.function.insert((function.name.clone(), variable.name.clone()), dynamic);
            }
        }
    }
    layout
}

/// Every symbol that the functions' operands name.
fn names<'a>(module: &'a Module, reachable: &[usize]) -> HashSet<&'a str> {
    fn collect<'a>(operand: &'a Operand, into: &mut HashSet<&'a str>) {
        match operand {
            Operand::Symbol { name, .. } | Operand::Address { base: Base::Symbol(name), .. } => {
                into.insert(name);
            }
            Operand::Vector(list) | Operand::List(list) => {
                list.iter().for_each(|o| collect(o, into));
            }
            _ => {}
        }
    }
    let mut found = HashSet::new();
    for &index in reachable {
        for item in module.functions[index].body.iter().flat_map(|b| &b.items) {
            if let Item::Inst(inst) = item {
                inst.operands.iter().for_each(|o| collect(o, &mut found));
            }
        }
    }
    found
}

/// Offset and size of each, and the bytes that all take.
pub(crate) type Offsets = (Vec<(u32, u32)>, u32);

/// Offset and size of each parameter, and of all, each aligned as declared.
pub(crate) fn offsets(variables: &[Variable], start: u32) -> Result<Offsets, Refusal> {
    let mut end = start;
    let mut list = Vec::new();
    for variable in variables {
        let Some(size) = variable.size else {
            return Err(Refusal {
                line: variable.line,
                what: variable.name.clone(),
                why: "a parameter without a size (variadic functions are not implemented)"
                    .to_owned(),
            });
        };
        let offset = end.next_multiple_of(variable.align.max(1));
        list.push((offset, size as u32));
        end = offset + size as u32;
    }
    Ok((list, end))
}

/// The parameter block of an entry.
pub(crate) fn entry_params(function: &Function) -> Result<Offsets, Refusal> {
    offsets(&function.params, 0)
}
