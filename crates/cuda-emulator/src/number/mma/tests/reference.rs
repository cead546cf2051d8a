//! The rounding of fused sums, once more and differently: one dot product at a time, in integers
//! and with divisions.

use super::{Format, MODELS, Matrices, SHAPES, Shape, multiply};
use crate::config::MmaModel;
use crate::number::tests::Random;

/// A number as the reference sees it.
#[derive(Debug, Clone)]
enum Number {
    Nan,
    Infinite {
        negative: bool,
    },
    /// `significand * 2^(exponent - places)`, where `places` is the format's.
    Finite {
        significand: i64,
        exponent: i64,
    },
}

fn decode(format: Format, bits: u32) -> Number {
    let (exponent_bits, fraction_bits) = format.fields();
    let bits = if format == Format::Tf32 { bits >> 13 << 13 } else { bits };
    let field = i64::from(bits >> fraction_bits & ((1 << exponent_bits) - 1));
    let fraction = i64::from(bits & ((1 << fraction_bits) - 1));
    let negative = bits >> (exponent_bits + fraction_bits) != 0;
    let bias = (1 << (exponent_bits - 1)) - 1;
    if field == (1 << exponent_bits) - 1 {
        return if fraction == 0 { Number::Infinite { negative } } else { Number::Nan };
    }
    let magnitude = if field == 0 { fraction } else { fraction | 1 << fraction_bits };
    let significand = if negative { -magnitude } else { magnitude };
    Number::Finite { significand, exponent: field.max(1) - bias }
}

/// A finite term on the grid whose places are counted from `grid` down.
fn on_grid(significand: i64, exponent: i64, places: i64, grid: i64) -> i64 {
    let shift = exponent - places - grid;
    if shift >= 0 {
        significand << shift
    } else if shift < -62 {
        0
    } else {
        // Division, unlike a shift, goes towards zero.
        significand / (1 << -shift)
    }
}

/// One group: products of `a` and `b`, and `c`.
fn sum(model: MmaModel, shape: Shape, a: &[u32], b: &[u32], c: u32) -> u32 {
    let (exponent_bits, fraction_bits) = shape.accumulator.fields();
    let all = (1 << (exponent_bits + fraction_bits)) - 1;
    let infinity = ((1 << exponent_bits) - 1) << fraction_bits;
    let sign = 1 << (exponent_bits + fraction_bits);
    let mut terms = Vec::new();
    let mut signs = [false; 2];
    let factor_places = i64::from(shape.factor.fields().1);
    let pairs =
        a.iter().zip(b).map(|(a, b)| match (decode(shape.factor, *a), decode(shape.factor, *b)) {
            (Number::Nan, _) | (_, Number::Nan) => (Number::Nan, 0),
            (Number::Infinite { negative }, Number::Infinite { negative: other }) => {
                (Number::Infinite { negative: negative != other }, 0)
            }
            (Number::Infinite { negative }, Number::Finite { significand, .. })
            | (Number::Finite { significand, .. }, Number::Infinite { negative }) => {
                if significand == 0 {
                    (Number::Nan, 0)
                } else {
                    (Number::Infinite { negative: negative != (significand < 0) }, 0)
                }
            }
            (
                Number::Finite { significand, exponent },
                Number::Finite { significand: other, exponent: more },
            ) => {
                let significand = significand * other;
                (Number::Finite { significand, exponent: exponent + more }, 2 * factor_places)
            }
        });
    let accumulator = (decode(shape.accumulator, c), i64::from(fraction_bits));
    for (term, places) in pairs.chain([accumulator]) {
        match term {
            Number::Nan => return all,
            Number::Infinite { negative } => signs[usize::from(negative)] = true,
            Number::Finite { significand, exponent } => {
                terms.push((significand, exponent, places));
            }
        }
    }
    match signs {
        [true, true] => return all,
        [true, false] => return infinity,
        [false, true] => return sign | infinity,
        [false, false] => {}
    }
    let least = 2 - (1_i64 << (exponent_bits - 1));
    let (places, zero) = match model {
        MmaModel::Ampere => (24, least - 6),
        MmaModel::Hopper => (25, least - 7),
    };
    let exponent = |(significand, exponent, _): &(i64, i64, i64)| {
        if *significand == 0 { zero } else { *exponent }
    };
    let highest = terms.iter().map(exponent).max().unwrap();
    let grid = highest - places;
    let total: i64 =
        terms.iter().map(|(s, exponent, places)| on_grid(*s, *exponent, *places, grid)).sum();
    encode(shape.accumulator, total, grid, least)
}

