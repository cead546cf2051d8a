//! Random programs under random schedules: the checks and the oracle must say the same of every
//! access. Programs that race all the time would show little, so that most accesses which the oracle
//! does not like are left out.

use super::oracle::{At, Oracle, Verdict};
use super::*;
use crate::check::MbarrierOp;
use crate::check::ids::lanes;
use crate::check::tests::oracle;

/// A small generator of its own, so that failures repeat from their seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 33) % u64::from(n)) as u32
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }
}

/// What a family of programs is made of.
#[derive(Clone, Copy, Debug)]
struct Family {
    blocks: u32,
    threads: u32,
    /// Lanes that act on their own.
    lanes: u32,
    streams: u32,
    scopes: &'static [Scope],
    strong: u32,
    shared: u32,
    copies: bool,
    exits: bool,
    renumber: bool,
}

const FAMILY: Family = Family {
    blocks: 2,
    threads: 34,
    lanes: 3,
    streams: 0,
    scopes: &[Scope::Gpu],
    strong: 40,
    shared: 30,
    copies: false,
    exits: false,
    renumber: false,
};

struct Program {
    family: Family,
    random: Random,
    gpu: Gpu,
    oracle: Oracle,
    live: Vec<Vec<u32>>,
    marks: Vec<(crate::machine::Mark, oracle::Clock)>,
    running: bool,
    log: Vec<String>,
}

/// Counts that show that a test tests something.
#[derive(Default, Debug)]
struct Tally {
    passed: u64,
    found: u64,
}

impl Program {
    fn new(family: Family, seed: u64) -> Self {
        let mut gpu = Gpu::idle(family.blocks, family.threads);
        gpu.checker.renumber_always = family.renumber;
        let mut oracle = Oracle::new();
        let data = gpu.data;
        oracle.host(0, data, 1024, true).unwrap();
        for _ in 0..family.streams {
            gpu.checker.create_stream();
            oracle.create_stream();
        }
        let random = Random::new(seed);
        let (live, marks, log) = (Vec::new(), Vec::new(), Vec::new());
        Self { family, random, gpu, oracle, live, marks, running: false, log }
    }

    fn begin(&mut self) {
        let stream = self.random.below(self.family.streams + 1);
        self.log.push(format!("launch on {stream}"));
        self.gpu.begin(StreamId(stream));
        self.oracle.begin(stream as usize);
        let warps: Vec<u32> = (0..self.gpu.warps()).map(|w| self.gpu.lanes(w)).collect();
        self.live = vec![warps; self.family.blocks as usize];
        for block in 0..self.family.blocks {
            self.oracle.begin_block(block, self.family.threads);
        }
        self.running = true;
    }

    fn lane(&mut self) -> Option<Who> {
        let block = self.random.below(self.family.blocks);
        let warp = self.random.below(self.gpu.warps());
        let lane = self.random.below(self.family.lanes.min(self.gpu.lanes(warp).count_ones()));
        let live = self.live[block as usize][warp as usize];
        (live >> lane & 1 != 0).then_some((block, warp, lane))
    }

    fn mask(&mut self, block: u32, warp: u32) -> u32 {
        let live = self.live[block as usize][warp as usize];
        if self.random.chance(60) {
            return live;
        }
        // Mostly the lanes that act.
        let acting = self.random.below(1 << self.family.lanes);
        let others = if self.random.chance(50) { !0 << self.family.lanes } else { 0 };
        (acting | others) & live
    }

    fn threads(block: u32, masks: &[u32]) -> Vec<Who> {
        let of =
            |(w, m): (u32, &u32)| lanes(*m).map(move |l| (block, w, l as u32)).collect::<Vec<_>>();
        (0..).zip(masks).flat_map(of).collect()
    }

    fn access_kind(&mut self, bytes: u32) -> Access {
        let scope = self.random.pick(self.family.scopes);
        if !self.random.chance(self.family.strong) {
            return if self.random.chance(55) { read(bytes) } else { write(bytes) };
        }
        let op = self.random.pick(&[Op::Read, Op::Read, Op::Write, Op::Atomic, Op::Reduce]);
        let a = Access::strong(0, bytes, op, scope);
        let acquire = matches!(op, Op::Read | Op::Atomic) && self.random.chance(25);
        let release = op != Op::Read && self.random.chance(25);
        let failed =
            if op == Op::Atomic && self.random.chance(30) { self.random.below(8) } else { 0 };
        Access { acquire, release, failed, ..a }
    }

