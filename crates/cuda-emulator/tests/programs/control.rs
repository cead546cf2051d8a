//! control.cu in plain Rust.

use crate::common::compile;
use crate::common::configurations;
use crate::common::device::{Device, args, shape};
use crate::table::{Op, compare, equal, program};

fn steps_to_one(mut x: u32) -> u32 {
    let mut steps = 0;
    while x != 1 {
        x = if x % 2 == 1 { 3 * x + 1 } else { x / 2 };
        steps += 1;
        if steps > 300 {
            break;
        }
    }
    steps
}

fn fibonacci(k: u32) -> u32 {
    (0..k).fold((0, 1), |(a, b), _| (b, a + b)).0
}

fn ackermann(m: u32, k: u32) -> u32 {
    match (m, k) {
        (0, _) => k + 1,
        (_, 0) => ackermann(m - 1, 1),
        _ => ackermann(m - 1, ackermann(m, k - 1)),
    }
}

fn digits(x: u32, depth: u32) -> u32 {
    let kept = |j: u32| x.wrapping_mul(j + 1).wrapping_add(depth);
    if depth == 0 || x == 0 {
        return kept(x & 3);
    }
    let inner = digits(x / 3, depth - 1);
    inner.wrapping_mul(31).wrapping_add(kept((inner ^ depth) & 3))
}

fn from_table(index: u32, x: u32) -> u32 {
    match index % 4 {
        0 => x.wrapping_mul(x),
        1 => x.wrapping_mul(3),
        2 => !x,
        _ => x.rotate_left(7),
    }
}

fn split(x: u32, by: [u32; 4]) -> [u32; 4] {
    [x / (by[0].wrapping_add(1)), x % (by[1].wrapping_add(1)), x ^ by[2], x.wrapping_add(by[3])]
}

const FUNCTIONS: &[Op<u32, u32, 1>] = &[
    ("loop", |[x]| steps_to_one(x % 1000 + 1)),
    ("fibonacci", |[x]| fibonacci(x % 12)),
    ("ackermann", |[x]| ackermann(x % 3, x / 3 % 4)),
    ("digits", |[x]| digits(x, x % 7)),
    ("table", |[x]| from_table(x, x).wrapping_add(from_table(x / 4, x.wrapping_add(1)))),
    ("virtual", |[x]| match x % 3 {
        0 => (6 * (x % 40) * (x % 40)).wrapping_add(x).wrapping_mul(10),
        _ => (x % 50) * (x % 50) * 10 + 4,
    }),
    ("structs", |[x]| {
        let four = split(x, split(x % 77, [x % 5, x % 7, x % 9, x % 11]));
        let weighted = four.iter().zip([1, 3, 5, 7]).map(|(v, w)| v.wrapping_mul(w));
        weighted.fold(0, u32::wrapping_add)
    }),
];

/// The jumps of `branches`, as a machine of states.
fn jumps(x: u32) -> u32 {
    enum At {
        Top,
        Middle,
        Skip,
    }
    let (mut a, mut b) = (x % 100, 0u32);
    let mut at = if a % 3 == 0 { At::Middle } else { At::Top };
    loop {
        at = match at {
            At::Top => {
                b = b.wrapping_add(a);
                if b > 500 {
                    break;
                }
                if a % 5 == 2 { At::Skip } else { At::Middle }
            }
            At::Middle => {
                b = b.wrapping_mul(2).wrapping_add(1);
                a += 7;
                if a % 4 == 1 { At::Top } else { At::Skip }
            }
            At::Skip => {
                a += 3;
                if a < 90 {
                    At::Middle
                } else if b % 2 == 0 && a < 120 {
                    At::Top
                } else {
                    break;
                }
            }
        };
    }
    a.wrapping_mul(1000).wrapping_add(b)
}

fn nested(x: u32) -> u32 {
    let mut sum = 0;
    for j in 0..x % 13 {
        for k in 0..j + 2 {
            if (k ^ x).is_multiple_of(4) {
                continue;
            }
            sum += j * k;
            if sum > 150 {
                return sum;
            }
        }
        sum += 1;
        while sum % 3 != 0 {
            sum += 1;
        }
    }
    sum
}

