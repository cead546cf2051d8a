//! What this machine can do at most, measured in the same process and on the same threads.

use std::time::Instant;

use rayon::prelude::*;

use super::fma::Fma;
use crate::bench::report::Limits;

/// Bytes of each of the two buffers of a copy, beyond the caches of most machines.
const COPY_BYTES: usize = 128 << 20;

/// What one task copies: small enough to share work evenly, large enough for the prefetchers.
const PIECE: usize = 1 << 20;

/// The best of so many: a limit is what was reached once.
const TRIES: usize = 5;

/// Copy bandwidth (bytes read and bytes written) and the rate of f32 fused multiply-adds (two operations each).
pub(in crate::bench) fn limits() -> Limits {
    Limits { bytes_per_second: copies(), flops_per_second: products(), arithmetic: "fma" }
}

fn copies() -> f64 {
    let from = vec![1_u8; COPY_BYTES];
    let mut to = vec![2_u8; COPY_BYTES];
    let seconds = best(|| {
        to.par_chunks_mut(PIECE).zip(from.par_chunks(PIECE)).for_each(|(to, from)| {
            to.copy_from_slice(from);
        });
        std::hint::black_box(&to);
    });
    2.0 * COPY_BYTES as f64 / seconds
}

fn products() -> f64 {
    let (tasks, fma) = (rayon::current_num_threads(), Fma::widest());
    let seconds = best(|| {
        let sums: Vec<f32> = (0..tasks).into_par_iter().map(|task| fma.run(task as f32)).collect();
        std::hint::black_box(sums);
    });
    (tasks as u64 * fma.flops()) as f64 / seconds
}

fn best(mut run: impl FnMut()) -> f64 {
    let times = (0..TRIES).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min).max(1e-9)
}
