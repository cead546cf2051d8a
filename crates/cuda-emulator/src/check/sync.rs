//! A word that strong accesses have touched: who used it, and what was released through it.
//!
//! Strong accesses of a launch do not race with each other, so that all of them since the last weak
//! write matter to the next weak access. Strong writes form chains: an atomic continues the chain it reads from,
//! and so does a store by a thread that knows the chain. Who knows any access that observed the last
//! write of a chain knows all writes of it (observation, then causality order), which is how a last
//! block may reset a counter with a plain store.

use rustc_hash::FxHashMap;

use super::access::Scope;
use super::cells::Prior;
use super::clock::Clock;
use super::ids::segment;
use super::order::{Eye, Order};
use super::warp::Released;

/// A thread of the launch: block, warp, lane.
pub(super) type Thread = (u32, u32, u32);

/// One strong access to note.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strong {
    pub(super) record: u32,
    pub(super) thread: Thread,
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// None in shared memory, where scopes do not matter.
    pub(super) scope: Option<Scope>,
}

/// The last strong read of each thread.
#[derive(Debug, Clone, Default)]
struct Reads {
    /// Thread, record, version of the chain that it saw.
    list: Vec<(Thread, u32, u32)>,
    /// Index into the list, once it is long.
    index: FxHashMap<Thread, u32>,
}

impl Reads {
    const LONG: usize = 8;

    fn find(&self, thread: Thread) -> Option<usize> {
        if self.list.len() <= Self::LONG {
            return self.list.iter().position(|r| r.0 == thread);
        }
        self.index.get(&thread).map(|i| *i as usize)
    }

    /// Notes a read; whether the thread has read this version before.
    fn note(&mut self, thread: Thread, record: u32, version: u32) -> bool {
        if let Some(i) = self.find(thread) {
            let entry = &mut self.list[i];
            let again = entry.2 == version;
            (entry.1, entry.2) = (record, version);
            return again;
        }
        self.list.push((thread, record, version));
        if self.list.len() == Self::LONG + 1 {
            self.index = (0..).zip(&self.list).map(|(i, r)| (r.0, i)).collect();
        } else if self.list.len() > Self::LONG {
            self.index.insert(thread, self.list.len() as u32 - 1);
        }
        false
    }
}

/// The word (or half of it, or byte, or pair of words).
#[derive(Debug, Clone, Default)]
pub(super) struct Sync {
    /// First granule and number of granules.
    pub(super) first: usize,
    pub(super) span: u32,
    /// The last weak write's slot; 0 if there is none.
    pub(super) weak: u32,
    /// Whether anything has been written.
    pub(super) initialised: bool,
    /// Writes so far.
    version: u32,
    /// The last strong write and the accesses that have observed it.
    tail: Vec<u32>,
    /// The same of chains that a store cut off.
    orphans: Vec<Vec<u32>>,
    reads: Reads,
    /// Accesses of cta scope: block, record, whether it writes.
    narrow: Vec<(u32, u32, bool)>,
    /// What is released to everyone.
    gpu: Clock,
    /// The same to those who have a `fence.sc`.
    sc: Clock,
    /// What is released inside a block.
    cta: FxHashMap<u32, Clock>,
    /// The thread of the last release operation, and what it released: its later stores do again.
    owner: Option<(Thread, Released)>,
}

impl Sync {
    pub(super) fn new(first: usize, span: u32, weak: u32) -> Self {
        Self { first, span, weak, initialised: weak != 0, ..Self::default() }
    }

    /// After a launch whose first record is `launch`, and which later ones may run beside: who it
    /// was no longer matters, only which launch.
    pub(super) fn age(&mut self, launch: u32) {
        let age = |r: u32| if r >= launch { launch } else { r };
        for chain in [&mut self.tail].into_iter().chain(&mut self.orphans) {
            chain.iter_mut().for_each(|r| *r = age(*r));
            chain.dedup();
        }
        self.weak = age(self.weak);
        self.narrow.iter_mut().for_each(|n| (n.0, n.1) = (u32::MAX, age(n.1)));
        self.narrow.dedup();
        let reads = std::mem::take(&mut self.reads);
        for (_, record, _) in reads.list {
            self.reads.note((u32::MAX, age(record), 0), age(record), 0);
        }
        self.version += 1;
        (self.gpu, self.sc) = (Clock::default(), Clock::default());
        self.cta.clear();
        self.owner = None;
    }

