//! A resident block: its warps, shared memory and barriers.

use super::lanes::Gathered;
use super::launch::Run;
use super::step::{At, Next, after, executing};
use super::warp::{State, Warp};
use super::{finding, lanes};
use crate::check::Arrival;
use crate::exec::program::{Barrier, BarrierReduction, Op};
use crate::report::{Finding, Kind};

/// Barriers of a block.
const BARRIERS: usize = 16;

/// One barrier's arrivals since it last completed.
#[derive(Debug, Default, Clone)]
struct Arrived {
    /// Threads that the barrier waits for, as the first arrival said; None for all of the block.
    count: Option<u32>,
    /// Threads that have arrived, without those of fragments that wait (their lanes may exit not).
    arrived_only: u32,
    /// Something has arrived.
    any: bool,
}

#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) slot: u32,
    /// Linear index in the grid, x fastest.
    pub(crate) index: u64,
    /// None while the warp runs.
    pub(crate) warps: Vec<Option<Warp>>,
    pub(crate) shared: Vec<u8>,
    /// Threads that have not exited.
    live: u32,
    barriers: Vec<Arrived>,
    /// Barriers with arrivals since they were last looked at, one bit each.
    pending: u32,
}

impl Block {
    pub(crate) fn new(slot: u32, index: u64, threads: u32, shared: u32) -> Self {
        Self {
            slot,
            index,
            warps: Vec::new(),
            shared: vec![0xFF; shared as usize],
            live: threads,
            barriers: vec![Arrived::default(); BARRIERS],
            pending: 0,
        }
    }

    /// Lanes have exited: barriers may wait for fewer.
    pub(super) fn exited(&mut self, mask: u32) {
        self.live -= mask.count_ones();
        for (id, barrier) in self.barriers.iter().enumerate() {
            if barrier.any && barrier.count.is_none() {
                self.pending |= 1 << id;
            }
        }
    }

    fn waiting(&self, id: u32) -> impl Iterator<Item = (usize, usize)> {
        self.warps.iter().enumerate().flat_map(move |(w, warp)| {
            let fragments = warp.iter().flat_map(|warp| warp.fragments.iter().enumerate());
            fragments.filter(move |(_, f)| f.state == State::Barrier(id)).map(move |(f, _)| (w, f))
        })
    }

    fn fragment(&self, (w, f): (usize, usize)) -> Option<(&Warp, &super::warp::Fragment)> {
        let warp = self.warps[w].as_ref()?;
        Some((warp, warp.fragments.get(f)?))
    }

    /// Threads that have arrived at a barrier. With a count whole warps are counted, exited lanes
    /// included, as the hardware does.
    fn arrivals(&self, id: u32) -> u32 {
        let barrier = &self.barriers[id as usize];
        let waiting = self.waiting(id).filter_map(|at| self.fragment(at));
        let threads = waiting.map(|(warp, fragment)| match barrier.count {
            Some(_) if fragment.mask == warp.live => 32,
            _ => fragment.mask.count_ones(),
        });
        barrier.arrived_only + threads.sum::<u32>()
    }

    /// What a block that cannot go on waits for.
    pub(super) fn deadlock(&self, run: &Run<'_>) -> Option<(usize, u32, Finding)> {
        for id in 0..BARRIERS as u32 {
            let Some(first) = self.waiting(id).next() else { continue };
            let (_, fragment) = self.fragment(first)?;
            let expected = self.barriers[id as usize].count.unwrap_or(self.live);
            let mut detail = format!(
                "barrier {id} waits for {expected} threads, {} have arrived and no other can",
                self.arrivals(id)
            );
            let mut other_pc = None;
            for (w, warp) in self.warps.iter().enumerate() {
                for other in warp.iter().flat_map(|warp| &warp.fragments) {
                    if other.state != State::Barrier(id) {
                        let line = run.program.places[other.pc as usize].line;
                        let text = format!(
                            "; lanes {:#010x} of warp {w} are at PTX line {line}",
                            other.mask
                        );
                        detail.push_str(&text);
                        other_pc = Some(other.pc);
                    }
                }
            }
            let lane = fragment.mask.trailing_zeros();
            let found = Finding { kind: Kind::Barrier, lane, detail, other_pc };
            return Some((first.0, fragment.pc, found));
        }
        None
    }
}

