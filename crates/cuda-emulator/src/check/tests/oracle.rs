//! The same questions answered naively: every access is kept, every thread has a full vector clock,
//! every byte is on its own.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Access, Kind, MbarrierOp, Op, Scope};
use crate::check::Strength;

/// Of every agent, how many of its events are known. A thread is an agent, its copies are another.
pub(super) type Clock = Rc<Vec<u32>>;

pub(super) fn join(a: &mut Clock, b: &Clock) {
    if Rc::ptr_eq(a, b) {
        return;
    }
    let a = Rc::make_mut(a);
    if a.len() < b.len() {
        a.resize(b.len(), 0);
    }
    a.iter_mut().zip(b.iter()).for_each(|(x, y)| *x = (*x).max(*y));
}

#[derive(Clone, Debug)]
struct Event {
    agent: usize,
    number: u32,
    /// Of copies: the thread's event that issued it.
    issue: Option<(usize, u32)>,
    block: u32,
    writes: bool,
    /// Scope of a strong one, and the chain and version that it observed or made.
    strong: Option<(Scope, u32, u32)>,
    task: u32,
}

/// What a strong write releases: to the device, to its block.
#[derive(Clone, Debug, Default)]
struct Released {
    gpu: Clock,
    cta: Clock,
}

#[derive(Clone, Debug, Default)]
struct Byte {
    events: Vec<Event>,
    written: bool,
    /// The chain of strong writes in progress and its version.
    chain: Option<(u32, u32)>,
    chains: u32,
    gpu: Clock,
    cta: BTreeMap<u32, Clock>,
    owner: Option<(usize, Released)>,
}

#[derive(Clone, Debug)]
struct Thread {
    agent: usize,
    block: u32,
    clock: Clock,
    fenced: Released,
    seen: Released,
    /// Number of the thread's last copy in each committed group, oldest first.
    groups: Vec<u32>,
}

/// The memory of one launch or of all of them: global bytes, or shared bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    Global(u64),
    Shared(u32, u32),
}

impl At {
    fn plus(self, i: u32) -> Self {
        match self {
            At::Global(a) => At::Global(a + u64::from(i)),
            At::Shared(block, a) => At::Shared(block, a + i),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    /// Events so far of each agent.
    counts: Vec<u32>,
    threads: BTreeMap<(u32, u32, u32), Thread>,
    bytes: BTreeMap<At, Byte>,
    arrived: BTreeMap<(u32, u32), Clock>,
    mbarriers: BTreeMap<(u32, u32), (Clock, Clock)>,
    /// By stream, the host first.
    streams: Vec<Clock>,
    stream: usize,
    task: u32,
    blocks: u32,
}

pub(super) type Verdict = Result<(), BTreeSet<&'static str>>;

fn found(kind: Kind) -> Verdict {
    Err(BTreeSet::from([kind.name()]))
}

/// All mistakes of some accesses together.
pub(super) fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let kinds: BTreeSet<_> = verdicts.filter_map(Verdict::err).flatten().collect();
    if kinds.is_empty() { Ok(()) } else { Err(kinds) }
}

impl Oracle {
    pub(super) fn new() -> Self {
        Self { streams: vec![Clock::default()], ..Self::default() }
    }

    fn knows(clock: &Clock, agent: usize, number: u32) -> bool {
        clock.get(agent).is_some_and(|n| *n >= number)
    }

    // Streams.

    pub(super) fn create_stream(&mut self) {
        self.streams.push(self.streams[0].clone());
    }

    pub(super) fn mark(&self, stream: usize) -> Clock {
        let mut mark = self.streams[stream].clone();
        join(&mut mark, &self.streams[0]);
        mark
    }

    pub(super) fn wait(&mut self, stream: usize, mark: &Clock) {
        join(&mut self.streams[stream], mark);
    }

    pub(super) fn synchronize(&mut self, stream: usize) {
        let clock = self.streams[stream].clone();
        join(&mut self.streams[0], &clock);
    }

    /// A task on a stream starts.
    pub(super) fn begin(&mut self, stream: usize) {
        let host = self.streams[0].clone();
        join(&mut self.streams[stream], &host);
        self.stream = stream;
        self.task += 1;
        self.threads.clear();
        self.arrived.clear();
        self.mbarriers.clear();
        self.blocks = 0;
        self.bytes.retain(|at, _| matches!(at, At::Global(_)));
        for byte in self.bytes.values_mut() {
            // Nothing is acquired from another launch.
            (byte.gpu, byte.owner) = (Clock::default(), None);
            byte.cta.clear();
        }
    }

