//! Float formats for references: values decoded by arithmetic on their fields, and rounding by
//! search among neighbours, which shares nothing with the code under test.

use std::cmp::Ordering;

/// The value of the low `bits` bits as a float with that many exponent bits; widths of 16 and 32.
pub(super) fn decode(x: u64, bits: u32, exponent_bits: u32) -> f64 {
    let fraction_bits = bits - 1 - exponent_bits;
    let sign = if x >> (bits - 1) & 1 != 0 { -1.0 } else { 1.0 };
    let exponent = (x >> fraction_bits & ((1 << exponent_bits) - 1)) as i32;
    let fraction = (x & ((1 << fraction_bits) - 1)) as f64;
    let bias = (1 << (exponent_bits - 1)) - 1;
    let whole = 2_f64.powi(fraction_bits as i32);
    if exponent == (1 << exponent_bits) - 1 {
        return if fraction == 0.0 { sign * f64::INFINITY } else { f64::NAN };
    }
    let (lead, power) = if exponent == 0 { (0.0, 1 - bias) } else { (1.0, exponent - bias) };
    // In two steps, as the smallest powers are no f64 of their own accord.
    sign * (lead + fraction / whole) * 2_f64.powi(power / 2) * 2_f64.powi(power - power / 2)
}

/// A format: width and exponent bits.
pub(super) type Format = (u32, u32);

pub(super) const F16: Format = (16, 5);
pub(super) const BF16: Format = (16, 8);
pub(super) const F32: Format = (32, 8);

pub(super) fn value(x: u64, format: Format) -> f64 {
    decode(x, format.0, format.1)
}

pub(super) fn infinity(format: Format) -> u64 {
    ((1 << format.1) - 1) << (format.0 - 1 - format.1)
}

/// The canonical NaN.
pub(super) fn nan(format: Format) -> u64 {
    (1 << (format.0 - 1)) - 1
}

pub(super) fn flush(x: u64, format: Format) -> u64 {
    if x & infinity(format) == 0 { x & 1 << (format.0 - 1) } else { x }
}

/// The bits in `format` of a real number `v`, told by `compare`: how a float's value compares to
/// `v`. `negative` is the sign of a zero result. Rounds `rn`, `rz`, `rm` or `rp`.
pub(super) fn round_by(
    format: Format,
    mode: &str,
    negative: bool,
    compare: impl Fn(f64) -> Ordering,
    nearer: impl Fn(f64, f64) -> Ordering,
) -> u64 {
    let sign = 1 << (format.0 - 1);
    // The largest magnitude not above |v|, by bisection over the bit patterns, which are ordered.
    let towards = if negative { Ordering::Less } else { Ordering::Greater };
    let signed = |m: u64| if negative { m | sign } else { m };
    let (mut low, mut high) = (0, infinity(format));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if compare(value(signed(middle), format)) == towards { high = middle } else { low = middle }
    }
    if compare(value(signed(low), format)) == Ordering::Equal {
        return signed(low);
    }
    let away = match mode {
        "rz" => false,
        "rm" => negative,
        "rp" => !negative,
        _ => {
            // Infinity stands for the power of two that would follow the largest value.
            let power = 2_f64.powi((1 << (format.1 - 1)) - 1) * 2.0;
            let outer = if high == infinity(format) { power } else { value(high, format) };
            let outer = if negative { -outer } else { outer };
            match nearer(value(signed(low), format), outer) {
                Ordering::Less => false,
                Ordering::Greater => true,
                Ordering::Equal => low & 1 == 1,
            }
        }
    };
    signed(if away { high } else { low })
}

/// The bits in `format` of the `f64` `v`.
pub(super) fn round(v: f64, format: Format, mode: &str) -> u64 {
    if v.is_nan() {
        return nan(format);
    }
    let sign = if v.is_sign_negative() { 1 << (format.0 - 1) } else { 0 };
    if v.is_infinite() {
        return infinity(format) | sign;
    }
    // Distances are exact in f64: the candidates are neighbours of v with few bits.
    round_by(
        format,
        mode,
        v.is_sign_negative(),
        |x| x.total_cmp(&v),
        |low, high| (v - low).abs().total_cmp(&(high - v).abs()),
    )
}
