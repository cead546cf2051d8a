//! Where the state spaces lie in the generic address space.

use crate::memory::BASE as GLOBAL_BASE;

/// Generic addresses of shared memory: this plus the offset in the block's shared memory.
pub(crate) const SHARED: u64 = 0x1_0000_0000;
/// Generic addresses of local memory: this plus the offset in the thread's local memory.
pub(crate) const LOCAL: u64 = 0x2_0000_0000;
/// Addresses of the entry's parameters.
pub(crate) const PARAM: u64 = 0x3_0000_0000;
/// Addresses of functions: this plus 16 times their index in the module.
pub(crate) const FUNCTION: u64 = 0x4_0000_0000;
/// Size of each of these windows.
pub(crate) const SIZE: u64 = 0x1_0000_0000;

const _: () = assert!(FUNCTION + SIZE <= GLOBAL_BASE, "the windows lie below device memory");

/// The address of function `index` of a module.
pub(crate) fn function_address(index: usize) -> u64 {
    FUNCTION + 16 * index as u64
}

/// The function at an address.
pub(crate) fn function_at(address: u64) -> Option<usize> {
    let offset = address.checked_sub(FUNCTION)?;
    (offset < SIZE && offset % 16 == 0).then_some((offset / 16) as usize)
}
