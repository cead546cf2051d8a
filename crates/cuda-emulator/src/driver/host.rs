//! Page-locked host memory. The device cannot address it: kernels that read it directly are
//! reported, copies from and to it work.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::handle::Handle;
use super::status::{Code, Outcome, fault};

/// A range of page-locked memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pinned {
    pub(crate) bytes: usize,
    pub(crate) flags: u32,
    pub(crate) context: Handle,
    /// Made by `cuMemHostAlloc`, and not registered by its owner.
    allocated: bool,
}

static PINNED: Mutex<BTreeMap<usize, Pinned>> = Mutex::new(BTreeMap::new());

const PAGE: usize = 4096;

/// What is read before it is written shows: the bytes of a NaN.
const FILL: u8 = 0xFF;

fn table() -> MutexGuard<'static, BTreeMap<usize, Pinned>> {
    PINNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `cuMemHostAlloc`.
pub(crate) fn allocate(context: Handle, bytes: usize, flags: u32) -> Outcome<usize> {
    if bytes == 0 || flags & !7 != 0 {
        return fault(Code::INVALID_VALUE, format!("{bytes} bytes with flags {flags:#x}"));
    }
    let Ok(layout) = Layout::from_size_align(bytes, PAGE) else {
        return Err(Code::OUT_OF_MEMORY.into());
    };
    // SAFETY: the layout's size is not 0.
    let address = unsafe { alloc(layout) };
    if address.is_null() {
        return Err(Code::OUT_OF_MEMORY.into());
    }
    // SAFETY: the allocation is `bytes` long and nobody else knows it yet.
    unsafe { address.write_bytes(FILL, bytes) };
    table().insert(address as usize, Pinned { bytes, flags, context, allocated: true });
    Ok(address as usize)
}

/// `cuMemFreeHost`.
pub(crate) fn free(address: usize) -> Outcome {
    let mut table = table();
    let Some(pinned) = table.get(&address).copied().filter(|pinned| pinned.allocated) else {
        return fault(Code::INVALID_VALUE, format!("{address:#x} is not from cuMemHostAlloc"));
    };
    let Ok(layout) = Layout::from_size_align(pinned.bytes, PAGE) else {
        return Err(Code::UNKNOWN.into());
    };
    table.remove(&address);
    // SAFETY: the table says that `allocate` made it with this layout, and it is freed once, as it
    // has just left the table.
    unsafe { dealloc(address as *mut u8, layout) };
    Ok(())
}

/// `cuMemHostRegister`.
pub(crate) fn register(context: Handle, address: usize, bytes: usize, flags: u32) -> Outcome {
    let Some(end) = address.checked_add(bytes).filter(|_| address != 0 && bytes != 0) else {
        return fault(Code::INVALID_VALUE, format!("{bytes} bytes at {address:#x}"));
    };
    let mut table = table();
    let before = table.range(..end).next_back();
    if before.is_some_and(|(start, pinned)| start + pinned.bytes > address) {
        return Err(Code::HOST_MEMORY_ALREADY_REGISTERED.into());
    }
    table.insert(address, Pinned { bytes, flags, context, allocated: false });
    Ok(())
}

/// `cuMemHostUnregister`.
pub(crate) fn unregister(address: usize) -> Outcome {
    let mut table = table();
    if table.get(&address).is_none_or(|pinned| pinned.allocated) {
        return Err(Code::HOST_MEMORY_NOT_REGISTERED.into());
    }
    table.remove(&address);
    Ok(())
}

/// The page-locked range that holds an address, with its start.
pub(crate) fn find(address: usize) -> Option<(usize, Pinned)> {
    let table = table();
    let (start, pinned) = table.range(..=address).next_back()?;
    (address - start < pinned.bytes).then_some((*start, *pinned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_registered_once_and_freed_by_their_kind() {
        let context = Handle::NULL;
        let address = allocate(context, 100, 0).expect("100 bytes");
        assert_eq!(find(address + 99).map(|found| found.0), Some(address));
        assert!(find(address + 100).is_none_or(|found| found.0 != address));
        assert!(unregister(address).is_err());
        assert!(register(context, address + 50, 10, 0).is_err());
        assert!(free(address + 1).is_err());
        assert!(free(address).is_ok());
        assert!(free(address).is_err());

        let own = [0u8; 64];
        let address = own.as_ptr() as usize;
        assert!(register(context, address, 64, 0).is_ok());
        assert!(register(context, address, 64, 0).is_err());
        assert!(free(address).is_err());
        assert!(unregister(address).is_ok());
        assert!(unregister(address).is_err());
    }
}
