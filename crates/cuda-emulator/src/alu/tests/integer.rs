//! Integer arithmetic against arithmetic on `i128`.

use super::rig::{Random, Rig, check, check_with, form, mask, number, wrap};

/// Type names with width and signedness.
const TYPES: [(&str, u32, bool); 6] = [
    ("u16", 16, false),
    ("s16", 16, true),
    ("u32", 32, false),
    ("s32", 32, true),
    ("u64", 64, false),
    ("s64", 64, true),
];

/// Every type for a mnemonic with `{}` for it: `f` of the operands as numbers, wrapped.
fn all(mnemonic: &str, sources: usize, f: impl Fn(&[i128], u32) -> i128 + Copy) {
    for (ty, bits, is_signed) in TYPES {
        let text = form(&mnemonic.replace("{}", ty), bits, &vec![bits; sources]);
        check(&text, |x| {
            let x: Vec<i128> = x.iter().map(|x| number(*x, bits, is_signed)).collect();
            wrap(f(&x, bits), bits)
        });
    }
}

#[test]
fn sums_and_differences() {
    all("add.{}", 2, |x, _| x[0] + x[1]);
    all("sub.{}", 2, |x, _| x[0] - x[1]);
    all("sad.{}", 3, |x, _| x[2] + (x[0] - x[1]).abs());
    all("min.{}", 2, |x, _| if x[0] < x[1] { x[0] } else { x[1] });
    all("max.{}", 2, |x, _| if x[0] < x[1] { x[1] } else { x[0] });
    let clamp = |x: i128| wrap(x.clamp(-(1 << 31), (1 << 31) - 1), 32);
    check("add.sat.s32 %r1, %r2, %r3", |x| clamp(number(x[0], 32, true) + number(x[1], 32, true)));
    check("sub.sat.s32 %r1, %r2, %r3", |x| clamp(number(x[0], 32, true) - number(x[1], 32, true)));
    for (ty, bits, _) in TYPES.iter().filter(|t| t.2) {
        check(&form(&format!("abs.{ty}"), *bits, &[*bits]), |x| {
            wrap(number(x[0], *bits, true).abs(), *bits)
        });
        check(&form(&format!("neg.{ty}"), *bits, &[*bits]), |x| {
            wrap(-number(x[0], *bits, true), *bits)
        });
    }
}

#[test]
fn products() {
    all("mul.lo.{}", 2, |x, _| x[0].wrapping_mul(x[1]));
    all("mad.lo.{}", 3, |x, _| x[0].wrapping_mul(x[1]).wrapping_add(x[2]));
    // The product of two u64 may not fit i128: its upper half then comes from schoolbook halves.
    let high = |a: i128, b: i128, bits: u32| match a.checked_mul(b) {
        Some(product) => product >> bits,
        None => ((a as u128 * b as u128) >> bits) as i128,
    };
    all("mul.hi.{}", 2, |x, bits| high(x[0], x[1], bits));
    all("mad.hi.{}", 3, |x, bits| high(x[0], x[1], bits).wrapping_add(x[2]));
    for (ty, bits, is_signed) in TYPES.iter().copied().filter(|t| t.1 < 64) {
        check(&form(&format!("mul.wide.{ty}"), 2 * bits, &[bits, bits]), |x| {
            wrap(number(x[0], bits, is_signed) * number(x[1], bits, is_signed), 2 * bits)
        });
        check(&form(&format!("mad.wide.{ty}"), 2 * bits, &[bits, bits, 2 * bits]), |x| {
            let product = number(x[0], bits, is_signed) * number(x[1], bits, is_signed);
            wrap(product + i128::from(x[2]), 2 * bits)
        });
    }
    check("mad.hi.sat.s32 %r1, %r2, %r3, %r4", |x| {
        let x: Vec<i128> = x.iter().map(|x| number(*x, 32, true)).collect();
        wrap((((x[0] * x[1]) >> 32) + x[2]).clamp(-(1 << 31), (1 << 31) - 1), 32)
    });
}

