//! Warp-synchronous operations: waiting for the lanes they name, then what they compute.

use super::launch::Run;
use super::rows::{get, groups};
use super::step::At;
use super::warp::State;
use super::{finding, lanes};
use crate::exec::program::{Reduction, Shuffle, ShuffleMode, Vote};
use crate::registers::{LANES, P, R32, Slot};
use crate::report::{Finding, Kind};

/// What a shuffle reads from a lane that takes no part: the manual leaves it open.
const UNDEFINED: u32 = 0xBAD0_0BAD;

/// Which lanes of a fragment may execute a warp-synchronous operation now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathered {
    /// The whole fragment.
    All,
    /// These; the others were split off.
    Some(u32),
    /// None: it waits.
    None,
}

impl Run<'_> {
    /// Waits until every live lane that each lane's members name is at this instruction.
    pub(super) fn gather(
        &mut self,
        at: &mut At<'_>,
        members: &[u32; LANES],
        active: u32,
        mask: u32,
    ) -> Result<Gathered, Finding> {
        let mut ready = 0;
        for (group, named) in groups(members, mask) {
            if group & !named != 0 {
                let lane = (group & !named).trailing_zeros();
                let detail =
                    format!("lane {lane} is not in the member mask {named:#010x} that it gives");
                return Err(finding(Kind::WarpSync, lane, detail));
            }
            if named & at.warp.live & !group == 0 {
                ready |= group;
            }
        }
        Ok(self.part(at, active, mask, ready))
    }

    /// Waits until every lane that has not exited is at this instruction.
    pub(super) fn live_warp(&mut self, at: &mut At<'_>, active: u32, mask: u32) -> Gathered {
        let ready = if mask == at.warp.live { mask } else { 0 };
        self.part(at, active, mask, ready)
    }

    /// Waits until the whole warp is at this instruction; it must have 32 lanes.
    pub(super) fn whole_warp(
        &mut self,
        at: &mut At<'_>,
        active: u32,
        mask: u32,
    ) -> Result<Gathered, Finding> {
        if at.warp.live != u32::MAX {
            let missing = !at.warp.live;
            let detail = format!(
                "all 32 lanes must execute this; lanes {missing:#010x} have exited or do not exist"
            );
            return Err(finding(Kind::Barrier, mask.trailing_zeros(), detail));
        }
        Ok(self.live_warp(at, active, mask))
    }

    /// Parts the fragment: lanes whose guard is false go on (or the others could never meet them),
    /// lanes that still miss others wait, the ready ones are left in the current fragment.
    fn part(&mut self, at: &mut At<'_>, active: u32, mask: u32, ready: u32) -> Gathered {
        if ready == active {
            return Gathered::All;
        }
        if mask != active {
            self.split(at, active & !mask, at.pc + 1);
        }
        if ready == 0 {
            return Gathered::None;
        }
        if ready != mask {
            self.split(at, mask & !ready, at.pc);
            if let Some(waiting) = at.warp.fragments.last_mut() {
                waiting.state = State::Gathering;
            }
        }
        Gathered::Some(ready)
    }

    pub(super) fn shuffle(&mut self, at: &mut At<'_>, shuffle: &Shuffle, mask: u32) {
        let registers = &at.warp.registers;
        let values = *registers.get32(shuffle.value);
        let lane_operand = *registers.get32(shuffle.lane);
        let clamp = *registers.get32(shuffle.clamp);
        let members = *registers.get32(shuffle.members);
        let mut result = [0; LANES];
        let mut valid = 0u32;
        for lane in lanes(mask) {
            let b = (lane_operand[lane] & 0x1F) as i32;
            let c = (clamp[lane] & 0x1F) as i32;
            let segment = (clamp[lane] >> 8 & 0x1F) as i32;
            let this = lane as i32;
            let max_lane = (this & segment) | (c & !segment);
            let min_lane = this & segment;
            let (source, in_range) = match shuffle.mode {
                ShuffleMode::Up => (this - b, this - b >= max_lane),
                ShuffleMode::Down => (this + b, this + b <= max_lane),
                ShuffleMode::Butterfly => (this ^ b, (this ^ b) <= max_lane),
                ShuffleMode::Index => {
                    let j = min_lane | (b & !segment);
                    (j, j <= max_lane)
                }
            };
            let source = if in_range { source as usize } else { lane };
            let takes_part = mask >> source & 1 != 0 && members[lane] >> source & 1 != 0;
            result[lane] = if takes_part { values[source] } else { UNDEFINED };
            valid |= u32::from(in_range) << lane;
        }
        at.warp.registers.set32(shuffle.dest, &result, mask);
        if let Some(p) = shuffle.valid {
            at.warp.registers.set_pred(p, valid, mask);
        }
    }

    pub(super) fn vote(
        &mut self,
        at: &mut At<'_>,
        vote: Vote,
        value: u32,
        members: &[u32; LANES],
        mask: u32,
    ) {
        for (group, _) in groups(members, mask) {
            let ballot = value & group;
            let all_bits = |yes: bool| if yes { u32::MAX } else { 0 };
            let registers = &mut at.warp.registers;
            match vote {
                Vote::All(p) => registers.set_pred(p, all_bits(ballot == group), group),
                Vote::Any(p) => registers.set_pred(p, all_bits(ballot != 0), group),
                Vote::Uniform(p) => {
                    registers.set_pred(p, all_bits(ballot == 0 || ballot == group), group);
                }
                Vote::Ballot(r) => registers.set32(r, &[ballot; LANES], group),
            }
        }
    }

    pub(super) fn match_lanes(
        &mut self,
        at: &mut At<'_>,
        dest: R32,
        all: Option<Option<P>>,
        value: Slot,
        members: &[u32; LANES],
        mask: u32,
    ) {
        let values = get(at.warp, value);
        for (group, _) in groups(members, mask) {
            let mut result = [0; LANES];
            for lane in lanes(group) {
                let same = lanes(group).filter(|l| values[*l] == values[lane]);
                result[lane] = same.fold(0, |m, l| m | 1 << l);
            }
            match all {
                None => at.warp.registers.set32(dest, &result, group),
                Some(pred) => {
                    let agree = lanes(group).all(|lane| result[lane] == group);
                    let mask_or_none = if agree { group } else { 0 };
                    at.warp.registers.set32(dest, &[mask_or_none; LANES], group);
                    if let Some(p) = pred {
                        let bits = if agree { u32::MAX } else { 0 };
                        at.warp.registers.set_pred(p, bits, group);
                    }
                }
            }
        }
    }

    pub(super) fn redux(
        &mut self,
        at: &mut At<'_>,
        op: Reduction,
        dest: R32,
        value: R32,
        members: &[u32; LANES],
        mask: u32,
    ) {
        let values = *at.warp.registers.get32(value);
        for (group, _) in groups(members, mask) {
            let all = lanes(group).map(|lane| values[lane]);
            let result = match op {
                Reduction::Add => all.fold(0, u32::wrapping_add),
                Reduction::And => all.fold(u32::MAX, |a, b| a & b),
                Reduction::Or => all.fold(0, |a, b| a | b),
                Reduction::Xor => all.fold(0, |a, b| a ^ b),
                Reduction::Min { signed: false } => all.min().unwrap_or(0),
                Reduction::Max { signed: false } => all.max().unwrap_or(0),
                Reduction::Min { signed: true } => all.map(|v| v as i32).min().unwrap_or(0) as u32,
                Reduction::Max { signed: true } => all.map(|v| v as i32).max().unwrap_or(0) as u32,
            };
            at.warp.registers.set32(dest, &[result; LANES], group);
        }
    }
}
