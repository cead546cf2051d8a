//! A launch: which blocks are resident, which warp runs next, until all are done.
//!
//! One thread of the host runs everything, in an order that the seed decides. Where no value passes
//! between warps but through barriers, blocks run one after the other and warps until they wait.
//! Else as many blocks are resident as fit, and every few instructions another warp goes on.

use super::block::Block;
use super::local::Local;
use super::step::Progress;
use super::tally::Tally;
use super::warp::{Fragment, State, Warp};
use super::{Fault, finding};
use crate::check::{Checker, Shape};
use crate::config::{Config, MmaModel};
use crate::exec::program::Program;
use crate::exec::random::Random;
use crate::exec::special::Identity;
use crate::machine::StreamId;
use crate::memory::Arena;
use crate::registers::{FrameSize, LANES, Registers};
use crate::report::Kind;

/// Instructions a warp runs at most before another one may, where values pass between warps.
const SLICE: usize = 192;
/// Blocks resident at a time where values pass between blocks, unless the launch is cooperative.
const RESIDENT: u64 = 24;

/// What a launch is made of, beside its program.
#[derive(Debug, Clone)]
pub(crate) struct Setup<'a> {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) dynamic_shared: u32,
    pub(crate) params: &'a [u8],
    pub(crate) stream: StreamId,
    pub(crate) grid_id: u64,
    /// Address of the zeroed workspace of a cooperative grid, whose blocks are all resident; 0 else.
    pub(crate) grid_workspace: u64,
    /// Blocks that the device holds at a time.
    pub(crate) room: u64,
    /// What %clock starts from.
    pub(crate) clock: u64,
}

/// The state of a running launch.
#[derive(Debug)]
pub(crate) struct Run<'m> {
    pub(crate) program: &'m Program,
    pub(crate) arena: &'m mut Arena,
    pub(crate) checker: &'m mut Checker,
    pub(crate) checks: bool,
    pub(crate) params: &'m [u8],
    pub(crate) tally: Tally,
    pub(crate) random: Random,
    /// Warp instructions executed.
    pub(crate) steps: u64,
    pub(crate) budget: u64,
    pub(crate) clock_base: u64,
    pub(crate) mma: MmaModel,
    pool: Vec<Warp>,
}

/// A resident block and which of its warps can run.
struct Resident {
    block: Block,
    ready: Vec<usize>,
    unfinished: usize,
}

/// Runs the launch. The tally is what was done until the end or the fault.
pub(crate) fn run(
    program: &Program,
    arena: &mut Arena,
    checker: &mut Checker,
    config: &Config,
    setup: &Setup<'_>,
) -> (Tally, u64, Result<(), Fault>) {
    let mut run = Run {
        program,
        arena,
        checker,
        checks: config.checks,
        params: setup.params,
        tally: Tally::new(config.counts, program.mma_names.len()),
        random: Random::new(config.seed),
        steps: 0,
        budget: config.budget,
        clock_base: setup.clock,
        mma: config.mma,
        pool: Vec::new(),
    };
    if run.checks {
        let shape = Shape { grid: setup.grid, block: setup.block };
        run.checker.begin_launch(run.arena, &shape, setup.stream);
    }
    let result = run.grid(config, setup);
    if run.checks {
        run.checker.end_launch(run.arena);
    }
    (run.tally, run.steps, result)
}

