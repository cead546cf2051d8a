//! The exported functions, by CUDA's own groups. Their contracts are those of CUDA's driver API;
//! what differs is said at each.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

use super::status::{Code, Outcome, fault};

mod contexts;
mod copies;
mod devices;
mod errors;
mod events;
mod extension;
mod functions;
mod graph_nodes;
mod graphs;
mod launches;
mod memory;
mod memsets;
mod modules;
mod pools;
mod streams;
mod symbols;
mod unsupported;

/// Where a result goes: a pointer from C that may be null and is otherwise good to write.
type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// Writes a result that must be asked for.
fn put<T>(out: Out<'_, T>, value: T) -> Outcome {
    match out {
        Some(place) => {
            place.write(value);
            Ok(())
        }
        None => fault(Code::INVALID_VALUE, "a result pointer is null"),
    }
}

/// Writes a result that may be left unasked.
fn give<T>(out: Out<'_, T>, value: T) {
    if let Some(place) = out {
        place.write(value);
    }
}

/// A struct that must be there.
fn given<T>(value: Option<T>) -> Outcome<T> {
    match value {
        Some(value) => Ok(value),
        None => fault(Code::INVALID_VALUE, "an argument is null"),
    }
}

/// A string from C.
///
/// # Safety
/// `text` is null or ends with a zero.
unsafe fn string(text: *const c_char) -> Outcome<String> {
    if text.is_null() {
        return fault(Code::INVALID_VALUE, "a string is null");
    }
    // SAFETY: not null, so it ends with a zero.
    match unsafe { CStr::from_ptr(text) }.to_str() {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => fault(Code::INVALID_VALUE, "a string is not UTF-8"),
    }
}

/// Copies text to a buffer of C, cut to its length, always with an end.
///
/// # Safety
/// `buffer` is null or good for `length` bytes.
unsafe fn copy_text(text: &str, buffer: *mut c_char, length: usize) {
    if buffer.is_null() || length == 0 {
        return;
    }
    let n = text.len().min(length - 1);
    // SAFETY: n + 1 <= length bytes are good to write, and the text is not the buffer.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), n);
        buffer.add(n).write(0);
    }
}

/// The elements of an array of C, or none where it is null.
///
/// # Safety
/// `array` is null or good for `length` elements.
unsafe fn list<'a, T>(array: *const T, length: usize) -> Outcome<&'a [T]> {
    match (array.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => fault(Code::INVALID_VALUE, "an array is null"),
        // SAFETY: not null, so good for `length` elements.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(array, length) }),
    }
}

/// Sizes of CUDA 13's structs on 64-bit systems, which these copy.
const _: () = {
    assert!(size_of::<copies::Copy2d>() == 128);
    assert!(size_of::<graph_nodes::FillNode>() == 40);
    assert!(size_of::<graph_nodes::HostNode>() == 16);
    assert!(size_of::<graph_nodes::KernelNode>() == 56);
    assert!(size_of::<graph_nodes::KernelNode2>() == 72);
    assert!(size_of::<graphs::InstantiateParams>() == 32);
    assert!(size_of::<graphs::UpdateResult>() == 24);
    assert!(size_of::<launches::Attribute>() == 72);
    assert!(size_of::<launches::Config>() == 56);
    assert!(size_of::<pools::Props>() == 88);
};