    /// It ends: what it did is done for its stream.
    pub(super) fn end(&mut self) {
        let all = Rc::new(self.counts.clone());
        let begun = self.streams[self.stream].clone();
        let mut clock = (*begun).clone();
        clock.resize(all.len(), 0);
        for thread in self.threads.values() {
            for agent in [thread.agent, thread.agent + 1] {
                clock[agent] = all[agent];
            }
        }
        self.streams[self.stream] = Rc::new(clock);
    }

    /// Threads of a block, which is that sequence number in the launch.
    pub(super) fn begin_block(&mut self, slot: u32, threads: u32) {
        // Those that were in the slot stay in the launch under a name that nobody uses.
        let old: Vec<_> = self.threads.keys().filter(|k| k.0 == slot).copied().collect();
        for key in old {
            if let Some(thread) = self.threads.remove(&key) {
                self.threads.insert((1000 + thread.block, key.1, key.2), thread);
            }
        }
        self.bytes.retain(|at, _| !matches!(at, At::Shared(s, _) if *s == slot));
        self.arrived.retain(|(s, _), _| *s != slot);
        self.mbarriers.retain(|(s, _), _| *s != slot);
        for i in 0..threads {
            let agent = self.counts.len();
            self.counts.extend([0, 0]);
            let thread = Thread {
                agent,
                block: self.blocks,
                clock: self.streams[self.stream].clone(),
                fenced: Released::default(),
                seen: Released::default(),
                groups: Vec::new(),
            };
            self.threads.insert((slot, i / 32, i % 32), thread);
        }
        self.blocks += 1;
    }

    fn thread(&mut self, who: (u32, u32, u32)) -> &mut Thread {
        self.threads.get_mut(&who).unwrap()
    }

    /// The next event of an agent that is a thread, which knows it.
    fn event(&mut self, who: (u32, u32, u32)) -> (usize, u32) {
        let agent = self.threads[&who].agent;
        self.counts[agent] += 1;
        let number = self.counts[agent];
        let clock = Rc::make_mut(&mut self.thread(who).clock);
        if clock.len() <= agent {
            clock.resize(agent + 1, 0);
        }
        clock[agent] = number;
        (agent, number)
    }

    // Accesses.

    /// Whether a strong write is ordered before: some access that observed it or a later one of its
    /// chain is known.
    fn write_known(byte: &Byte, clock: &Clock, chain: u32, version: u32) -> bool {
        byte.events.iter().any(|e| {
            e.strong.is_some_and(|(_, c, v)| c == chain && v >= version)
                && Self::knows(clock, e.agent, e.number)
        })
    }

    fn conflict(&self, who: (u32, u32, u32), event: &Event) -> &'static str {
        let me = &self.threads[&who];
        let Some((agent, number)) = event.issue else {
            let kind = if event.task == self.task { Kind::Race } else { Kind::StreamRace };
            return kind.name();
        };
        let issuer = self.threads.values().find(|t| t.agent == agent).unwrap();
        let waited = Self::knows(&issuer.clock, event.agent, event.number);
        if !waited && (agent == me.agent || Self::knows(&me.clock, agent, number)) {
            Kind::AsyncCopyNotWaited.name()
        } else {
            Kind::Race.name()
        }
    }

    /// Conflicts of an access of one byte with all before it.
    fn check(&self, who: (u32, u32, u32), at: At, a: &Access, writes: bool) -> Verdict {
        let Some(byte) = self.bytes.get(&at) else {
            return if a.op == Op::Write { Ok(()) } else { found(Kind::Uninitialised) };
        };
        let me = &self.threads[&who];
        let scope = match a.strength {
            Strength::Strong(scope) => Some(scope),
            Strength::Weak => None,
        };
        let mut kinds = BTreeSet::new();
        for event in &byte.events {
            if !event.writes && !writes {
                continue;
            }
            if let (Some(mine), Some((theirs, _, _))) = (scope, event.strong) {
                let narrow = mine == Scope::Cta || theirs == Scope::Cta;
                let reaches = !narrow || event.block == me.block;
                if event.task == self.task && reaches || matches!(at, At::Shared(..)) {
                    continue;
                }
            }
            let ordered = match event.strong {
                Some((_, chain, version)) if event.writes => {
                    Self::write_known(byte, &me.clock, chain, version)
                }
                _ => Self::knows(&me.clock, event.agent, event.number),
            };
            if !ordered {
                kinds.insert(self.conflict(who, event));
            }
        }
        if !byte.written && a.op != Op::Write {
            kinds.insert(Kind::Uninitialised.name());
        }
        if kinds.is_empty() { Ok(()) } else { Err(kinds) }
    }