impl Run<'_> {
    fn grid(&mut self, config: &Config, setup: &Setup<'_>) -> Result<(), Fault> {
        let blocks = setup.grid.iter().map(|n| u64::from(*n)).product::<u64>();
        let resident = if setup.grid_workspace != 0 {
            blocks
        } else if config.resident_blocks > 0 {
            u64::from(config.resident_blocks)
        } else if self.program.communicates {
            RESIDENT.min(setup.room)
        } else {
            1
        };
        let order = Order::new(blocks, config.seed, &mut self.random);
        let slots = resident.clamp(1, blocks.max(1)) as usize;
        let mut residents: Vec<Resident> = Vec::with_capacity(slots);
        let mut next = 0;
        loop {
            while residents.len() < slots && next < blocks {
                let used: Vec<u32> = residents.iter().map(|r| r.block.slot).collect();
                let slot = (0..).find(|slot| !used.contains(slot)).unwrap_or(0);
                residents.push(self.start(config, setup, slot, order.block(next)));
                next += 1;
            }
            if residents.is_empty() {
                return Ok(());
            }
            let Some(chosen) = self.choose(&residents) else {
                return Err(self.deadlock(&residents));
            };
            self.advance(&mut residents[chosen])?;
            if residents[chosen].unfinished == 0 {
                let done = residents.swap_remove(chosen);
                if self.checks {
                    self.checker.end_block(done.block.slot);
                }
                self.pool.extend(done.block.warps.into_iter().flatten());
            }
        }
    }

    /// A resident block that can go on, at random.
    fn choose(&mut self, residents: &[Resident]) -> Option<usize> {
        let start = self.random.below(residents.len());
        (start..residents.len()).chain(0..start).find(|i| !residents[*i].ready.is_empty())
    }

    fn advance(&mut self, resident: &mut Resident) -> Result<(), Fault> {
        let position = self.random.below(resident.ready.len());
        let index = resident.ready[position];
        let slice =
            if self.program.communicates { 1 + self.random.below(SLICE) as u32 } else { 1 << 20 };
        let progress = self.warp(&mut resident.block, index, slice)?;
        if self.steps > self.budget {
            return Err(Fault {
                finding: self.over_budget(),
                pc: self.standing(&resident.block, index),
                warp: index as u32,
                block: resident.block.index,
            });
        }
        if progress == Progress::Running {
            return Ok(());
        }
        resident.ready.swap_remove(position);
        resident.unfinished -= usize::from(progress == Progress::Done);
        let released = self.complete_barriers(&mut resident.block);
        let released = released.map_err(|(warp, pc, finding)| Fault {
            finding,
            pc,
            warp: warp as u32,
            block: resident.block.index,
        })?;
        if released {
            let warps = resident.block.warps.iter().enumerate();
            resident.ready = warps
                .filter(|(_, warp)| {
                    let fragments = warp.iter().flat_map(|w| &w.fragments);
                    fragments.clone().any(|f| f.state == State::Ready)
                })
                .map(|(index, _)| index)
                .collect();
        }
        Ok(())
    }

    fn standing(&self, block: &Block, warp: usize) -> u32 {
        let fragments = block.warps[warp].iter().flat_map(|w| &w.fragments);
        fragments.map(|f| f.pc).min().unwrap_or(0)
    }

    fn deadlock(&mut self, residents: &[Resident]) -> Fault {
        for resident in residents {
            if let Some((warp, pc, finding)) = resident.block.deadlock(self) {
                let warp = warp as u32;
                return Fault { finding, pc, warp, block: resident.block.index };
            }
        }
        Fault {
            finding: finding(Kind::Hang, 0, "no warp can go on"),
            pc: 0,
            warp: 0,
            block: residents.first().map_or(0, |r| r.block.index),
        }
    }

    fn start(&mut self, config: &Config, setup: &Setup<'_>, slot: u32, index: u64) -> Resident {
        let threads: u32 = setup.block.iter().product();
        let warps = threads.div_ceil(LANES as u32);
        let fixed = self.program.static_shared;
        let shared = if setup.dynamic_shared > 0 {
            fixed.next_multiple_of(16) + setup.dynamic_shared
        } else {
            fixed
        };
        if self.checks {
            self.checker.begin_block(slot, index, shared);
        }
        let [x, y, _] = setup.grid.map(u64::from);
        let block_index = [index % x, index / x % y, index / x / y].map(|i| i as u32);
        let mut block = Block::new(slot, index, threads, shared);
        for warp in 0..warps {
            let identity = Identity {
                grid: setup.grid,
                block: setup.block,
                block_index,
                warp,
                multiprocessor: slot % config.multiprocessors.max(1),
                multiprocessors: config.multiprocessors,
                grid_id: setup.grid_id,
                dynamic_shared: setup.dynamic_shared,
                total_shared: shared,
                grid_workspace: setup.grid_workspace,
            };
            let left = threads - warp * LANES as u32;
            let populated = if left >= LANES as u32 { u32::MAX } else { (1 << left) - 1 };
            block.warps.push(Some(self.new_warp(identity, populated)));
        }
        self.tally.blocks += 1;
        self.tally.warps += u64::from(warps);
        Resident { block, ready: (0..warps as usize).collect(), unfinished: warps as usize }
    }

    fn new_warp(&mut self, identity: Identity, populated: u32) -> Warp {
        let program = self.program;
        let entry = program.functions[program.entry].as_ref();
        let frame = entry.map(|f| f.frame).unwrap_or_default();
        let local = entry.map_or(0, |f| f.local);
        let mut warp = match self.pool.pop() {
            Some(mut warp) => {
                warp.registers.reset(frame, &program.bank);
                warp.fragments.clear();
                warp
            }
            None => Warp {
                registers: Registers::new(frame, &program.bank),
                fragments: Vec::new(),
                live: 0,
                populated: 0,
                local: Local::default(),
                identity,
                fair: false,
                spent: 0,
            },
        };
        warp.live = populated;
        warp.populated = populated;
        warp.identity = identity;
        warp.fair = false;
        warp.spent = 0;
        warp.local.clear();
        // An entry's frame is within the limit: `Machine::load` has checked it.
        let _ = warp.local.reserve(local);
        warp.fragments.push(Fragment {
            pc: entry.map_or(0, |f| f.start),
            mask: populated,
            state: State::Ready,
            function: program.entry as u32,
            base: FrameSize::default(),
            local_base: 0,
            local_top: local,
            stack: Vec::new(),
            yielded: 0,
        });
        identity.fill(&program.bank, &mut warp);
        warp
    }
}

/// The order in which blocks start: ascending for seed 0, else a permutation that the seed decides.
struct Order {
    blocks: u64,
    factor: u64,
    shift: u64,
}

impl Order {
    fn new(blocks: u64, seed: u64, random: &mut Random) -> Self {
        if seed == 0 || blocks < 2 {
            return Self { blocks, factor: 1, shift: 0 };
        }
        let gcd = |mut a: u64, mut b: u64| {
            while b != 0 {
                (a, b) = (b, a % b);
            }
            a
        };
        let mut factor = 1 + random.next() % (blocks - 1);
        while gcd(factor, blocks) != 1 {
            factor = 1 + factor % (blocks - 1);
        }
        Self { blocks, factor, shift: random.next() % blocks }
    }

    fn block(&self, position: u64) -> u64 {
        let product = u128::from(position) * u128::from(self.factor) + u128::from(self.shift);
        (product % u128::from(self.blocks.max(1))) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use crate::exec::random::Random;

    #[test]
    fn every_block_starts_once() {
        for blocks in [1, 2, 3, 4, 7, 12, 30, 257] {
            for seed in 0..5 {
                let order = Order::new(blocks, seed, &mut Random::new(seed));
                let mut all: Vec<u64> = (0..blocks).map(|i| order.block(i)).collect();
                all.sort_unstable();
                assert!(all.iter().copied().eq(0..blocks), "{blocks} blocks, seed {seed}");
            }
        }
    }
}