    /// An access of one lane or of a warp, in either memory. Some(verdicts) if one was made.
    fn access(&mut self) -> Option<(Verdict, Option<Finding>)> {
        let who = self.lane()?;
        let (block, warp, lane) = who;
        let bytes = self.random.pick(&[1, 2, 4, 4, 4, 8, 16]);
        let a = self.access_kind(bytes);
        let is_shared = self.random.chance(self.family.shared);
        let weak = a.strength == crate::check::Strength::Weak;
        let live = self.live[block as usize][warp as usize];
        let (mask, stride) = match self.random.below(10) {
            0 if weak => (live, bytes),
            1 if weak && a.op == Op::Read => (live, 0),
            2 => (self.mask(block, warp), bytes),
            3 if !weak => (self.mask(block, warp), 0),
            _ => (1 << lane, 0),
        };
        if mask == 0 {
            return None;
        }
        // Few places, so that accesses meet; strong ones mostly on words of their own.
        let place = if weak == self.random.chance(85) { 0 } else { 32 };
        let first = place + self.random.below(16 / bytes) * bytes;
        let offset = |l: usize| first + l as u32 * stride;
        let global = if self.random.chance(50) { self.gpu.data } else { self.gpu.fresh };
        let a = Access { pc: self.gpu.next(), ..a };
        let mut trial = self.oracle.clone();
        let expected = oracle::all(lanes(mask).map(|l| {
            let at = if is_shared {
                At::Shared(block, offset(l))
            } else {
                At::Global(global + u64::from(offset(l)))
            };
            trial.access((block, warp, l as u32), at, &a)
        }));
        if expected.is_err() && !self.random.chance(8) {
            return None;
        }
        let where_ = if is_shared { "shared".to_owned() } else { format!("{global:#x}") };
        self.log.push(format!(
            "block {block} warp {warp} mask {mask:#x} {:?} {} bytes at {where_}+{first} stride \
             {stride} {:?} acquire {} release {} failed {:#x}",
            a.op, a.bytes, a.strength, a.acquire, a.release, a.failed
        ));
        let w = WarpRef { slot: block, warp };
        let got = if is_shared {
            let offsets = std::array::from_fn(offset);
            self.gpu.checker.shared(w, &a, mask, &offsets)
        } else {
            let addresses = std::array::from_fn(|l| global + u64::from(offset(l)));
            self.gpu.checker.global(&mut self.gpu.arena, w, &a, mask, &addresses)
        };
        self.oracle = trial;
        Some((expected, got.err()))
    }

    fn order(&mut self) {
        let block = self.random.below(self.family.blocks);
        let live = self.live[block as usize].clone();
        match self.random.below(10) {
            0 | 1 => {
                self.log.push(format!("barrier of block {block}"));
                self.gpu.barrier(block, 0, &live);
                self.oracle.barrier(block, 0, &Self::threads(block, &live));
            }
            2 => {
                let warps = 0..live.len() as u32;
                let masks: Vec<u32> = warps.map(|w| self.mask(block, w)).collect();
                let id = self.random.below(2);
                self.log.push(format!("barrier {id} of block {block} masks {masks:x?}"));
                self.gpu.barrier(block, id, &masks);
                self.oracle.barrier(block, id, &Self::threads(block, &masks));
            }
            3 => {
                let warp = self.random.below(live.len() as u32);
                let (mask, id) = (self.mask(block, warp), self.random.below(2));
                self.log.push(format!("arrive {id} of block {block} warp {warp} mask {mask:#x}"));
                self.gpu.arrive(block, id, warp, mask);
                let who: Vec<Who> = lanes(mask).map(|l| (block, warp, l as u32)).collect();
                self.oracle.arrive(block, id, &who);
            }
            4 | 5 => {
                let warp = self.random.below(live.len() as u32);
                let mask = self.mask(block, warp);
                self.log.push(format!("warp barrier of block {block} warp {warp} mask {mask:#x}"));
                self.gpu.sync_warp((block, warp), mask);
                let who: Vec<Who> = lanes(mask).map(|l| (block, warp, l as u32)).collect();
                self.oracle.barrier(block, 99, &who);
            }
            _ => {
                let warp = self.random.below(live.len() as u32);
                let scope = self.random.pick(self.family.scopes);
                let mask = match self.lane() {
                    Some((_, _, lane)) if self.random.chance(70) => 1 << lane,
                    _ => self.mask(block, warp),
                } & live[warp as usize];
                self.log.push(format!("fence {scope:?} of {block} warp {warp} mask {mask:#x}"));
                let pc = self.gpu.next();
                let fence = Fence { scope, sc: false };
                self.gpu.checker.fence(WarpRef { slot: block, warp }, mask, fence, pc);
                lanes(mask).for_each(|l| self.oracle.fence((block, warp, l as u32), scope));
            }
        }
    }

