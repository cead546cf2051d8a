//! mbarrier objects: 64 opaque bits in shared memory, here the phase (bit 63), the arrivals that a
//! phase expects (bits 20 to 39) and those still pending (bits 0 to 19).

use super::bytes::{read, write};
use super::launch::Run;
use super::memory::{inside_shared, offsets};
use super::step::At;
use super::{finding, lanes};
use crate::check::MbarrierOp;
use crate::exec::program::{Address, MBarrier};
use crate::exec::windows;
use crate::registers::LANES;
use crate::report::{Finding, Kind};

const COUNT: u64 = (1 << 20) - 1;
const EXPECTED: u32 = 20;
const PHASE: u64 = 1 << 63;

impl Run<'_> {
    pub(super) fn mbarrier(
        &mut self,
        at: &mut At<'_>,
        op: &MBarrier,
        address: Address,
        generic: bool,
        mask: u32,
    ) -> Result<(), Finding> {
        let base = if generic { windows::SHARED } else { 0 };
        let offsets = offsets(&self.addresses(at, address), base);
        for lane in lanes(mask) {
            let offset = inside_shared(&at.block.shared, offsets[lane], 8, lane)?;
            let object = read(&at.block.shared, offset, 8) as u64;
            self.one(at, op, lane, &offsets, object)?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        at: &mut At<'_>,
        op: &MBarrier,
        lane: usize,
        offsets: &[u32; LANES],
        object: u64,
    ) -> Result<(), Finding> {
        let bit = 1 << lane;
        let told = match op {
            MBarrier::Init { .. } | MBarrier::Invalidate => MbarrierOp::Init,
            MBarrier::Arrive { .. } => MbarrierOp::Arrive,
            MBarrier::CopyArrive { .. } => MbarrierOp::ArriveCopies,
            MBarrier::TestWait { state, .. } => {
                let state = at.warp.registers.get64(*state)[lane];
                waited(object & PHASE != state & PHASE)
            }
            MBarrier::TestWaitParity { parity, .. } => {
                let parity = at.warp.registers.get32(*parity)[lane] & 1;
                waited(parity_of(object) != parity)
            }
        };
        if self.checks {
            self.checker.mbarrier(at.who, told, bit, offsets, at.pc)?;
        }
        let offset = offsets[lane];
        match op {
            MBarrier::Init { count } => {
                let count = u64::from(at.warp.registers.get32(*count)[lane]);
                if count == 0 || count > COUNT {
                    let detail = format!("an mbarrier of {count} arrivals");
                    return Err(finding(Kind::Barrier, lane as u32, detail));
                }
                self.put(at, offset, count | count << EXPECTED);
            }
            MBarrier::Invalidate => self.put(at, offset, 0),
            MBarrier::Arrive { state, count, drop } => {
                let count = count.map_or(1, |r| u64::from(at.warp.registers.get32(r)[lane]));
                if let Some(state) = state {
                    let mut row = *at.warp.registers.get64(*state);
                    row[lane] = object;
                    at.warp.registers.set64(*state, &row, bit);
                }
                let object = if *drop {
                    let expected = object >> EXPECTED & COUNT;
                    object & !(COUNT << EXPECTED) | expected.saturating_sub(count) << EXPECTED
                } else {
                    object
                };
                self.arrive(at, offset, object, count, lane)?;
            }
            MBarrier::CopyArrive { increment } => {
                // With the increment the arrival cancels out: the copies are complete already.
                if !increment {
                    self.arrive(at, offset, object, 1, lane)?;
                }
            }
            MBarrier::TestWait { done, .. } | MBarrier::TestWaitParity { done, .. } => {
                let value = if told == MbarrierOp::Waited { bit } else { 0 };
                at.warp.registers.set_pred(*done, value, bit);
            }
        }
        Ok(())
    }

    fn arrive(
        &mut self,
        at: &mut At<'_>,
        offset: u32,
        object: u64,
        count: u64,
        lane: usize,
    ) -> Result<(), Finding> {
        let pending = object & COUNT;
        if count == 0 || count > pending {
            let detail = format!("{count} arrivals at an mbarrier that expects {pending} more");
            return Err(finding(Kind::Barrier, lane as u32, detail));
        }
        if count < pending {
            self.put(at, offset, object - count);
            return Ok(());
        }
        let expected = object >> EXPECTED & COUNT;
        self.put(at, offset, (object & !COUNT | expected) ^ PHASE);
        if self.checks {
            self.checker.mbarrier_phase(at.block.slot, offset);
        }
        Ok(())
    }

    fn put(&self, at: &mut At<'_>, offset: u32, object: u64) {
        write(&mut at.block.shared, offset as usize, 8, u128::from(object));
    }
}

fn waited(done: bool) -> MbarrierOp {
    if done { MbarrierOp::Waited } else { MbarrierOp::Polled }
}

fn parity_of(object: u64) -> u32 {
    u32::from(object & PHASE != 0)
}
