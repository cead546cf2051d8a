//! The device's clock: two events around submitted work.

use std::sync::Arc;
use std::time::Duration;

use cudarc::driver::{CudaContext, CudaEvent, CudaStream, sys};

use super::driver;
use crate::bench::spread::{Spread, repeat};
use crate::error::Failure;

/// Seconds of a sample at least: four hundred times the events' resolution of half a microsecond.
const SHORTEST: f64 = 200e-6;

/// Work is repeated up to so many times for one sample; on an emulated device, whose clock counts instructions, once.
const MOST_PASSES: usize = 1 << 12;

pub(super) struct Watch {
    stream: Arc<CudaStream>,
    start: CudaEvent,
    end: CudaEvent,
    most_passes: usize,
}

impl Watch {
    pub(super) fn new(
        context: &Arc<CudaContext>,
        stream: &Arc<CudaStream>,
        emulated: bool,
    ) -> Result<Self, Failure> {
        let event = || context.new_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT));
        let (start, end) = (event().map_err(driver)?, event().map_err(driver)?);
        let most_passes = if emulated { 1 } else { MOST_PASSES };
        Ok(Self { stream: Arc::clone(stream), start, end, most_passes })
    }

    /// Seconds of one of the `calls` that a pass submits. A time of zero is an error: it would be no measurement.
    pub(super) fn repeat(
        &self,
        budget: Duration,
        calls: usize,
        mut pass: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Spread, Failure> {
        let mut passes = 1;
        let mut seconds = self.time(passes, &mut pass)?;
        while seconds < SHORTEST && passes < self.most_passes {
            passes *= 2;
            seconds = self.time(passes, &mut pass)?;
        }
        let each = (passes * calls) as f64;
        repeat(budget, || match self.time(passes, &mut pass)? {
            seconds if seconds > 0.0 => Ok(seconds / each),
            seconds => {
                let expected = "events that are some time apart";
                Err(Failure::input("--device", expected, format_args!("{seconds} s")))
            }
        })
    }

    /// Seconds of so many passes on the device.
    fn time(
        &self,
        passes: usize,
        pass: &mut impl FnMut() -> Result<(), Failure>,
    ) -> Result<f64, Failure> {
        self.start.record(&self.stream).map_err(driver)?;
        for _ in 0..passes {
            pass()?;
        }
        self.end.record(&self.stream).map_err(driver)?;
        let milliseconds = self.start.elapsed_ms(&self.end).map_err(driver)?;
        Ok(f64::from(milliseconds) * 1e-3)
    }
}