    /// Gives all records new ids.
    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        for chain in [&mut self.tail].into_iter().chain(&mut self.orphans) {
            chain.iter_mut().for_each(|r| *r = new(*r));
        }
        self.weak = new(self.weak);
        self.narrow.iter_mut().for_each(|n| n.1 = new(n.1));
        for (thread, record, _) in &mut self.reads.list {
            *record = new(*record);
            *thread = (u32::MAX, *record, 0);
        }
        self.reads.index = (0..).zip(&self.reads.list).map(|(i, r)| (r.0, i)).collect();
    }

    /// The latest records of a write and of a strong read in it; 0 if there is none.
    pub(super) fn latest(&self) -> (u32, u32) {
        let chains = [&self.tail].into_iter().chain(&self.orphans);
        let strong = chains.filter_map(|c| c.first().copied()).max().unwrap_or(0);
        let reader = self.reads.list.iter().map(|r| r.1).max().unwrap_or(0);
        (strong.max(self.weak), reader)
    }

    /// The record of the last write.
    pub(super) fn last_write(&self) -> Option<u32> {
        self.tail.first().copied().or((self.weak != 0).then_some(self.weak))
    }

    /// The strong writes that a lane does not know, if any.
    fn writes_known(&self, eye: &Eye<'_>) -> Result<(), u32> {
        for chain in [&self.tail].into_iter().chain(&self.orphans) {
            knows(eye, chain)?;
        }
        Ok(())
    }

    /// What a weak access may not do: strong reads matter only to a write.
    pub(super) fn check_weak(&self, eye: &Eye<'_>, writes: bool) -> Result<(), (u32, Prior)> {
        if self.weak != 0 && eye.ordered(self.weak) == Order::No {
            return Err((self.weak, Prior::Write));
        }
        self.writes_known(eye).map_err(|r| (r, Prior::StrongWrite))?;
        if writes {
            for (_, record, _) in &self.reads.list {
                if eye.ordered(*record) == Order::No {
                    return Err((*record, Prior::StrongRead));
                }
            }
        }
        Ok(())
    }

    /// What a strong access may not do, weak reads apart.
    pub(super) fn check_strong(&self, eye: &Eye<'_>, a: &Strong) -> Result<(), (u32, Prior)> {
        if self.weak != 0 && eye.ordered(self.weak) == Order::No {
            return Err((self.weak, Prior::Write));
        }
        let Some(scope) = a.scope else { return Ok(()) };
        self.check_launches(eye, a.writes)?;
        let block = a.thread.0;
        for (theirs, record, writes) in &self.narrow {
            let conflict = *theirs != block && (*writes || a.writes);
            if conflict && eye.ordered(*record) == Order::No {
                let prior = if *writes { Prior::NarrowWrite } else { Prior::NarrowRead };
                return Err((*record, prior));
            }
        }
        if scope == Scope::Cta {
            let foreign = |record: u32| {
                let segments = eye.view.segments;
                segment(record) < segments.start() || segments.owner(segment(record)).0 != block
            };
            for chain in [&self.tail].into_iter().chain(&self.orphans) {
                if chain.first().is_some_and(|r| foreign(*r)) {
                    knows(eye, chain).map_err(|r| (r, Prior::StrongWrite))?;
                }
            }
            if a.writes {
                for (thread, record, _) in &self.reads.list {
                    if thread.0 != block && eye.ordered(*record) == Order::No {
                        return Err((*record, Prior::StrongRead));
                    }
                }
            }
        }
        Ok(())
    }

    /// Launches that nothing orders may not share a word, however strongly they access it: a state
    /// buffer serves one stream.
    fn check_launches(&self, eye: &Eye<'_>, writes: bool) -> Result<(), (u32, Prior)> {
        let start = eye.view.segments.start();
        let earlier = |record: u32| segment(record) < start;
        for chain in [&self.tail].into_iter().chain(&self.orphans) {
            if chain.first().is_some_and(|r| earlier(*r)) {
                knows(eye, chain).map_err(|r| (r, Prior::StrongWrite))?;
            }
        }
        if writes {
            for (_, record, _) in &self.reads.list {
                if earlier(*record) && eye.ordered(*record) == Order::No {
                    return Err((*record, Prior::StrongRead));
                }
            }
        }
        Ok(())
    }

    /// Whether a lane knows the chain in progress, so that a store of its continues it.
    pub(super) fn knows_tail(&self, eye: &Eye<'_>) -> bool {
        knows(eye, &self.tail).is_ok()
    }

    /// What a strong read in `block` sees released.
    pub(super) fn seen(&self, block: u32, scope: Option<Scope>) -> Released {
        let cta = self.cta.get(&block).cloned().unwrap_or_default();
        let (gpu, sc) = if scope.is_some_and(|s| s != Scope::Cta) {
            (self.gpu.clone(), self.sc.clone())
        } else {
            (Clock::default(), Clock::default())
        };
        Released { cta, gpu, sc }
    }

    /// Notes an access that has passed. `knows_tail` as before it; `released` is what a write
    /// releases, `operation` says that it does so by itself.
    pub(super) fn note(
        &mut self,
        a: &Strong,
        knows_tail: bool,
        released: &Released,
        operation: bool,
    ) {
        if a.scope == Some(Scope::Cta) {
            let block = a.thread.0;
            let theirs = |n: &&mut (u32, u32, bool)| n.0 == block && n.2 == a.writes;
            match self.narrow.iter_mut().find(theirs) {
                Some(n) => n.1 = a.record,
                None => self.narrow.push((block, a.record, a.writes)),
            }
        }
        if !a.writes {
            let again = self.reads.note(a.thread, a.record, self.version);
            if !again && self.tail.first().is_some_and(|w| *w != a.record) {
                self.tail.push(a.record);
            }
            return;
        }
        self.initialised = true;
        self.version += 1;
        if a.reads || knows_tail || self.tail.is_empty() {
            self.tail.clear();
        } else {
            self.orphans.push(std::mem::take(&mut self.tail));
        }
        self.tail.push(a.record);
        self.release(a, released, operation);
    }

    fn release(&mut self, a: &Strong, released: &Released, operation: bool) {
        let block = a.thread.0;
        let mut new = released.clone();
        if operation {
            self.owner = Some((a.thread, released.clone()));
        } else if let Some((thread, earlier)) = &self.owner
            && *thread == a.thread
        {
            new.cta.join(&earlier.cta);
            new.gpu.join(&earlier.gpu);
            new.sc.join(&earlier.sc);
        }
        let narrow = a.scope == Some(Scope::Cta);
        if narrow || a.scope.is_none() {
            (new.gpu, new.sc) = (Clock::default(), Clock::default());
        }
        if !a.reads {
            (self.gpu, self.sc) = (new.gpu, new.sc);
            self.cta.clear();
            if !new.cta.is_empty() {
                self.cta.insert(block, new.cta);
            }
            return;
        }
        let mut own = self.cta.get(&block).cloned().unwrap_or_default();
        if narrow {
            // Others do not observe through this atomic what was released before.
            own.join(&std::mem::take(&mut self.gpu));
            self.sc = Clock::default();
            self.cta.clear();
        }
        own.join(&new.cta);
        self.gpu.join(&new.gpu);
        self.sc.join(&new.sc);
        if !own.is_empty() {
            self.cta.insert(block, own);
        }
    }
}

/// Whether a lane knows one access of a chain; else the chain's write.
fn knows(eye: &Eye<'_>, chain: &[u32]) -> Result<(), u32> {
    let known = chain.iter().rev().any(|r| eye.ordered(*r) != Order::No);
    match chain.first() {
        Some(write) if !known => Err(*write),
        _ => Ok(()),
    }
}
