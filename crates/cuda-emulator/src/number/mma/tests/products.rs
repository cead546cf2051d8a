//! Products of small integers, which every format holds exactly, against plain loops.

use super::{Format, MODELS, Matrices, SHAPES, multiply, pack, unpack};
use crate::number::mma::{Int, IntKind, layout, m16n8_int};
use crate::number::tests::Random;
use crate::number::{Round, bf16_to_f32, f16_to_f32, f64_to_bf16, f64_to_f16};
use crate::registers::Row32;

fn encode(format: Format, value: i32) -> u32 {
    let value = f64::from(value);
    match format {
        Format::F16 => u32::from(f64_to_f16(value, Round::Nearest)),
        Format::Bf16 => u32::from(f64_to_bf16(value, Round::Nearest)),
        Format::Tf32 | Format::F32 => (value as f32).to_bits(),
    }
}

fn decode(format: Format, bits: u32) -> f32 {
    match format {
        Format::F16 => f16_to_f32(bits as u16),
        Format::Bf16 => bf16_to_f32(bits as u16),
        Format::Tf32 | Format::F32 => f32::from_bits(bits),
    }
}

#[test]
fn small_integers_are_exact_in_every_shape() {
    let mut random = Random::new(1);
    for model in MODELS {
        for shape in SHAPES {
            let mut draw = |count: usize| -> Vec<i32> {
                (0..count).map(|_| random.below(17) as i32 - 8).collect()
            };
            let (a, b, c) = (draw(16 * shape.depth), draw(shape.depth * 8), draw(16 * 8));
            let bits = |format, values: &[i32]| values.iter().map(|x| encode(format, *x)).collect();
            let d = multiply(
                model,
                shape,
                &Matrices {
                    a: bits(shape.factor, &a),
                    b: bits(shape.factor, &b),
                    c: bits(shape.accumulator, &c),
                },
            );
            for m in 0..16 {
                for n in 0..8 {
                    let products = (0..shape.depth).map(|k| a[m * shape.depth + k] * b[k * 8 + n]);
                    let want = c[m * 8 + n] + products.sum::<i32>();
                    let got = decode(shape.accumulator, d[m * 8 + n]);
                    assert_eq!(got, want as f32, "{model:?} {shape:?} at {m}, {n}");
                }
            }
        }
    }
}

/// Random bytes or nibbles with a C that makes some sums wrap or saturate.
fn integers<const RA: usize, const RB: usize>(kind: IntKind, per: usize, signed: [bool; 2]) {
    let mut random = Random::new(7 + RA as u64 + per as u64);
    let (depth, bits) = (RB * 4 * per, 32 / per);
    let mut draw = |count: usize| -> Vec<u32> {
        (0..count).map(|_| random.next() as u32 >> (32 - bits)).collect()
    };
    let (a, b) = (draw(16 * depth), draw(depth * 8));
    let c: Vec<u32> = (0..16 * 8)
        .map(|_| {
            let near = random.below(20_000) as u32;
            [0x7fff_ffff - near, 0x8000_0000 + near, near][random.below(3) as usize]
        })
        .collect();
    let a_rows: [Row32; RA] =
        pack(&a, depth, per, |lane, register, element| layout::a(lane, register, element, per));
    let b_rows: [Row32; RB] =
        pack(&b, 8, per, |lane, register, element| layout::b(lane, register, element, per));
    let c_rows = pack(&c, 8, 1, |lane, register, _| layout::c(lane, register));
    let d = unpack(m16n8_int(kind, &a_rows, &b_rows, &c_rows).unwrap());
    let value = |x: u32, signed: bool| {
        let x = i64::from(x);
        if signed && x >= 1 << (bits - 1) { x - (1 << bits) } else { x }
    };
    for m in 0..16 {
        for n in 0..8 {
            let product = |k| value(a[m * depth + k], signed[0]) * value(b[k * 8 + n], signed[1]);
            let sum = i64::from(c[m * 8 + n] as i32) + (0..depth).map(product).sum::<i64>();
            let want = if kind.saturate {
                sum.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as u32
            } else {
                sum as u32
            };
            assert_eq!(d[m * 8 + n], want, "{kind:?} at {m}, {n}");
        }
    }
}

#[test]
fn integer_shapes() {
    let kinds = [(Int::S8, Int::U8, 4), (Int::S4, Int::U4, 8)];
    for (signed, unsigned, per) in kinds {
        for [sign_a, sign_b] in [[false, false], [false, true], [true, false], [true, true]] {
            for saturate in [false, true] {
                let of = |sign| if sign { signed } else { unsigned };
                let kind = IntKind { a: of(sign_a), b: of(sign_b), saturate };
                integers::<4, 2>(kind, per, [sign_a, sign_b]);
                integers::<2, 1>(kind, per, [sign_a, sign_b]);
            }
        }
    }
}

#[test]
fn unlike_integer_operands_are_refused() {
    let rows = [[0; 32]; 4];
    let kind = IntKind { a: Int::S8, b: Int::U4, saturate: false };
    assert_eq!(m16n8_int(kind, &rows, &[rows[0], rows[1]], &rows), None);
    let kind = IntKind { b: Int::S8, ..kind };
    assert_eq!(m16n8_int(kind, &rows, &[rows[0]], &rows), None);
}
