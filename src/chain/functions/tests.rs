//! Every f32, not a sample: monotone, and within the stated error of f64.

use rayon::prelude::*;

use super::*;
use crate::simd::{Lanes, Level, Task};

/// A function of the chain beside its exact counterpart. A trait, not a closure, so that it is
/// compiled with the instructions that a sweep runs with.
trait Function: Copy + Sync {
    const NAME: &'static str;
    const MAX_ULPS: f64;
    fn at(self, x: f32) -> f32;
    fn exact(x: f64) -> f64;
}

macro_rules! functions {
    ($($type:ident, $function:ident, $ulps:expr, $x:ident => $exact:expr;)*) => { $(
        #[derive(Clone, Copy)]
        struct $type;
        impl Function for $type {
            const NAME: &'static str = stringify!($function);
            const MAX_ULPS: f64 = $ulps;
            #[inline(always)]
            fn at(self, x: f32) -> f32 {
                $function(x)
            }
            fn exact($x: f64) -> f64 {
                $exact
            }
        }
    )* };
}

functions! {
    Exp, exp, 1.0, x => flushed(x.exp());
    Log1p, log1p, 1.6, x => x.ln_1p();
    Sigmoid, sigmoid, 2.5, z => flushed(1.0 / (1.0 + (-z).exp()));
    SqrtSoftplus, sqrt_softplus, 1.4, z => {
        flushed(if z > 40.0 { z } else { z.exp().ln_1p() }.sqrt())
    };
}

/// What a gate value below the least normal f32 counts as.
fn flushed(value: f64) -> f64 {
    if value < f64::from(f32::MIN_POSITIVE) { 0.0 } else { value }
}

/// What a run of consecutive bit patterns of one sign shows.
#[derive(Clone, Copy)]
struct Run {
    first: f32,
    last: f32,
    rising: bool,
    falling: bool,
    worst_ulps: f64,
    worst_at: f32,
}

struct Sweep<F> {
    first: u32,
    /// At most [`BLOCK`].
    count: u32,
    /// Every how many inputs the error is taken.
    stride: u32,
    function: F,
}

const BLOCK: u32 = 1 << 16;

impl<F: Function> Task for Sweep<F> {
    type Output = Run;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Run {
        let mut values = vec![0.0_f32; self.count as usize];
        for (i, value) in values.iter_mut().enumerate() {
            *value = self.function.at(f32::from_bits(self.first + i as u32));
        }
        let mut run = Run {
            first: values[0],
            last: values[values.len() - 1],
            rising: true,
            falling: true,
            worst_ulps: 0.0,
            worst_at: 0.0,
        };
        for (left, right) in values.iter().zip(&values[1..]) {
            run.rising &= left <= right;
            run.falling &= left >= right;
        }
        for i in (self.first % self.stride..self.count).step_by(self.stride as usize) {
            let x = f32::from_bits(self.first + i);
            let ulps = error_ulps(values[i as usize], F::exact(f64::from(x)));
            if ulps > run.worst_ulps || ulps.is_nan() {
                (run.worst_ulps, run.worst_at) = (ulps, x);
            }
        }
        run
    }
}

/// |got - exact| in units of the last place of `exact`; 0 where both are the same special value.
fn error_ulps(got: f32, exact: f64) -> f64 {
    if exact.is_nan() || exact.is_infinite() {
        let same = got.is_nan() == exact.is_nan() && (exact.is_nan() || f64::from(got) == exact);
        return if same { 0.0 } else { f64::INFINITY };
    }
    if got == f32::INFINITY {
        // Right where exact rounds up to 2^128.
        let limit = f64::from(f32::MAX) * (1.0 + 2f64.powi(-25));
        return if exact >= limit { 0.0 } else { f64::INFINITY };
    }
    let exponent = (exact.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    (f64::from(got) - exact).abs() * 2f64.powi(23 - exponent.max(-126))
}

/// Runs a function over the f32s of one sign from the smallest magnitude to `last`, in order.
fn sweep<F: Function>(function: F, sign: u32, last: f32) -> Run {
    let end = last.to_bits() & !NEGATIVE;
    // f64 costs more than all the rest. The stride is odd, so over the blocks it meets every
    // residue.
    let stride = if std::env::var_os("COSMOE_TEST_ALL").is_some() { 1 } else { 61 };
    let runs: Vec<Run> = (0..=end / BLOCK)
        .into_par_iter()
        .map(|block| {
            let first = block * BLOCK;
            let count = BLOCK.min(end - first + 1);
            Level::detect().run(Sweep { first: sign | first, count, stride, function })
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

/// Rising over all of f32 from `least` on: the negative half, walked outwards, falls.
fn check<F: Function>(function: F, least: f32) {
    let above = sweep(function, 0, f32::INFINITY);
    let below = sweep(function, NEGATIVE, least);
    for half in [above, below] {
        println!("{}: {:.3} ulp at {:e}", F::NAME, half.worst_ulps, half.worst_at);
        assert!(half.worst_ulps <= F::MAX_ULPS, "{} ulp at {}", half.worst_ulps, half.worst_at);
    }
    assert!(above.rising, "{} falls somewhere above 0", F::NAME);
    assert!(below.falling, "{} falls somewhere below 0", F::NAME);
    assert!(below.first <= above.first, "{} falls at 0", F::NAME);
    assert!(function.at(f32::NAN).is_nan());
}

#[test]
fn exp_is_monotone_and_close_on_every_f32() {
    check(Exp, f32::NEG_INFINITY);
    assert_eq!(exp(0.0), 1.0);
    assert_eq!(exp(f32::NEG_INFINITY), 0.0);
}

#[test]
fn log1p_is_monotone_and_close_on_every_f32() {
    check(Log1p, -1.0);
    assert!(log1p(-0.0).is_sign_negative() && log1p(0.0).is_sign_positive());
    for nan in [-1.000_000_1, -2.0, f32::NEG_INFINITY] {
        assert!(log1p(nan).is_nan(), "log1p({nan})");
    }
}

#[test]
fn sigmoid_is_monotone_and_close_on_every_f32() {
    check(Sigmoid, f32::NEG_INFINITY);
    assert_eq!(sigmoid(f32::INFINITY), 1.0);
}

#[test]
fn sqrt_softplus_is_monotone_and_close_on_every_f32() {
    check(SqrtSoftplus, f32::NEG_INFINITY);
    assert!(sqrt_softplus(-174.0) > 0.0);
}

/// The same bits whatever the instruction set, on inputs of every magnitude.
#[test]
fn every_instruction_set_gives_the_same_bits() {
    struct Bits;
    impl Task for Bits {
        type Output = Vec<[u32; 4]>;
        #[inline(always)]
        fn run<L: Lanes>(self) -> Vec<[u32; 4]> {
            let inputs = (0..u32::MAX).step_by(65_521).map(f32::from_bits);
            let all = |x| [exp(x), log1p(x), sigmoid(x), sqrt_softplus(x)].map(f32::to_bits);
            inputs.filter(|x| !x.is_nan()).map(all).collect()
        }
    }
    let portable = Level::new(crate::SimdLevel::Portable).unwrap().run(Bits);
    for simd in crate::SimdLevel::ALL.into_iter().filter(|simd| simd.is_available()) {
        assert_eq!(Level::new(simd).unwrap().run(Bits), portable, "{simd}");
    }
}
