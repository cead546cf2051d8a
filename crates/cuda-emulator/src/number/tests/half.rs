//! `f16` and `bf16` arithmetic.

use super::Random;
use super::oracle::{BF16, Exact, F16, Format};
use crate::number::{
    NAN16, Round, add_bf16, add_f16, bf16_to_f32, f16_to_f32, fma_bf16, fma_f16, mul_bf16, mul_f16,
    sub_bf16, sub_f16,
};

type Binary = fn(u16, u16) -> u16;

/// One of the two formats and its operations.
struct Half {
    format: Format,
    exponent_bits: u32,
    fraction_bits: u32,
    value: fn(u16) -> f32,
    add: Binary,
    sub: Binary,
    mul: Binary,
    fma: fn(u16, u16, u16) -> u16,
}

const HALVES: [Half; 2] = [
    Half {
        format: F16,
        exponent_bits: 5,
        fraction_bits: 10,
        value: f16_to_f32,
        add: add_f16,
        sub: sub_f16,
        mul: mul_f16,
        fma: fma_f16,
    },
    Half {
        format: BF16,
        exponent_bits: 8,
        fraction_bits: 7,
        value: bf16_to_f32,
        add: add_bf16,
        sub: sub_bf16,
        mul: mul_bf16,
        fma: fma_bf16,
    },
];

impl Half {
    fn value(&self, bits: u16) -> f64 {
        f64::from((self.value)(bits))
    }

    fn check(&self, what: &str, operands: &[u16], got: u16, want: f64) {
        if want.is_nan() {
            assert_eq!(got, NAN16, "{what} {operands:x?}");
        } else {
            assert_eq!(self.value(got).to_bits(), want.to_bits(), "{what} {operands:x?}");
        }
    }

    /// `x op y` in exact arithmetic, or in `f64` if that has no exact answer.
    fn sum(&self, a: f64, b: f64) -> f64 {
        if a.is_finite() && b.is_finite() {
            let sum = Exact::new(a).add(&Exact::new(b), Round::Nearest);
            sum.round(self.format, Round::Nearest)
        } else {
            a + b
        }
    }

    fn product_and_sum(&self, a: f64, b: f64, c: f64) -> f64 {
        if a.is_finite() && b.is_finite() && c.is_finite() {
            let product = Exact::new(a).mul(&Exact::new(b));
            product.add(&Exact::new(c), Round::Nearest).round(self.format, Round::Nearest)
        } else {
            a * b + c
        }
    }

    fn product(&self, a: f64, b: f64) -> f64 {
        if a.is_finite() && b.is_finite() {
            Exact::new(a).mul(&Exact::new(b)).round(self.format, Round::Nearest)
        } else {
            a * b
        }
    }
}

#[test]
fn random_and_hard_operands() {
    for half in HALVES {
        let mut random = Random::new(5);
        for i in 0..12_000 {
            let mut draw = || random.float(half.exponent_bits, half.fraction_bits) as u16;
            let (a, b, mut c) = (draw(), draw(), draw());
            if i % 3 == 0 {
                c = (half.mul)(a, b) ^ 0x8000 ^ (i as u16 >> 6 & 1);
            }
            let [x, y, z] = [a, b, c].map(|bits| half.value(bits));
            half.check("add", &[a, b], (half.add)(a, b), half.sum(x, y));
            half.check("sub", &[a, b], (half.sub)(a, b), half.sum(x, -y));
            half.check("mul", &[a, b], (half.mul)(a, b), half.product(x, y));
            half.check("fma", &[a, b, c], (half.fma)(a, b, c), half.product_and_sum(x, y, z));
        }
    }
}

/// Every value with every special one, and as the addend of products that tie.
#[test]
fn all_values_with_edges() {
    for half in HALVES {
        let infinity = ((1_u16 << half.exponent_bits) - 1) << half.fraction_bits;
        let one = (infinity >> 1) & !((1 << half.fraction_bits) - 1);
        let edges = [0, 0x8000, 1, 0x8001, one, one | 1, infinity - 1, infinity, 0x8000 | infinity];
        for a in (0..=u16::MAX).step_by(7) {
            for b in edges {
                let (x, y) = (half.value(a), half.value(b));
                half.check("add", &[a, b], (half.add)(a, b), half.sum(x, y));
                half.check("mul", &[a, b], (half.mul)(a, b), half.product(x, y));
            }
        }
    }
}

/// A product halfway between two values, decided by an addend that `f64` does not hold beside it.
#[test]
fn a_tiny_addend_decides_a_tie() {
    // 1.0000001 * 1.1 in binary with bf16's 7 places: 1.1000001|1, a tie.
    let (a, b) = (0x3f81, 0x3fc0);
    let product = f64::from(bf16_to_f32(a)) * f64::from(bf16_to_f32(b));
    assert_eq!(product, 1.0 + 0.5 + 3.0 / 256.0);
    assert_eq!(fma_bf16(a, b, 0), 0x3fc2);
    assert_eq!(fma_bf16(a, b, 0x0001), 0x3fc2);
    assert_eq!(fma_bf16(a, b, 0x8001), 0x3fc1);
    // The same with the even neighbour below.
    let (a, b) = (0x3f83, 0x3fc0);
    let product = f64::from(bf16_to_f32(a)) * f64::from(bf16_to_f32(b));
    assert_eq!(product, 1.0 + 0.5 + 9.0 / 256.0);
    assert_eq!(fma_bf16(a, b, 0), 0x3fc4);
    assert_eq!(fma_bf16(a, b, 0x0001), 0x3fc5);
    assert_eq!(fma_bf16(a, b, 0x8001), 0x3fc4);
}
