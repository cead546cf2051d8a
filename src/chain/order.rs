//! The total order of selection.

/// The key by which selection orders experts (and groups): the greater key comes first, and keys of
/// different indices are never equal, so no index can be selected twice.
///
/// Higher `u` first; -0.0 equals +0.0; NaN ranks below -infinity; equal `u`: lower index first.
///
/// ```
/// use cosmoe::chain::rank_key;
/// assert!(rank_key(1.0, 7) > rank_key(0.5, 0));
/// assert!(rank_key(-0.0, 3) > rank_key(0.0, 4));
/// assert!(rank_key(f32::NEG_INFINITY, 9) > rank_key(f32::NAN, 0));
/// ```
#[inline(always)]
#[must_use]
pub fn rank_key(u: f32, index: u32) -> u64 {
    u64::from(rank(u)) << 32 | u64::from(!index)
}

/// The index of a key.
#[inline(always)]
pub(super) fn index_of(key: u64) -> u32 {
    !(key as u32)
}

/// The value of a rank: NaN of 0, +0.0 of either zero's.
#[inline(always)]
pub(super) fn value_of(rank: u32) -> f32 {
    let flip = if rank >> 31 == 1 { 1 << 31 } else { u32::MAX };
    let value = f32::from_bits(rank ^ flip);
    if rank == 0 { f32::NAN } else { value }
}

/// The order of `u` alone, as an integer: NaN is 0, -infinity the least of the rest.
#[inline(always)]
pub(crate) fn rank(u: f32) -> u32 {
    // The sum turns -0.0 into +0.0.
    let bits = (u + 0.0).to_bits();
    // Negative: all bits flip, so that larger magnitudes rank lower; positive: above all negative.
    let flip = ((bits as i32) >> 31) as u32 | 1 << 31;
    if u.is_nan() { 0 } else { bits ^ flip }
}
