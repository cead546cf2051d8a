//! Handles: what C holds of our values.
//!
//! A handle is a pointer to a box with a tag in front, so that one of another kind is told apart. Using one
//! after it was freed is undefined. Builds with debug assertions find it out: they keep a list of the
//! handles that are alive, and never give the memory of a freed one back, so that no address comes twice.

use std::ptr;

use crate::status::{Failure, Result};

/// A value behind a handle.
pub(crate) trait Handle: Sized {
    /// Its name in C.
    const NAME: &'static str;

    /// What the tag in front of such a value says.
    const TAG: u64;
}

/// What a handle points to, though C and our signatures know it as a pointer to the value.
#[repr(C)]
struct Tagged<T> {
    tag: u64,
    value: T,
}

/// Gives the caller a handle of a value.
///
/// # Safety
/// `out` is NULL or writable.
pub(crate) unsafe fn give<T: Handle>(out: *mut *mut T, value: T) -> Result<()> {
    check_out(out)?;
    let raw = Box::into_raw(Box::new(Tagged { tag: T::TAG, value }));
    #[cfg(debug_assertions)]
    alive::add(raw.addr());
    // SAFETY: the pointer is aligned and writable.
    unsafe { out.write(raw.cast()) };
    Ok(())
}

/// That a new handle has somewhere to go: to be asked before it is made.
pub(crate) fn check_out<T: Handle>(out: *mut *mut T) -> Result<()> {
    let expected = || format!("where to put a {} *", T::NAME);
    if out.is_null() {
        return Err(Failure::invalid("out", expected(), "NULL"));
    }
    if !out.is_aligned() {
        return Err(Failure::invalid("out", expected(), format!("an unaligned address, {out:p}")));
    }
    Ok(())
}

/// The value of a handle.
///
/// # Safety
/// The handle is NULL, or alive for as long as the result is used.
pub(crate) unsafe fn value<'a, T: Handle>(argument: &'static str, of: *const T) -> Result<&'a T> {
    let expected = || format!("a {}", T::NAME);
    if of.is_null() {
        return Err(Failure::invalid(argument, expected(), "NULL"));
    }
    let other = || Failure::invalid(argument, expected(), format!("another value, at {of:p}"));
    let of = of.cast::<Tagged<T>>();
    if !of.is_aligned() {
        return Err(other());
    }
    #[cfg(debug_assertions)]
    alive::check(argument, of.addr(), T::NAME)?;
    // Every kind of handle begins with a tag, which is all that is read of one of another kind.
    // SAFETY: the address is aligned, and that of a handle that is alive.
    if unsafe { of.cast::<u64>().read() } != T::TAG {
        return Err(other());
    }
    // SAFETY: the tag is that of a T, which `give` has put there.
    Ok(unsafe { &(*of).value })
}

/// Ends the life of a handle; NULL is none.
///
/// # Safety
/// The handle is NULL, or alive, and nothing uses it now or later.
pub(crate) unsafe fn free<T: Handle>(argument: &'static str, handle: *mut T) -> Result<()> {
    if handle.is_null() {
        return Ok(());
    }
    // SAFETY: as the caller vouches.
    unsafe { value(argument, handle) }?;
    let handle = handle.cast::<Tagged<T>>();
    #[cfg(debug_assertions)]
    {
        alive::remove(handle.addr());
        // SAFETY: a value of ours that nothing uses; its memory stays taken.
        unsafe { ptr::drop_in_place(handle) };
    }
    #[cfg(not(debug_assertions))]
    {
        // A handle that is used again is then likely to be found out here, too.
        // SAFETY: the tag is the first field, and a number.
        unsafe { ptr::write_volatile(handle.cast::<u64>(), 0) };
        // SAFETY: `give` has made it from a box, and nothing uses it.
        drop(unsafe { Box::from_raw(handle) });
    }
    Ok(())
}

#[cfg(debug_assertions)]
mod alive {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use crate::status::{Failure, Result};

    static ADDRESSES: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

    fn addresses() -> MutexGuard<'static, BTreeSet<usize>> {
        // Nothing panics while the list is being changed.
        ADDRESSES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(address: usize) {
        addresses().insert(address);
    }

    pub(super) fn remove(address: usize) {
        addresses().remove(&address);
    }

    pub(super) fn check(argument: &'static str, address: usize, name: &str) -> Result<()> {
        if addresses().contains(&address) {
            return Ok(());
        }
        let found = format!("one that was freed, or is none, at {address:#x}");
        Err(Failure::invalid(argument, format!("a {name} that is alive"), found))
    }
}
