//! The interpreter: runs a warp until it waits, ends, or its slice is over.

use super::block::Block;
use super::lanes::Gathered;
use super::launch::Run;
use super::rows::{get, groups, set};
use super::warp::{State, Warp};
use super::{Fault, finding, lanes};
use crate::check::WarpRef;
use crate::exec::program::{Clock, Op, Space};
use crate::exec::windows;
use crate::registers::LANES;
use crate::report::{Finding, Kind};

/// What became of a warp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its slice is over.
    Running,
    /// All its lanes wait at block barriers (or for lanes that do).
    Waiting,
    /// All its lanes have exited.
    Done,
}

/// Instructions after which a fragment gives way to others of its warp.
const PATIENCE: u32 = 512;

/// What the instruction loop does next.
pub(super) enum Next {
    /// The following instruction.
    On,
    /// That place.
    To(u32),
    /// The fragment list or the fragment's place has changed: choose again.
    Choose,
    /// The instruction waits for other lanes: it has not been executed.
    Gather,
    /// The fragment waits at a block barrier.
    Barrier(u32),
}

/// One warp and the block around it, while it runs.
pub(super) struct At<'b> {
    pub(super) block: &'b mut Block,
    pub(super) warp: &'b mut Warp,
    pub(super) current: usize,
    pub(super) pc: u32,
    pub(super) who: WarpRef,
}