    fn copy(&mut self) -> Option<(Verdict, Option<Finding>)> {
        let (block, warp, lane) = self.lane()?;
        let mask = if self.random.chance(50) { 1 << lane } else { self.mask(block, warp) & 0xFF };
        let who = |l: usize| (block, warp, l as u32);
        let w = WarpRef { slot: block, warp };
        if mask == 0 {
            return None;
        }
        match self.random.below(9) {
            0..3 => {
                let to = self.random.below(2) * 16;
                let mut trial = self.oracle.clone();
                // A whole warp's instruction reads, then writes.
                let data = self.gpu.data;
                let expected = lanes(mask)
                    .try_for_each(|l| {
                        trial.access(who(l), At::Global(data + 16 * (l as u64 % 4)), &read(16))
                    })
                    .and_then(|()| {
                        lanes(mask).try_for_each(|l| {
                            trial.copy(who(l), At::Shared(block, to + 16 * (l as u32 % 2)), 16)
                        })
                    });
                if expected.is_err() && !self.random.chance(8) {
                    return None;
                }
                self.log.push(format!("copy of {block} warp {warp} mask {mask:#x} to {to}"));
                let into = std::array::from_fn(|l| to + 16 * (l as u32 % 2));
                let from = std::array::from_fn(|l| data + 16 * (l as u64 % 4));
                let (arena, sizes) = (&mut self.gpu.arena, [16; 32]);
                let pc = self.random.below(100);
                let checker = &mut self.gpu.checker;
                let got = checker.async_copy(arena, w, pc, mask, &into, &from, 16, &sizes);
                self.oracle = trial;
                return Some((expected, got.err()));
            }
            3 | 4 => {
                self.log.push(format!("commit of {block} warp {warp} mask {mask:#x}"));
                self.gpu.checker.async_commit(w, mask);
                lanes(mask).for_each(|l| self.oracle.commit(who(l)));
            }
            5 | 6 => {
                let keep = self.random.below(3);
                self.log.push(format!("wait {keep} of {block} warp {warp} mask {mask:#x}"));
                self.gpu.checker.async_wait(w, mask, keep);
                lanes(mask).for_each(|l| self.oracle.wait_group(who(l), keep as usize));
            }
            7 => {
                self.log.push(format!("wait all of {block} warp {warp} mask {mask:#x}"));
                self.gpu.checker.async_wait_all(w, mask);
                lanes(mask).for_each(|l| self.oracle.wait_all(who(l)));
            }
            _ => {
                let op = self.random.pick(&[
                    MbarrierOp::Init,
                    MbarrierOp::Arrive,
                    MbarrierOp::Arrive,
                    MbarrierOp::ArriveCopies,
                    MbarrierOp::Waited,
                    MbarrierOp::Waited,
                    MbarrierOp::Polled,
                ]);
                if self.random.chance(30) {
                    self.log.push(format!("phase of {block}"));
                    self.gpu.checker.mbarrier_phase(block, 512);
                    self.oracle.phase(block, 512);
                }
                let mut trial = self.oracle.clone();
                let expected = trial.mbarrier(who(lane as usize), op, 512);
                if expected.is_err() && !self.random.chance(8) {
                    return None;
                }
                self.log.push(format!("{op:?} of {block} warp {warp} lane {lane}"));
                let got = self.gpu.mbarrier((block, warp, lane), op, 512);
                self.oracle = trial;
                return Some((expected, got.err()));
            }
        }
        None
    }

    fn rare(&mut self) {
        let block = self.random.below(self.family.blocks);
        if self.family.exits && self.random.chance(50) {
            let warp = self.random.below(self.gpu.warps());
            let mask = self.mask(block, warp);
            self.log.push(format!("exit of {block} warp {warp} mask {mask:#x}"));
            self.gpu.checker.exit(WarpRef { slot: block, warp }, mask);
            self.live[block as usize][warp as usize] &= !mask;
            return;
        }
        if self.random.chance(50) {
            self.log.push(format!("a new block in {block}"));
            self.gpu.checker.end_block(block);
            self.gpu.checker.begin_block(block, 0, SHARED);
            self.oracle.begin_block(block, self.family.threads);
            self.live[block as usize] = (0..self.gpu.warps()).map(|w| self.gpu.lanes(w)).collect();
            return;
        }
        self.log.push("end of the launch".to_owned());
        self.gpu.end();
        self.oracle.end();
        self.running = false;
    }

