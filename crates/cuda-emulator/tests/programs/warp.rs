//! warp.cu in plain Rust: a warp is 32 numbers.

use crate::common::device::{args, shape};
use crate::common::random::Random;
use crate::table::program;

const WARPS: usize = 6;
const THREADS: usize = WARPS * 32;

/// Runs KERNEL(inputs..., out) on two blocks of three warps and compares `expected(warp)`, which
/// gives a list of rows of 32.
fn compare_warps(
    kernel: &str,
    expected: impl Fn(&[Vec<u32>]) -> Vec<[u32; 32]>,
    inputs: impl Fn(&mut Random) -> Vec<Vec<u32>>,
) {
    program("warp", 1, |device, random| {
        let inputs = inputs(random);
        let rows = expected(&inputs.iter().map(|i| i[..32].to_vec()).collect::<Vec<_>>()).len();
        let out = device.uninitialised::<u32>(rows * THREADS);
        let mut list: Vec<_> = inputs.iter().map(|input| device.upload(input).into()).collect();
        list.push(out.into());
        device.run(kernel, shape(2, 96), &list);
        let found = device.download(out);
        for warp in 0..WARPS {
            let part: Vec<Vec<u32>> =
                inputs.iter().map(|input| input[warp * 32..][..32].to_vec()).collect();
            for (k, row) in expected(&part).iter().enumerate() {
                let found = &found[k * THREADS + warp * 32..][..32];
                assert_eq!(found, row, "{kernel}, row {k}, warp {warp} of {part:?}");
            }
        }
    });
}

/// The row of what `f` gives each lane.
fn row(f: impl FnMut(usize) -> u32) -> [u32; 32] {
    std::array::from_fn(f)
}

#[test]
fn shuffles() {
    let expected = |inputs: &[Vec<u32>]| {
        let (x, lane) = (&inputs[0], &inputs[1]);
        // The source lane, if it is in the same segment of `width` lanes.
        let up = |l: usize, by: usize, width: usize| if l % width >= by { l - by } else { l };
        let down = |l: usize, by: usize, w: usize| if l % w + by < w { l + by } else { l };
        let wide = |l: usize| {
            let from = lane[l] as usize % 32;
            x[from] ^ from as u32
        };
        vec![
            row(|l| x[lane[l] as usize % 32]),
            row(|l| x[l / 8 * 8 + lane[l] as usize % 8]),
            row(|l| x[up(l, 3, 32)]),
            row(|l| x[up(l, 5, 16)]),
            row(|l| x[down(l, 7, 32)]),
            row(|l| x[down(l, 1, 4)]),
            row(|l| x[l ^ 21]),
            row(|l| x[l ^ 6]),
            row(wide),
            row(|l| x[down(l, 9, 32)].wrapping_mul(3)),
            row(|l| if l < 4 { 77 } else { x[l - 4] }),
            row(|l| if l + 6 < 32 { x[l + 6] } else { 78 }),
            row(|l| if l & 16 != 0 { x[l ^ 9] } else { x[3].wrapping_add(1) }),
        ]
    };
    compare_warps("shuffles", expected, |random| {
        vec![random.words(THREADS), random.small(THREADS, 32)]
    });
}