impl Run<'_> {
    /// Runs warp `index` of `block` for at most `slice` warp instructions.
    pub(crate) fn warp(
        &mut self,
        block: &mut Block,
        index: usize,
        slice: u32,
    ) -> Result<Progress, Fault> {
        let Some(mut warp) = block.warps[index].take() else { return Ok(Progress::Done) };
        let who = WarpRef { slot: block.slot, warp: index as u32 };
        let mut at = At { block, warp: &mut warp, current: 0, pc: 0, who };
        let result = self.fragments(&mut at, slice);
        let pc = at.pc;
        let block_index = block.index;
        block.warps[index] = Some(warp);
        result.map_err(|finding| Fault { finding, pc, warp: index as u32, block: block_index })
    }

    fn fragments(&mut self, at: &mut At<'_>, slice: u32) -> Result<Progress, Finding> {
        let mut left = slice;
        loop {
            if at.warp.fragments.is_empty() {
                return Ok(Progress::Done);
            }
            let Some(current) = at.warp.pick() else {
                return self.nothing_ready(at);
            };
            at.current = current;
            self.fragment(at, &mut left)?;
            if left == 0 {
                return Ok(Progress::Running);
            }
        }
    }

    /// No fragment can run: fine if some wait at a block barrier; else lanes that an operation names
    /// will never come.
    fn nothing_ready(&self, at: &mut At<'_>) -> Result<Progress, Finding> {
        if at.warp.fragments.iter().any(|f| matches!(f.state, State::Barrier(_))) {
            return Ok(Progress::Waiting);
        }
        Err(self.never_gathered(at))
    }

    /// The report of lanes that wait for others of their warp in vain.
    pub(super) fn never_gathered(&self, at: &mut At<'_>) -> Finding {
        let gathering = |f: &&super::warp::Fragment| f.state == State::Gathering;
        let Some(first) = at.warp.fragments.iter().find(gathering) else {
            return finding(Kind::Hang, 0, "nothing can run");
        };
        at.pc = first.pc;
        let here = first.mask;
        let elsewhere: Vec<String> = at
            .warp
            .fragments
            .iter()
            .filter(|f| f.mask != here)
            .map(|f| {
                let line = self.program.places[f.pc as usize].line;
                format!("lanes {:#010x} wait at PTX line {line}", f.mask)
            })
            .collect();
        let exited = at.warp.populated & !at.warp.live;
        let mut detail = format!(
            "lanes {here:#010x} of the warp wait for lanes that never come: \
             lanes {exited:#010x} have exited"
        );
        for text in elsewhere {
            detail.push_str("; ");
            detail.push_str(&text);
        }
        let mut found = finding(Kind::Barrier, here.trailing_zeros(), detail);
        found.other_pc = at.warp.fragments.iter().find(|f| f.mask != here).map(|f| f.pc);
        found
    }

    /// Runs the current fragment until the fragments of its warp must be looked at again.
    fn fragment(&mut self, at: &mut At<'_>, left: &mut u32) -> Result<(), Finding> {
        let program = self.program;
        let fragment = &at.warp.fragments[at.current];
        let function = &program.functions[fragment.function as usize];
        let frame = function.as_ref().map(|f| f.frame).unwrap_or_default();
        at.warp.registers.enter(fragment.base, frame);
        let mut pc = fragment.pc;
        let active = fragment.mask;
        let meeting = at.warp.meeting(at.current);
        let alone = at.warp.fragments.len() == 1;
        loop {
            let inst = &program.code[pc as usize];
            at.pc = pc;
            let mask = match inst.guard {
                None => active,
                Some((p, negated)) => {
                    let value = at.warp.registers.pred(p);
                    active & if negated { !value } else { value }
                }
            };
            if !matches!(inst.op, Op::Jump(_)) {
                let class = inst.class as usize;
                self.tally.warp[class] += 1;
                self.tally.thread[class] += u64::from(mask.count_ones());
                self.steps += 1;
                *left -= 1;
                at.warp.spent = at.warp.spent.wrapping_add(1);
            }
            let next = if mask == 0 {
                Next::On
            } else if let Op::Alu(alu) = &inst.op {
                alu.run(&mut at.warp.registers, mask);
                Next::On
            } else {
                self.operation(at, &inst.op, active, mask)?
            };
            match next {
                Next::On => pc += 1,
                Next::To(target) => pc = target,
                Next::Choose => return Ok(()),
                Next::Gather => {
                    let fragment = &mut at.warp.fragments[at.current];
                    fragment.pc = pc;
                    fragment.state = State::Gathering;
                    self.uncount(inst.class as usize, mask);
                    return Ok(());
                }
                Next::Barrier(id) => {
                    let fragment = &mut at.warp.fragments[at.current];
                    fragment.pc = pc;
                    fragment.state = State::Barrier(id);
                    return Ok(());
                }
            }
            let impatient = !alone && at.warp.spent >= PATIENCE;
            if pc == meeting || *left == 0 || impatient {
                let fragment = &mut at.warp.fragments[at.current];
                fragment.pc = pc;
                if impatient {
                    fragment.yielded = self.steps;
                    at.warp.spent = 0;
                    at.warp.fair = !at.warp.fair;
                }
                if self.steps > self.budget {
                    return Err(self.over_budget());
                }
                return Ok(());
            }
        }
    }

    /// An instruction that was issued but has to wait is not counted until it is executed.
    fn uncount(&mut self, class: usize, mask: u32) {
        self.tally.warp[class] -= 1;
        self.tally.thread[class] -= u64::from(mask.count_ones());
    }

    pub(super) fn over_budget(&self) -> Finding {
        let detail = format!(
            "the launch has executed {} warp instructions, more than its budget of {}",
            self.steps, self.budget
        );
        finding(Kind::Hang, 0, detail)
    }

    fn operation(
        &mut self,
        at: &mut At<'_>,
        op: &Op,
        active: u32,
        mask: u32,
    ) -> Result<Next, Finding> {
        match op {
            Op::Alu(alu) => alu.run(&mut at.warp.registers, mask),
            Op::Jump(target) => return Ok(Next::To(*target)),
            Op::Branch(target) => return Ok(self.branch(at, *target, active, mask)),
            Op::BranchTable { index, targets } => {
                let index = *at.warp.registers.get32(*index);
                return self.branch_table(at, &index, targets, active, mask);
            }
            Op::Call(call) => return self.call(at, call, active, mask),
            Op::Return => return self.ret(at, active, mask),
            Op::Exit => return Ok(self.exit(at, active, mask)),
            Op::Trap => {
                return Err(finding(Kind::Trap, mask.trailing_zeros(), "trap was executed"));
            }
            Op::Nothing => {}
            Op::FrameAddress { dest, offset, generic } => {
                let base = at.warp.fragments[at.current].local_base;
                let window = if *generic { windows::LOCAL } else { 0 };
                let value = window.wrapping_add(u64::from(base)).wrapping_add(*offset as u64);
                set(at.warp, *dest, &[value; LANES], mask);
            }
            Op::Convert { dest, value, add } => {
                let mut values = get(at.warp, *value);
                values.iter_mut().for_each(|v| *v = v.wrapping_add(*add as u64));
                set(at.warp, *dest, &values, mask);
            }
            Op::IsSpace { dest, address, space } => {
                let addresses = at.warp.registers.get64(*address);
                let mut bits = 0;
                for (lane, address) in addresses.iter().enumerate() {
                    let is = self.is_space(*space, *address);
                    bits |= u32::from(is) << lane;
                }
                at.warp.registers.set_pred(*dest, bits, mask);
            }
            Op::Load(access) => self.load(at, access, mask)?,
            Op::Store(access) => self.store(at, access, mask)?,
            Op::Atomic(atomic) => self.atomic(at, atomic, mask)?,
            Op::AsyncCopy(copy) => self.async_copy(at, copy, mask)?,
            Op::AsyncCommit => {
                if self.checks {
                    self.checker.async_commit(at.who, mask);
                }
            }
            Op::AsyncWait(keep) => {
                if self.checks {
                    match keep {
                        Some(keep) => self.checker.async_wait(at.who, mask, *keep),
                        None => self.checker.async_wait_all(at.who, mask),
                    }
                }
            }
            Op::LoadMatrix { dests, address, generic, transposed } => {
                let gathered = self.whole_warp(at, active, mask)?;
                if gathered == Gathered::None {
                    return Ok(Next::Gather);
                }
                self.load_matrix(at, dests, *address, *generic, *transposed)?;
                return Ok(after(at, gathered));
            }
            Op::Mma { kind, name, d, a, b, c } => {
                let gathered = self.whole_warp(at, active, mask)?;
                if gathered == Gathered::None {
                    return Ok(Next::Gather);
                }
                self.tally.mma[*name as usize] += 1;
                self.multiply(at, *kind, d, a, b, c);
                return Ok(after(at, gathered));
            }
            Op::Barrier(barrier) => return self.barrier(at, barrier, active, mask),
            Op::WarpBarrier { members } => {
                let members = *at.warp.registers.get32(*members);
                let gathered = self.gather(at, &members, active, mask)?;
                let Some(mask) = executing(gathered, mask) else { return Ok(Next::Gather) };
                if self.checks {
                    for (group, _) in groups(&members, mask) {
                        self.checker.warp_barrier(at.who, group, at.pc);
                    }
                }
                return Ok(after(at, gathered));
            }
            Op::Fence(fence) => {
                if self.checks {
                    self.checker.fence(at.who, mask, *fence, at.pc);
                }
            }
            Op::Shuffle(shuffle) => {
                let members = *at.warp.registers.get32(shuffle.members);
                let gathered = self.gather(at, &members, active, mask)?;
                let Some(mask) = executing(gathered, mask) else { return Ok(Next::Gather) };
                self.shuffle(at, shuffle, mask);
                return Ok(after(at, gathered));
            }
            Op::Vote { vote, value, negated, members } => {
                let members = *at.warp.registers.get32(*members);
                let gathered = self.gather(at, &members, active, mask)?;
                let Some(mask) = executing(gathered, mask) else { return Ok(Next::Gather) };
                let value = at.warp.registers.pred(*value);
                let value = if *negated { !value } else { value };
                self.vote(at, *vote, value, &members, mask);
                return Ok(after(at, gathered));
            }
            Op::Match { dest, all, value, members } => {
                let members = *at.warp.registers.get32(*members);
                let gathered = self.gather(at, &members, active, mask)?;
                let Some(mask) = executing(gathered, mask) else { return Ok(Next::Gather) };
                self.match_lanes(at, *dest, *all, *value, &members, mask);
                return Ok(after(at, gathered));
            }
            Op::Redux { op, dest, value, members } => {
                let members = *at.warp.registers.get32(*members);
                let gathered = self.gather(at, &members, active, mask)?;
                let Some(mask) = executing(gathered, mask) else { return Ok(Next::Gather) };
                self.redux(at, *op, *dest, *value, &members, mask);
                return Ok(after(at, gathered));
            }
            Op::ActiveMask(dest) => at.warp.registers.set32(*dest, &[mask; LANES], mask),
            Op::MBarrier { op, address, generic } => {
                self.mbarrier(at, op, *address, *generic, mask)?;
            }
            Op::Clock(clock) => self.clock(at, *clock, mask),
            Op::Alloca { dest, bytes, align } => self.alloca(at, *dest, *bytes, *align, mask)?,
            Op::StackSave(dest) => {
                let top = at.warp.fragments[at.current].local_top;
                set(at.warp, *dest, &[u64::from(top); LANES], mask);
            }
            Op::StackRestore(value) => {
                let values = get(at.warp, *value);
                let top = lanes(mask).map(|lane| values[lane] as u32).max().unwrap_or(0);
                at.warp.fragments[at.current].local_top = top;
            }
        }
        Ok(Next::On)
    }

    fn is_space(&self, space: Space, address: u64) -> bool {
        let inside = |base: u64| address >= base && address < base + windows::SIZE;
        match space {
            Space::Shared => inside(windows::SHARED),
            Space::Local => inside(windows::LOCAL),
            Space::Param => inside(windows::PARAM),
            Space::Const => self.is_constant(address),
            Space::Global | Space::Generic => {
                address >= crate::memory::BASE && !self.is_constant(address)
            }
        }
    }

    /// Constants lie in device memory, among the module's other variables.
    pub(super) fn is_constant(&self, address: u64) -> bool {
        self.program.constants.iter().any(|(start, end)| (*start..*end).contains(&address))
    }

    fn branch(&mut self, at: &mut At<'_>, target: u32, active: u32, mask: u32) -> Next {
        if mask == active {
            return Next::To(target);
        }
        self.tally.divergent_branches += 1;
        self.split(at, mask, target);
        let fragment = &mut at.warp.fragments[at.current];
        fragment.pc = at.pc + 1;
        Next::Choose
    }

    fn branch_table(
        &mut self,
        at: &mut At<'_>,
        index: &[u32; LANES],
        targets: &[u32],
        active: u32,
        mask: u32,
    ) -> Result<Next, Finding> {
        let mut rest = mask;
        let mut first = None;
        let mut ways = u32::from(mask != active);
        while rest != 0 {
            let lane = rest.trailing_zeros();
            let value = index[lane as usize];
            let Some(target) = targets.get(value as usize) else {
                let detail = format!("branch {value} of a table of {}", targets.len());
                return Err(finding(Kind::Trap, lane, detail));
            };
            let group = lanes(rest).filter(|l| index[*l] == value).fold(0, |m, l| m | 1 << l);
            rest &= !group;
            ways += 1;
            if first.is_none() && mask == active {
                first = Some((group, *target));
            } else {
                self.split(at, group, *target);
            }
        }
        self.tally.divergent_branches += u64::from(ways > 1);
        let fragment = &mut at.warp.fragments[at.current];
        fragment.pc = first.map_or(at.pc + 1, |(_, target)| target);
        Ok(Next::Choose)
    }

    /// Takes the lanes of `mask` out of the current fragment, to go on at `pc`.
    pub(super) fn split(&mut self, at: &mut At<'_>, mask: u32, pc: u32) {
        let mut part = at.warp.fragments[at.current].clone();
        part.mask = mask;
        part.pc = pc;
        at.warp.fragments[at.current].mask &= !mask;
        at.warp.fragments.push(part);
    }

    fn exit(&mut self, at: &mut At<'_>, active: u32, mask: u32) -> Next {
        if self.checks {
            self.checker.exit(at.who, mask);
        }
        at.block.exited(mask);
        if mask != active {
            at.warp.fragments[at.current].pc = at.pc + 1;
        }
        at.warp.exit(at.current, mask);
        Next::Choose
    }

    /// Return from a function, or exit from the entry.
    fn ret(&mut self, at: &mut At<'_>, active: u32, mask: u32) -> Result<Next, Finding> {
        if at.warp.fragments[at.current].stack.is_empty() {
            return Ok(self.exit(at, active, mask));
        }
        self.return_from_call(at, active, mask);
        Ok(Next::Choose)
    }

    fn clock(&mut self, at: &mut At<'_>, clock: Clock, mask: u32) {
        // One tick an instruction, one nanosecond a tick: monotone, and no claim about time.
        let now = self.clock_base + self.steps;
        let registers = &mut at.warp.registers;
        match clock {
            Clock::Low32(r) | Clock::GlobalTimerLow(r) => {
                registers.set32(r, &[now as u32; LANES], mask);
            }
            Clock::High32(r) | Clock::GlobalTimerHigh(r) => {
                registers.set32(r, &[(now >> 32) as u32; LANES], mask);
            }
            Clock::Full(r) | Clock::GlobalTimer(r) => registers.set64(r, &[now; LANES], mask),
        }
    }
}

/// The lanes that execute; None if all wait.
pub(super) fn executing(gathered: Gathered, mask: u32) -> Option<u32> {
    match gathered {
        Gathered::All => Some(mask),
        Gathered::Some(ready) => Some(ready),
        Gathered::None => None,
    }
}

/// Goes on after a warp-synchronous operation; if the fragment was parted, by a new choice.
pub(super) fn after(at: &mut At<'_>, gathered: Gathered) -> Next {
    if gathered == Gathered::All {
        return Next::On;
    }
    at.warp.fragments[at.current].pc = at.pc + 1;
    Next::Choose
}