    fn host(&mut self) -> Option<(Verdict, Option<Finding>)> {
        let stream = self.random.below(self.family.streams + 1);
        match self.random.below(8) {
            0 => {
                self.log.push(format!("mark {stream}"));
                let mark = self.gpu.checker.mark(StreamId(stream));
                self.marks.push((mark, self.oracle.mark(stream as usize)));
            }
            1 if !self.marks.is_empty() => {
                let i = self.random.below(self.marks.len() as u32) as usize;
                self.log.push(format!("stream {stream} waits for mark {i}"));
                self.gpu.checker.wait(StreamId(stream), &self.marks[i].0);
                self.oracle.wait(stream as usize, &self.marks[i].1);
            }
            2 => {
                self.log.push(format!("synchronize {stream}"));
                self.gpu.checker.synchronize(StreamId(stream));
                self.oracle.synchronize(stream as usize);
            }
            3 | 4 => {
                let writes = self.random.chance(40);
                let base = if self.random.chance(50) { self.gpu.data } else { self.gpu.fresh };
                let at = base + u64::from(self.random.below(40));
                let bytes = 1 + self.random.below(9);
                let mut trial = self.oracle.clone();
                let expected = trial.host(stream as usize, at, bytes, writes);
                if expected.is_err() && !self.random.chance(20) {
                    return None;
                }
                self.log.push(format!("host on {stream}: {at:#x} {bytes} writes {writes}"));
                let (arena, id) = (&mut self.gpu.arena, StreamId(stream));
                let mut buffer = vec![0; bytes as usize];
                let got = if writes {
                    self.gpu.checker.host_write(arena, at, &buffer, id)
                } else {
                    self.gpu.checker.host_read(arena, at, &mut buffer, id)
                };
                self.oracle = trial;
                return Some((expected, got.err()));
            }
            _ => self.begin(),
        }
        None
    }

    /// One step; whether the program goes on.
    fn step(&mut self, tally: &mut Tally) -> Result<bool, String> {
        let made = if !self.running {
            self.host()
        } else {
            match self.random.below(100) {
                0 | 1 => {
                    self.rare();
                    None
                }
                2..35 => {
                    self.order();
                    None
                }
                35..65 if self.family.copies => self.copy(),
                _ => self.access(),
            }
        };
        let Some((expected, got)) = made else { return Ok(true) };
        match (&expected, &got) {
            (Ok(()), None) => {
                tally.passed += 1;
                Ok(true)
            }
            (Err(kinds), Some(finding)) if kinds.contains(finding.kind.name()) => {
                tally.found += 1;
                Ok(false)
            }
            _ => Err(format!("expected {expected:?}, got {got:#?} after\n{}", self.log.join("\n"))),
        }
    }
}

fn run(name: &str, family: Family, programs: u64, steps: u32) {
    let programs = std::env::var("CHECK_PROGRAMS").map_or(programs, |n| n.parse().unwrap());
    let first = std::env::var("CHECK_SEED").map_or(1, |n| n.parse().unwrap());
    let mut tally = Tally::default();
    for seed in first..first + programs {
        let mut program = Program::new(family, seed);
        if family.streams == 0 {
            program.begin();
        }
        for _ in 0..steps {
            match program.step(&mut tally) {
                Ok(true) => {}
                Ok(false) => break,
                Err(why) => panic!("{name}, seed {seed}: {why}"),
            }
        }
    }
    assert!(tally.passed > programs * 5 && tally.found > programs / 4, "{name}: {tally:?}");
    println!("{name}: {programs} programs, {tally:?}");
}

#[test]
fn one_block() {
    run("one block", Family { blocks: 1, shared: 60, ..FAMILY }, 400, 120);
}

#[test]
fn several_blocks() {
    run(
        "several blocks",
        Family { blocks: 3, threads: 33, shared: 10, strong: 60, ..FAMILY },
        400,
        150,
    );
}

#[test]
fn scopes_in_one_block() {
    let family = Family { blocks: 1, scopes: &[Scope::Cta, Scope::Gpu, Scope::Sys], ..FAMILY };
    run("scopes in one block", family, 300, 150);
}

#[test]
fn fences_of_all_scopes_in_shared_memory_of_two_blocks() {
    let family = Family { shared: 100, scopes: &[Scope::Cta, Scope::Gpu], ..FAMILY };
    run("scopes in shared memory", family, 300, 150);
}

#[test]
fn exits() {
    run("exits", Family { exits: true, shared: 50, ..FAMILY }, 400, 150);
}

#[test]
fn copies() {
    run("copies", Family { copies: true, shared: 80, strong: 20, ..FAMILY }, 400, 150);
}

#[test]
fn copies_and_exits() {
    let family = Family { copies: true, exits: true, blocks: 1, shared: 90, ..FAMILY };
    run("copies and exits", family, 300, 150);
}

#[test]
fn streams() {
    run("streams", Family { streams: 3, threads: 2, lanes: 2, ..FAMILY }, 600, 150);
}

#[test]
fn streams_with_ids_given_out_anew() {
    // What a set of readers from three streams loses then is documented; two streams lose nothing.
    let family = Family { streams: 2, threads: 2, lanes: 2, renumber: true, ..FAMILY };
    run("ids given out anew", family, 400, 120);
}
