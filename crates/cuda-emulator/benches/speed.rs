//! Thread instructions a second (criterion's elements), with all checks and without: a routing main loop
//! in f32, a gather, a product of matrices by mma.

#![allow(clippy::result_large_err, reason = "a report is made once a benchmark")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "as in tests")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cuda_emulator::config::Config;
use cuda_emulator::counts::Counts;

use common::compile;
use common::device::{Arg, Device, args, shape};
use common::random::Random;

fn speed(criterion: &mut Criterion) {
    let (Some(own), Some(gemm)) =
        (compile::ptx("../benches", "speed"), compile::ptx("programs", "gemm"))
    else {
        return;
    };
    for (name, ptx, setup) in
        [("route", &own, route as Setup), ("gather", &own, gather), ("mma", &gemm, mma)]
    {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).warm_up_time(Duration::from_millis(500));
        for (mode, checks) in [("checks", true), ("plain", false)] {
            let mut device =
                Device::new(ptx, Config { checks, counts: checks, ..Config::default() });
            let launch = setup(&mut device);
            let counts = launch(&mut device);
            group.throughput(Throughput::Elements(counts.thread_instructions.values().sum()));
            group.bench_function(mode, |bencher| bencher.iter(|| launch(&mut device)));
        }
        group.finish();
    }
}

/// Sets up memory; gives what is measured.
type Setup = fn(&mut Device) -> Box<dyn Fn(&mut Device) -> Counts>;

fn route(device: &mut Device) -> Box<dyn Fn(&mut Device) -> Counts> {
    let mut random = Random::new(1);
    let (count, width) = (256, 256);
    let mut floats = |n: usize| (0..n).map(|_| random.unit()).collect::<Vec<f32>>();
    let (tokens, experts) = (floats(count * width), floats(32 * width));
    let (tokens, experts) = (device.upload(&tokens), device.upload(&experts));
    let best = device.uninitialised::<u32>(count);
    Box::new(move |device| {
        device.run(
            "route",
            shape(count as u32 / 16, 128),
            args![tokens, experts, best, width as i32],
        )
    })
}

fn gather(device: &mut Device) -> Box<dyn Fn(&mut Device) -> Counts> {
    let mut random = Random::new(2);
    let (rows, vectors) = (512, 64);
    let from = device.upload(&random.words(rows * vectors * 4));
    let row_of = device.upload(&random.small(rows, rows as u32));
    let to = device.uninitialised::<[u32; 4]>(rows * vectors);
    Box::new(move |device| {
        device.run("gather", shape(rows as u32 / 32, 256), args![from, row_of, to, vectors as i32])
    })
}

fn mma(device: &mut Device) -> Box<dyn Fn(&mut Device) -> Counts> {
    let mut random = Random::new(3);
    let (m, n, k) = (256u32, 128u32, 256u32);
    // Two bf16 a word, of moderate size.
    let mut matrix =
        |n: u32| random.words(n as usize / 2).iter().map(|w| w & 0x3fff_3fff).collect::<Vec<_>>();
    let (a, b) = (matrix(m * k), matrix(n * k));
    let (a, b) = (device.upload(&a), device.upload(&b));
    let c = device.uninitialised::<f32>((m * n) as usize);
    let words = [a.address, b.address, c.address, u64::from(n) << 32 | u64::from(m), u64::from(k)];
    let mut shape = shape(n / 64, 128).shared(3 * 2 * 64 * 32 * 2);
    shape.grid[1] = m / 64;
    Box::new(move |device| device.run("gemm", shape, &[Arg::of(words)]))
}

criterion_group!(benches, speed);
criterion_main!(benches);
