//! Every f32, not a sample: monotone, and within the stated error of f64.

use rayon::prelude::*;

use super::*;
use crate::cpu::simd::{Level, Lanes, Task};

/// What one run of consecutive bit patterns of one sign shows.
#[derive(Clone, Copy)]
struct Run {
    first: f32,
    last: f32,
    rising: bool,
    falling: bool,
    worst_ulps: f64,
    worst_at: f32,
}

struct Sweep<F, R> {
    bits: std::ops::RangeInclusive<u32>,
    function: F,
    reference: R,
}

const BLOCK: u32 = 1 << 16;

impl<F: Fn(f32) -> f32, R: Fn(f64) -> f64> Task for Sweep<F, R> {
    type Output = Run;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Run {
        let mut values = [0.0_f32; 1024];
        let mut run = Run {
            first: (self.function)(f32::from_bits(*self.bits.start())),
            last: 0.0,
            rising: true,
            falling: true,
            worst_ulps: 0.0,
            worst_at: 0.0,
        };
        let mut previous = run.first;
        let mut start = *self.bits.start();
        while start <= *self.bits.end() {
            let count = (self.bits.end() - start + 1).min(1024);
            for (i, value) in values.iter_mut().enumerate() {
                *value = (self.function)(f32::from_bits(start + i as u32));
            }
            for &value in &values[..count as usize] {
                run.rising &= previous <= value;
                run.falling &= previous >= value;
                previous = value;
            }
            // The error against f64 costs more than all the rest: every 61st input, a stride that
            // shares no factor with the 2^k spacing of exponents.
            for i in (start % 61..count).step_by(61) {
                let x = f32::from_bits(start + i);
                let got = values[i as usize];
                let ulps = error_ulps(got, (self.reference)(f64::from(x)));
                if !(ulps <= run.worst_ulps) {
                    (run.worst_ulps, run.worst_at) = (ulps, x);
                }
            }
            start += count;
        }
        run.last = previous;
        run
    }
}

/// |got - exact| in units of the last place of `exact`; 0 where both are the same special value.
fn error_ulps(got: f32, exact: f64) -> f64 {
    if exact.is_nan() || exact.is_infinite() {
        let same = got.is_nan() == exact.is_nan() && (exact.is_nan() || f64::from(got) == exact);
        return if same { 0.0 } else { f64::INFINITY };
    }
    if exact.abs() > f64::from(f32::MAX) {
        let beyond = exact.abs() >= f64::from(f32::MAX) * (1.0 + 2f64.powi(-25));
        return if got == f32::INFINITY && beyond { 0.0 } else { (f64::from(got) - exact).abs() };
    }
    let exponent = exact.abs().log2().floor().max(-126.0);
    (f64::from(got) - exact).abs() / 2f64.powf(exponent - 23.0)
}

/// Runs `function` over every f32 of one sign from the smallest magnitude to infinity, in order.
fn sweep(
    sign: u32,
    function: impl Fn(f32) -> f32 + Sync,
    reference: impl Fn(f64) -> f64 + Sync,
) -> Run {
    let infinity = f32::INFINITY.to_bits();
    let blocks = infinity.div_ceil(BLOCK);
    let runs: Vec<Run> = (0..=blocks)
        .into_par_iter()
        .filter(|block| block * BLOCK <= infinity)
        .map(|block| {
            let first = block * BLOCK;
            let last = (first + BLOCK - 1).min(infinity);
            let bits = (sign | first)..=(sign | last);
            Level::detect().run(Sweep { bits, function: &function, reference: &reference })
        })
        .collect();
    let mut all = runs[0];
    for run in &runs[1..] {
        all.rising &= run.rising && all.last <= run.first;
        all.falling &= run.falling && all.last >= run.first;
        all.last = run.last;
        if run.worst_ulps > all.worst_ulps || run.worst_ulps.is_nan() {
            (all.worst_ulps, all.worst_at) = (run.worst_ulps, run.worst_at);
        }
    }
    all
}

const NEGATIVE: u32 = 1 << 31;

/// Rising over all of f32: the negative half, walked outwards, falls.
fn check_rising(
    name: &str,
    function: impl Fn(f32) -> f32 + Sync,
    reference: impl Fn(f64) -> f64 + Sync,
    max_ulps: f64,
) {
    let above = sweep(0, &function, &reference);
    let below = sweep(NEGATIVE, &function, &reference);
    println!(
        "{name}: {:.3} ulp at {:e}, {:.3} ulp at {:e}",
        above.worst_ulps, above.worst_at, below.worst_ulps, below.worst_at
    );
    assert!(above.rising, "{name} falls somewhere above 0");
    assert!(below.falling, "{name} falls somewhere below 0");
    assert!(below.first <= above.first, "{name} falls at 0");
    for half in [above, below] {
        assert!(half.worst_ulps <= max_ulps, "{name}: {} ulp at {}", half.worst_ulps, half.worst_at);
    }
}

/// What a gate value below the least normal f32 counts as.
fn flushed(value: f64) -> f64 {
    if value < f64::from(f32::MIN_POSITIVE) { 0.0 } else { value }
}

#[test]
fn exp_is_monotone_and_close_on_every_f32() {
    check_rising("exp", exp, |x| flushed(x.exp()), 1.0);
    assert!(exp(f32::NAN).is_nan());
    assert_eq!(exp(0.0), 1.0);
    assert_eq!(exp(f32::NEG_INFINITY), 0.0);
}

#[test]
fn log1p_is_monotone_and_close_on_every_f32() {
    let above = sweep(0, log1p, f64::ln_1p);
    println!("log1p: {:.3} ulp at {:e}", above.worst_ulps, above.worst_at);
    assert!(above.rising && above.worst_ulps <= 1.5, "{} at {}", above.worst_ulps, above.worst_at);
    // Below 0 only up to -1.
    let ends_at_minus_one = |x: f32| log1p(x.max(-1.0));
    let below = sweep(NEGATIVE, ends_at_minus_one, |x| x.max(-1.0).ln_1p());
    println!("log1p: {:.3} ulp at {:e}", below.worst_ulps, below.worst_at);
    assert!(below.falling && below.worst_ulps <= 1.5, "{} at {}", below.worst_ulps, below.worst_at);
    assert!(log1p(-0.0).is_sign_negative() && log1p(0.0).is_sign_positive());
    for nan in [f32::NAN, -1.000_000_1, -2.0, f32::NEG_INFINITY] {
        assert!(log1p(nan).is_nan(), "log1p({nan})");
    }
}

#[test]
fn sigmoid_is_monotone_and_close_on_every_f32() {
    check_rising("sigmoid", sigmoid, |z| flushed(1.0 / (1.0 + (-z).exp())), 2.5);
    assert!(sigmoid(f32::NAN).is_nan());
    assert_eq!(sigmoid(f32::INFINITY), 1.0);
}

#[test]
fn sqrt_softplus_is_monotone_and_close_on_every_f32() {
    let reference = |z: f64| {
        let softplus = if z > 40.0 { z } else { z.exp().ln_1p() };
        flushed(softplus.sqrt())
    };
    check_rising("sqrt_softplus", sqrt_softplus, reference, 2.5);
    assert!(sqrt_softplus(f32::NAN).is_nan());
    assert!(sqrt_softplus(-174.0) > 0.0);
}
