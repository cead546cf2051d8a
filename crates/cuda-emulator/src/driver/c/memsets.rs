//! Memsets. A call without a stream is work of the legacy default stream, and the host does not wait
//! for it.

use crate::driver::copy::Fill;
use crate::driver::handle::Handle;
use crate::driver::library::in_context;
use crate::driver::operation::Operation;

/// A memset, on a stream or, without one, on the legacy default stream.
fn set(name: &str, fill: Fill, stream: Option<Handle>) -> i32 {
    in_context(name, |state, context| {
        if stream.is_none() {
            state.forbid_unsafe_in_capture()?;
        }
        let stream = state.stream(context, stream.unwrap_or(Handle::LEGACY))?;
        if fill.is_empty() {
            return Ok(());
        }
        state.check_fill(&fill)?;
        state.submit(stream, Operation::Fill(fill)).map(|_| ())
    })
}

/// A memset of one row.
fn flat(to: u64, pattern: &[u8], count: usize) -> Fill {
    let bytes = (count as u64).wrapping_mul(pattern.len() as u64);
    Fill::new(to, pattern, count as u64, 1, bytes)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD8_v2(to: u64, value: u8, count: usize) -> i32 {
    set("cuMemsetD8_v2", flat(to, &[value], count), None)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD16_v2(to: u64, value: u16, count: usize) -> i32 {
    set("cuMemsetD16_v2", flat(to, &value.to_le_bytes(), count), None)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD32_v2(to: u64, value: u32, count: usize) -> i32 {
    set("cuMemsetD32_v2", flat(to, &value.to_le_bytes(), count), None)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD8Async(
    to: u64,
    value: u8,
    count: usize,
    stream: Handle,
) -> i32 {
    set("cuMemsetD8Async", flat(to, &[value], count), Some(stream))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD16Async(
    to: u64,
    value: u16,
    count: usize,
    stream: Handle,
) -> i32 {
    set("cuMemsetD16Async", flat(to, &value.to_le_bytes(), count), Some(stream))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD32Async(
    to: u64,
    value: u32,
    count: usize,
    stream: Handle,
) -> i32 {
    set("cuMemsetD32Async", flat(to, &value.to_le_bytes(), count), Some(stream))
}

/// A memset of rows.
fn rows(to: u64, pitch: usize, pattern: &[u8], width: usize, height: usize) -> Fill {
    Fill::new(to, pattern, width as u64, height as u64, pitch as u64)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD2D8_v2(
    to: u64,
    pitch: usize,
    value: u8,
    w: usize,
    h: usize,
) -> i32 {
    set("cuMemsetD2D8_v2", rows(to, pitch, &[value], w, h), None)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD2D16_v2(
    to: u64,
    pitch: usize,
    value: u16,
    w: usize,
    h: usize,
) -> i32 {
    set("cuMemsetD2D16_v2", rows(to, pitch, &value.to_le_bytes(), w, h), None)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD2D32_v2(
    to: u64,
    pitch: usize,
    value: u32,
    w: usize,
    h: usize,
) -> i32 {
    set("cuMemsetD2D32_v2", rows(to, pitch, &value.to_le_bytes(), w, h), None)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD2D8Async(
    to: u64,
    pitch: usize,
    value: u8,
    width: usize,
    height: usize,
    stream: Handle,
) -> i32 {
    set("cuMemsetD2D8Async", rows(to, pitch, &[value], width, height), Some(stream))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD2D16Async(
    to: u64,
    pitch: usize,
    value: u16,
    width: usize,
    height: usize,
    stream: Handle,
) -> i32 {
    let fill = rows(to, pitch, &value.to_le_bytes(), width, height);
    set("cuMemsetD2D16Async", fill, Some(stream))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuMemsetD2D32Async(
    to: u64,
    pitch: usize,
    value: u32,
    width: usize,
    height: usize,
    stream: Handle,
) -> i32 {
    let fill = rows(to, pitch, &value.to_le_bytes(), width, height);
    set("cuMemsetD2D32Async", fill, Some(stream))
}
