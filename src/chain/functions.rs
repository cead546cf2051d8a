//! exp, log1p and the gates built on them.
//!
//! All are monotone over all of f32 and free of branches, so that a loop over them vectorises.
//! The tests walk through all of f32 to show it, and that the stated errors, against f64, hold (with
//! `COSMOE_TEST_ALL=1` on every f32, otherwise on every 61st). A result below 2^-126
//! of [`exp`], [`sigmoid`] or [`sqrt_softplus`] is 0: no gate value is subnormal.

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 to 15 bits, so that its product with an exponent is exact, and the rest.
const LN_2_HIGH: f32 = 0.693_145_75;
const LN_2_LOW: f32 = 1.428_606_8e-6;
/// Adding 1.5 * 2^23 rounds a small f32 to an integer.
const ROUND: f32 = 12_582_912.0;

/// (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2, ascending powers.
const EXP: [f32; 6] =
    [0.5, 0.166_666_66, 0.041_666_295, 0.008_333_497, 0.001_394_465_1, 0.000_197_903_5];

/// (ln(1 + m) - m) / m^2 on |m| <= 1/3, ascending powers.
const LOG1P: [f32; 9] = [
    -0.5,
    0.333_332_1,
    -0.249_997_17,
    0.200_107_47,
    -0.166_823_06,
    0.140_011_61,
    -0.121_671_56,
    0.140_047_58,
    -0.129_489_57,
];

/// The least x whose exponential is a normal number.
const EXP_MIN: f32 = -87.336_54;
/// The greatest x whose exponential is finite.
const EXP_MAX: f32 = 88.722_84;
/// From here on log1p(exp(z)) rounds to z.
const SOFTPLUS_LINEAR: f32 = 20.0;
/// Below this z, sqrt(log1p(exp(z))) rounds to exp(z / 2).
const SOFTPLUS_EXP: f32 = -17.0;

#[inline(always)]
fn horner<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum.mul_add(x, coefficients[i]);
    }
    sum
}

/// 2^n for n in -126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

/// e^x within 1.0 ulp; 0 below 2^-126, infinity above f32::MAX.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    // Out of range and NaN are put right at the end; the clamp keeps the exponent in range.
    let clamped = if x > EXP_MIN { x } else { EXP_MIN };
    let clamped = if clamped < EXP_MAX { clamped } else { EXP_MAX };
    let shifted = clamped.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2_HIGH, clamped);
    let r = n.mul_add(-LN_2_LOW, r);
    let p = (r * r).mul_add(horner(EXP, r), r) + 1.0;
    // n reaches 128, beyond a single power of two.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let value = p * power_of_two(half) * power_of_two(n - half);
    let value = if x < EXP_MIN { 0.0 } else { value };
    let value = if x > EXP_MAX { f32::INFINITY } else { value };
    if x.is_nan() { x } else { value }
}

/// ln(1 + x) within 1.6 ulp; -infinity at -1, NaN below.
#[inline(always)]
#[must_use]
pub fn log1p(x: f32) -> f32 {
    // 1 + x = 2^e (1 + m) with m in [-1/3, 1/3). From 2^60 on the 1 is far below an ulp, and x is
    // brought into the range of a single power of two.
    let large = x >= 1_152_921_504_606_846_976.0;
    let (y, one, base) = if large { (x * power_of_two(-64), 0.0, 64) } else { (x, 1.0, 0) };
    let bits = ((y + one).to_bits() as i32).wrapping_sub((2.0_f32 / 3.0).to_bits() as i32);
    let e = bits >> 23;
    let down = f32::from_bits((127_i32.wrapping_sub(e) as u32) << 23);
    let m = y.mul_add(down, one * down - 1.0);
    let p = (m * m).mul_add(horner(LOG1P, m), m);
    let exponent = e.wrapping_add(base) as f32;
    let value = exponent.mul_add(std::f32::consts::LN_2, p);
    // The fma with exponent 0 would lose the sign of zero.
    let value = if x == 0.0 { x } else { value };
    let value = if x == f32::INFINITY { x } else { value };
    let value = if x == -1.0 { f32::NEG_INFINITY } else { value };
    if x < -1.0 || x.is_nan() { f32::NAN } else { value }
}

/// 1 / (1 + e^-z) within 2.5 ulp; 0 below 2^-126.
#[inline(always)]
#[must_use]
pub fn sigmoid(z: f32) -> f32 {
    flush(1.0 / (1.0 + exp(-z)))
}

/// sqrt(ln(1 + e^z)) within 1.4 ulp; 0 below 2^-126.
#[inline(always)]
#[must_use]
pub fn sqrt_softplus(z: f32) -> f32 {
    let tail = z < SOFTPLUS_EXP;
    let e = exp(if tail { z * 0.5 } else { z });
    let softplus = if z > SOFTPLUS_LINEAR { z } else { log1p(e) };
    let value = softplus.sqrt();
    if tail { e } else { value }
}

/// Gate values below 2^-126 in magnitude count as 0.
#[inline(always)]
pub(super) fn flush(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

#[cfg(test)]
mod tests;
