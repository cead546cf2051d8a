//! Side entries of the shadow: 2-byte granules whose bytes differ, and words that synchronise.

use super::sync::Sync;

/// What a write slot refers to.
#[derive(Debug)]
enum Side {
    Free,
    Bytes(Bytes),
    Sync(Box<Sync>),
}

/// The slots of the two bytes of a granule. A write slot may be a [`Sync`] again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) writes: [u32; 2],
    pub(super) reads: [u32; 2],
}

/// All side entries of one memory.
#[derive(Debug, Default)]
pub(super) struct Sides {
    entries: Vec<Side>,
    free: Vec<u32>,
    /// Granules that got an entry since the last sweep.
    granules: Vec<usize>,
}

impl Sides {
    fn add(&mut self, side: Side) -> u32 {
        match self.free.pop() {
            Some(i) => {
                self.entries[i as usize] = side;
                i
            }
            None => {
                self.entries.push(side);
                self.entries.len() as u32 - 1
            }
        }
    }

    /// A new entry for the bytes of `granule`; its index.
    pub(super) fn add_bytes(&mut self, granule: usize, bytes: Bytes) -> u32 {
        self.granules.push(granule);
        self.add(Side::Bytes(bytes))
    }

    /// A new entry for a synchronising stretch that starts in `granule`; its index.
    pub(super) fn add_sync(&mut self, granule: usize, sync: Sync) -> u32 {
        for g in granule..granule + sync.span as usize {
            self.granules.push(g);
        }
        self.add(Side::Sync(Box::new(sync)))
    }

    /// The bytes at an index, if it is a granule of bytes.
    pub(super) fn bytes(&self, index: u32) -> Option<Bytes> {
        match self.entries.get(index as usize) {
            Some(Side::Bytes(bytes)) => Some(*bytes),
            _ => None,
        }
    }

    /// Changes the bytes at an index.
    pub(super) fn set_bytes(&mut self, index: u32, bytes: Bytes) {
        if let Some(Side::Bytes(b)) = self.entries.get_mut(index as usize) {
            *b = bytes;
        }
    }

    /// The synchronising stretch at an index.
    pub(super) fn sync(&self, index: u32) -> Option<&Sync> {
        match self.entries.get(index as usize) {
            Some(Side::Sync(sync)) => Some(sync),
            _ => None,
        }
    }

    /// The same, to change.
    pub(super) fn sync_mut(&mut self, index: u32) -> Option<&mut Sync> {
        match self.entries.get_mut(index as usize) {
            Some(Side::Sync(sync)) => Some(sync),
            _ => None,
        }
    }

    /// Frees an entry.
    pub(super) fn remove(&mut self, index: u32) {
        if let Some(side) = self.entries.get_mut(index as usize)
            && !matches!(side, Side::Free)
        {
            *side = Side::Free;
            self.free.push(index);
        }
    }

    /// The granules that got an entry since the last call.
    pub(super) fn take_granules(&mut self) -> Vec<usize> {
        let mut granules = std::mem::take(&mut self.granules);
        granules.sort_unstable();
        granules.dedup();
        granules
    }

    /// These granules keep their entry.
    pub(super) fn keep(&mut self, granules: Vec<usize>) {
        self.granules = granules;
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.free.clear();
        self.granules.clear();
    }
}
