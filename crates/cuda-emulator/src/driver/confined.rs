//! The machine, movable between threads.

use std::ops::{Deref, DerefMut};

use crate::machine::Machine;

/// A machine that is used by one thread at a time, whichever that is.
///
/// Its checks share parts of their clocks by `Rc`, so that it is not `Send` by itself.
#[derive(Debug)]
pub(super) struct Confined(Machine);

// SAFETY: every `Rc` of a machine is owned by the machine and by nothing else: no method takes one
// or gives one out (marks and counts are plain values), and none is kept in a static or a thread's
// storage. So all owners of a count move together, and since this type is not `Sync`, the lock
// around it lets one thread at a time reach any of them.
unsafe impl Send for Confined {}

impl Confined {
    /// Takes a machine in.
    pub(super) fn new(machine: Machine) -> Self {
        Self(machine)
    }
}

impl Deref for Confined {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.0
    }
}

impl DerefMut for Confined {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.0
    }
}
