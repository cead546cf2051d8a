//! Memory that a call borrows for its intermediate results.

use crate::error::{Error, Result};
use crate::view::{Host, Space, VectorMut};

/// Bytes that a call needs: the answer of a workspace query. Either may be 0, which CUDA does not allocate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkspaceSize {
    /// Bytes of any content, at any alignment.
    pub scratch: usize,
    /// Bytes zeroed once by the caller and left as found by every call, at most 4 KiB. Calls on
    /// different streams need different ones.
    pub state: usize,
}

impl WorkspaceSize {
    /// What serves calls of both sizes.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { scratch: self.scratch.max(other.scratch), state: self.state.max(other.state) }
    }
}

/// The caller's workspace, lent to one call.
#[derive(Debug)]
pub struct Workspace<'a, S: Space = Host> {
    /// At least [`WorkspaceSize::scratch`] bytes.
    pub scratch: VectorMut<'a, u8, S>,
    /// At least [`WorkspaceSize::state`] bytes.
    pub state: VectorMut<'a, u8, S>,
}

impl<S: Space> Workspace<'_, S> {
    /// A shorter borrow of the same memory.
    #[must_use]
    pub fn reborrow(&mut self) -> Workspace<'_, S> {
        Workspace { scratch: self.scratch.reborrow(), state: self.state.reborrow() }
    }

    pub(crate) fn check(&self, needed: WorkspaceSize) -> Result<()> {
        let check = |argument, expected, found| {
            if found < expected {
                return Err(Error::WorkspaceTooSmall { argument, expected, found });
            }
            Ok(())
        };
        check("workspace.scratch", needed.scratch, self.scratch.len())?;
        check("workspace.state", needed.state, self.state.len())
    }
}

/// A workspace in host memory that grows on demand.
#[derive(Debug, Default)]
pub struct HostWorkspace {
    scratch: Vec<u8>,
    state: Vec<u8>,
}

impl HostWorkspace {
    /// An empty workspace: enough for calls that need none.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grows to at least `size` and lends it all.
    pub fn lend(&mut self, size: WorkspaceSize) -> Workspace<'_, Host> {
        if self.scratch.len() < size.scratch {
            self.scratch.resize(size.scratch, 0);
        }
        if self.state.len() < size.state {
            self.state.resize(size.state, 0);
        }
        Workspace {
            scratch: VectorMut::new(&mut self.scratch),
            state: VectorMut::new(&mut self.state),
        }
    }
}
