//! Stream capture: what is submitted becomes nodes of a graph instead of being done.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::thread::ThreadId;

use super::graph::Graph;
use super::handle::{Handle, Kind};
use super::operation::Operation;
use super::state::{State, find};
use super::status::{Code, Outcome, fault};
use super::stream::Ordering;

/// A capture under way.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) context: Handle,
    /// The stream that it must end on.
    origin: Handle,
    mode: Mode,
    thread: ThreadId,
    /// The graph so far.
    pub(crate) graph: Graph,
    /// The streams that take part, and the nodes that their next node comes after.
    streams: BTreeMap<Handle, Vec<usize>>,
    pub(crate) invalid: bool,
}

/// `CUstreamCaptureMode`: which threads' unsafe calls a capture forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Global,
    ThreadLocal,
    Relaxed,
}

impl Mode {
    /// From C.
    pub(crate) fn of(value: u32) -> Outcome<Self> {
        match value {
            0 => Ok(Mode::Global),
            1 => Ok(Mode::ThreadLocal),
            2 => Ok(Mode::Relaxed),
            _ => fault(Code::INVALID_VALUE, format!("stream capture mode {value}")),
        }
    }
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Global) };
}

/// `cuThreadExchangeStreamCaptureMode`.
pub(crate) fn exchange_mode(mode: Mode) -> Mode {
    MODE.replace(mode)
}

impl State {
    /// `cuStreamBeginCapture`.
    pub(crate) fn begin_capture(&mut self, handle: Handle, mode: Mode) -> Outcome {
        let id = self.handle(Kind::Graph).serial();
        let stream = find(&mut self.streams, Kind::Stream, handle)?;
        if stream.ordering == Ordering::Legacy {
            let why = "the legacy default stream cannot be captured";
            return fault(Code::STREAM_CAPTURE_UNSUPPORTED, why);
        }
        if stream.capture.is_some() {
            return fault(Code::ILLEGAL_STATE, "the stream is capturing already");
        }
        stream.capture = Some(id);
        let context = stream.context;
        let capture = Capture {
            context,
            origin: handle,
            mode,
            thread: std::thread::current().id(),
            graph: Graph::default(),
            streams: BTreeMap::from([(handle, Vec::new())]),
            invalid: false,
        };
        self.captures.insert(id, capture);
        Ok(())
    }

    /// `cuStreamEndCapture`: the capture is over, whether it gives a graph or not.
    pub(crate) fn end_capture(&mut self, handle: Handle) -> Outcome<Handle> {
        let Some(id) = find(&mut self.streams, Kind::Stream, handle)?.capture else {
            return fault(Code::ILLEGAL_STATE, "the stream is not capturing");
        };
        let Some(capture) = self.captures.get(&id) else {
            return Err(Code::ILLEGAL_STATE.into());
        };
        if capture.origin != handle {
            self.invalidate(id);
            return fault(Code::STREAM_CAPTURE_UNMATCHED, "the capture began on another stream");
        }
        if capture.mode != Mode::Relaxed && capture.thread != std::thread::current().id() {
            return fault(Code::STREAM_CAPTURE_WRONG_THREAD, "another thread began the capture");
        }
        let Some(capture) = self.captures.remove(&id) else {
            return Err(Code::ILLEGAL_STATE.into());
        };
        for stream in self.streams.values_mut().filter(|stream| stream.capture == Some(id)) {
            stream.capture = None;
        }
        if capture.invalid {
            return fault(Code::STREAM_CAPTURE_INVALIDATED, "an earlier call ended the capture");
        }
        if !capture.joined() {
            let why = "a stream that joined the capture was not joined back";
            return fault(Code::STREAM_CAPTURE_UNJOINED, why);
        }
        let graph = self.handle(Kind::Graph);
        self.graphs.insert(graph, capture.graph);
        Ok(graph)
    }

    /// Adds what is submitted on a capturing stream to its graph.
    pub(crate) fn record_node(&mut self, id: u64, stream: Handle, op: Operation) -> Outcome {
        let node = self.handle(Kind::Node);
        let Some(capture) = self.captures.get_mut(&id) else {
            return Err(Code::STREAM_CAPTURE_INVALIDATED.into());
        };
        if capture.invalid {
            return Err(Code::STREAM_CAPTURE_INVALIDATED.into());
        }
        let tips = capture.streams.entry(stream).or_default();
        let after = std::mem::take(tips);
        let index = capture.graph.nodes.len();
        tips.push(index);
        capture.graph.add(node, op, after);
        Ok(())
    }