#[test]
fn votes_matches_and_reductions() {
    let expected = |inputs: &[Vec<u32>]| {
        let x = &inputs[0];
        let mask = |test: &dyn Fn(usize) -> bool| {
            (0..32).filter(|&l| test(l)).map(|l| 1u32 << l).sum::<u32>()
        };
        let same = |v: &[u32]| v.iter().all(|&w| w == v[0]);
        let signed = |by: i32| x.iter().map(move |&v| v as i32 - by);
        let bit6: Vec<u32> = x.iter().map(|v| v & 64).collect();
        let bit0: Vec<u32> = x.iter().map(|v| v & 1).collect();
        let group = |l: usize| (0..32).filter(move |&m| x[m] % 5 == x[l] % 5);
        let all = |test: fn(u32) -> bool| u32::from(x.iter().all(|&v| test(v)));
        vec![
            [all(|v| v < 100) + 2 * u32::from(x.iter().any(|&v| v < 3)) + 4 * all(|v| v < 30); 32],
            [mask(&|l| x[l] % 3 == 1); 32],
            [u32::from(x.iter().all(|&v| v < 2) || x.iter().all(|&v| v >= 2)); 32],
            [mask(&|l| x[l] > 9); 32],
            row(|l| mask(&|m| x[m] & 3 == x[l] & 3)),
            row(|l| mask(&|m| x[m] & 3 == x[l] & 3)),
            [if same(&bit6) { u32::MAX } else { 0 }; 32],
            [u32::from(same(&bit6)); 32],
            [if same(&bit0) { u32::MAX.wrapping_add(5) } else { 9 }; 32],
            [x.iter().sum(); 32],
            [*x.iter().min().unwrap(); 32],
            [*x.iter().max().unwrap(); 32],
            [signed(20).min().unwrap() as u32; 32],
            [signed(90).max().unwrap() as u32; 32],
            [x.iter().fold(u32::MAX, |a, v| a & (v | 8)); 32],
            [x.iter().fold(0, |a, v| a | v << 3); 32],
            [x.iter().fold(0, |a, v| a ^ v.wrapping_mul(77)); 32],
            row(|l| group(l).map(|m| x[m]).sum()),
            row(|l| group(l).map(|m| x[m] & 1).sum()),
            row(|l| group(l).next().unwrap() as u32),
        ]
    };
    compare_warps("votes", expected, |random| {
        // Some warps of one value or of few, so that votes are not all alike.
        let below = [1, 2, 31, 64, 100, 128];
        vec![(0..THREADS).map(|t| random.below(below[t / 32])).collect()]
    });
}

#[test]
fn diverged_warps() {
    let path = |x: u32| {
        let mut path = 1u32;
        for i in 0..4 {
            if x >> i & 1 != 0 {
                if x >> (i + 1) & 1 != 0 {
                    path = path.wrapping_mul(5).wrapping_add(1);
                    continue;
                }
                path = path.wrapping_mul(3);
                if path > 200 {
                    break;
                }
            } else {
                path = path.wrapping_add(x.count_ones());
            }
            path ^= i;
        }
        path
    };
    let expected = move |inputs: &[Vec<u32>]| {
        let x = &inputs[0];
        vec![
            row(|l| u32::from(!x[l].is_multiple_of(2) || !x[l].is_multiple_of(3))),
            [1; 32],
            [1; 32],
            row(|l| (0..x[l] % 11).map(|r| r.wrapping_mul(x[l])).fold(0, u32::wrapping_add)),
            [x.iter().map(|v| v % 11).max().unwrap(); 32],
            row(|l| path(x[l])),
            row(|l| path(x[l ^ 1])),
        ]
    };
    compare_warps("diverged", expected, |random| vec![random.words(THREADS)]);
}

#[test]
fn special_registers() {
    program("warp", 1, |device, _| {
        let threads = 3 * 2 * 8 * 5;
        let out = device.uninitialised::<u32>(11 * threads);
        let mut shape = shape(3, 8).shared(256);
        (shape.grid[1], shape.block[1]) = (2, 5);
        device.run("registers", shape, args![out]);
        let found = device.download(out);
        for thread in 0..threads {
            let lane = (thread % 40 % 32) as u32;
            let below = (1u32 << lane) - 1;
            let expected = [
                lane,
                1 << lane,
                below,
                below | 1 << lane,
                !(below | 1 << lane),
                !below,
                8 * 100 + 5 * 10 + 2,
                256,
                1,
                1,
                1,
            ];
            for (k, expected) in expected.into_iter().enumerate() {
                assert_eq!(found[k * threads + thread], expected, "row {k}, thread {thread}");
            }
        }
    });
}