#[test]
fn products_of_24_bits() {
    for (ty, is_signed) in [("u32", false), ("s32", true)] {
        for (part, shift) in [("lo", 0), ("hi", 16)] {
            let product =
                |x: &[u64]| (number(x[0], 24, is_signed) * number(x[1], 24, is_signed)) >> shift;
            check(&form(&format!("mul24.{part}.{ty}"), 32, &[32, 32]), |x| wrap(product(x), 32));
            check(&form(&format!("mad24.{part}.{ty}"), 32, &[32, 32, 32]), |x| {
                wrap(product(x) + i128::from(x[2]), 32)
            });
        }
    }
    check("mad24.hi.sat.s32 %r1, %r2, %r3, %r4", |x| {
        let product = (number(x[0], 24, true) * number(x[1], 24, true)) >> 16;
        let sum = number(wrap(product, 32), 32, true) + number(x[2], 32, true);
        wrap(sum.clamp(-(1 << 31), (1 << 31) - 1), 32)
    });
}

#[test]
fn quotients() {
    all("div.{}", 2, |x, _| if x[1] == 0 { -1 } else { x[0] / x[1] });
    all("rem.{}", 2, |x, _| if x[1] == 0 { -1 } else { x[0] % x[1] });
}

#[test]
fn literals() {
    check("add.s32 %r1, %r2, -7", |x| wrap(i128::from(x[0]) - 7, 32));
    check("add.s16 %h1, %h2, -7", |x| wrap(i128::from(x[0]) - 7, 16));
    check("mul.wide.s16 %r1, %h2, -7", |x| wrap(number(x[0], 16, true) * -7, 32));
    check("mad.lo.s64 %d1, %d2, 0x100000001, -1", |x| {
        x[0].wrapping_mul(0x1_0000_0001).wrapping_sub(1)
    });
    check("max.s16 %h1, %h2, 0xfff0", |x| wrap(number(x[0], 16, true).max(-16), 16));
    check("div.u16 %h1, 0xffffffff, %h2", |x| 0xffff_u64.checked_div(x[0]).unwrap_or(0xffff));
}

/// Sums with carries against sums of unlimited width.
#[test]
fn carries() {
    let mut random = Random(7);
    for (ty, bits) in [("u32", 32), ("s32", 32), ("u64", 64), ("s64", 64)] {
        for name in [
            "add.cc",
            "addc",
            "addc.cc",
            "sub.cc",
            "subc",
            "subc.cc",
            "mad.lo.cc",
            "mad.hi.cc",
            "madc.lo",
            "madc.hi",
            "madc.lo.cc",
            "madc.hi.cc",
        ] {
            let multiplies = name.starts_with("mad");
            let sources = vec![bits; if multiplies { 3 } else { 2 }];
            let text = form(&format!("{name}.{ty}"), bits, &sources);
            for aliased in [false, true] {
                let text = if aliased { text.replacen('1', "2", 1) } else { text.clone() };
                let mut rig = Rig::new(&text);
                let (to, from) = rig.operands();
                for _ in 0..60 {
                    rig.fill(&to[0], &mut random);
                    let x: Vec<_> = from.iter().map(|f| rig.fill(f, &mut random)).collect();
                    let (before, mask) = (rig.get(&to[0]), mask(&mut random));
                    let carry = random.bits() as u32;
                    rig.regs.carry = carry;
                    let (alu, regs) = (rig.alu.clone(), &mut rig.regs);
                    alu.run(regs, mask);
                    let after = rig.get(&to[0]);
                    for lane in 0..32 {
                        let read = name.split('.').next().unwrap().ends_with('c');
                        let active = mask >> lane & 1 != 0;
                        let carried = i128::from(read && carry >> lane & 1 != 0);
                        let x: Vec<u64> = x.iter().map(|row| row[lane]).collect();
                        let [a, b] = [x[0], x[1]].map(|x| number(x, bits, ty.starts_with('s')));
                        let product = match a.checked_mul(b) {
                            Some(product) => product,
                            None => (a as u128).wrapping_mul(b as u128) as i128,
                        };
                        let high = if a >= 0 && b >= 0 {
                            wrap((product as u128 >> bits) as i128, bits)
                        } else {
                            wrap(product >> bits, bits)
                        };
                        let sum = match name {
                            _ if name.contains("hi") => {
                                i128::from(high) + i128::from(x[2]) + carried
                            }
                            _ if name.contains("lo") => {
                                i128::from(wrap(product, bits)) + i128::from(x[2]) + carried
                            }
                            _ if name.starts_with("add") => {
                                i128::from(x[0]) + i128::from(x[1]) + carried
                            }
                            _ => i128::from(x[0]) - i128::from(x[1]) - carried,
                        };
                        let over = sum < 0 || sum >> bits != 0;
                        let expected = if active { wrap(sum, bits) } else { before[lane] };
                        assert_eq!(after[lane], expected, "{text} of {x:x?}");
                        let writes = active && name.ends_with("cc");
                        let expected = if writes { over } else { carry >> lane & 1 != 0 };
                        assert_eq!(rig.regs.carry >> lane & 1 != 0, expected, "{text} of {x:x?}");
                    }
                }
            }
        }
    }
}

