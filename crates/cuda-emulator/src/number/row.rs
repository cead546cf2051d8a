//! Whole rows of a warp where one lane at a time would be slow: the fused multiply-adds, on the
//! host's own FMA unit where it has one.

use super::{Round, fma32 as fma32_lane, fma64 as fma64_lane};
use crate::registers::{LANES, Row32, Row64};

/// `a * b + c` of `f32` lanes, rounded to nearest; all lanes, whatever they hold.
#[inline]
pub fn fma32(a: &Row32, b: &Row32, c: &Row32) -> Row32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the features that the function is compiled for.
        #[expect(unsafe_code, reason = "calls a function compiled for detected features")]
        return unsafe { fma32_x86(a, b, c) };
    }
    fma32_any(a, b, c)
}

/// `a * b + c` of `f64` lanes, rounded to nearest; all lanes, whatever they hold.
#[inline]
pub fn fma64(a: &Row64, b: &Row64, c: &Row64) -> Row64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the features that the function is compiled for.
        #[expect(unsafe_code, reason = "calls a function compiled for detected features")]
        return unsafe { fma64_x86(a, b, c) };
    }
    fma64_any(a, b, c)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fma32_x86(a: &Row32, b: &Row32, c: &Row32) -> Row32 {
    let mut d = [0; LANES];
    for i in 0..LANES {
        let [a, b, c] = [a[i], b[i], c[i]].map(f32::from_bits);
        d[i] = super::canonical32(a.mul_add(b, c)).to_bits();
    }
    d
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fma64_x86(a: &Row64, b: &Row64, c: &Row64) -> Row64 {
    let mut d = [0; LANES];
    let mut nan = false;
    for i in 0..LANES {
        let [a, b, c] = [a[i], b[i], c[i]].map(f64::from_bits);
        let lane = a.mul_add(b, c);
        nan |= lane.is_nan();
        d[i] = lane.to_bits();
    }
    // Which payload survives is for the lane function to say.
    if nan { fma64_any(a, b, c) } else { d }
}

fn fma32_any(a: &Row32, b: &Row32, c: &Row32) -> Row32 {
    let mut d = [0; LANES];
    for i in 0..LANES {
        let [a, b, c] = [a[i], b[i], c[i]].map(f32::from_bits);
        d[i] = fma32_lane(a, b, c, Round::Nearest).to_bits();
    }
    d
}

fn fma64_any(a: &Row64, b: &Row64, c: &Row64) -> Row64 {
    let mut d = [0; LANES];
    for i in 0..LANES {
        let [a, b, c] = [a[i], b[i], c[i]].map(f64::from_bits);
        d[i] = fma64_lane(a, b, c, Round::Nearest).to_bits();
    }
    d
}
