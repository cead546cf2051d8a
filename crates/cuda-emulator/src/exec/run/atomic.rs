//! Atomic operations: lane by lane, from a lane that the seed chooses, since the order of lanes in
//! one instruction is open.

use super::bytes::{read, write};
use super::launch::Run;
use super::memory::{Part, described, inside_shared};
use super::rows::{get, set};
use super::step::At;
use super::{finding, lanes};
use crate::check;
use crate::exec::program::{Atomic, AtomicOp};
use crate::number::{add_bf16, add_f16, canonical32, ftz};
use crate::ptx::ast::Type;
use crate::registers::LANES;
use crate::report::{Finding, Kind};

impl Run<'_> {
    pub(super) fn atomic(
        &mut self,
        at: &mut At<'_>,
        atomic: &Atomic,
        mask: u32,
    ) -> Result<(), Finding> {
        let addresses = self.addresses(at, atomic.address);
        let bytes = atomic.ty.bytes();
        let values = get(at.warp, atomic.value);
        let swaps = atomic.swap.map_or([0; LANES], |slot| get(at.warp, slot));
        let mut old = [0u64; LANES];
        let first = self.random.below(LANES);
        for part in self.parts(&addresses, atomic.space, mask)? {
            let mut failed = 0;
            let order = (first..LANES).chain(0..first);
            match part {
                Part::Global(mask, addresses) => {
                    self.refuse_constants(mask, &addresses)?;
                    for lane in order.filter(|l| mask >> l & 1 != 0) {
                        let offset = self.inside(addresses[lane], bytes, lane)?;
                        if addresses[lane] % u64::from(bytes) != 0 {
                            let detail =
                                format!("an atomic of {bytes} bytes at {:#x}", addresses[lane]);
                            return Err(finding(Kind::Misaligned, lane as u32, detail));
                        }
                        old[lane] = read(self.arena.data(), offset, bytes) as u64;
                        match apply(atomic, old[lane], values[lane], swaps[lane], true) {
                            Some(new) => {
                                write(self.arena.data_mut(), offset, bytes, u128::from(new));
                            }
                            None => failed |= 1 << lane,
                        }
                    }
                    self.tally.global(mask, &addresses, bytes, true);
                    self.tally.global_atomics += u64::from(mask.count_ones());
                    if self.checks {
                        let mut a = described(at.pc, bytes, check::Op::Atomic, atomic.order);
                        a.failed = failed;
                        self.checker.global(self.arena, at.who, &a, mask, &addresses)?;
                    }
                }
                Part::Shared(mask, offsets) => {
                    for lane in order.filter(|l| mask >> l & 1 != 0) {
                        let offset = inside_shared(&at.block.shared, offsets[lane], bytes, lane)?;
                        old[lane] = read(&at.block.shared, offset, bytes) as u64;
                        match apply(atomic, old[lane], values[lane], swaps[lane], false) {
                            Some(new) => {
                                write(&mut at.block.shared, offset, bytes, u128::from(new));
                            }
                            None => failed |= 1 << lane,
                        }
                    }
                    self.tally.shared(mask, &offsets, bytes);
                    self.tally.shared_atomics += u64::from(mask.count_ones());
                    if self.checks {
                        let mut a = described(at.pc, bytes, check::Op::Atomic, atomic.order);
                        a.failed = failed;
                        self.checker.shared(at.who, &a, mask, &offsets)?;
                    }
                }
                Part::Local(mask, _) | Part::Param(mask, _) => {
                    let lane = lanes(mask).next().unwrap_or(0) as u32;
                    let detail = "an atomic operation on local or parameter memory";
                    return Err(finding(Kind::OutOfBounds, lane, detail));
                }
            }
        }
        if let Some(dest) = atomic.dest {
            set(at.warp, dest, &old, mask);
        }
        Ok(())
    }
}

/// The new value; None if nothing is written. `flushes` says that the memory is global.
fn apply(atomic: &Atomic, old: u64, value: u64, swap: u64, flushes: bool) -> Option<u64> {
    let bits = atomic.ty.bits();
    let keep = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let (old, value) = (old & keep, value & keep);
    let signed = |v: u64| (v << (64 - bits)) as i64 >> (64 - bits);
    let new = match atomic.op {
        AtomicOp::Add => add(atomic.ty, old, value, flushes),
        AtomicOp::Inc => {
            if old >= value {
                0
            } else {
                old + 1
            }
        }
        AtomicOp::Dec => {
            if old == 0 || old > value {
                value
            } else {
                old - 1
            }
        }
        AtomicOp::Exchange => value,
        AtomicOp::CompareSwap => {
            if old != value {
                return None;
            }
            swap
        }
        AtomicOp::And => old & value,
        AtomicOp::Or => old | value,
        AtomicOp::Xor => old ^ value,
        AtomicOp::Min if atomic.ty.is_signed() => signed(old).min(signed(value)) as u64,
        AtomicOp::Max if atomic.ty.is_signed() => signed(old).max(signed(value)) as u64,
        AtomicOp::Min => old.min(value),
        AtomicOp::Max => old.max(value),
    };
    Some(new & keep)
}

/// `atom.add.f32` flushes subnormals in global memory and keeps them in shared memory (PTX ISA, atom).
fn add(ty: Type, old: u64, value: u64, flushes: bool) -> u64 {
    let pair = |one: fn(u16, u16) -> u16| {
        let low = one(old as u16, value as u16);
        let high = one((old >> 16) as u16, (value >> 16) as u16);
        u64::from(low) | u64::from(high) << 16
    };
    match ty {
        Type::F32 => {
            let flush = |x: f32| if flushes { ftz(x) } else { x };
            let [a, b] = [old, value].map(|bits| flush(f32::from_bits(bits as u32)));
            u64::from(canonical32(flush(a + b)).to_bits())
        }
        Type::F64 => (f64::from_bits(old) + f64::from_bits(value)).to_bits(),
        Type::F16 => u64::from(add_f16(old as u16, value as u16)),
        Type::Bf16 => u64::from(add_bf16(old as u16, value as u16)),
        Type::F16x2 => pair(add_f16),
        Type::Bf16x2 => pair(add_bf16),
        _ => old.wrapping_add(value),
    }
}

#[cfg(test)]
mod tests {
    use super::add;
    use crate::ptx::ast::Type;

    #[test]
    fn additions_of_f32_flush_subnormals_in_global_memory_only() {
        let (one, three) = (1, 0x8000_0003);
        assert_eq!(add(Type::F32, one, three, false), 0x8000_0002);
        assert_eq!(add(Type::F32, one, three, true), 0);
        // The result too: 2^-126 - 1.5 * 2^-126 is subnormal.
        let (small, less) = (0x0080_0000, 0x80C0_0000);
        assert_eq!(add(Type::F32, small, less, false), 0x8040_0000);
        assert_eq!(add(Type::F32, small, less, true), 0x8000_0000);
    }
}
