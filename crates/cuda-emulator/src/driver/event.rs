//! Events, and the virtual clock behind their elapsed times.
//!
//! The emulated device knows no time. Its clock counts work: a warp instruction is one nanosecond,
//! and so is every 32 bytes of a copy or memset, of whatever stream, one after the other. The same
//! program always gives the same elapsed times, more work never gives less, and none of it says
//! how long a GPU would take.

use super::handle::{Handle, Kind};
use super::state::{State, find};
use super::status::{Code, Outcome, fault};
use crate::counts::Counts;
use crate::machine::{Mark, StreamId};

/// An event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) context: Handle,
    pub(crate) timed: bool,
    pub(crate) state: Recorded,
}

/// What an event was last recorded as.
#[derive(Debug, Clone)]
pub(crate) enum Recorded {
    Never,
    /// In a stream, at a time of the virtual clock.
    At(Mark, u64),
    /// In a capture, after some of its nodes.
    Captured(u64, Vec<usize>),
}

/// Bits of `CUevent_flags` other than interprocess.
const FLAGS: u32 = 0x3;
const DISABLE_TIMING: u32 = 0x2;

impl State {
    /// `cuEventCreate`.
    pub(crate) fn create_event(&mut self, context: Handle, flags: u32) -> Outcome<Handle> {
        if flags & !FLAGS != 0 {
            return fault(Code::INVALID_VALUE, format!("event flags {flags:#x} are not emulated"));
        }
        let timed = flags & DISABLE_TIMING == 0;
        let handle = self.handle(Kind::Event);
        self.events.insert(handle, Event { context, timed, state: Recorded::Never });
        Ok(handle)
    }

    /// `cuEventRecord`.
    pub(crate) fn record_event(&mut self, event: Handle, stream: Handle) -> Outcome {
        let owner = find(&mut self.streams, Kind::Stream, stream)?;
        let (context, capture) = (owner.context, owner.capture);
        if find(&mut self.events, Kind::Event, event)?.context != context {
            return fault(Code::INVALID_HANDLE, "the event and the stream are of two contexts");
        }
        self.forbid_implicit(stream)?;
        let state = match capture {
            Some(capture) => Recorded::Captured(capture, self.tips(capture, stream)?),
            None => {
                let id = self.begin(stream)?;
                Recorded::At(self.machine.mark(id), self.clock)
            }
        };
        find(&mut self.events, Kind::Event, event)?.state = state;
        Ok(())
    }

    /// `cuStreamWaitEvent`.
    pub(crate) fn wait_event(&mut self, stream: Handle, event: Handle) -> Outcome {
        let state = find(&mut self.events, Kind::Event, event)?.state.clone();
        let capture = find(&mut self.streams, Kind::Stream, stream)?.capture;
        self.forbid_implicit(stream)?;
        match (state, capture) {
            (Recorded::Captured(id, nodes), _) => self.join_capture(stream, id, &nodes),
            (Recorded::At(..), Some(capture)) => {
                self.invalidate(capture);
                let why = "a capturing stream waits for an event from outside the capture";
                fault(Code::STREAM_CAPTURE_ISOLATION, why)
            }
            (Recorded::Never, _) => Ok(()),
            (Recorded::At(mark, _), None) => {
                let id = self.begin(stream)?;
                self.machine.wait(id, &mark);
                Ok(())
            }
        }
    }

    /// `cuEventSynchronize` and, as all work is done when it is submitted, `cuEventQuery`.
    pub(crate) fn synchronize_event(&mut self, context: Handle, event: Handle) -> Outcome {
        match find(&mut self.events, Kind::Event, event)?.state.clone() {
            Recorded::Never => {}
            Recorded::At(mark, _) => {
                self.forbid_unsafe_in_capture()?;
                self.machine.wait(StreamId::HOST, &mark);
            }
            Recorded::Captured(capture, _) => {
                self.invalidate(capture);
                return fault(Code::CAPTURED_EVENT, "the event was recorded in a capture");
            }
        }
        self.finished(context)
    }

    /// Milliseconds of the virtual clock between two events.
    pub(crate) fn elapsed(&mut self, start: Handle, end: Handle) -> Outcome<f32> {
        let mut times = [0; 2];
        for (time, handle) in times.iter_mut().zip([start, end]) {
            let event = find(&mut self.events, Kind::Event, handle)?;
            match &event.state {
                Recorded::At(_, at) if event.timed => *time = *at,
                _ if !event.timed => {
                    return fault(Code::INVALID_HANDLE, "the event was created without timing");
                }
                Recorded::Captured(..) => return Err(Code::CAPTURED_EVENT.into()),
                _ => return fault(Code::INVALID_HANDLE, "the event was never recorded"),
            }
        }
        Ok((times[1] as f64 - times[0] as f64) as f32 * 1e-6)
    }

    /// A launch moves the clock.
    pub(crate) fn tick_launch(&mut self, counts: &Counts) {
        self.clock += counts.warp_instructions.values().sum::<u64>().max(1);
    }

    /// So does a copy or memset.
    pub(crate) fn tick_bytes(&mut self, bytes: u64) {
        self.clock += bytes.div_ceil(32).max(1);
    }
}