const BRANCHES: &[Op<u32, u32, 1>] = &[
    ("dense switch", |[x]| match x % 9 {
        0 => x.wrapping_add(1),
        1 => x.wrapping_mul(2),
        2 => x.wrapping_add((x ^ 3) % 2),
        3 => x,
        4 => 4,
        5 => x >> 5,
        6 => !x,
        7 => x.wrapping_mul(x),
        _ => 99,
    }),
    ("sparse switch", |[x]| match x {
        7 => 1,
        1000 => 2,
        0x8000_0000 => 3,
        u32::MAX => 4,
        _ => 5,
    }),
    ("jumps", |[x]| jumps(x)),
    ("nested loops", |[x]| nested(x)),
    ("conditions", |[x]| {
        let (mut count, mut j) = (0, 2);
        while j * j <= x % 2000 {
            if x % 2000 % j == 0 && (j % 2 == 1 || x % 7 == 1) || count > 4 {
                count += j;
            }
            j += 1;
        }
        count
    }),
];

#[test]
fn functions_and_branches() {
    program("control", 1, |device, random| {
        let xs = random.operands(600);
        compare(device, "functions", [xs.clone()], FUNCTIONS, equal);
        compare(device, "branches", [xs], BRANCHES, equal);
    });
}

#[test]
fn threads_that_leave_early() {
    let expected = |x: u32| {
        if x.is_multiple_of(5) {
            return 1;
        }
        let mut sum = 0;
        for j in 0..20 {
            if x % (j + 2) == 1 {
                return sum + j;
            }
            sum += x >> j & 1;
        }
        sum * 1000 + if sum % 2 == 0 { 7 } else { 0 }
    };
    program("control", 1, |device, random| {
        let xs = random.operands(500);
        let (input, out) = (device.upload(&xs), device.uninitialised::<u32>(xs.len()));
        device.run("leaving", shape(6, 96), args![input, out, xs.len() as i32]);
        let expected: Vec<u32> = xs.iter().map(|&x| expected(x)).collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn lanes_that_come_back_together() {
    let expected = |xs: &[u32]| {
        let spread = |x: u32| (0..x % 9).fold(x, |v, j| v.wrapping_mul(5).wrapping_add(j));
        let first: Vec<u32> = xs.iter().map(|&x| spread(x)).collect();
        let second: Vec<u32> = (0..32)
            .map(|l| match xs[l] % 2 {
                0 => first[l],
                _ => {
                    // The bound is read anew in every round.
                    let (mut other, mut j) = (first[l ^ 11], 0);
                    while j < other % 6 {
                        other = (other / 2).wrapping_add(j);
                        j += 1;
                    }
                    other
                }
            })
            .collect();
        (0..32).map(|l| second[31 - l]).collect::<Vec<u32>>()
    };
    program("control", 1, |device, random| {
        let xs = random.operands(320);
        let (input, out) = (device.upload(&xs), device.uninitialised::<u32>(xs.len()));
        device.run("together", shape(10, 32), args![input, out]);
        let expected: Vec<u32> = xs.chunks(32).flat_map(expected).collect();
        assert_eq!(device.download(out), expected);
    });
}

#[test]
fn jump_tables() {
    let path = compile::tests().join("programs/branch_table.ptx");
    let ptx = std::fs::read_to_string(path).unwrap();
    let expected = |mut x: u32| {
        let mut r = 0;
        loop {
            match x {
                0 => break r + 1000,
                1 | 3 => (r, x) = (r + 10, x - 1),
                2 => (r, x) = (r + 200, 0),
                _ => (r, x) = (r + 1, x - 3),
            }
        }
    };
    for config in configurations(1) {
        let mut device = Device::new(&ptx, config);
        let xs: Vec<u32> = (0..64).map(|i| i * 5 % 37).collect();
        let (input, out) = (device.upload(&xs), device.uninitialised::<u32>(64));
        device.run("jumps", shape(1, 64), args![input, out]);
        assert_eq!(device.download(out), xs.iter().map(|&x| expected(x)).collect::<Vec<_>>());
    }
}
