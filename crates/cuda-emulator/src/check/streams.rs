//! Order between launches and host operations: vector clocks of streams.

use crate::machine::{Mark, StreamId};

/// One launch or host operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// Its first segment.
    pub(super) segment: u32,
    /// Its first set of readers.
    pub(super) set: u32,
    /// Its stream.
    pub(super) stream: u32,
    /// Its number on the stream, from 1.
    pub(super) number: u32,
}

/// Bounds below which everything is ordered before a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Floor {
    /// For segments.
    pub(super) segment: u32,
    /// For sets of readers.
    pub(super) set: u32,
}

/// What every stream knows.
#[derive(Debug)]
pub(super) struct Streams {
    /// By stream, the host first: for each stream the number of its last task that is known.
    clocks: Vec<Vec<u32>>,
    /// Tasks so far of each stream.
    counts: Vec<u32>,
    /// Tasks that the host does not know to be over, oldest first. (The host's knowledge goes to
    /// every later task, so that the others are ordered before all that is still to come.)
    tasks: Vec<Task>,
    /// By stream: how many of `tasks`, from the front, it knows at least.
    known: Vec<usize>,
}

fn join(a: &mut Vec<u32>, b: &[u32]) {
    if a.len() < b.len() {
        a.resize(b.len(), 0);
    }
    for (x, y) in a.iter_mut().zip(b) {
        *x = (*x).max(*y);
    }
}

impl Streams {
    pub(super) fn new() -> Self {
        Self { clocks: vec![vec![0]], counts: vec![0], tasks: Vec::new(), known: vec![0] }
    }

    pub(super) fn create(&mut self) -> StreamId {
        let id = self.clocks.len() as u32;
        self.clocks.push(self.clocks[0].clone());
        self.counts.push(0);
        self.known.push(0);
        StreamId(id)
    }

    pub(super) fn mark(&self, stream: StreamId) -> Mark {
        // Work submitted now would come after all that the host has seen.
        let mut clock = self.clocks[stream.0 as usize].clone();
        join(&mut clock, &self.clocks[0]);
        Mark(clock)
    }

    pub(super) fn wait(&mut self, stream: StreamId, mark: &Mark) {
        join(&mut self.clocks[stream.0 as usize], &mark.0);
    }

    pub(super) fn synchronize(&mut self, stream: StreamId) {
        let clock = std::mem::take(&mut self.clocks[stream.0 as usize]);
        join(&mut self.clocks[0], &clock);
        if stream != StreamId::HOST {
            self.clocks[stream.0 as usize] = clock;
        }
    }

    pub(super) fn synchronize_all(&mut self) {
        for stream in 1..self.clocks.len() {
            self.synchronize(StreamId(stream as u32));
        }
    }

    /// A task on `stream` whose segments and sets start at the given ids; what is below the result
    /// is ordered before it.
    pub(super) fn begin(&mut self, stream: StreamId, segment: u32, set: u32) -> Floor {
        let s = stream.0 as usize;
        if s != 0 {
            let host = std::mem::take(&mut self.clocks[0]);
            join(&mut self.clocks[s], &host);
            self.clocks[0] = host;
        }
        self.prune();
        self.counts[s] += 1;
        let number = self.counts[s];
        let clock = &mut self.clocks[s];
        if clock.len() <= s {
            clock.resize(s + 1, 0);
        }
        clock[s] = number;
        let mut known = self.known[s];
        while self.tasks.get(known).is_some_and(|t| knows(clock, t)) {
            known += 1;
        }
        self.known[s] = known;
        let floor = self
            .tasks
            .get(known)
            .map_or(Floor { segment, set }, |t| Floor { segment: t.segment, set: t.set });
        self.tasks.push(Task { segment, set, stream: stream.0, number });
        floor
    }

    /// Drops the tasks that the host knows, once they are many.
    fn prune(&mut self) {
        let mut known = self.known[0];
        while self.tasks.get(known).is_some_and(|t| knows(&self.clocks[0], t)) {
            known += 1;
        }
        self.known[0] = known;
        if known > 64 && known * 2 > self.tasks.len() {
            self.tasks.drain(..known);
            self.known.iter_mut().for_each(|k| *k = k.saturating_sub(known));
        }
    }

    /// Whether there is more than one stream beside the host.
    pub(super) fn several(&self) -> bool {
        self.clocks.len() > 2
    }

    /// The first segment of the oldest task that the host does not know to be over; what is below
    /// is ordered before everything still to come. None if it knows all.
    pub(super) fn known_to_host(&mut self) -> Option<u32> {
        self.prune();
        self.tasks.get(self.known[0]).map(|t| t.segment)
    }

    /// The task that an earlier segment belongs to, if the host does not know it to be over, and
    /// whether `stream` knows it.
    pub(super) fn by_segment(&self, stream: StreamId, segment: u32) -> (Option<Task>, bool) {
        self.of(stream, self.tasks.partition_point(|t| t.segment <= segment))
    }

    /// The same for a set of readers.
    pub(super) fn by_set(&self, stream: StreamId, set: u32) -> (Option<Task>, bool) {
        self.of(stream, self.tasks.partition_point(|t| t.set <= set))
    }

    fn of(&self, stream: StreamId, end: usize) -> (Option<Task>, bool) {
        let Some(task) = end.checked_sub(1).map(|i| self.tasks[i]) else { return (None, true) };
        (Some(task), knows(&self.clocks[stream.0 as usize], &task))
    }

    /// Gives the tasks that the host does not know to be over new ids, from `first` up, each one
    /// segment and one set. Returns their old first ids: task `i` of them now is `first + i`.
    pub(super) fn renumber(&mut self, first: u32) -> Vec<Task> {
        let known = self.known[0];
        self.tasks.drain(..known);
        self.known.iter_mut().for_each(|k| *k = k.saturating_sub(known));
        let old = self.tasks.clone();
        for (i, task) in (first..).zip(&mut self.tasks) {
            (task.segment, task.set) = (i, i);
        }
        old
    }
}

fn knows(clock: &[u32], task: &Task) -> bool {
    clock.get(task.stream as usize).is_some_and(|n| *n >= task.number)
}
