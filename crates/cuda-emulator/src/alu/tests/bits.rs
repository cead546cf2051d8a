//! Bit operations, one bit at a time as the manual's pseudo-code has them.

use super::rig::{check, check_with, form, number};

fn bit(x: u64, i: u32) -> u64 {
    if i < 64 { x >> i & 1 } else { 0 }
}

fn collect(bits: u32, f: impl Fn(u32) -> u64) -> u64 {
    (0..bits).map(|i| f(i) << i).sum()
}

#[test]
fn bitwise() {
    for bits in [16, 32, 64] {
        for (name, f) in [
            ("and", (|a, b| a * b) as fn(u64, u64) -> u64),
            ("or", |a, b| a + b - a * b),
            ("xor", |a, b| (a + b) % 2),
        ] {
            check(&form(&format!("{name}.b{bits}"), bits, &[bits, bits]), |x| {
                collect(bits, |i| f(bit(x[0], i), bit(x[1], i)))
            });
        }
        check(&form(&format!("not.b{bits}"), bits, &[bits]), |x| {
            collect(bits, |i| 1 - bit(x[0], i))
        });
        check(&form(&format!("cnot.b{bits}"), bits, &[bits]), |x| u64::from(x[0] == 0));
    }
}

#[test]
fn predicates() {
    check("and.pred %p1, %p2, %p3", |x| x[0] * x[1]);
    check("or.pred %p1, %p2, %p3", |x| x[0].max(x[1]));
    check("xor.pred %p1, %p2, %p3", |x| (x[0] + x[1]) % 2);
    check("not.pred %p1, %p2", |x| 1 - x[0]);
    check("mov.pred %p1, %p2", |x| x[0]);
    check("mov.pred %p1, -1", |_| 1);
    check("mov.pred %p1, 0", |_| 0);
}

#[test]
fn three_inputs() {
    for table in 0..=255_u64 {
        let f = move |x: &[u64]| {
            collect(32, |i| bit(table, (4 * bit(x[0], i) + 2 * bit(x[1], i) + bit(x[2], i)) as u32))
        };
        check_with(&format!("lop3.b32 %r1, %r2, %r3, %r4, {table}"), 4, |x| [f(x)], |a, b| a == b);
        check_with(
            &format!("lop3.and.b32 %r1|%p1, %r2, %r3, %r4, {table}, %p2"),
            4,
            |x| [f(x), u64::from(f(x) != 0) & x[3]],
            |a, b| a == b,
        );
        check_with(
            &format!("lop3.or.b32 _|%p1, %r2, %r3, %r4, {table}, %p2"),
            4,
            |x| [u64::from(f(x) != 0) | x[3]],
            |a, b| a == b,
        );
    }
}

#[test]
fn shifts() {
    for bits in [16, 32, 64] {
        check(&form(&format!("shl.b{bits}"), bits, &[bits, 32]), |x| {
            collect(bits, |i| if u64::from(i) < x[1] { 0 } else { bit(x[0], i - x[1] as u32) })
        });
        for (ty, fills) in [("b", false), ("u", false), ("s", true)] {
            check(&form(&format!("shr.{ty}{bits}"), bits, &[bits, 32]), |x| {
                let sign = if fills { bit(x[0], bits - 1) } else { 0 };
                collect(bits, |i| match u64::from(i) + x[1] {
                    from if from < u64::from(bits) => bit(x[0], from as u32),
                    _ => sign,
                })
            });
        }
    }
    check("shl.b32 %r1, %r2, 31", |x| (x[0] & 1) << 31);
    check("shl.b64 %d1, %d2, 64", |_| 0);
    check("shr.s16 %h1, %h2, 255", |x| bit(x[0], 15) * 0xffff);
}

#[test]
fn funnel_shifts() {
    for (mode, clamps) in [("clamp", true), ("wrap", false)] {
        let n = move |c: u64| if clamps { c.min(32) } else { c % 32 } as u32;
        let source = |x: &[u64], i: u32| if i < 32 { bit(x[0], i) } else { bit(x[1], i - 32) };
        check(&form(&format!("shf.l.{mode}.b32"), 32, &[32; 3]), |x| {
            collect(32, |i| source(x, i + 32 - n(x[2])))
        });
        check(&form(&format!("shf.r.{mode}.b32"), 32, &[32; 3]), |x| {
            collect(32, |i| source(x, i + n(x[2])))
        });
    }
}

#[test]
fn counts_and_searches() {
    for bits in [32, 64] {
        check(&form(&format!("popc.b{bits}"), 32, &[bits]), |x| {
            (0..bits).map(|i| bit(x[0], i)).sum()
        });
        check(&form(&format!("clz.b{bits}"), 32, &[bits]), |x| {
            (0..bits).rev().take_while(|i| bit(x[0], *i) == 0).count() as u64
        });
        check(&form(&format!("brev.b{bits}"), bits, &[bits]), |x| {
            collect(bits, |i| bit(x[0], bits - 1 - i))
        });
        for (ty, is_signed) in [("u", false), ("s", true)] {
            let found = move |x: u64| {
                let x = if is_signed && bit(x, bits - 1) == 1 { !x } else { x };
                (0..bits).rev().find(|i| bit(x, *i) == 1)
            };
            check(&form(&format!("bfind.{ty}{bits}"), 32, &[bits]), |x| {
                found(x[0]).map_or(0xffff_ffff, u64::from)
            });
            check(&form(&format!("bfind.shiftamt.{ty}{bits}"), 32, &[bits]), |x| {
                found(x[0]).map_or(0xffff_ffff, |i| u64::from(bits - 1 - i))
            });
        }
    }
    check("fns.b32 %r1, %r2, %r3, %r4", |x| {
        let (base, offset) = (x[1] as i64, number(x[2], 32, true) as i64);
        if base > 31 {
            return 0xffff_ffff;
        }
        if offset == 0 {
            return if bit(x[0], base as u32) == 1 { base as u64 } else { 0xffff_ffff };
        }
        let (mut position, mut left) = (base, offset.abs() - 1);
        while (0..32).contains(&position) {
            if bit(x[0], position as u32) == 1 {
                if left == 0 {
                    return position as u64;
                }
                left -= 1;
            }
            position += offset.signum();
        }
        0xffff_ffff
    });
    check("fns.b32 %r1, 0xaaaaaaaa, 2, -1", |_| 1);
}

