//! Functions: attributes, parameters, occupancy.

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::{Out, give, put};
use crate::driver::handle::{Handle, Kind};
use crate::driver::library::{call, in_context, with_context};
use crate::driver::limits::BLOCK_THREADS;
use crate::driver::state::{State, find};
use crate::driver::status::{Code, Outcome, fault};

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncGetAttribute(
    value: Out<'_, c_int>,
    attribute: c_uint,
    function: Handle,
) -> i32 {
    in_context("cuFuncGetAttribute", |state, _| {
        put(value, state.function_attribute(function, attribute)?)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncSetAttribute(
    function: Handle,
    attribute: c_uint,
    value: c_int,
) -> i32 {
    in_context("cuFuncSetAttribute", |state, _| {
        state.set_function_attribute(function, attribute, value)
    })
}

/// A hint; the emulated device has no cache.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncSetCacheConfig(function: Handle, config: c_uint) -> i32 {
    in_context("cuFuncSetCacheConfig", |state, _| {
        find(&mut state.functions, Kind::Function, function)?;
        match config {
            0..=3 => Ok(()),
            _ => fault(Code::INVALID_VALUE, format!("cache configuration {config}")),
        }
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncGetName(
    name: Out<'_, *const c_char>,
    function: Handle,
) -> i32 {
    in_context("cuFuncGetName", |state, _| {
        put(name, find(&mut state.functions, Kind::Function, function)?.c_name.as_ptr())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncGetParamInfo(
    function: Handle,
    index: usize,
    offset: Out<'_, usize>,
    size: Out<'_, usize>,
) -> i32 {
    in_context("cuFuncGetParamInfo", |state, _| {
        let info = &find(&mut state.functions, Kind::Function, function)?.info;
        let Some((start, bytes)) = info.params.get(index) else {
            let count = info.params.len();
            return fault(Code::INVALID_VALUE, format!("parameter {index} of {count}"));
        };
        put(offset, *start as usize)?;
        give(size, *bytes as usize);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncGetParamCount(
    function: Handle,
    count: Out<'_, usize>,
) -> i32 {
    in_context("cuFuncGetParamCount", |state, _| {
        put(count, find(&mut state.functions, Kind::Function, function)?.info.params.len())
    })
}

/// Always: a function is there as soon as its module is.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncIsLoaded(loaded: Out<'_, c_uint>, function: Handle) -> i32 {
    in_context("cuFuncIsLoaded", |state, _| {
        find(&mut state.functions, Kind::Function, function)?;
        put(loaded, 1)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuFuncLoad(function: Handle) -> i32 {
    in_context("cuFuncLoad", |state, _| {
        find(&mut state.functions, Kind::Function, function).map(|_| ())
    })
}

/// Blocks of a function that one multiprocessor holds.
fn blocks(state: &mut State, function: Handle, threads: u32, shared: usize) -> Outcome<u32> {
    let found = find(&mut state.functions, Kind::Function, function)?;
    let (id, name, most) = (found.id, found.name.clone(), found.info.max_threads);
    let fixed = found.info.static_shared as usize;
    let fits = shared.saturating_add(fixed) <= state.shared_opt_in() as usize;
    if threads == 0 || threads > most || !fits {
        return Ok(0);
    }
    Ok(state.machine.occupancy(id, &name, threads, shared as u32).unwrap_or(0))
}

fn occupancy(
    count: Out<'_, c_int>,
    function: Handle,
    threads: c_int,
    shared: usize,
    flags: c_uint,
) -> Outcome {
    if threads <= 0 || flags & !1 != 0 {
        let why = format!("{threads} threads a block, flags {flags:#x}");
        return fault(Code::INVALID_VALUE, why);
    }
    with_context(|state, _| put(count, blocks(state, function, threads as u32, shared)? as c_int))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    count: Out<'_, c_int>,
    function: Handle,
    threads: c_int,
    shared: usize,
) -> i32 {
    call("cuOccupancyMaxActiveBlocksPerMultiprocessor", || {
        occupancy(count, function, threads, shared, 0)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    count: Out<'_, c_int>,
    function: Handle,
    threads: c_int,
    shared: usize,
    flags: c_uint,
) -> i32 {
    call("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", || {
        occupancy(count, function, threads, shared, flags)
    })
}

/// `CUoccupancyB2DSize`: dynamic shared memory by block size.
pub(super) type SharedOf = Option<unsafe extern "C" fn(c_int) -> usize>;

/// The block size that fills a multiprocessor best, the larger of equals.
fn best_block(
    grid: Out<'_, c_int>,
    block: Out<'_, c_int>,
    function: Handle,
    shared_of: SharedOf,
    shared: usize,
    limit: c_int,
) -> Outcome {
    let (most, count) = with_context(|state, _| {
        let most = find(&mut state.functions, Kind::Function, function)?.info.max_threads;
        Ok((most, state.settings.config.multiprocessors))
    })?;
    let limit = if limit <= 0 { BLOCK_THREADS } else { limit as u32 };
    let most = limit.min(most);
    let mut best = (0, 0, 0);
    // Whole warps, and the limit itself.
    let sizes = (1..most.div_ceil(32)).map(|warps| warps * 32).chain([most]);
    for threads in sizes {
        let shared = match shared_of {
            // SAFETY: the caller's function takes every block size; no lock is held.
            Some(shared_of) => unsafe { shared_of(threads as c_int) },
            None => shared,
        };
        let resident = with_context(|state, _| blocks(state, function, threads, shared))?;
        if resident * threads >= best.0 && resident > 0 {
            best = (resident * threads, threads, resident);
        }
    }
    if best.0 == 0 {
        return fault(Code::INVALID_VALUE, "no block size fits");
    }
    put(grid, (best.2 * count) as c_int)?;
    put(block, best.1 as c_int)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuOccupancyMaxPotentialBlockSize(
    grid: Out<'_, c_int>,
    block: Out<'_, c_int>,
    function: Handle,
    shared_of: SharedOf,
    shared: usize,
    limit: c_int,
) -> i32 {
    call("cuOccupancyMaxPotentialBlockSize", || {
        best_block(grid, block, function, shared_of, shared, limit)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuOccupancyMaxPotentialBlockSizeWithFlags(
    grid: Out<'_, c_int>,
    block: Out<'_, c_int>,
    function: Handle,
    shared_of: SharedOf,
    shared: usize,
    limit: c_int,
    flags: c_uint,
) -> i32 {
    call("cuOccupancyMaxPotentialBlockSizeWithFlags", || match flags {
        0 | 1 => best_block(grid, block, function, shared_of, shared, limit),
        _ => fault(Code::INVALID_VALUE, format!("flags {flags:#x}")),
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuOccupancyAvailableDynamicSMemPerBlock(
    bytes: Out<'_, usize>,
    function: Handle,
    blocks: c_int,
    threads: c_int,
) -> i32 {
    in_context("cuOccupancyAvailableDynamicSMemPerBlock", |state, _| {
        let limits = state.settings.config.limits();
        let opt_in = state.shared_opt_in();
        let info = &find(&mut state.functions, Kind::Function, function)?.info;
        let wanted = (u32::try_from(blocks), u32::try_from(threads));
        let (Ok(blocks @ 1..), Ok(threads @ 1..)) = wanted else {
            return fault(Code::INVALID_VALUE, format!("{blocks} blocks of {threads} threads"));
        };
        let fits = blocks <= limits.blocks
            && threads <= info.max_threads
            && blocks * threads <= limits.threads_per_multiprocessor;
        let each = limits.shared_per_multiprocessor / blocks;
        let each = each.saturating_sub(limits.reserved).min(opt_in);
        let free = each.saturating_sub(info.static_shared);
        put(bytes, if fits { free as usize } else { 0 })
    })
}

/// There are no clusters below capability 9.0, and none are emulated above it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuOccupancyMaxActiveClusters(
    _count: Out<'_, c_int>,
    _function: Handle,
    _config: *const c_void,
) -> i32 {
    in_context("cuOccupancyMaxActiveClusters", |_, _| {
        fault(Code::NOT_SUPPORTED, "clusters are not emulated")
    })
}

/// There are none.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuOccupancyMaxPotentialClusterSize(
    _size: Out<'_, c_int>,
    _function: Handle,
    _config: *const c_void,
) -> i32 {
    in_context("cuOccupancyMaxPotentialClusterSize", |_, _| {
        fault(Code::NOT_SUPPORTED, "clusters are not emulated")
    })
}
