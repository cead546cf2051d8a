//! `cp.async`: the bytes are copied at once, and belong to nobody until a wait.

use super::bytes::{read, write};
use super::launch::Run;
use super::memory::{inside_shared, offsets};
use super::step::At;
use super::{finding, lanes};
use crate::exec::program::AsyncCopy;
use crate::exec::windows;
use crate::registers::LANES;
use crate::report::{Finding, Kind};

impl Run<'_> {
    pub(super) fn async_copy(
        &mut self,
        at: &mut At<'_>,
        copy: &AsyncCopy,
        mask: u32,
    ) -> Result<(), Finding> {
        let base = if copy.shared_generic { windows::SHARED } else { 0 };
        let to = offsets(&self.addresses(at, copy.shared), base);
        let from = self.addresses(at, copy.global);
        let mut source_bytes = match copy.source_bytes {
            Some(r) => *at.warp.registers.get32(r),
            None => [copy.bytes; LANES],
        };
        if let Some((p, negated)) = copy.ignore {
            let bits = at.warp.registers.pred(p);
            let bits = if negated { !bits } else { bits };
            for lane in lanes(bits) {
                source_bytes[lane] = 0;
            }
        }
        for lane in lanes(mask) {
            if source_bytes[lane] > copy.bytes {
                let detail = format!(
                    "cp.async of {} bytes reads {} from its source",
                    copy.bytes, source_bytes[lane]
                );
                return Err(finding(Kind::Misaligned, lane as u32, detail));
            }
        }
        if self.checks {
            let (pc, bytes) = (at.pc, copy.bytes);
            self.checker.async_copy(
                self.arena,
                at.who,
                pc,
                mask,
                &to,
                &from,
                bytes,
                &source_bytes,
            )?;
        }
        let mut full = 0u32;
        for lane in lanes(mask) {
            let offset = inside_shared(&at.block.shared, to[lane], copy.bytes, lane)?;
            let wanted = source_bytes[lane];
            let mut value = 0;
            if wanted > 0 {
                let start = self.inside(from[lane], wanted, lane)?;
                for i in 0..wanted {
                    let byte = read(self.arena.data(), start + i as usize, 1);
                    value |= byte << (8 * i);
                }
                full |= u32::from(wanted == copy.bytes) << lane;
            }
            write(&mut at.block.shared, offset, copy.bytes, value);
        }
        if full == mask {
            self.tally.global(mask, &from, copy.bytes, false);
        } else {
            // Tails differ in length: each is counted as an access of its own.
            self.tally.global(full, &from, copy.bytes, false);
            for lane in lanes(mask & !full).filter(|l| source_bytes[*l] > 0) {
                self.tally.global(1 << lane, &from, source_bytes[lane], false);
            }
        }
        self.tally.shared(mask, &to, copy.bytes);
        Ok(())
    }
}
