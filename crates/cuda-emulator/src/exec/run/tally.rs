//! Counting while a launch runs.

use std::collections::HashMap;

use crate::counts::{Class, Counts};
use crate::registers::LANES;

const CLASSES: usize = Class::ALL.len();
/// Bytes of global memory a page of the touched map covers.
const PAGE: u64 = 4096;

/// Which bytes of a page were read and written.
type Touched = Box<[[u64; PAGE as usize / 64]; 2]>;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) warp: [u64; CLASSES],
    pub(crate) thread: [u64; CLASSES],
    pub(crate) blocks: u64,
    pub(crate) warps: u64,
    /// Memory is counted too.
    pub(crate) memory: bool,
    pub(crate) read_sectors: u64,
    pub(crate) write_sectors: u64,
    pub(crate) shared_wavefronts: u64,
    pub(crate) bank_conflicts: u64,
    pub(crate) global_atomics: u64,
    pub(crate) shared_atomics: u64,
    pub(crate) barriers: u64,
    pub(crate) divergent_branches: u64,
    pub(crate) mma: Vec<u64>,
    pages: HashMap<u64, u32>,
    touched: Vec<Touched>,
    last: (u64, u32),
}

impl Tally {
    pub(crate) fn new(memory: bool, mma: usize) -> Self {
        Self { memory, mma: vec![0; mma], last: (u64::MAX, 0), ..Self::default() }
    }

    /// An access of `bytes` a lane to global memory.
    pub(crate) fn global(&mut self, mask: u32, addresses: &[u64; LANES], bytes: u32, write: bool) {
        if !self.memory {
            return;
        }
        let sectors = sectors(mask, addresses, bytes);
        if write {
            self.write_sectors += sectors;
        } else {
            self.read_sectors += sectors;
        }
        // Lanes that follow one another are touched as one stretch.
        let mut run: Option<(u64, u64)> = None;
        for (lane, &address) in addresses.iter().enumerate() {
            if mask >> lane & 1 == 0 {
                continue;
            }
            run = match run {
                Some((start, end)) if end == address => Some((start, end + u64::from(bytes))),
                Some((start, end)) => {
                    self.touch(start, end, write);
                    Some((address, address + u64::from(bytes)))
                }
                None => Some((address, address + u64::from(bytes))),
            };
        }
        if let Some((start, end)) = run {
            self.touch(start, end, write);
        }
    }

    fn touch(&mut self, mut start: u64, end: u64, write: bool) {
        while start < end {
            let page = start / PAGE;
            if self.last.0 != page {
                let next = self.touched.len() as u32;
                let index = *self.pages.entry(page).or_insert(next);
                if index == next {
                    self.touched.push(Box::new([[0; PAGE as usize / 64]; 2]));
                }
                self.last = (page, index);
            }
            let words = &mut self.touched[self.last.1 as usize][usize::from(write)];
            let stop = end.min((page + 1) * PAGE);
            while start < stop {
                let (word, bit) = ((start % PAGE / 64) as usize, start % 64);
                let bits = (stop - start).min(64 - bit);
                let ones = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
                words[word] |= ones << bit;
                start += bits;
            }
        }
    }

    /// An access of `bytes` a lane to shared memory: wavefronts are counted for each phase of 32
    /// lanes of 4 bytes, 16 of 8 or 8 of 16; distinct words of one bank in a phase take one each.
    pub(crate) fn shared(&mut self, mask: u32, offsets: &[u32; LANES], bytes: u32) {
        if !self.memory {
            return;
        }
        let lanes = match bytes {
            16 => 8,
            8 => 16,
            _ => LANES,
        };
        for start in (0..LANES).step_by(lanes) {
            self.phase(mask, &offsets[start..start + lanes], start, bytes);
        }
    }

    fn phase(&mut self, mask: u32, offsets: &[u32], start: usize, bytes: u32) {
        // Usually every bank is asked for one word at most: then one pass over the lanes will do.
        let mut first = [0u32; 32];
        let mut seen = 0u32;
        let mut conflict = false;
        for (i, offset) in offsets.iter().enumerate() {
            if mask >> (start + i) & 1 == 0 {
                continue;
            }
            let word = offset / 4;
            for word in word..word + bytes.div_ceil(4) {
                let bank = word % 32;
                conflict |= seen >> bank & 1 != 0 && first[bank as usize] != word;
                first[bank as usize] = word;
                seen |= 1 << bank;
            }
        }
        if seen == 0 {
            return;
        }
        let waves = if conflict { wavefronts(mask >> start, offsets, bytes) } else { 1 };
        self.shared_wavefronts += waves;
        self.bank_conflicts += waves - 1;
    }

    pub(crate) fn finish(self, kernel: &str, mma_names: &[String]) -> Counts {
        let by_class = |counts: &[u64; CLASSES]| {
            let named = Class::ALL.iter().map(|c| (c.name(), counts[*c as usize]));
            named.filter(|(_, n)| *n > 0).collect()
        };
        let distinct = |which: usize| {
            let words = self.touched.iter().flat_map(|page| &page[which]);
            words.map(|word| u64::from(word.count_ones())).sum()
        };
        let mma = mma_names.iter().cloned().zip(self.mma.iter().copied());
        Counts {
            kernel: kernel.to_owned(),
            blocks: self.blocks,
            warps: self.warps,
            warp_instructions: by_class(&self.warp),
            thread_instructions: by_class(&self.thread),
            read_sectors: self.read_sectors,
            write_sectors: self.write_sectors,
            read_bytes: distinct(0),
            written_bytes: distinct(1),
            shared_wavefronts: self.shared_wavefronts,
            bank_conflicts: self.bank_conflicts,
            global_atomics: self.global_atomics,
            shared_atomics: self.shared_atomics,
            barriers: self.barriers,
            mma: mma.filter(|(_, n)| *n > 0).collect(),
            divergent_branches: self.divergent_branches,
        }
    }
}

/// The most distinct words that one bank is asked for.
fn wavefronts(mask: u32, offsets: &[u32], bytes: u32) -> u64 {
    let active = offsets.iter().enumerate().filter(|(i, _)| mask >> i & 1 != 0);
    let words = active.flat_map(|(_, offset)| offset / 4..offset / 4 + bytes.div_ceil(4));
    let mut words: Vec<u32> = words.collect();
    words.sort_unstable();
    words.dedup();
    let mut banks = [0u64; 32];
    words.iter().for_each(|word| banks[(word % 32) as usize] += 1);
    banks.into_iter().max().unwrap_or(1)
}

/// Distinct 32-byte sectors that the lanes ask for.
fn sectors(mask: u32, addresses: &[u64; LANES], bytes: u32) -> u64 {
    let mut ids = [0u64; 2 * LANES];
    let mut count = 0;
    let mut sorted = true;
    for (lane, address) in addresses.iter().enumerate() {
        if mask >> lane & 1 == 0 {
            continue;
        }
        let last = (address + u64::from(bytes) - 1) / 32;
        for sector in address / 32..=last {
            if count > 0 {
                if ids[count - 1] == sector {
                    continue;
                }
                sorted &= ids[count - 1] < sector;
            }
            ids[count] = sector;
            count += 1;
        }
    }
    if sorted {
        return count as u64;
    }
    let ids = &mut ids[..count];
    ids.sort_unstable();
    1 + ids.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
}