#[test]
fn fields() {
    for bits in [32, 64] {
        for (ty, is_signed) in [("u", false), ("s", true)] {
            let extract = move |x: &[u64]| {
                let (pos, len) = ((x[1] & 255) as u32, (x[2] & 255) as u32);
                let sign = if is_signed && len != 0 {
                    bit(x[0], (pos + len - 1).min(bits - 1))
                } else {
                    0
                };
                collect(bits, |i| if i < len && pos + i < bits { bit(x[0], pos + i) } else { sign })
            };
            check(&form(&format!("bfe.{ty}{bits}"), bits, &[bits, 32, 32]), extract);
            for (pos, len) in [(0, 0), (0, 8), (8, 8), (24, 8), (28, 8), (31, 1), (0, 32), (32, 4)]
            {
                let text =
                    format!("{}, {pos}, {len}", form(&format!("bfe.{ty}{bits}"), bits, &[bits]));
                check(&text, |x| extract(&[x[0], pos, len]));
            }
        }
        check(&form(&format!("bfi.b{bits}"), bits, &[bits, bits, 32, 32]), |x| {
            let (pos, len) = ((x[2] & 255) as u32, (x[3] & 255) as u32);
            collect(
                bits,
                |i| {
                    if i >= pos && i - pos < len { bit(x[0], i - pos) } else { bit(x[1], i) }
                },
            )
        });
    }
}

#[test]
fn masks_and_extensions() {
    for (mode, clamps) in [("clamp", true), ("wrap", false)] {
        // As the manual computes it, in words.
        check(&form(&format!("bmsk.{mode}.b32"), 32, &[32, 32]), |x| {
            let (a1, b1) = (x[0] & 31, x[1] & 31);
            let sum = a1 + b1;
            let mut mask0 = (0xffff_ffff_u64 << a1) as u32;
            let mut mask1 = if sum < 32 { (0xffff_ffff_u64 << sum) as u32 } else { 0 };
            let mut overflow = sum >= 32;
            if clamps && x[0] >= 32 {
                overflow = true;
                mask0 = 0;
            }
            if clamps && x[1] >= 32 {
                overflow = true;
            }
            if overflow {
                mask1 = 0;
            } else if b1 == 0 {
                mask1 = u32::MAX;
            }
            u64::from(mask0 & !mask1)
        });
        for (ty, is_signed) in [("u32", false), ("s32", true)] {
            check(&form(&format!("szext.{mode}.{ty}"), 32, &[32, 32]), |x| {
                let n = if clamps { x[1].min(32) } else { x[1] % 32 } as u32;
                let sign = if is_signed && n > 0 { bit(x[0], n - 1) } else { 0 };
                collect(32, |i| if i < n { bit(x[0], i) } else { sign })
            });
        }
    }
}

#[test]
fn permutations() {
    let byte = |x: &[u64], i: u64| (x[1] << 32 | x[0]) >> (8 * i) & 255;
    let generic = move |x: &[u64]| {
        (0..4)
            .map(|i| {
                let select = x[2] >> (4 * i) & 15;
                let byte = byte(x, select & 7);
                let sign = if byte & 128 != 0 { 255 } else { 0 };
                (if select & 8 != 0 { sign } else { byte }) << (8 * i)
            })
            .sum::<u64>()
    };
    check("prmt.b32 %r1, %r2, %r3, %r4", generic);
    for control in [0x3210_u64, 0x7654, 0x5410, 0x7632, 0x0123, 0x9180, 0xffff, 0x3340, 0x7770] {
        check(&format!("prmt.b32 %r1, %r2, %r3, {control}"), |x| generic(&[x[0], x[1], control]));
    }
    // Rows by the control's low bits, bytes from the highest down as the manual's table has them.
    for (mode, rows) in [
        ("f4e", ["3210", "4321", "5432", "6543"]),
        ("b4e", ["5670", "6701", "7012", "0123"]),
        ("rc8", ["0000", "1111", "2222", "3333"]),
        ("ecl", ["3210", "3211", "3222", "3333"]),
        ("ecr", ["0000", "1110", "2210", "3210"]),
        ("rc16", ["1010", "3232", "1010", "3232"]),
    ] {
        check(&form(&format!("prmt.b32.{mode}"), 32, &[32; 3]), |x| {
            rows[(x[2] & 3) as usize]
                .bytes()
                .fold(0, |word, digit| word << 8 | byte(x, u64::from(digit - b'0')))
        });
    }
}
