//! Modules and their functions.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;

use super::handle::{Handle, Kind};
use super::limits::SHARED_DEFAULT;
use super::state::{State, find};
use super::status::{Code, Fault, Outcome, fault};
use crate::machine::{KernelInfo, ModuleId};

/// A loaded module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) context: Handle,
    pub(crate) id: ModuleId,
    functions: BTreeMap<String, Handle>,
}

/// A kernel of a module.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) context: Handle,
    pub(crate) module: Handle,
    pub(crate) id: ModuleId,
    pub(crate) name: Arc<str>,
    /// The name for C; where it points stays good as long as the module is loaded.
    pub(crate) c_name: CString,
    pub(crate) info: KernelInfo,
    /// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`.
    pub(crate) dynamic_shared: u32,
    /// `CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT`.
    carveout: i32,
}

impl State {
    /// Loads PTX text.
    pub(crate) fn load_module(&mut self, context: Handle, ptx: &str) -> Outcome<Handle> {
        self.forbid_unsafe_in_capture()?;
        let id = self.machine.load(ptx).map_err(|refusal| {
            let why = format!("PTX line {}: {}: {}", refusal.line, refusal.what, refusal.why);
            Fault { code: Code::INVALID_PTX, why: Some(why) }
        })?;
        let handle = self.handle(Kind::Module);
        self.modules.insert(handle, Module { context, id, functions: BTreeMap::new() });
        Ok(handle)
    }

    /// `cuModuleUnload`: its functions go with it.
    pub(crate) fn unload_module(&mut self, handle: Handle) -> Outcome {
        let id = find(&mut self.modules, Kind::Module, handle)?.id;
        self.forbid_unsafe_in_capture()?;
        self.modules.remove(&handle);
        self.functions.retain(|_, function| function.module != handle);
        self.machine.synchronize_all();
        self.machine.unload(id);
        Ok(())
    }

    /// `cuModuleGetFunction`: the same handle for the same name.
    pub(crate) fn get_function(&mut self, module: Handle, name: &str) -> Outcome<Handle> {
        let handle = self.handle(Kind::Function);
        let found = find(&mut self.modules, Kind::Module, module)?;
        if let Some(handle) = found.functions.get(name) {
            return Ok(*handle);
        }
        let (id, context) = (found.id, found.context);
        let Some(info) = self.machine.kernel(id, name) else {
            let all = self.machine.kernels(id).join(", ");
            return fault(Code::NOT_FOUND, format!("no kernel {name}; the module has {all}"));
        };
        let c_name = CString::new(name).map_err(|_| Fault::from(Code::NOT_FOUND))?;
        let function = Function {
            context,
            module,
            id,
            name: name.into(),
            c_name,
            dynamic_shared: SHARED_DEFAULT.saturating_sub(info.static_shared),
            info,
            carveout: -1,
        };
        self.functions.insert(handle, function);
        find(&mut self.modules, Kind::Module, module)?.functions.insert(name.to_owned(), handle);
        Ok(handle)
    }

    /// `cuModuleGetGlobal`.
    pub(crate) fn get_global(&mut self, module: Handle, name: &str) -> Outcome<(u64, u64)> {
        let id = find(&mut self.modules, Kind::Module, module)?.id;
        let found = self.machine.variable(id, name);
        found.ok_or_else(|| Fault {
            code: Code::NOT_FOUND,
            why: Some(format!("no variable {name}")),
        })
    }

    /// `cuFuncGetAttribute`.
    pub(crate) fn function_attribute(&mut self, handle: Handle, attribute: u32) -> Outcome<i32> {
        let (major, minor) = self.settings.config.capability;
        let function = find(&mut self.functions, Kind::Function, handle)?;
        let info = &function.info;
        Ok(match attribute {
            0 => info.max_threads as i32,
            1 => info.static_shared as i32,
            // Constants are variables of the module, and no cache mode is ever forced. There are
            // no clusters below capability 9.0.
            2 | 7 | 10..=15 => 0,
            3 => info.local as i32,
            4 => info.registers as i32,
            5 | 6 => (major * 10 + minor) as i32,
            8 => function.dynamic_shared as i32,
            9 => function.carveout,
            _ => return fault(Code::INVALID_VALUE, format!("function attribute {attribute}")),
        })
    }

    /// `cuFuncSetAttribute`.
    pub(crate) fn set_function_attribute(
        &mut self,
        handle: Handle,
        attribute: u32,
        value: i32,
    ) -> Outcome {
        let opt_in = self.shared_opt_in();
        let function = find(&mut self.functions, Kind::Function, handle)?;
        match (attribute, value) {
            (8, _) => {
                let fixed = function.info.static_shared;
                let most = opt_in.saturating_sub(fixed);
                match u32::try_from(value) {
                    Ok(bytes) if bytes <= most => function.dynamic_shared = bytes,
                    _ => {
                        let why = format!("{value} bytes of dynamic shared memory; at most {most}");
                        return fault(Code::INVALID_VALUE, why);
                    }
                }
            }
            (9, -1..=100) => function.carveout = value,
            _ => {
                let why = format!("function attribute {attribute} set to {value}");
                return fault(Code::INVALID_VALUE, why);
            }
        }
        Ok(())
    }
}