    /// The nodes that a stream's next node in a capture comes after.
    pub(crate) fn tips(&mut self, id: u64, stream: Handle) -> Outcome<Vec<usize>> {
        match self.captures.get(&id) {
            Some(capture) if !capture.invalid => {
                Ok(capture.streams.get(&stream).cloned().unwrap_or_default())
            }
            _ => Err(Code::STREAM_CAPTURE_INVALIDATED.into()),
        }
    }

    /// A stream waits for an event of a capture: it takes part from now on.
    pub(crate) fn join_capture(&mut self, handle: Handle, id: u64, nodes: &[usize]) -> Outcome {
        let stream = find(&mut self.streams, Kind::Stream, handle)?;
        match stream.capture {
            Some(other) if other != id => {
                self.invalidate(id);
                self.invalidate(other);
                return fault(Code::STREAM_CAPTURE_MERGE, "the event is of another capture");
            }
            _ => {}
        }
        let Some(capture) = self.captures.get_mut(&id) else {
            return fault(Code::CAPTURED_EVENT, "the event was recorded in a capture that is over");
        };
        if capture.invalid {
            return Err(Code::STREAM_CAPTURE_INVALIDATED.into());
        }
        if stream.ordering == Ordering::Legacy {
            capture.invalid = true;
            return fault(Code::STREAM_CAPTURE_IMPLICIT, "the legacy default stream would capture");
        }
        stream.capture = Some(id);
        let tips = capture.streams.entry(handle).or_default();
        tips.extend(nodes.iter().copied());
        tips.sort_unstable();
        tips.dedup();
        Ok(())
    }

    /// A capture is lost; it has to be ended all the same.
    pub(crate) fn invalidate(&mut self, id: u64) {
        if let Some(capture) = self.captures.get_mut(&id) {
            capture.invalid = true;
        }
    }

    /// Waiting for a stream while it captures is an error that loses the capture.
    pub(crate) fn forbid_in_capture(&mut self, stream: Handle) -> Outcome {
        self.forbid_implicit(stream)?;
        match find(&mut self.streams, Kind::Stream, stream)?.capture {
            None => Ok(()),
            Some(capture) => {
                self.invalidate(capture);
                fault(Code::STREAM_CAPTURE_UNSUPPORTED, "the stream is capturing")
            }
        }
    }

    /// Using the legacy default stream would order it after capturing blocking streams.
    pub(crate) fn forbid_implicit(&mut self, handle: Handle) -> Outcome {
        let stream = find(&mut self.streams, Kind::Stream, handle)?;
        if stream.ordering != Ordering::Legacy {
            return Ok(());
        }
        let context = stream.context;
        let mut captures = Vec::new();
        for blocking in self.blocking(context) {
            captures.extend(find(&mut self.streams, Kind::Stream, blocking)?.capture);
        }
        for capture in &captures {
            self.invalidate(*capture);
        }
        match captures.is_empty() {
            true => Ok(()),
            false => {
                let why = "the legacy default stream would wait for a capturing blocking stream";
                fault(Code::STREAM_CAPTURE_IMPLICIT, why)
            }
        }
    }

    /// Calls that CUDA deems unsafe in a capture (allocation, event queries, loading of modules)
    /// fail by the modes of the thread and of the captures under way, and lose those captures.
    pub(crate) fn forbid_unsafe_in_capture(&mut self) -> Outcome {
        let thread = std::thread::current().id();
        let own = MODE.get();
        let mut found = false;
        for capture in self.captures.values_mut().filter(|capture| !capture.invalid) {
            let here = capture.thread == thread && capture.mode != Mode::Relaxed;
            let anywhere = own == Mode::Global && capture.mode == Mode::Global;
            if own != Mode::Relaxed && (here || anywhere) {
                capture.invalid = true;
                found = true;
            }
        }
        match found {
            true => fault(Code::STREAM_CAPTURE_UNSUPPORTED, "not permitted during a capture"),
            false => Ok(()),
        }
    }
}

impl Capture {
    /// Whether everything captured comes before the origin's tips.
    fn joined(&self) -> bool {
        let mut reached = vec![false; self.graph.nodes.len()];
        let mut open = self.streams.get(&self.origin).cloned().unwrap_or_default();
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut reached[index], true) {
                open.extend(&self.graph.nodes[index].after);
            }
        }
        reached.into_iter().all(|reached| reached)
    }

    /// Its number, as `cuStreamGetCaptureInfo` gives it, is never 0.
    pub(crate) fn status(&self) -> u32 {
        if self.invalid { 2 } else { 1 }
    }
}
