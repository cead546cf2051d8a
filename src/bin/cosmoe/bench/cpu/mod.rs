//! Operations on the CPU: wall time, warm.

mod fma;
mod limits;

use std::time::{Duration, Instant};

use cosmoe::Cpu;

use super::call;
use super::memory::Float;
use super::op::Op;
use super::shapes::Shape;
use super::spread::{Spread, repeat};

pub(super) use limits::limits;

/// Calls before the first that counts: caches fill, pages are touched, the pool wakes.
const WARM_UP: usize = 2;

pub(super) fn measure<T: Float>(
    cpu: &Cpu,
    op: Op,
    shape: &Shape,
    budget: Duration,
) -> cosmoe::Result<Spread> {
    let mut call = call::make::<T, Cpu>(cpu, op, shape)?;
    for _ in 0..WARM_UP {
        call.call(cpu)?;
    }
    repeat(budget, || {
        let start = Instant::now();
        call.call(cpu)?;
        // A clock that stands still is no time.
        Ok(start.elapsed().as_secs_f64().max(1e-9))
    })
}
