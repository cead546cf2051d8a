//! Structs that may grow: each begins with its size, as the caller's header has it.

use std::mem::MaybeUninit;
use std::ptr;

use cosmoe::Error;

use crate::status::{Failure, Result};

/// A struct of the interface that may get more fields at its end in later versions. There, zero will mean
/// what callers got before the field existed.
///
/// # Safety
/// `#[repr(C)]`, with `struct_size: usize` first; every field is valid whatever its bits.
pub(crate) unsafe trait Growing: Copy {
    /// Its name in C.
    const NAME: &'static str;

    /// Its size in the first version that had it.
    const FIRST_SIZE: usize;
}

/// Structs beyond this size are not ours: the number is noise, as in one that was never filled.
const LARGEST: usize = 1 << 10;

/// A copy of the caller's struct; fields that it has not are zero.
///
/// # Safety
/// `from` is NULL, or readable for the bytes that it says it has.
pub(crate) unsafe fn read<T: Growing>(argument: &'static str, from: *const T) -> Result<T> {
    // SAFETY: as the caller vouches.
    let size = unsafe { size_of_struct(argument, from) }?;
    let known = size_of::<T>();
    // SAFETY: `size` bytes are readable.
    let beyond = (known..size).map(|at| unsafe { from.cast::<u8>().add(at).read() });
    if beyond.into_iter().any(|byte| byte != 0) {
        return Err(Error::Unsupported {
            argument,
            expected: format!("zeros behind the {known} bytes of {} that it knows", T::NAME),
            found: format!("a struct_size of {size} and other values there"),
        }
        .into());
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: both sides have as many bytes; the copy is a T whatever they are.
    unsafe {
        ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast(), size.min(known));
        Ok(value.assume_init())
    }
}

/// Fills the caller's struct as far as it goes, its size excepted; zeros beyond what we know.
///
/// # Safety
/// `to` is NULL, or readable and writable for the bytes that it says it has.
pub(crate) unsafe fn write<T: Growing>(argument: &'static str, to: *mut T, value: T) -> Result<()> {
    // SAFETY: as the caller vouches.
    let size = unsafe { size_of_struct(argument, to) }?;
    // SAFETY: as above.
    unsafe { fill(to, value, size) };
    Ok(())
}

/// Fills a struct of `size` bytes of any content, its size included.
///
/// # Safety
/// `to` is NULL, or writable for `size` bytes.
pub(crate) unsafe fn initialise<T: Growing>(
    argument: &'static str,
    to: *mut T,
    value: T,
    size: usize,
) -> Result<()> {
    check_pointer::<T>(argument, to)?;
    check_size::<T>(argument, size)?;
    // SAFETY: `size` bytes are writable, the first field among them.
    unsafe {
        to.cast::<usize>().write(size);
        fill(to, value, size);
    }
    Ok(())
}

/// # Safety
/// `to` is writable for `size` bytes, [`Growing::FIRST_SIZE`] at least.
unsafe fn fill<T: Growing>(to: *mut T, value: T, size: usize) {
    let known = size.min(size_of::<T>());
    let first = size_of::<usize>();
    // SAFETY: both sides have `known` bytes, and the caller's `size`.
    unsafe {
        let (from, to) = ((&raw const value).cast::<u8>(), to.cast::<u8>());
        ptr::copy_nonoverlapping(from.add(first), to.add(first), known - first);
        ptr::write_bytes(to.add(known), 0, size - known);
    }
}

/// # Safety
/// `of` is NULL or its first field is readable.
unsafe fn size_of_struct<T: Growing>(argument: &'static str, of: *const T) -> Result<usize> {
    check_pointer(argument, of)?;
    // SAFETY: the pointer is aligned, and its first field readable.
    let size = unsafe { of.cast::<usize>().read() };
    check_size::<T>(argument, size)?;
    Ok(size)
}

fn check_pointer<T: Growing>(argument: &'static str, of: *const T) -> Result<()> {
    if of.is_null() {
        return Err(Failure::invalid(argument, format!("a {}", T::NAME), "NULL"));
    }
    if !of.is_aligned() {
        let expected = format!("an address that is a multiple of {}", align_of::<T>());
        return Err(Failure::invalid(argument, expected, format!("{of:p}")));
    }
    Ok(())
}

