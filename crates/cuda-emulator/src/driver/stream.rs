//! Streams and what orders them.
//!
//! Work is done when it is submitted, one thing after the other; what a GPU would be free to do at
//! the same time, or in another order, is tracked by the machine's clocks, and two accesses that
//! nothing orders are reported.

use super::handle::{Handle, Kind};
use super::state::{State, find};
use super::status::{Code, Outcome, fault};
use crate::machine::StreamId;

/// How a stream stands to the legacy default stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ordering {
    /// It is the legacy default stream.
    Legacy,
    /// Waits for the legacy default stream, and that one for it.
    Blocking,
    /// Neither.
    NonBlocking,
}

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) context: Handle,
    pub(crate) id: StreamId,
    pub(crate) ordering: Ordering,
    pub(crate) priority: i32,
    /// The capture that takes what is submitted.
    pub(crate) capture: Option<u64>,
}

impl Stream {
    pub(crate) fn new(context: Handle, id: StreamId, ordering: Ordering, priority: i32) -> Self {
        Self { context, id, ordering, priority, capture: None }
    }
}

/// Highest and lowest priority.
pub(crate) const PRIORITIES: (i32, i32) = (-5, 0);

impl State {
    /// `cuStreamCreateWithPriority`; a priority out of range is clamped, as CUDA does.
    pub(crate) fn create_stream(
        &mut self,
        context: Handle,
        flags: u32,
        priority: i32,
    ) -> Outcome<Handle> {
        let ordering = match flags {
            0 => Ordering::Blocking,
            1 => Ordering::NonBlocking,
            _ => return fault(Code::INVALID_VALUE, format!("stream flags {flags:#x}")),
        };
        let id = self.machine.create_stream();
        let handle = self.handle(Kind::Stream);
        let priority = priority.clamp(PRIORITIES.0, PRIORITIES.1);
        self.streams.insert(handle, Stream::new(context, id, ordering, priority));
        Ok(handle)
    }

    /// The stream that a handle means in a context.
    pub(crate) fn stream(&mut self, context: Handle, handle: Handle) -> Outcome<Handle> {
        match handle {
            Handle::NULL | Handle::LEGACY => Ok(self.context(context)?.legacy),
            Handle::PER_THREAD => self.per_thread(context),
            _ => {
                let stream = find(&mut self.streams, Kind::Stream, handle)?;
                if stream.context != context {
                    let why = "the stream belongs to another context than the current one";
                    return fault(Code::INVALID_HANDLE, why);
                }
                Ok(handle)
            }
        }
    }

    fn per_thread(&mut self, context: Handle) -> Outcome<Handle> {
        let thread = std::thread::current().id();
        if let Some(handle) = self.context(context)?.per_thread.get(&thread) {
            return Ok(*handle);
        }
        let handle = self.create_stream(context, 0, 0)?;
        self.context(context)?.per_thread.insert(thread, handle);
        Ok(handle)
    }

    /// `cuStreamDestroy`: a capture that the stream takes part in is lost.
    pub(crate) fn destroy_stream(&mut self, handle: Handle) -> Outcome {
        if handle.is_default_stream() {
            return fault(Code::INVALID_HANDLE, "a default stream cannot be destroyed");
        }
        let capture = find(&mut self.streams, Kind::Stream, handle)?.capture;
        if let Some(capture) = capture {
            self.invalidate(capture);
        }
        self.streams.remove(&handle);
        Ok(())
    }

    /// Orders what comes next on a stream after what the default stream's rules demand, and gives
    /// the machine's name of the stream.
    pub(crate) fn begin(&mut self, handle: Handle) -> Outcome<StreamId> {
        let stream = find(&mut self.streams, Kind::Stream, handle)?;
        let (id, context) = (stream.id, stream.context);
        match stream.ordering {
            Ordering::NonBlocking => {}
            Ordering::Blocking => {
                let legacy = self.context(context)?.legacy;
                self.wait_for(id, legacy)?;
            }
            Ordering::Legacy => {
                for other in self.blocking(context) {
                    self.wait_for(id, other)?;
                }
            }
        }
        Ok(id)
    }

    /// The blocking streams of a context.
    pub(crate) fn blocking(&self, context: Handle) -> Vec<Handle> {
        let blocking =
            |stream: &Stream| stream.context == context && stream.ordering == Ordering::Blocking;
        let mut found: Vec<Handle> =
            self.streams.iter().filter(|(_, s)| blocking(s)).map(|(handle, _)| *handle).collect();
        found.sort();
        found
    }

    fn wait_for(&mut self, id: StreamId, other: Handle) -> Outcome {
        let other = find(&mut self.streams, Kind::Stream, other)?.id;
        let mark = self.machine.mark(other);
        self.machine.wait(id, &mark);
        Ok(())
    }

    /// The host waits for a stream.
    pub(crate) fn synchronize(&mut self, context: Handle, handle: Handle) -> Outcome {
        self.forbid_in_capture(handle)?;
        let id = self.begin(handle)?;
        self.machine.synchronize(id);
        self.finished(context)
    }

    /// The host waits for everything in a context.
    pub(crate) fn synchronize_context(&mut self, context: Handle) -> Outcome {
        let captures: Vec<u64> =
            self.captures.iter().filter(|(_, c)| c.context == context).map(|(id, _)| *id).collect();
        if !captures.is_empty() {
            for capture in captures {
                self.invalidate(capture);
            }
            return fault(Code::STREAM_CAPTURE_UNSUPPORTED, "a stream of the context is capturing");
        }
        self.machine.synchronize_all();
        self.finished(context)
    }
}