/// `total * 2^grid` rounded to the accumulator's format.
fn encode(format: Format, total: i64, grid: i64, least: i64) -> u32 {
    if total == 0 {
        return 0;
    }
    let (exponent_bits, fraction_bits) = format.fields();
    let sign = if total < 0 { 1 << (exponent_bits + fraction_bits) } else { 0 };
    let exponent = (grid + i64::from(total.unsigned_abs().ilog2())).max(least);
    let last = exponent - i64::from(fraction_bits);
    let total = u128::from(total.unsigned_abs());
    let magnitude = if last <= grid {
        total << (grid - last)
    } else {
        let unit = 1_u128 << (last - grid).min(100);
        let (whole, twice) = (total / unit, total % unit * 2);
        let up = twice > unit || (twice == unit && whole % 2 == 1);
        whole + u128::from(format == Format::F16 && up)
    };
    let bits = (((exponent - least) as u64) << fraction_bits) + magnitude as u64;
    let infinity = ((1_u64 << exponent_bits) - 1) << fraction_bits;
    let bits = bits.min(infinity) as u32;
    if bits == 0 { 0 } else { sign | bits }
}

fn dot(model: MmaModel, shape: Shape, a: &[u32], b: &[u32], c: u32) -> u32 {
    let bytes = if model == MmaModel::Ampere { 16 } else { 32 };
    let group = bytes * shape.factor.per_register() / 4;
    let groups = a.chunks(group).zip(b.chunks(group));
    groups.fold(c, |c, (a, b)| sum(model, shape, a, b, c))
}

#[test]
fn random_products_round_as_the_model_says() {
    for (model, shape) in MODELS.into_iter().flat_map(|model| SHAPES.map(|shape| (model, shape))) {
        let mut random = Random::new(shape.depth as u64);
        let mut element = |format: Format, spread: u64| -> u32 {
            let (exponent_bits, fraction_bits) = format.fields();
            let bits = random.float(exponent_bits, fraction_bits);
            if random.below(20) == 0 {
                return bits as u32;
            }
            // Exponents near each other and near one: sums that overlap.
            let top = (1 << exponent_bits) - 1;
            let exponent = top / 2 - spread / 2 + random.below(spread);
            let rest = bits & !(top << fraction_bits);
            (rest | exponent << fraction_bits) as u32
        };
        for round in 0..40 {
            let spread = [1, 3, 12, 30][round % 4];
            let mut draw = |format, count| -> Vec<u32> {
                (0..count).map(|_| element(format, spread)).collect()
            };
            let mut x = Matrices {
                a: draw(shape.factor, 16 * shape.depth),
                b: draw(shape.factor, 8 * shape.depth),
                c: draw(shape.accumulator, 16 * 8),
            };
            if round % 8 < 4 {
                // Products cancel in pairs, nearly.
                let sign = 1 << (32 / shape.factor.per_register() - 1);
                for m in 0..16 {
                    for k in (1..shape.depth).step_by(2) {
                        x.a[m * shape.depth + k] = x.a[m * shape.depth + k - 1] ^ sign;
                    }
                }
                for k in (1..shape.depth).step_by(2) {
                    for n in 0..8 {
                        x.b[k * 8 + n] = x.b[(k - 1) * 8 + n] ^ (n as u32 % 2);
                    }
                }
            }
            let d = multiply(model, shape, &x);
            for m in 0..16 {
                for n in 0..8 {
                    let row = &x.a[m * shape.depth..][..shape.depth];
                    let column: Vec<u32> = (0..shape.depth).map(|k| x.b[k * 8 + n]).collect();
                    let c = x.c[m * 8 + n];
                    let want = dot(model, shape, row, &column, c);
                    let got = d[m * 8 + n];
                    assert_eq!(got, want, "{model:?} {shape:?} {row:x?} {column:x?} {c:x}");
                }
            }
        }
    }
}
