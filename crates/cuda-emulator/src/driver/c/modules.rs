//! Modules.

use std::ffi::{c_char, c_uint, c_void};

use super::{Out, copy_text, give, list, put, string};
use crate::driver::handle::{Handle, Kind};
use crate::driver::image;
use crate::driver::library::{at_handle, call, in_context, with_context};
use crate::driver::state::{State, find};
use crate::driver::status::{Code, Fault, Outcome, fault};

/// Loads an image in the current context.
///
/// # Safety
/// As CUDA says of images.
unsafe fn load(module: Out<'_, Handle>, data: *const c_void) -> Outcome {
    with_context(|state, context| {
        let capability = state.settings.config.capability;
        // SAFETY: as the caller promised.
        let ptx = unsafe { image::ptx(data, capability) }?;
        put(module, state.load_module(context, &ptx)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleLoadData(
    module: Out<'_, Handle>,
    data: *const c_void,
) -> i32 {
    // SAFETY: the same contract.
    call("cuModuleLoadData", || unsafe { load(module, data) })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleLoadFatBinary(
    module: Out<'_, Handle>,
    data: *const c_void,
) -> i32 {
    // SAFETY: the same contract.
    call("cuModuleLoadFatBinary", || unsafe { load(module, data) })
}

/// Of the options the two logs are filled; the others are compilation hints and change nothing.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleLoadDataEx(
    module: Out<'_, Handle>,
    data: *const c_void,
    count: c_uint,
    options: *const c_uint,
    values: *mut *mut c_void,
) -> i32 {
    call("cuModuleLoadDataEx", || {
        let n = count as usize;
        // SAFETY: the caller's arrays have `count` elements.
        let options = unsafe { list(options, n) }?;
        // SAFETY: the same.
        let given = unsafe { list(values.cast_const(), n) }?.to_vec();
        // SAFETY: the same contract.
        let result = unsafe { load(module, data) };
        let error = match &result {
            Err(Fault { why: Some(why), .. }) => why.as_str(),
            _ => "",
        };
        for (buffer_option, size_option, text) in [(3, 4, ""), (5, 6, error)] {
            let at = |option| options.iter().position(|o| *o == option);
            let (Some(buffer), Some(size)) = (at(buffer_option), at(size_option)) else {
                continue;
            };
            // The size is in the value itself, and so is what was written.
            let length = given[size] as usize as u32 as usize;
            // SAFETY: the caller's buffer has as many bytes as the size option says, and the array
            // of values has that element.
            unsafe {
                copy_text(text, given[buffer].cast(), length);
                let written = if length == 0 { 0 } else { text.len().min(length - 1) };
                values.add(size).write(written as *mut c_void);
            }
        }
        result
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleLoad(module: Out<'_, Handle>, path: *const c_char) -> i32 {
    call("cuModuleLoad", || {
        // SAFETY: the caller's string ends with a zero.
        let path = unsafe { string(path) }?;
        let bytes = std::fs::read(&path).or_else(|error| {
            fault(Code::FILE_NOT_FOUND, format!("{path} cannot be read: {error}"))
        })?;
        with_context(|state, context| {
            let capability = state.settings.config.capability;
            let ptx = image::choose(&bytes, capability)?;
            put(module, state.load_module(context, &ptx)?)
        })
    })
}

/// A call on a module, in the context that it belongs to.
fn at_module<T>(module: Handle, body: impl FnOnce(&mut State, Handle) -> Outcome<T>) -> Outcome<T> {
    let owner = |state: &mut State| Ok(find(&mut state.modules, Kind::Module, module)?.context);
    at_handle(Kind::Module, module, owner, body)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleUnload(module: Handle) -> i32 {
    call("cuModuleUnload", || at_module(module, |state, _| state.unload_module(module)))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleGetFunction(
    function: Out<'_, Handle>,
    module: Handle,
    name: *const c_char,
) -> i32 {
    call("cuModuleGetFunction", || {
        // SAFETY: the caller's string ends with a zero.
        let name = unsafe { string(name) }?;
        at_module(module, |state, _| put(function, state.get_function(module, &name)?))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleGetFunctionCount(
    count: Out<'_, c_uint>,
    module: Handle,
) -> i32 {
    call("cuModuleGetFunctionCount", || {
        at_module(module, |state, _| {
            let id = find(&mut state.modules, Kind::Module, module)?.id;
            put(count, state.machine.kernels(id).len() as c_uint)
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleEnumerateFunctions(
    functions: *mut Handle,
    count: c_uint,
    module: Handle,
) -> i32 {
    call("cuModuleEnumerateFunctions", || {
        if functions.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        at_module(module, |state, _| {
            let id = find(&mut state.modules, Kind::Module, module)?.id;
            let names = state.machine.kernels(id);
            for (i, name) in names.iter().take(count as usize).enumerate() {
                let handle = state.get_function(module, name)?;
                // SAFETY: the caller's array has `count` elements.
                unsafe { functions.add(i).write(handle) };
            }
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleGetGlobal_v2(
    address: Out<'_, u64>,
    bytes: Out<'_, usize>,
    module: Handle,
    name: *const c_char,
) -> i32 {
    call("cuModuleGetGlobal_v2", || {
        // SAFETY: the caller's string ends with a zero.
        let name = unsafe { string(name) }?;
        at_module(module, |state, _| {
            let (start, size) = state.get_global(module, &name)?;
            give(address, start);
            give(bytes, size as usize);
            Ok(())
        })
    })
}

/// Modules are loaded when they are asked for.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuModuleGetLoadingMode(mode: Out<'_, c_uint>) -> i32 {
    call("cuModuleGetLoadingMode", || put(mode, 1))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncGetModule(module: Out<'_, Handle>, function: Handle) -> i32 {
    in_context("cuFuncGetModule", |state, _| {
        put(module, find(&mut state.functions, Kind::Function, function)?.module)
    })
}
