//! What can be submitted to a stream: done at once, or kept as a node of a graph.

use std::ffi::c_void;

use super::copy::{Copy, Fill};
use super::handle::{Handle, Kind};
use super::launch::Call;
use super::library;
use super::state::{State, find};
use super::status::{Code, Outcome, fault};
use crate::machine::StreamId;
use crate::report::{Report, code};

/// How a piece of work ends: with a report if something is wrong with it.
pub(crate) type Done = Result<(), Box<Report>>;

/// One piece of work.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Kernel(Call),
    Copy(Copy),
    Fill(Fill),
    Host(HostFunction),
    Empty,
}

/// A `CUhostFn` and its argument.
#[derive(Debug, Clone, std::marker::Copy)]
pub(crate) struct HostFunction {
    pub(crate) function: unsafe extern "C" fn(*mut c_void),
    pub(crate) argument: usize,
}

impl HostFunction {
    /// Calls it.
    pub(crate) fn run(self) {
        // SAFETY: whoever submitted the function promised that it may be called with this argument
        // on any thread, once for each submission.
        library::host_function(|| unsafe { (self.function)(self.argument as *mut c_void) });
    }
}

impl Operation {
    /// `CUgraphNodeType`.
    pub(crate) fn node_type(&self) -> u32 {
        match self {
            Operation::Kernel(_) => 0,
            Operation::Copy(_) => 1,
            Operation::Fill(_) => 2,
            Operation::Host(_) => 3,
            Operation::Empty => 5,
        }
    }
}

impl State {
    /// Submits work to a stream: captures it or does it. A host function is given back, to be
    /// called when the device is no longer locked.
    pub(crate) fn submit(
        &mut self,
        stream: Handle,
        operation: Operation,
    ) -> Outcome<Option<HostFunction>> {
        self.forbid_implicit(stream)?;
        let found = find(&mut self.streams, Kind::Stream, stream)?;
        let context = found.context;
        if let Some(capture) = found.capture {
            self.record_node(capture, stream, operation)?;
            return Ok(None);
        }
        let id = self.begin(stream)?;
        self.perform(context, id, &operation)
    }

    /// Does a piece of work. What goes wrong in it is the context's failure, seen by the calls that
    /// follow; what the machine would not begin at all fails the call itself.
    pub(crate) fn perform(
        &mut self,
        context: Handle,
        id: StreamId,
        operation: &Operation,
    ) -> Outcome<Option<HostFunction>> {
        let result: Done = match operation {
            Operation::Kernel(call) => self.run_kernel(id, call),
            Operation::Copy(copy) => self.run_copy(id, copy),
            Operation::Fill(fill) => self.run_fill(id, fill),
            Operation::Host(function) => return Ok(Some(*function)),
            Operation::Empty => Ok(()),
        };
        match result {
            Ok(()) => Ok(None),
            Err(report) if is_refusal(report.code) => fault(Code(report.code), report.to_string()),
            Err(report) => {
                self.fail(context, &report);
                Ok(None)
            }
        }
    }
}

/// Codes that say that work was not begun: they leave the context as it was.
fn is_refusal(code: i32) -> bool {
    const REFUSALS: [i32; 6] = [
        code::INVALID_VALUE,
        code::OUT_OF_MEMORY,
        code::NOT_FOUND,
        code::LAUNCH_OUT_OF_RESOURCES,
        code::COOPERATIVE_LAUNCH_TOO_LARGE,
        code::NOT_SUPPORTED,
    ];
    REFUSALS.contains(&code)
}
