//! The common case, many granules at once: everything before is ordered for the whole warp.

use super::cells::Memory;
use super::ids::{ASYNC, SPECIAL};

impl Memory<'_> {
    /// Weak reads of the granules from `g`, each by the record in `own`. False, with nothing
    /// changed, if one of them needs a closer look.
    #[inline]
    pub(super) fn bulk_read(&mut self, g: usize, own: &[u32]) -> bool {
        let (low, span) = (self.low, self.limit - self.low);
        let (copies_low, copies_span) = (self.low | ASYNC, self.copies - self.low);
        let (limit, sets, fresh) = (self.limit, self.sets, self.fresh);
        let writes = &self.writes[g..g + own.len()];
        let reads = &mut self.reads[g..g + own.len()];
        let mut bad = false;
        for ((w, r), own) in writes.iter().zip(reads.iter()).zip(own) {
            let written = (w.wrapping_sub(low) < span)
                | ((w == own) & (*w < fresh))
                | (w.wrapping_sub(copies_low) < copies_span);
            let read = (*r < limit) | (r == own) | (r.wrapping_sub(SPECIAL) < sets);
            bad |= !(written & read);
        }
        if !bad {
            reads.copy_from_slice(own);
        }
        !bad
    }

    /// Weak writes of the granules from `g`, recorded as `new`, by the threads of `own`.
    #[inline]
    pub(super) fn bulk_write(&mut self, g: usize, own: &[u32], new: &[u32]) -> bool {
        let (limit, copies, sets) = (self.limit, self.copies, self.sets);
        let writes = &mut self.writes[g..g + own.len()];
        let reads = &mut self.reads[g..g + own.len()];
        let mut bad = false;
        for ((w, r), own) in writes.iter().zip(reads.iter()).zip(own) {
            let written = (*w < limit) | (w == own) | (w.wrapping_sub(ASYNC) < copies);
            let read = (*r < limit) | (r == own) | (r.wrapping_sub(SPECIAL) < sets);
            bad |= !(written & read);
        }
        if !bad {
            writes.copy_from_slice(new);
            reads.fill(0);
        }
        !bad
    }
}
