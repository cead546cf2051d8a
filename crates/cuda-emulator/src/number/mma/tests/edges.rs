//! Single dot products at the edges of the rounding rules, with results worked out by hand.

use super::{Format, MODELS, Matrices, Shape, multiply};
use crate::config::MmaModel;

/// Factors of a product, in bits.
type Pair = (u32, u32);

/// `c` plus the products of `pairs`, everything in bits; the rest of the row is zero.
fn dot(model: MmaModel, shape: Shape, pairs: &[Pair], c: u32) -> u32 {
    let depth = shape.depth;
    let mut x = Matrices { a: vec![0; 16 * depth], b: vec![0; depth * 8], c: vec![0; 16 * 8] };
    for (k, (a, b)) in pairs.iter().enumerate() {
        x.a[3 * depth + k] = *a;
        x.b[k * 8 + 5] = *b;
    }
    x.c[3 * 8 + 5] = c;
    multiply(model, shape, &x)[3 * 8 + 5]
}

const BF16: Shape = Shape { factor: Format::Bf16, accumulator: Format::F32, depth: 16 };
const F16: Shape = Shape { factor: Format::F16, accumulator: Format::F16, depth: 16 };

/// 2^`e` as `bf16`.
fn bf16(e: i32) -> u32 {
    ((e + 127) as u32) << 7
}

/// 2^`e` as `f16`, subnormal below -14.
fn f16(e: i32) -> u32 {
    if e < -14 { 1 << (e + 24) } else { ((e + 15) as u32) << 10 }
}

const NEGATIVE: u32 = 0x8000;

/// A zero accumulator puts the grid at 2^-156 and 2^-158: what is below is not seen, and what is
/// seen takes the smallest subnormal value away.
#[test]
fn a_zero_term_has_an_exponent() {
    for (model, seen) in MODELS.into_iter().zip([156, 158]) {
        for (k, want) in [(seen, 0), (seen + 1, 1)] {
            let pairs = [(bf16(-75), bf16(-74)), (bf16(-80), NEGATIVE | bf16(80 - k))];
            assert_eq!(dot(model, BF16, &pairs, 0), want, "{model:?} 2^-{k}");
        }
    }
    // The same with f16: a tie, unless the small product counts.
    for (model, seen) in MODELS.into_iter().zip([44, 46]) {
        for (k, want) in [(seen, 1), (seen + 1, 0)] {
            let pairs = [(f16(-12), f16(-13)), (f16(-24), f16(24 - k))];
            assert_eq!(dot(model, F16, &pairs, 0), want, "{model:?} 2^-{k}");
        }
    }
}

/// 1 - 2^-k: seen on a grid of 24 and 25 places below one.
#[test]
fn terms_are_cut_to_the_grid() {
    let one = 0x3f80_0000;
    for (model, places) in MODELS.into_iter().zip([24, 25]) {
        for (k, want) in [(places, one - 1), (places + 1, one)] {
            let pairs = [(bf16(-k), NEGATIVE | bf16(0))];
            assert_eq!(dot(model, BF16, &pairs, one), want, "{model:?} 2^-{k}");
        }
        // Exponents are not of normalised products: 1.5 * 1.5 counts as 2^0 and leaves the small
        // term be, 1 * 2 counts as 2^1 and cuts it off.
        let small = (bf16(-places), bf16(0));
        let pairs = [(0x3fc0, 0x3fc0), small, (0x3fc0, NEGATIVE | 0x3fc0)];
        assert_eq!(f32::from_bits(dot(model, BF16, &pairs, 0)), 2_f32.powi(-places));
        let pairs = [(0x3fc0, 0x3fc0), small, (bf16(0), NEGATIVE | bf16(1))];
        assert_eq!(f32::from_bits(dot(model, BF16, &pairs, 0)), 0.25);
    }
}

#[test]
fn zero_results_are_positive() {
    for model in MODELS {
        let zero = 0x8000_0000;
        let pairs = [(NEGATIVE, bf16(0)); 16];
        assert_eq!(dot(model, BF16, &pairs, zero), 0);
        assert_eq!(dot(model, F16, &[(NEGATIVE, f16(0)); 16], 0x8000), 0);
        // A negative value that is cut away.
        let pairs = [(NEGATIVE | bf16(-80), bf16(-80))];
        assert_eq!(dot(model, BF16, &pairs, 0), 0);
        assert_eq!(dot(model, F16, &[(NEGATIVE | 1, 1)], 0), 0);
    }
}

#[test]
fn infinity_and_nan() {
    let (inf, nan, inf32, nan32) = (0x7f80, 0x7fc1, 0x7f80_0000, 0x7fff_ffff);
    let one = bf16(0);
    for model in MODELS {
        let cases: [(&[Pair], u32, u32); 9] = [
            (&[(inf, one)], 0, inf32),
            (&[(inf, NEGATIVE | one)], 0, 0x8000_0000 | inf32),
            (&[(inf, 0)], 0, nan32),
            (&[(inf, one), (NEGATIVE | inf, one)], 0, nan32),
            (&[(inf, one)], 0x8000_0000 | inf32, nan32),
            (&[(nan, one)], 0, nan32),
            (&[(one, one)], 0xffc0_0001, nan32),
            (&[(one, one)], inf32, inf32),
            // Past the largest finite value, although everything is cut towards zero.
            (&[(bf16(127), bf16(0)), (bf16(127), bf16(0))], 0, inf32),
        ];
        for (pairs, c, want) in cases {
            assert_eq!(dot(model, BF16, pairs, c), want, "{model:?} {pairs:x?} {c:x}");
        }
        assert_eq!(dot(model, F16, &[(0x7c00, 0)], 0), 0x7fff);
        // 65519 and 65520, the first of which still rounds to the largest value.
        assert_eq!(dot(model, F16, &[(f16(0), f16(3)), (f16(0), f16(2))], 0x7bff), 0x7bff);
        assert_eq!(dot(model, F16, &[(f16(0), f16(4))], 0x7bff), 0x7c00);
    }
    // The first eight products overflow before the next eight could bring the sum back.
    let mut pairs = [(0, 0); 16];
    pairs[0] = (bf16(127), bf16(1));
    pairs[8] = (bf16(127), NEGATIVE | bf16(1));
    assert_eq!(dot(MmaModel::Ampere, BF16, &pairs, 0), inf32);
    assert_eq!(dot(MmaModel::Hopper, BF16, &pairs, 0), 0);
    // And an infinity of the other sign then makes it NaN.
    pairs[8] = (inf, NEGATIVE | one);
    assert_eq!(dot(MmaModel::Ampere, BF16, &pairs, 0), nan32);
    assert_eq!(dot(MmaModel::Hopper, BF16, &pairs, 0), 0x8000_0000 | inf32);
}
