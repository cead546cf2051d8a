//! A loaded module: its kernels' programs, its variables in device memory, its text for reports.

use std::collections::HashMap;

use crate::exec::lower::{self, Linkage};
use crate::exec::program::Program;
use crate::exec::windows::function_address;
use crate::ptx::ast::{self, InitValue, Refusal, Space};

/// A loaded module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) programs: Vec<Program>,
    /// Name, address, size.
    pub(crate) variables: Vec<(String, u64, u64)>,
    lines: Vec<String>,
    files: Vec<(u32, String)>,
}

/// A variable that needs device memory.
pub(crate) struct Needed<'a> {
    pub(crate) variable: &'a ast::Variable,
    pub(crate) bytes: u64,
}

/// The variables of a module that lie in device memory.
///
/// # Errors
/// One without a size: it is defined in another module.
pub(crate) fn needed(module: &ast::Module) -> Result<Vec<Needed<'_>>, Refusal> {
    let in_memory =
        module.variables.iter().filter(|v| matches!(v.space, Space::Global | Space::Const));
    in_memory
        .map(|variable| match (variable.size, variable.is_extern) {
            (Some(bytes), false) => Ok(Needed { variable, bytes: bytes.max(1) }),
            _ => Err(Refusal {
                line: variable.line,
                what: variable.name.clone(),
                why: "the variable is defined in another module, and modules are not linked"
                    .to_owned(),
            }),
        })
        .collect()
}

/// A variable's initial bytes.
///
/// # Errors
/// It holds the address of something that the module does not have.
pub(crate) fn initial(needed: &Needed<'_>, linkage: &Linkage) -> Result<Vec<u8>, Refusal> {
    let mut bytes = vec![0; needed.bytes as usize];
    for init in &needed.variable.init {
        let at = init.offset as usize;
        let value = match &init.value {
            InitValue::Bytes(value) => value.clone(),
            InitValue::Address { name, addend, .. } => {
                let address =
                    linkage.variables.get(name).copied().or_else(|| {
                        linkage.functions.get(name).map(|index| function_address(*index))
                    });
                let Some(address) = address else {
                    return Err(Refusal {
                        line: needed.variable.line,
                        what: needed.variable.name.clone(),
                        why: format!("it holds the address of `{name}`, which is not declared"),
                    });
                };
                address.wrapping_add(*addend as u64).to_le_bytes().to_vec()
            }
        };
        if let Some(place) = bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(&value);
        }
    }
    Ok(bytes)
}

impl Module {
    /// Lowers every entry.
    ///
    /// # Errors
    /// The first thing that is not implemented.
    pub(crate) fn new(
        text: &str,
        module: &ast::Module,
        linkage: &Linkage,
        variables: Vec<(String, u64, u64)>,
    ) -> Result<Self, Refusal> {
        let mut programs = Vec::new();
        for (index, function) in module.functions.iter().enumerate() {
            if function.is_entry && function.body.is_some() {
                programs.push(lower::kernel(module, linkage, index)?);
            }
        }
        let lines = text.lines().map(str::to_owned).collect();
        Ok(Self { programs, variables, lines, files: module.files.clone() })
    }

    pub(crate) fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|p| p.name == name)
    }

    /// The text of a line, without space around it.
    pub(crate) fn line(&self, line: u32) -> String {
        let index = (line as usize).checked_sub(1);
        index.and_then(|i| self.lines.get(i)).map_or(String::new(), |l| l.trim().to_owned())
    }

    /// `file.cu:12`
    pub(crate) fn source(&self, file: u32, line: u32) -> Option<String> {
        let (_, path) = self.files.iter().find(|(index, _)| *index == file)?;
        Some(format!("{path}:{line}"))
    }
}

/// Names of a module and where its variables lie.
pub(crate) fn linkage(module: &ast::Module, variables: &[(String, u64, u64)]) -> Linkage {
    let is_constant =
        |name: &str| module.variables.iter().any(|v| v.space == Space::Const && v.name == name);
    let constants = variables.iter().filter(|(name, ..)| is_constant(name));
    let constants = constants.map(|(_, start, bytes)| (*start, start + bytes)).collect();
    let addresses: HashMap<_, _> =
        variables.iter().map(|(name, address, _)| (name.clone(), *address)).collect();
    Linkage::new(module, addresses, constants)
}