/// The packed operations element by element.
#[test]
fn packed_elements() {
    for (suffix, bits) in [("4", 8_u32), ("2", 16)] {
        let count = 32 / bits;
        for (a, b) in [(false, false), (true, true), (true, false)] {
            let sign = |s: bool| if s { "s32" } else { "u32" };
            let element = |x: u64, i: u32, s: bool| number(x >> (i * bits), bits, s);
            for d in [false, true] {
                for (name, f) in [
                    ("vadd", (|x, y| x + y) as fn(i128, i128) -> i128),
                    ("vsub", |x, y| x - y),
                    ("vabsdiff", |x, y| (x - y).abs()),
                    ("vmin", |x, y| x.min(y)),
                    ("vmax", |x, y| x.max(y)),
                    // To nearest, ties away from zero.
                    ("vavrg", |x, y| {
                        let sum = x + y;
                        let half = (sum.abs() + 1) / 2;
                        if sum < 0 { -half } else { half }
                    }),
                ] {
                    let head = format!("{name}{suffix}.{}.{}.{}", sign(d), sign(a), sign(b));
                    let values = |x: &[u64]| -> Vec<i128> {
                        (0..count).map(|i| f(element(x[0], i, a), element(x[1], i, b))).collect()
                    };
                    let join = |v: Vec<i128>| {
                        (0..).zip(v).map(|(i, v)| wrap(v, bits) << (i * bits)).sum::<u64>()
                    };
                    check(&form(&head, 32, &[32; 3]), |x| join(values(x)));
                    check(&form(&format!("{head}.add"), 32, &[32; 3]), |x| {
                        wrap(values(x).iter().sum::<i128>() + i128::from(x[2]), 32)
                    });
                    let (least, most) = if d {
                        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
                    } else {
                        (0, (1 << bits) - 1)
                    };
                    check(&form(&format!("{head}.sat"), 32, &[32; 3]), |x| {
                        join(values(x).iter().map(|v| *v.clamp(&least, &most)).collect())
                    });
                }
            }
            for (name, holds) in [
                ("eq", (|x, y| x == y) as fn(i128, i128) -> bool),
                ("ne", |x, y| x != y),
                ("lt", |x, y| x < y),
                ("le", |x, y| x <= y),
                ("gt", |x, y| x > y),
                ("ge", |x, y| x >= y),
            ] {
                let text = format!("vset{suffix}.{}.{}.{name}", sign(a), sign(b));
                check(&form(&text, 32, &[32; 3]), |x| {
                    (0..count)
                        .map(|i| {
                            let holds = holds(element(x[0], i, a), element(x[1], i, b));
                            u64::from(holds) << (i * bits)
                        })
                        .sum()
                });
            }
        }
    }
}

#[test]
fn dot_products() {
    let sign = |s: bool| if s { "s32" } else { "u32" };
    for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
        check(&form(&format!("dp4a.{}.{}", sign(a), sign(b)), 32, &[32; 3]), |x| {
            let part = |i| number(x[0] >> (8 * i), 8, a) * number(x[1] >> (8 * i), 8, b);
            wrap(i128::from(x[2]) + (0..4).map(part).sum::<i128>(), 32)
        });
        for (mode, first) in [("lo", 0), ("hi", 16)] {
            check(&form(&format!("dp2a.{mode}.{}.{}", sign(a), sign(b)), 32, &[32; 3]), |x| {
                let part =
                    |i| number(x[0] >> (16 * i), 16, a) * number(x[1] >> (first + 8 * i), 8, b);
                wrap(i128::from(x[2]) + (0..2).map(part).sum::<i128>(), 32)
            });
        }
    }
}

/// A sink takes a result and nothing else changes.
#[test]
fn sinks() {
    check_with(
        "setp.lt.s32 _|%p1, %r2, %r3",
        40,
        |x| [u64::from(number(x[0], 32, true) >= number(x[1], 32, true))],
        |a, b| a == b,
    );
}
