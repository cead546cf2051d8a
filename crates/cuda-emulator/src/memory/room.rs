//! Which offsets are given out: fresh ones while there are any, then those freed longest ago.

use std::collections::{BTreeMap, VecDeque};

/// The offsets of an arena.
#[derive(Debug)]
pub(super) struct Room {
    /// Everything from here to `end` was never given out.
    fresh: u64,
    end: u64,
    /// Freed stretches in order of age: offset, length.
    quarantine: VecDeque<(u64, u64)>,
    /// Stretches that left the quarantine, merged: offset to length.
    holes: BTreeMap<u64, u64>,
}

impl Room {
    pub(super) fn new(start: u64, end: u64) -> Self {
        Self { fresh: start, end, quarantine: VecDeque::new(), holes: BTreeMap::new() }
    }

    /// A stretch of `bytes`; `forget` hears of the freed ones that stop being remembered for it.
    pub(super) fn take(&mut self, bytes: u64, mut forget: impl FnMut(u64)) -> Option<u64> {
        if bytes <= self.end - self.fresh {
            self.fresh += bytes;
            return Some(self.fresh - bytes);
        }
        loop {
            let hole = self.holes.iter().find(|(_, len)| **len >= bytes);
            if let Some((&offset, &len)) = hole {
                self.holes.remove(&offset);
                if len > bytes {
                    self.holes.insert(offset + bytes, len - bytes);
                }
                return Some(offset);
            }
            let (offset, len) = self.quarantine.pop_front()?;
            forget(offset);
            self.merge(offset, len);
        }
    }

    /// A stretch comes back.
    pub(super) fn give(&mut self, offset: u64, bytes: u64) {
        self.quarantine.push_back((offset, bytes));
    }

    fn merge(&mut self, mut offset: u64, mut len: u64) {
        if let Some(next) = self.holes.remove(&(offset + len)) {
            len += next;
        }
        if let Some((&before, &before_len)) = self.holes.range(..offset).next_back()
            && before + before_len == offset
        {
            self.holes.remove(&before);
            offset = before;
            len += before_len;
        }
        self.holes.insert(offset, len);
    }
}
