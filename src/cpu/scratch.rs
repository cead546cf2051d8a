//! The caller's scratch bytes, handed out as floats and shared among threads.

use std::sync::Mutex;

use rayon::prelude::*;

/// Pieces start at multiples of this many bytes: a cache line, and a vector.
const ALIGNMENT: usize = 64;
const ALIGNMENT_WORDS: usize = ALIGNMENT / size_of::<f32>();

/// Scratch memory that is cut from the front.
pub(crate) struct Scratch<'a>(&'a mut [f32]);

impl<'a> Scratch<'a> {
    /// Bytes that hold `words` floats at any alignment of the base.
    pub(crate) fn bytes(words: usize) -> usize {
        words * size_of::<f32>() + ALIGNMENT
    }

    /// Words that [`floats`](Self::floats) takes for pieces of these sizes.
    pub(crate) fn words(pieces: &[usize]) -> usize {
        pieces.iter().map(|words| words.next_multiple_of(ALIGNMENT_WORDS)).sum()
    }

    pub(crate) fn from_bytes(bytes: &'a mut [u8]) -> Self {
        let skip = bytes.as_ptr().align_offset(ALIGNMENT).min(bytes.len());
        let bytes = &mut bytes[skip..];
        let whole = bytes.len() / size_of::<f32>() * size_of::<f32>();
        Self(bytemuck::cast_slice_mut(&mut bytes[..whole]))
    }

    /// Words that [`floats`](Self::floats) cuts, starting at an aligned one.
    pub(crate) fn new(words: &'a mut [f32]) -> Self {
        Self(words)
    }

    /// The next `len` floats, of any content.
    pub(crate) fn floats(&mut self, len: usize) -> &'a mut [f32] {
        let all = std::mem::take(&mut self.0);
        let (piece, rest) = all.split_at_mut(len.next_multiple_of(ALIGNMENT_WORDS));
        self.0 = rest;
        &mut piece[..len]
    }
}

/// Scratch memory for each of several tasks that run at once.
pub(crate) struct Workers<'a> {
    words: &'a mut [f32],
    slot_words: usize,
}

impl<'a> Workers<'a> {
    pub(crate) fn words(tasks: usize, slot_words: usize) -> usize {
        tasks * slot_words.next_multiple_of(ALIGNMENT_WORDS)
    }

    pub(crate) fn take(scratch: &mut Scratch<'a>, tasks: usize, slot_words: usize) -> Self {
        let slot_words = slot_words.next_multiple_of(ALIGNMENT_WORDS).max(ALIGNMENT_WORDS);
        Self { words: scratch.floats(tasks * slot_words), slot_words }
    }

    /// Calls `work` on every item, each with the scratch of the task that took it. Which task takes
    /// which item is left to chance, so `work` must not depend on it.
    pub(crate) fn share<I: Iterator<Item: Send> + Send>(
        &mut self,
        items: I,
        work: impl Fn(&mut [f32], I::Item) + Sync,
    ) {
        let mut slots = self.words.chunks_exact_mut(self.slot_words);
        if slots.len() == 1
            && let Some(slot) = slots.next()
        {
            items.for_each(|item| work(slot, item));
            return;
        }
        let queue = Queue(Mutex::new(items));
        let slots = self.words.par_chunks_exact_mut(self.slot_words);
        slots.for_each(|slot| queue.drain(|item| work(slot, item)));
    }
}

/// Calls `work` on every item, in up to `tasks` tasks of the caller's pool, without memory of its own.
pub(crate) fn share<I: Iterator<Item: Send> + Send>(
    tasks: usize,
    items: I,
    work: impl Fn(I::Item) + Sync,
) {
    if tasks == 1 {
        items.for_each(work);
        return;
    }
    let queue = Queue(Mutex::new(items));
    let tasks = tasks.min(rayon::current_num_threads());
    (0..tasks).into_par_iter().for_each(|_| queue.drain(&work));
}

/// Items that tasks take when they are ready for one.
struct Queue<I>(Mutex<I>);

impl<I: Iterator> Queue<I> {
    fn drain(&self, mut work: impl FnMut(I::Item)) {
        // A panic elsewhere poisons the queue; it is on its way to the caller already.
        let next = || self.0.lock().ok().and_then(|mut items| items.next());
        while let Some(item) = next() {
            work(item);
        }
    }
}
