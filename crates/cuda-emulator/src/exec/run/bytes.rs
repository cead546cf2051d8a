//! Between bytes of memory and rows of registers.

use super::rows::set;
use super::step::At;
use crate::exec::program::Access;
use crate::registers::{LANES, Slot};

/// Little-endian value of 1 to 16 bytes that the caller has found to be inside.
#[inline(always)]
pub(super) fn read(data: &[u8], offset: usize, bytes: u32) -> u128 {
    match bytes {
        4 => u128::from(u32::from_le_bytes(array(data, offset))),
        8 => u128::from(u64::from_le_bytes(array(data, offset))),
        16 => u128::from_le_bytes(array(data, offset)),
        2 => u128::from(u16::from_le_bytes(array(data, offset))),
        _ => u128::from(data[offset]),
    }
}

/// The lane's 32-bit elements, from `offset` on.
#[inline(always)]
pub(super) fn words_at(
    data: &[u8],
    offset: usize,
    count: usize,
    lane: usize,
    words: &mut [[u32; LANES]; 4],
) {
    let bytes = &data[offset..offset + 4 * count];
    for (row, word) in words.iter_mut().zip(bytes.as_chunks().0) {
        row[lane] = u32::from_le_bytes(*word);
    }
}

#[inline(always)]
fn array<const N: usize>(data: &[u8], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&data[offset..offset + N]);
    bytes
}

/// Writes 1 to 16 bytes, little endian.
#[inline(always)]
pub(super) fn write(data: &mut [u8], offset: usize, bytes: u32, value: u128) {
    match bytes {
        4 => data[offset..offset + 4].copy_from_slice(&(value as u32).to_le_bytes()),
        8 => data[offset..offset + 8].copy_from_slice(&(value as u64).to_le_bytes()),
        16 => data[offset..offset + 16].copy_from_slice(&value.to_le_bytes()),
        2 => data[offset..offset + 2].copy_from_slice(&(value as u16).to_le_bytes()),
        _ => data[offset] = value as u8,
    }
}

/// Loaded bytes to the access's registers, extended to their width.
pub(super) fn spread(at: &mut At<'_>, access: &Access, values: &[u128; LANES], mask: u32) {
    let bits = access.bytes * 8;
    for (i, slot) in access.slots.iter().enumerate() {
        let shift = i as u32 * bits;
        let unused = 64 - bits;
        let width = 64 - access.width.clamp(8, 64);
        let row = values.map(|v| {
            let value = ((v >> shift) as u64) << unused;
            if access.signed {
                // Extended to the register's width, then kept zero-extended beyond it.
                (((value as i64) >> unused) as u64) << width >> width
            } else {
                value >> unused
            }
        });
        set(at.warp, *slot, &row, mask);
    }
}

/// The stored registers' bytes, one after the other.
pub(super) fn join(at: &At<'_>, access: &Access) -> [u128; LANES] {
    let bits = access.bytes * 8;
    let keep = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let mut values = [0u128; LANES];
    for (i, slot) in access.slots.iter().enumerate() {
        let shift = i as u32 * bits;
        match slot {
            Slot::B32(r) => {
                for (value, x) in values.iter_mut().zip(at.warp.registers.get32(*r)) {
                    *value |= u128::from(u64::from(*x) & keep) << shift;
                }
            }
            Slot::B64(r) => {
                for (value, x) in values.iter_mut().zip(at.warp.registers.get64(*r)) {
                    *value |= u128::from(*x & keep) << shift;
                }
            }
            Slot::Pred(_) => {}
        }
    }
    values
}
