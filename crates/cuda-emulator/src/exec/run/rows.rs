//! Rows of registers: by slot of any width, and lanes grouped by what a row holds.

use super::lanes;
use super::warp::Warp;
use crate::registers::{LANES, Slot};

/// Lanes of `mask` grouped by equal member masks: (lanes, members).
pub(super) fn groups(members: &[u32; LANES], mask: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let value = members[rest.trailing_zeros() as usize];
        let group = lanes(rest).filter(|l| members[*l] == value).fold(0, |m, l| m | 1 << l);
        rest &= !group;
        Some((group, value))
    })
}

/// A row of either width as 64-bit values.
pub(super) fn get(warp: &Warp, slot: Slot) -> [u64; LANES] {
    match slot {
        Slot::B32(r) => warp.registers.get32(r).map(u64::from),
        Slot::B64(r) => *warp.registers.get64(r),
        Slot::Pred(p) => {
            let bits = warp.registers.pred(p);
            std::array::from_fn(|lane| u64::from(bits >> lane & 1))
        }
    }
}

/// Writes a row of either width from 64-bit values.
pub(super) fn set(warp: &mut Warp, slot: Slot, values: &[u64; LANES], mask: u32) {
    match slot {
        Slot::B32(r) => warp.registers.set32(r, &values.map(|v| v as u32), mask),
        Slot::B64(r) => warp.registers.set64(r, values, mask),
        Slot::Pred(p) => {
            let bits = values.iter().enumerate().fold(0, |m, (l, v)| m | (*v as u32 & 1) << l);
            warp.registers.set_pred(p, bits, mask);
        }
    }
}
