//! A large zeroed range that is committed as it is touched.

use memmap2::{MmapMut, MmapOptions};

/// Pages are given back in multiples of this: a multiple of every page size in use.
pub(super) const GRAIN: u64 = 1 << 16;

/// The range.
#[derive(Debug)]
pub(super) struct Zeroed(MmapMut);

impl Zeroed {
    /// `bytes` zero bytes, none of them committed.
    pub(super) fn new(bytes: u64) -> Result<Self, String> {
        let len = usize::try_from(bytes).map_err(|e| e.to_string())?;
        MmapOptions::new()
            .len(len)
            .no_reserve_swap()
            .map_anon()
            .map(Self)
            .map_err(|e| format!("{bytes} bytes: {e}"))
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline(always)]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    #[inline(always)]
    pub(super) fn words_mut(&mut self) -> &mut [u32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }

    /// Makes a stretch zero again and gives its whole pages back.
    pub(super) fn clear(&mut self, offset: u64, bytes: u64) {
        let end = offset + bytes;
        let (first, last) = (offset.next_multiple_of(GRAIN), end / GRAIN * GRAIN);
        if first >= last || !self.give_back(first as usize, (last - first) as usize) {
            self.0[offset as usize..end as usize].fill(0);
            return;
        }
        self.0[offset as usize..first as usize].fill(0);
        self.0[last as usize..end as usize].fill(0);
    }

    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    fn give_back(&mut self, offset: usize, len: usize) -> bool {
        // SAFETY: the map is private and anonymous, so that dropped pages read as zero when they are
        // touched again; `&mut self` says that no slice of it is in use.
        unsafe { self.0.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, len) }
            .is_ok()
    }

    // Elsewhere dropped pages need not read as zero.
    #[cfg(not(target_os = "linux"))]
    fn give_back(&mut self, _offset: usize, _len: usize) -> bool {
        false
    }
}