    /// One lane's access.
    pub(super) fn access(&mut self, who: (u32, u32, u32), at: At, a: &Access) -> Verdict {
        let writes = match a.op {
            Op::Read => false,
            Op::Write => true,
            Op::Atomic | Op::Reduce => a.failed >> who.2 & 1 == 0,
        };
        all((0..a.bytes).map(|i| self.check(who, at.plus(i), a, writes)))?;
        let (agent, number) = self.event(who);
        let Strength::Strong(scope) = a.strength else {
            for i in 0..a.bytes {
                self.note_weak(who, at.plus(i), (agent, number, None), writes);
            }
            return Ok(());
        };
        let reads = a.op != Op::Write;
        let shared = matches!(at, At::Shared(..));
        let block = self.threads[&who].block;
        let mut seen = Released::default();
        for i in 0..a.bytes {
            let byte = self.bytes.entry(at.plus(i)).or_default();
            if let Some(cta) = byte.cta.get(&block) {
                join(&mut seen.cta, cta);
            }
            if scope != Scope::Cta && !shared {
                join(&mut seen.gpu, &byte.gpu);
            }
        }
        let thread = self.thread(who);
        if a.acquire && reads {
            join(&mut thread.clock, &seen.cta);
            join(&mut thread.clock, &seen.gpu);
        } else if matches!(a.op, Op::Read | Op::Atomic) {
            join(&mut thread.seen.cta, &seen.cta);
            join(&mut thread.seen.gpu, &seen.gpu);
        }
        let mut released = thread.fenced.clone();
        if a.release && writes {
            released.cta = thread.clock.clone();
            if scope != Scope::Cta {
                released.gpu = thread.clock.clone();
            }
        }
        let clock = thread.clock.clone();
        for i in 0..a.bytes {
            let byte = self.bytes.entry(at.plus(i)).or_default();
            let known = match byte.chain {
                None => true,
                Some((chain, version)) => Self::write_known(byte, &clock, chain, version),
            };
            if writes {
                byte.written = true;
                byte.chain = match byte.chain {
                    Some((chain, version)) if reads || known => Some((chain, version + 1)),
                    _ => {
                        byte.chains += 1;
                        Some((byte.chains, 1))
                    }
                };
                Self::release(byte, agent, block, scope, shared, reads, &released, a.release);
            }
            let (chain, version) = byte.chain.unwrap_or((0, 0));
            let strong = Some((scope, chain, version));
            let task = self.task;
            byte.events.push(Event { agent, number, issue: None, block, writes, strong, task });
        }
        if a.release && writes {
            // What follows is another event, so that nothing else needs doing.
            self.event(who);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn release(
        byte: &mut Byte,
        agent: usize,
        block: u32,
        scope: Scope,
        shared: bool,
        reads: bool,
        released: &Released,
        operation: bool,
    ) {
        let mut new = released.clone();
        match &byte.owner {
            _ if operation => byte.owner = Some((agent, released.clone())),
            Some((owner, earlier)) if *owner == agent => {
                join(&mut new.cta, &earlier.cta);
                join(&mut new.gpu, &earlier.gpu);
            }
            _ => {}
        }
        let narrow = scope == Scope::Cta;
        if narrow || shared {
            new.gpu = Clock::default();
        }
        if !reads {
            byte.gpu = new.gpu;
            byte.cta = BTreeMap::from([(block, new.cta)]);
            return;
        }
        let mut own = byte.cta.get(&block).cloned().unwrap_or_default();
        if narrow {
            join(&mut own, &byte.gpu);
            byte.gpu = Clock::default();
            byte.cta.clear();
        }
        join(&mut own, &new.cta);
        join(&mut byte.gpu, &new.gpu);
        byte.cta.insert(block, own);
    }

    fn note_weak(
        &mut self,
        who: (u32, u32, u32),
        at: At,
        (agent, number, issue): (usize, u32, Option<(usize, u32)>),
        writes: bool,
    ) {
        let (block, task) = (self.threads[&who].block, self.task);
        let byte = self.bytes.entry(at).or_default();
        if writes {
            byte.written = true;
            byte.chain = None;
            (byte.gpu, byte.owner) = (Clock::default(), None);
            byte.cta.clear();
        }
        byte.events.push(Event { agent, number, issue, block, writes, strong: None, task });
    }

    // Order.

    fn learn(&mut self, who: (u32, u32, u32), clock: &Clock) {
        join(&mut self.thread(who).clock, clock);
    }

    pub(super) fn arrive(&mut self, slot: u32, id: u32, who: &[(u32, u32, u32)]) {
        let mut clock = self.arrived.remove(&(slot, id)).unwrap_or_default();
        for w in who {
            join(&mut clock, &self.threads[w].clock);
            self.event(*w);
        }
        self.arrived.insert((slot, id), clock);
    }

    pub(super) fn barrier(&mut self, slot: u32, id: u32, who: &[(u32, u32, u32)]) {
        let mut clock = self.arrived.remove(&(slot, id)).unwrap_or_default();
        who.iter().for_each(|w| join(&mut clock, &self.threads[w].clock));
        who.iter().for_each(|w| self.learn(*w, &clock));
    }

    pub(super) fn fence(&mut self, who: (u32, u32, u32), scope: Scope) {
        let thread = self.thread(who);
        let seen = thread.seen.clone();
        join(&mut thread.clock, &seen.cta);
        if scope != Scope::Cta {
            join(&mut thread.clock, &seen.gpu);
            thread.fenced.gpu = thread.clock.clone();
            thread.seen = Released::default();
        }
        thread.fenced.cta = thread.clock.clone();
    }

    // Copies.

    /// Writes `bytes` at `at` asynchronously.
    pub(super) fn copy(&mut self, who: (u32, u32, u32), at: At, bytes: u32) -> Verdict {
        let a = Access::weak(0, bytes, Op::Write);
        all((0..bytes).map(|i| self.check(who, at.plus(i), &a, true)))?;
        let issue = self.event(who);
        let agent = issue.0 + 1;
        self.counts[agent] += 1;
        let event = (agent, self.counts[agent], Some(issue));
        for i in 0..bytes {
            self.note_weak(who, at.plus(i), event, true);
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, who: (u32, u32, u32)) {
        let copies = self.counts[self.threads[&who].agent + 1];
        self.thread(who).groups.push(copies);
    }

    fn complete(clock: &mut Clock, agent: usize, number: u32) {
        let clock = Rc::make_mut(clock);
        if clock.len() <= agent {
            clock.resize(agent + 1, 0);
        }
        clock[agent] = clock[agent].max(number);
    }

    pub(super) fn wait_group(&mut self, who: (u32, u32, u32), keep: usize) {
        let thread = self.thread(who);
        let done = thread.groups.len().saturating_sub(keep);
        if let Some(number) = thread.groups.drain(..done).next_back() {
            let agent = thread.agent + 1;
            Self::complete(&mut thread.clock, agent, number);
        }
    }

    pub(super) fn wait_all(&mut self, who: (u32, u32, u32)) {
        let agent = self.threads[&who].agent + 1;
        let number = self.counts[agent];
        let thread = self.thread(who);
        thread.groups.clear();
        Self::complete(&mut thread.clock, agent, number);
    }

    pub(super) fn mbarrier(&mut self, who: (u32, u32, u32), op: MbarrierOp, at: u32) -> Verdict {
        let place = At::Shared(who.0, at);
        if op == MbarrierOp::Init {
            self.access(who, place, &Access::weak(0, 8, Op::Write))?;
            self.mbarriers.remove(&(who.0, at));
            return Ok(());
        }
        let arrives = matches!(op, MbarrierOp::Arrive | MbarrierOp::ArriveCopies);
        // The word itself neither releases nor acquires.
        let fenced = std::mem::take(&mut self.thread(who).fenced);
        let seen = std::mem::take(&mut self.thread(who).seen);
        let kind = if arrives { Op::Reduce } else { Op::Read };
        let result = self.access(who, place, &Access::strong(0, 8, kind, Scope::Cta));
        let thread = self.thread(who);
        (thread.fenced, thread.seen) = (fenced, seen);
        result?;
        let (agent, clock) = (thread.agent + 1, thread.clock.clone());
        let copies = self.counts[agent];
        let (pending, complete) = self.mbarriers.entry((who.0, at)).or_default();
        match op {
            MbarrierOp::Arrive => join(pending, &clock),
            MbarrierOp::ArriveCopies => Self::complete(pending, agent, copies),
            MbarrierOp::Waited => {
                let complete = complete.clone();
                self.learn(who, &complete);
            }
            MbarrierOp::Init | MbarrierOp::Polled => {}
        }
        Ok(())
    }

    pub(super) fn phase(&mut self, slot: u32, at: u32) {
        if let Some((pending, complete)) = self.mbarriers.get_mut(&(slot, at)) {
            *complete = std::mem::take(pending);
        }
    }

    // The host: a task of one thread.

    pub(super) fn host(&mut self, stream: usize, at: u64, bytes: u32, writes: bool) -> Verdict {
        self.begin(stream);
        self.begin_block(0, 1);
        let op = if writes { Op::Write } else { Op::Read };
        all((0..bytes).map(|i| {
            let at = At::Global(at + u64::from(i));
            let written = self.bytes.get(&at).is_some_and(|b| b.written);
            if writes || written {
                return self.access((0, 0, 0), at, &Access::weak(0, 1, op));
            }
            Ok(())
        }))?;
        self.end();
        Ok(())
    }
}
