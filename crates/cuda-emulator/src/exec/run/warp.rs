//! A warp: registers, local memory, and the groups of lanes that stand at different places.
//!
//! Lanes that stand at one place are a fragment. Of the fragments that can run the one deepest in
//! calls, then lowest in the code, goes first; the code lies in weak topological order, so that
//! fragments meet again where control flow does. A fragment that runs long while others could
//! (a lane spinning on another of its own warp) gives way now and then, as lanes of a real warp do.

use super::local::Local;
use crate::exec::special::Identity;
use crate::registers::{FrameSize, Registers};

/// Why a fragment does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    /// At a warp-synchronous operation, other lanes are still to come.
    Gathering,
    /// At this block barrier.
    Barrier(u32),
}

/// Where a call returns to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnTo {
    /// The call's own program counter.
    pub(crate) call: u32,
    pub(crate) function: u32,
    pub(crate) base: FrameSize,
    pub(crate) local_base: u32,
    /// The stack pointer of the caller's frame, which allocations move.
    pub(crate) local_top: u32,
}

/// Lanes at one place.
#[derive(Debug, Clone)]
pub(crate) struct Fragment {
    pub(crate) pc: u32,
    pub(crate) mask: u32,
    pub(crate) state: State,
    pub(crate) function: u32,
    /// Where the frame's registers start.
    pub(crate) base: FrameSize,
    /// Where the frame's local memory starts and ends.
    pub(crate) local_base: u32,
    pub(crate) local_top: u32,
    pub(crate) stack: Vec<ReturnTo>,
    /// When it last gave way.
    pub(crate) yielded: u64,
}

impl Fragment {
    fn same_place(&self, other: &Fragment) -> bool {
        self.pc == other.pc
            && self.function == other.function
            && self.base == other.base
            && self.local_base == other.local_base
            && self.stack == other.stack
    }
}

/// One warp of a block.
#[derive(Debug)]
pub(crate) struct Warp {
    pub(crate) registers: Registers,
    pub(crate) fragments: Vec<Fragment>,
    /// Lanes that have not exited.
    pub(crate) live: u32,
    /// Lanes that exist.
    pub(crate) populated: u32,
    pub(crate) local: Local,
    pub(crate) identity: Identity,
    /// Runs fragments by turns until the next slice ends.
    pub(crate) fair: bool,
    /// Instructions since the warp last changed turns, over slices and branches.
    pub(crate) spent: u32,
}

impl Warp {
    /// Merges fragments at one place and chooses the next to run: its index.
    pub(crate) fn pick(&mut self) -> Option<usize> {
        if let [only] = self.fragments.as_slice() {
            return (only.state == State::Ready).then_some(0);
        }
        self.merge();
        let ready = self.fragments.iter().enumerate().filter(|(_, f)| f.state == State::Ready);
        let chosen = if self.fair {
            ready.min_by_key(|(_, f)| f.yielded)
        } else {
            ready.min_by_key(|(_, f)| (usize::MAX - f.stack.len(), f.pc))
        };
        chosen.map(|(index, _)| index)
    }

    fn merge(&mut self) {
        let mut i = 0;
        while i < self.fragments.len() {
            let mut k = i + 1;
            while k < self.fragments.len() {
                let (a, b) = (&self.fragments[i], &self.fragments[k]);
                let waits = |f: &Fragment| matches!(f.state, State::Barrier(_));
                if !waits(a) && !waits(b) && a.same_place(b) {
                    let b = self.fragments.swap_remove(k);
                    let a = &mut self.fragments[i];
                    // Both gathering: nothing has changed for them unless they meet here.
                    a.state = State::Ready;
                    a.mask |= b.mask;
                    a.local_top = a.local_top.max(b.local_top);
                    a.yielded = a.yielded.max(b.yielded);
                    k = i + 1;
                } else {
                    k += 1;
                }
            }
            i += 1;
        }
    }

    /// The next place above `pc` where a fragment of the same depth stands.
    pub(crate) fn meeting(&self, current: usize) -> u32 {
        let depth = self.fragments[current].stack.len();
        let pc = self.fragments[current].pc;
        let others = self.fragments.iter().enumerate().filter(|(i, f)| {
            *i != current
                && f.stack.len() == depth
                && f.pc > pc
                && !matches!(f.state, State::Barrier(_))
        });
        others.map(|(_, f)| f.pc).min().unwrap_or(u32::MAX)
    }

    /// Lanes leave for good. Those who gather may not have to wait for them any more.
    pub(crate) fn exit(&mut self, fragment: usize, mask: u32) {
        self.live &= !mask;
        self.fragments[fragment].mask &= !mask;
        if self.fragments[fragment].mask == 0 {
            self.fragments.remove(fragment);
        }
        for fragment in &mut self.fragments {
            if fragment.state == State::Gathering {
                fragment.state = State::Ready;
            }
        }
    }
}
