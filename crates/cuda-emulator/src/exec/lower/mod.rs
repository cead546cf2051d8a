//! From the tree of a module to a kernel's program: which functions it may call, where its shared
//! memory lies, then each function's blocks in order. Whatever is not implemented is refused here,
//! with its line, before anything runs.

mod address;
mod body;
mod control;
mod form;
mod matrix;
mod memory;
mod symbols;
#[cfg(test)]
mod tests;
mod warp;

use std::collections::HashMap;

use crate::exec::program::Program;
use crate::ptx::ast::{Function, Item, Module, Operand, Refusal};
use crate::registers::Bank;

pub(crate) use symbols::{Linkage, is_builtin};

/// Lowers one entry of `module` with everything it can reach.
///
/// # Errors
/// The first instruction, variable or register that is not implemented.
pub(crate) fn kernel(module: &Module, linkage: &Linkage, entry: usize) -> Result<Program, Refusal> {
    let reachable = reachable(module, linkage, entry)?;
    let function = &module.functions[entry];
    let shared = symbols::shared_layout(module, &reachable);
    let (params, param_bytes) = symbols::entry_params(function)?;
    let mut program = Program {
        name: function.name.clone(),
        code: Vec::new(),
        places: Vec::new(),
        functions: vec![None; module.functions.len()],
        entry,
        bank: Bank::default(),
        constants: linkage.constants.clone(),
        params,
        param_bytes,
        static_shared: shared.static_bytes,
        max_threads: threads(function.max_threads.or(function.required_threads)),
        required_threads: function.required_threads,
        communicates: false,
        mma_names: Vec::new(),
    };
    for index in reachable {
        let function = &module.functions[index];
        body::lower(&mut program, linkage, &shared, function, index)?;
    }
    Ok(program)
}

fn threads(limit: Option<[u32; 3]>) -> u32 {
    limit.map_or(1024, |[x, y, z]| x.saturating_mul(y.max(1)).saturating_mul(z.max(1))).min(1024)
}

/// The entry first, then every function that it may call. A kernel that calls through a pointer may
/// reach every function.
fn reachable(module: &Module, linkage: &Linkage, entry: usize) -> Result<Vec<usize>, Refusal> {
    let mut found = vec![entry];
    let mut next = 0;
    while let Some(&index) = found.get(next) {
        next += 1;
        let function: &Function = &module.functions[index];
        let Some(body) = &function.body else { continue };
        for item in &body.items {
            let Item::Inst(inst) = item else { continue };
            if inst.opcode != "call" {
                continue;
            }
            match inst.operands.get(1) {
                Some(Operand::Symbol { name, .. }) => {
                    if is_builtin(name) {
                        continue;
                    }
                    let target = linkage.functions.get(name).copied();
                    let defined = target.filter(|&t| module.functions[t].body.is_some());
                    let Some(target) = defined else {
                        return Err(Refusal {
                            line: inst.line,
                            what: format!("call {name}"),
                            why: "no such function in the module".to_owned(),
                        });
                    };
                    if !found.contains(&target) {
                        found.push(target);
                    }
                }
                _ => {
                    for (target, function) in module.functions.iter().enumerate() {
                        let callable = function.body.is_some() && !function.is_entry;
                        if callable && !found.contains(&target) {
                            found.push(target);
                        }
                    }
                }
            }
        }
    }
    Ok(found)
}

/// Names of a module's functions and addresses of its variables in device memory.
impl Linkage {
    /// With the variables' addresses, which the caller has allocated.
    pub(crate) fn new(
        module: &Module,
        variables: HashMap<String, u64>,
        constants: Vec<(u64, u64)>,
    ) -> Self {
        let functions = module
            .functions
            .iter()
            .enumerate()
            .map(|(index, function)| (function.name.clone(), index))
            .collect();
        Self { functions, variables, constants }
    }
}