fn check_size<T: Growing>(argument: &'static str, size: usize) -> Result<()> {
    if (T::FIRST_SIZE..=LARGEST).contains(&size) {
        return Ok(());
    }
    let expected = format!("a struct_size of sizeof({}), {} here", T::NAME, size_of::<T>());
    Err(Failure::invalid(argument, expected, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A struct in its first, its present and a later version.
    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq, Default)]
    struct Grown<const FIELDS: usize>
    where
        [u64; FIELDS]: Default,
    {
        struct_size: usize,
        fields: [u64; FIELDS],
    }

    type Present = Grown<2>;

    // SAFETY: repr(C), struct_size first, numbers only.
    unsafe impl Growing for Present {
        const NAME: &'static str = "grown";
        const FIRST_SIZE: usize = 16;
    }

    fn text<T: std::fmt::Debug>(result: Result<T>) -> String {
        match result {
            Err(Failure::Refused(error)) => error.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn callers_with_an_older_header_get_zeros() {
        // What lies behind the older struct is someone else's.
        let older = Grown::<2> { struct_size: 16, fields: [7, 99] };
        // SAFETY: the struct has more bytes than it says.
        let found = unsafe { read::<Present>("args", &raw const older) };
        assert_eq!(found.unwrap(), Grown { struct_size: 16, fields: [7, 0] });
    }

    #[test]
    fn callers_with_a_newer_header_get_what_there_is() {
        let mut newer = Grown::<4> { struct_size: 40, fields: [1, 2, 0, 0] };
        // SAFETY: the struct has the bytes that it says.
        let found = unsafe { read::<Present>("args", (&raw const newer).cast()) };
        assert_eq!(found.unwrap().fields, [1, 2]);
        newer.fields[3] = 1 << 56;
        // SAFETY: as above.
        let found = unsafe { read::<Present>("args", (&raw const newer).cast()) };
        let expected = "args: not supported by this backend: expected zeros behind the 24 bytes of \
                        grown that it knows, found a struct_size of 40 and other values there";
        assert_eq!(text(found), expected);
    }

    #[test]
    fn writing_stops_at_the_callers_size() {
        let value = Present { struct_size: 0, fields: [5, 6] };
        let mut older = Grown::<2> { struct_size: 16, fields: [1, 99] };
        // SAFETY: the struct has more bytes than it says.
        unsafe { write::<Present>("out", &raw mut older, value) }.unwrap();
        assert_eq!(older, Grown { struct_size: 16, fields: [5, 99] });
        let mut newer = Grown::<4> { struct_size: 40, fields: [9; 4] };
        // SAFETY: the struct has the bytes that it says.
        unsafe { write::<Present>("out", (&raw mut newer).cast(), value) }.unwrap();
        assert_eq!(newer, Grown { struct_size: 40, fields: [5, 6, 0, 0] });
    }

    #[test]
    fn any_content_can_be_initialised() {
        let value = Present { struct_size: 0, fields: [5, 6] };
        let mut new = Present { struct_size: 3, fields: [1, 1] };
        // SAFETY: the struct has as many bytes.
        unsafe { initialise("out", &raw mut new, value, 24) }.unwrap();
        assert_eq!(new, Grown { struct_size: 24, fields: [5, 6] });
    }

    #[test]
    fn what_is_no_such_struct() {
        // SAFETY: NULL is taken.
        let none = text(unsafe { read::<Present>("args", ptr::null()) });
        assert_eq!(none, "args: expected a grown, found NULL");
        let of_size = |struct_size| {
            let wrong = Present { struct_size, fields: [0; 2] };
            // SAFETY: such sizes are refused before anything behind them is read.
            text(unsafe { read::<Present>("args", &raw const wrong) })
        };
        let expected = "args: expected a struct_size of sizeof(grown), 24 here, found ";
        for size in [0, 15, LARGEST + 1, usize::MAX] {
            assert_eq!(of_size(size), format!("{expected}{size}"));
        }
        let place = Grown::<4>::default();
        let askew = (&raw const place).cast::<u8>().wrapping_add(4).cast::<Present>();
        // SAFETY: it is refused for its address.
        let found = text(unsafe { read::<Present>("args", askew) });
        assert!(found.starts_with("args: expected an address that is a multiple of 8, found 0x"));
    }
}