impl Run<'_> {
    pub(super) fn barrier(
        &mut self,
        at: &mut At<'_>,
        barrier: &Barrier,
        active: u32,
        mask: u32,
    ) -> Result<Next, Finding> {
        let gathered = if barrier.aligned {
            self.live_warp(at, active, mask)
        } else if mask == active {
            Gathered::All
        } else {
            self.split(at, active & !mask, at.pc + 1);
            Gathered::Some(mask)
        };
        let Some(mask) = executing(gathered, mask) else { return Ok(Next::Gather) };
        let lane = mask.trailing_zeros();
        let registers = &at.warp.registers;
        let uniform = |row: &[u32; 32], what: &str| {
            let value = row[lane as usize];
            if lanes(mask).all(|l| row[l] == value) {
                Ok(value)
            } else {
                let detail = format!("the lanes give different {what}");
                Err(finding(Kind::Barrier, lane, detail))
            }
        };
        let id = uniform(registers.get32(barrier.id), "barriers")?;
        if id as usize >= BARRIERS {
            return Err(finding(Kind::Barrier, lane, format!("there is no barrier {id}")));
        }
        let count = match barrier.count {
            Some(count) => Some(uniform(registers.get32(count), "thread counts")?),
            None => None,
        };
        if let Some(count) = count
            && (count == 0 || count % 32 != 0)
        {
            let detail = format!("a thread count of {count} is no multiple of the warp's 32");
            return Err(finding(Kind::Barrier, lane, detail));
        }
        let state = &mut at.block.barriers[id as usize];
        if state.any && state.count != count {
            let text = |count: Option<u32>| {
                count.map_or("all threads".to_owned(), |n| format!("{n} threads"))
            };
            let detail = format!(
                "barrier {id} waits for {} by this arrival, for {} by an earlier one",
                text(count),
                text(state.count)
            );
            return Err(finding(Kind::Barrier, lane, detail));
        }
        state.any = true;
        state.count = count;
        at.block.pending |= 1 << id;
        self.tally.barriers += 1;
        if barrier.arrive {
            let threads = if mask == at.warp.live { 32 } else { mask.count_ones() };
            at.block.barriers[id as usize].arrived_only += threads;
            if self.checks {
                let arrival = Arrival { warp: at.who.warp, lanes: mask, pc: at.pc };
                self.checker.barrier_arrive(at.block.slot, id, arrival);
            }
            return Ok(after(at, gathered));
        }
        Ok(Next::Barrier(id))
    }

    /// Lets go whoever waits at barriers that are complete. True if any was.
    pub(super) fn complete_barriers(
        &mut self,
        block: &mut Block,
    ) -> Result<bool, (usize, u32, Finding)> {
        let mut any = false;
        while block.pending != 0 {
            let id = block.pending.trailing_zeros();
            block.pending &= block.pending - 1;
            let state = &block.barriers[id as usize];
            let expected = state.count.unwrap_or(block.live);
            let arrived = block.arrivals(id);
            if !state.any || arrived < expected {
                continue;
            }
            if arrived > expected {
                let detail = format!("{arrived} threads arrived at barrier {id} of {expected}");
                let place = block.waiting(id).next().and_then(|at| {
                    let (_, fragment) = block.fragment(at)?;
                    Some((at.0, fragment.pc, fragment.mask.trailing_zeros()))
                });
                let (warp, pc, lane) = place.unwrap_or((0, 0, 0));
                return Err((warp, pc, finding(Kind::Barrier, lane, detail)));
            }
            self.release(block, id);
            any = true;
        }
        Ok(any)
    }

    fn release(&mut self, block: &mut Block, id: u32) {
        let waiting: Vec<_> = block.waiting(id).collect();
        if self.checks {
            let arrivals: Vec<_> = waiting
                .iter()
                .filter_map(|at| {
                    let (_, f) = block.fragment(*at)?;
                    Some(Arrival { warp: at.0 as u32, lanes: f.mask, pc: f.pc })
                })
                .collect();
            self.checker.barrier(block.slot, id, &arrivals);
        }
        self.reduce(block, &waiting);
        for (w, f) in waiting {
            if let Some(warp) = &mut block.warps[w] {
                let fragment = &mut warp.fragments[f];
                fragment.state = State::Ready;
                fragment.pc += 1;
            }
        }
        block.barriers[id as usize] = Arrived::default();
    }

    /// `bar.red`: one result of all predicates, for each who asked.
    fn reduce(&mut self, block: &mut Block, waiting: &[(usize, usize)]) {
        let program = self.program;
        let asked = |pc: u32| match &program.code[pc as usize].op {
            Op::Barrier(barrier) => barrier.reduction,
            _ => None,
        };
        let (mut total, mut holding, mut reducing) = (0, 0, false);
        for &(w, f) in waiting {
            let Some(warp) = &mut block.warps[w] else { continue };
            let fragment = &warp.fragments[f];
            let (mask, base, pc) = (fragment.mask, fragment.base, fragment.pc);
            let Some((_, p, negated)) = asked(pc) else { continue };
            reducing = true;
            warp.registers.enter(base, crate::registers::FrameSize::default());
            let value = warp.registers.pred(p);
            let value = if negated { !value } else { value };
            holding += (value & mask).count_ones();
            total += mask.count_ones();
        }
        if !reducing {
            return;
        }
        let bits = |yes: bool| if yes { u32::MAX } else { 0 };
        for &(w, f) in waiting {
            let Some(warp) = &mut block.warps[w] else { continue };
            let fragment = &warp.fragments[f];
            let (mask, base, pc) = (fragment.mask, fragment.base, fragment.pc);
            warp.registers.enter(base, crate::registers::FrameSize::default());
            match asked(pc) {
                Some((BarrierReduction::Popc(r), ..)) => {
                    warp.registers.set32(r, &[holding; 32], mask);
                }
                Some((BarrierReduction::And(p), ..)) => {
                    warp.registers.set_pred(p, bits(holding == total), mask);
                }
                Some((BarrierReduction::Or(p), ..)) => {
                    warp.registers.set_pred(p, bits(holding > 0), mask);
                }
                None => {}
            }
        }
    }
}
