//! Memory of exactly so many bytes: the address sanitizer sees whoever leaves it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::without_provenance_mut;

/// A heap allocation, aligned for every type of the interface.
#[derive(Debug)]
pub struct Block {
    start: *mut u8,
    layout: Layout,
}

const ALIGN: usize = 8;

impl Block {
    /// A block that holds these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let Ok(layout) = Layout::from_size_align(bytes.len(), ALIGN) else {
            unreachable!("a slice is no larger than an allocation may be");
        };
        // Where there are no bytes, nothing may be touched either.
        let mut start: *mut u8 = without_provenance_mut(ALIGN);
        if !bytes.is_empty() {
            // SAFETY: the size is not 0.
            start = unsafe { alloc(layout) };
            if start.is_null() {
                handle_alloc_error(layout);
            }
            // SAFETY: the allocation is new, and has as many bytes.
            unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        Self { start, layout }
    }

    /// A block of numbers.
    #[must_use]
    pub fn of(numbers: &[i64]) -> Self {
        Self::new(&numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<_>>())
    }

    /// Its first byte.
    #[must_use]
    pub fn start(&self) -> *mut u8 {
        self.start
    }

    /// What it holds.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: allocated with so many bytes, all of which were written.
        unsafe { std::slice::from_raw_parts(self.start, self.layout.size()) }
    }

    /// The same, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
    }

    /// What it holds, as numbers.
    #[must_use]
    pub fn numbers(&self) -> Vec<i64> {
        self.bytes().as_chunks().0.iter().map(|&bytes| i64::from_ne_bytes(bytes)).collect()
    }

    /// Its addresses, the last one excepted.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        let start = self.start.addr();
        start..start + self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.layout.size() > 0 {
            // SAFETY: allocated with this layout, and dropped once.
            unsafe { dealloc(self.start, self.layout) };
        }
    }
}
