//! A warp's local memory: one stretch a lane, with a flag a byte that says whether it was written.

use crate::registers::LANES;

/// Bytes of local memory a thread may have.
const LIMIT: u32 = 512 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Local {
    /// Bytes a lane.
    room: u32,
    data: Vec<u8>,
    written: Vec<bool>,
}

impl Local {
    pub(crate) fn clear(&mut self) {
        self.room = 0;
        self.data.clear();
        self.written.clear();
    }

    /// Makes `bytes` addressable in every lane. False if that is more than a thread may have.
    #[must_use]
    pub(crate) fn reserve(&mut self, bytes: u32) -> bool {
        if bytes > LIMIT {
            return false;
        }
        if bytes > self.room {
            let room = bytes.max(2 * self.room).max(64);
            let mut data = vec![0; room as usize * LANES];
            let mut written = vec![false; room as usize * LANES];
            let old = self.room as usize;
            for lane in 0..LANES {
                let (to, from) = (lane * room as usize, lane * old);
                data[to..to + old].copy_from_slice(&self.data[from..from + old]);
                written[to..to + old].copy_from_slice(&self.written[from..from + old]);
            }
            (self.room, self.data, self.written) = (room, data, written);
        }
        true
    }

    /// Forgets what the lanes of `mask` have in `start..end`: a new frame starts there.
    pub(crate) fn forget(&mut self, mask: u32, start: u32, end: u32) {
        for lane in (0..LANES as u32).filter(|l| mask >> l & 1 != 0) {
            let at = (lane * self.room) as usize;
            self.written[at + start as usize..at + end as usize].fill(false);
        }
    }

    fn range(&self, lane: usize, offset: u32, bytes: u32) -> std::ops::Range<usize> {
        let start = lane * self.room as usize + offset as usize;
        start..start + bytes as usize
    }

    /// Little-endian value of up to 16 bytes, and whether all of them were written.
    pub(crate) fn load(&self, lane: usize, offset: u32, bytes: u32) -> (u128, bool) {
        let range = self.range(lane, offset, bytes);
        let mut value = [0; 16];
        value[..bytes as usize].copy_from_slice(&self.data[range.clone()]);
        (u128::from_le_bytes(value), self.written[range].iter().all(|w| *w))
    }

    pub(crate) fn store(&mut self, lane: usize, offset: u32, bytes: u32, value: u128) {
        let range = self.range(lane, offset, bytes);
        self.data[range.clone()].copy_from_slice(&value.to_le_bytes()[..bytes as usize]);
        self.written[range].fill(true);
    }

    /// Copies a variable of a call from one frame to another.
    pub(crate) fn copy(&mut self, mask: u32, from: u32, to: u32, bytes: u32) {
        for lane in (0..LANES).filter(|l| mask >> l & 1 != 0) {
            let (from, to) = (self.range(lane, from, bytes), self.range(lane, to, bytes));
            self.data.copy_within(from.clone(), to.start);
            self.written.copy_within(from, to.start);
        }
    }
}
