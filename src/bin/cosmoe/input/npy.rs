//! `.npy` files: one tensor, C order, little-endian.

use std::ops::Range;

use npyz::{NpyHeader, Order};
use safetensors::Dtype;

use super::TensorInfo;
use crate::error::Failure;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// What numpy itself accepts as a header.
const MAX_HEADER: usize = 10_000;

/// Element types by their name in a header.
pub(super) type Descrs = [(&'static str, Dtype)];

/// What tokens, experts, logits and ids are made of.
pub(super) const USED: &Descrs = &[("<f4", Dtype::F32), ("<f2", Dtype::F16), ("<i4", Dtype::I32)];

/// What can be listed.
pub(super) const LISTED: &Descrs = &[
    ("<f8", Dtype::F64),
    ("<f4", Dtype::F32),
    ("<f2", Dtype::F16),
    ("<i8", Dtype::I64),
    ("<i4", Dtype::I32),
    ("<i2", Dtype::I16),
    ("|i1", Dtype::I8),
    ("<u8", Dtype::U64),
    ("<u4", Dtype::U32),
    ("<u2", Dtype::U16),
    ("|u1", Dtype::U8),
    ("|b1", Dtype::BOOL),
];

/// Shape and place of the file's tensor, whose type is one of `descrs`.
pub(super) fn parse(bytes: &[u8], name: &str, descrs: &Descrs) -> Result<TensorInfo, Failure> {
    let text = header_text(bytes)
        .ok_or_else(|| Failure::input(name, "a .npy header", "one that is cut off or too long"))?;
    if !is_harmless(&bytes[text.clone()]) {
        return Err(Failure::input(name, "a .npy header of one array", "something else"));
    }
    let header = NpyHeader::from_reader(&bytes[..text.end])
        .map_err(|error| Failure::system(name, "a .npy header", &error))?;
    if header.order() != Order::C {
        return Err(Failure::input(name, "an array in C order", "Fortran order"));
    }
    let descr = header.dtype().descr();
    let known = descrs.iter().find(|(known, _)| *known == descr.trim_matches('\''));
    let &(_, dtype) = known.ok_or_else(|| Failure::input(name, expected(descrs), &descr))?;
    let shape: Option<Vec<usize>> =
        header.shape().iter().map(|&extent| usize::try_from(extent).ok()).collect();
    let sized = shape.and_then(|shape| {
        let elements = shape.iter().try_fold(1_usize, |n, &extent| n.checked_mul(extent))?;
        Some((shape, elements.checked_mul(dtype.bitsize() / 8)?))
    });
    let found = bytes.len() - text.end;
    match sized {
        Some((shape, size)) if size == found => {
            Ok(TensorInfo { dtype, shape, data: text.end..bytes.len() })
        }
        _ => {
            let expected = format!("the data of shape {:?}", header.shape());
            Err(Failure::input(name, expected, format_args!("{found} bytes")))
        }
    }
}

/// `dtype <f4, <f2 or <i4`
fn expected(descrs: &Descrs) -> String {
    let names: Vec<&str> = descrs.iter().map(|&(name, _)| name).collect();
    match names.split_last() {
        Some((last, others)) => format!("dtype {} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The bytes of the header's Python literal.
fn header_text(bytes: &[u8]) -> Option<Range<usize>> {
    let version = *bytes.get(MAGIC.len())?;
    let (start, len) = if version == 1 {
        let len = bytes.get(8..10)?.try_into().ok()?;
        (10, usize::from(u16::from_le_bytes(len)))
    } else {
        let len = bytes.get(8..12)?.try_into().ok()?;
        (12, usize::try_from(u32::from_le_bytes(len)).ok()?)
    };
    let end = start + len.min(MAX_HEADER + 1);
    (len <= MAX_HEADER && end <= bytes.len()).then_some(start..end)
}

/// The header's parser descends into brackets and multiplies extents without looking: refuses what
/// would take it too deep or too far. Every array of numbers passes.
fn is_harmless(text: &[u8]) -> bool {
    let mut product = 1_u64;
    let mut number = 0_u64;
    let mut depth = 0_usize;
    let mut quoted = false;
    for &byte in text {
        if byte.is_ascii_digit() && !quoted {
            let digit = u64::from(byte - b'0');
            match number.checked_mul(10).and_then(|n| n.checked_add(digit)) {
                Some(next) => number = next,
                None => return false,
            }
            continue;
        }
        match product.checked_mul(number.max(1)) {
            Some(next) => product = next,
            None => return false,
        }
        number = 0;
        match byte {
            b'\'' => quoted = !quoted,
            // Other ways to quote would only hide brackets from this scan.
            b'"' | b'\\' => return false,
            b'(' | b'[' | b'{' if !quoted => depth += 1,
            b')' | b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 4 {
            return false;
        }
    }
    true
}
