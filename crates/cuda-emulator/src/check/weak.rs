//! Weak accesses of a warp: the whole warp at once where it can be, lane by lane where not.

use super::cells::{Cache, Fault, Memory, Reader};
use super::ids::{lanes, segment};
use super::order::View;
use super::sets::Sets;

/// A weak access of the lanes of a mask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weak<'a> {
    pub(super) mask: u32,
    /// Bytes a lane.
    pub(super) bytes: usize,
    pub(super) writes: bool,
    /// Byte offsets in the memory by lane, aligned to `bytes`.
    pub(super) offsets: &'a [u64; 32],
    /// The lanes' records.
    pub(super) own: &'a [u32; 32],
    /// What writes are recorded as: `own`, or the records of copies.
    pub(super) new: &'a [u32; 32],
    /// All lanes know the same of other warps and are in one segment.
    pub(super) uniform: bool,
}

/// The granules of one warp instruction at most: 32 lanes of 16 bytes.
const MOST: usize = 256;

fn spread(records: &[u32], each: usize, into: &mut [u32; MOST]) -> usize {
    fn times<const EACH: usize>(records: &[u32], into: &mut [u32; MOST]) {
        for (granules, record) in into.chunks_exact_mut(EACH).zip(records) {
            granules.fill(*record);
        }
    }
    match each {
        1 => times::<1>(records, into),
        2 => times::<2>(records, into),
        4 => times::<4>(records, into),
        _ => times::<8>(records, into),
    }
    records.len() * each
}

impl Weak<'_> {
    /// Whether consecutive lanes access consecutive places: the first lane and how many.
    fn run(&self) -> Option<(usize, usize)> {
        let first = self.mask.trailing_zeros() as usize;
        let ones = self.mask >> first;
        let start = self.offsets[first];
        let count = ones.trailing_ones() as usize;
        let gapless = ones & ones.wrapping_add(1) == 0;
        let follow = |(i, o): (usize, &u64)| *o == start + (i * self.bytes) as u64;
        let run = &self.offsets[first..first + count];
        (gapless && run.iter().enumerate().all(follow)).then_some((first, count))
    }

    /// Whether all lanes access one place.
    fn one_place(&self) -> bool {
        let first = self.offsets[self.mask.trailing_zeros() as usize];
        self.mask & (self.mask - 1) != 0 && lanes(self.mask).all(|l| self.offsets[l] == first)
    }

    /// Checks and notes the access.
    pub(super) fn access(
        &self,
        memory: &mut Memory<'_>,
        view: View<'_>,
        sets: &mut Sets,
    ) -> Result<(), (u32, Fault)> {
        if self.bytes == 1 {
            return self.bytes_apart(memory, view, sets);
        }
        let each = self.bytes / 2;
        if let Some((first, count)) = self.run() {
            let mut own = [0; MOST];
            let n = spread(&self.own[first..first + count], each, &mut own);
            let g = (self.offsets[first] / 2) as usize;
            let done = if !self.writes {
                memory.bulk_read(g, &own[..n])
            } else if std::ptr::eq(self.own, self.new) {
                memory.bulk_write(g, &own[..n], &own[..n])
            } else {
                let mut new = [0; MOST];
                spread(&self.new[first..first + count], each, &mut new);
                memory.bulk_write(g, &own[..n], &new[..n])
            };
            if done {
                return Ok(());
            }
        } else if !self.writes && self.uniform && self.one_place() {
            return self.broadcast(memory, view, sets);
        }
        let mut cache = Cache::default();
        for lane in lanes(self.mask) {
            self.lane(memory, view, sets, lane, &mut cache).map_err(|f| (lane as u32, f))?;
        }
        Ok(())
    }

    #[inline]
    fn lane(
        &self,
        memory: &mut Memory<'_>,
        view: View<'_>,
        sets: &mut Sets,
        lane: usize,
        cache: &mut Cache,
    ) -> Result<(), Fault> {
        let each = self.bytes / 2;
        let g = (self.offsets[lane] / 2) as usize;
        let own = [self.own[lane]; 8];
        let new = [self.new[lane]; 8];
        let done = if self.writes {
            memory.bulk_write(g, &own[..each], &new[..each])
        } else {
            memory.bulk_read(g, &own[..each])
        };
        if done {
            return Ok(());
        }
        if !self.uniform {
            *cache = Cache::default();
        }
        let eye = view.eye(lane as u32);
        for granule in g..g + each {
            if self.writes {
                memory.write(&eye, sets, granule, new[0], cache)?;
            } else {
                memory.read(&eye, sets, granule, Reader::of(own[0]), cache)?;
            }
        }
        Ok(())
    }

    fn broadcast(
        &self,
        memory: &mut Memory<'_>,
        view: View<'_>,
        sets: &mut Sets,
    ) -> Result<(), (u32, Fault)> {
        let first = self.mask.trailing_zeros();
        let reader = Reader { segment: segment(self.own[first as usize]), mask: self.mask };
        let g = (self.offsets[first as usize] / 2) as usize;
        let mut cache = Cache::default();
        for granule in g..g + self.bytes / 2 {
            for lane in lanes(self.mask).map(|l| l as u32) {
                memory
                    .check_granule(&view.eye(lane), granule, &mut cache)
                    .map_err(|f| (lane, f))?;
            }
            memory
                .read(&view.eye(first), sets, granule, reader, &mut cache)
                .map_err(|f| (first, f))?;
        }
        Ok(())
    }

    fn bytes_apart(
        &self,
        memory: &mut Memory<'_>,
        view: View<'_>,
        sets: &mut Sets,
    ) -> Result<(), (u32, Fault)> {
        for lane in lanes(self.mask) {
            let eye = view.eye(lane as u32);
            let byte = self.offsets[lane] as usize;
            let result = if self.writes {
                memory.write_byte(&eye, sets, byte, self.new[lane])
            } else {
                memory.read_byte(&eye, sets, byte, Reader::of(self.own[lane]))
            };
            result.map_err(|f| (lane as u32, f))?;
        }
        Ok(())
    }
}
