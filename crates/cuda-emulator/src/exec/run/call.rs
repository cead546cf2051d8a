//! Calls and returns: frames of registers and of local memory, arguments copied between them.

use super::launch::Run;
use super::rows::{get, set};
use super::step::{At, Next};
use super::warp::ReturnTo;
use super::{finding, lanes};
use crate::exec::program::{Call, CallTarget, Op};
use crate::exec::windows;
use crate::registers::{FrameSize, LANES, Slot};
use crate::report::{Finding, Kind};

/// Calls deep that a thread may be.
const DEPTH: usize = 4096;

impl Run<'_> {
    pub(super) fn call(
        &mut self,
        at: &mut At<'_>,
        call: &Call,
        active: u32,
        mask: u32,
    ) -> Result<Next, Finding> {
        let lane = mask.trailing_zeros();
        match &call.target {
            CallTarget::Print => {
                self.print(at, call, mask)?;
                return Ok(Next::On);
            }
            CallTarget::AssertFail => return Err(self.assert_fail(at, call, mask)),
            CallTarget::Function(index) => {
                if mask != active {
                    self.split(at, active & !mask, at.pc + 1);
                    at.warp.fragments[at.current].mask = mask;
                }
                self.enter(at, call, *index, lane)?;
            }
            CallTarget::Pointer(register) => {
                let addresses = *at.warp.registers.get64(*register);
                if mask != active {
                    self.split(at, active & !mask, at.pc + 1);
                }
                // Lanes that call something else wait at the call for their turn.
                let target = addresses[lane as usize];
                let same = lanes(mask).filter(|l| addresses[*l] == target);
                let group = same.fold(0, |m, l| m | 1 << l);
                if group != mask {
                    self.split(at, mask & !group, at.pc);
                }
                let known = windows::function_at(target).filter(|index| {
                    self.program.functions.get(*index).is_some_and(Option::is_some)
                });
                let Some(index) = known else {
                    let detail = format!("a call of {target:#x}, where no function is");
                    return Err(finding(Kind::Trap, lane, detail));
                };
                self.enter(at, call, index as u32, lane)?;
            }
        }
        Ok(Next::Choose)
    }

    /// The current fragment enters a function: a frame above its own, arguments copied there.
    fn enter(
        &mut self,
        at: &mut At<'_>,
        call: &Call,
        index: u32,
        lane: u32,
    ) -> Result<(), Finding> {
        let program = self.program;
        let fragment = &mut at.warp.fragments[at.current];
        let callee = program.functions[index as usize].as_ref();
        let caller = program.functions[fragment.function as usize].as_ref();
        let (Some(callee), Some(caller)) = (callee, caller) else {
            return Err(finding(Kind::Trap, lane, "a call of a function without a body"));
        };
        if fragment.stack.len() >= DEPTH {
            return Err(finding(Kind::Trap, lane, format!("calls are nested {DEPTH} deep")));
        }
        let shape = |list: &[(u32, u32)]| list.iter().map(|(_, size)| *size).collect::<Vec<_>>();
        if shape(&call.arguments) != shape(&callee.params)
            || shape(&call.returns) != shape(&callee.returns)
        {
            let detail = "the call's arguments do not fit the function's parameters";
            return Err(finding(Kind::Trap, lane, detail));
        }
        fragment.stack.push(ReturnTo {
            call: at.pc,
            function: fragment.function,
            base: fragment.base,
            local_base: fragment.local_base,
            local_top: fragment.local_top,
        });
        let caller_local = fragment.local_base;
        fragment.base = FrameSize {
            b32: fragment.base.b32 + caller.frame.b32,
            b64: fragment.base.b64 + caller.frame.b64,
            pred: fragment.base.pred + caller.frame.pred,
        };
        fragment.local_base = fragment.local_top.next_multiple_of(16);
        fragment.local_top = fragment.local_base + callee.local;
        fragment.function = index;
        fragment.pc = callee.start;
        let (mask, base, top) = (fragment.mask, fragment.local_base, fragment.local_top);
        if !at.warp.local.reserve(top) {
            let detail = format!("the thread's stack needs {top} bytes of local memory");
            return Err(finding(Kind::OutOfBounds, lane, detail));
        }
        at.warp.local.forget(mask, base, top);
        for ((from, bytes), (to, _)) in call.arguments.iter().zip(&callee.params) {
            at.warp.local.copy(mask, caller_local + from, base + to, *bytes);
        }
        Ok(())
    }

    /// The lanes of `mask` return to their caller.
    pub(super) fn return_from_call(&mut self, at: &mut At<'_>, active: u32, mask: u32) {
        if mask != active {
            self.split(at, active & !mask, at.pc + 1);
        }
        let program = self.program;
        let fragment = &mut at.warp.fragments[at.current];
        fragment.mask = mask;
        let Some(back) = fragment.stack.pop() else { return };
        let callee = program.functions[fragment.function as usize].as_ref();
        let callee_local = fragment.local_base;
        fragment.pc = back.call + 1;
        fragment.function = back.function;
        fragment.base = back.base;
        fragment.local_base = back.local_base;
        fragment.local_top = back.local_top;
        if let (Op::Call(call), Some(callee)) = (&program.code[back.call as usize].op, callee) {
            for ((to, bytes), (from, _)) in call.returns.iter().zip(&callee.returns) {
                at.warp.local.copy(mask, callee_local + from, back.local_base + to, *bytes);
            }
        }
    }

    pub(super) fn alloca(
        &mut self,
        at: &mut At<'_>,
        dest: Slot,
        bytes: Slot,
        align: u32,
        mask: u32,
    ) -> Result<(), Finding> {
        let sizes = get(at.warp, bytes);
        let most = lanes(mask).map(|lane| sizes[lane]).max().unwrap_or(0);
        let fragment = &mut at.warp.fragments[at.current];
        let start = fragment.local_top.next_multiple_of(align.max(1));
        let top = u64::from(start) + most;
        let reserved = u32::try_from(top).is_ok_and(|top| at.warp.local.reserve(top));
        if !reserved {
            let detail = format!("alloca of {most} bytes");
            return Err(finding(Kind::OutOfBounds, mask.trailing_zeros(), detail));
        }
        fragment.local_top = top as u32;
        at.warp.local.forget(mask, start, top as u32);
        set(at.warp, dest, &[u64::from(start); LANES], mask);
        Ok(())
    }
}
