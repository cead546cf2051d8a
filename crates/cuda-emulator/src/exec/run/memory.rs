//! Loads and stores: addresses, the state space of each lane, the checks, the bytes.

use super::bytes::{join, read, spread, words_at, write};
use super::launch::Run;
use super::step::At;
use super::{finding, lanes};
use crate::check::{self, Strength};
use crate::exec::program::{Access, Address, AddressBase, Order, Space};
use crate::exec::windows;
use crate::registers::{LANES, Slot};
use crate::report::{Finding, Kind};

/// Lanes that access one state space, with offsets (addresses, for global memory) in it.
pub(super) enum Part {
    Global(u32, [u64; LANES]),
    Shared(u32, [u32; LANES]),
    Local(u32, [u32; LANES]),
    Param(u32, [u32; LANES]),
}

fn strength(order: Order) -> Strength {
    order.strong.map_or(Strength::Weak, Strength::Strong)
}

/// What the checker is told of an access.
pub(super) fn described(pc: u32, bytes: u32, op: check::Op, order: Order) -> check::Access {
    check::Access {
        strength: strength(order),
        acquire: order.acquire,
        release: order.release,
        ..check::Access::weak(pc, bytes, op)
    }
}

impl Run<'_> {
    /// The lanes' addresses, in the space of the operand.
    #[inline(always)]
    pub(super) fn addresses(&self, at: &At<'_>, address: Address) -> [u64; LANES] {
        let offset = address.offset as u64;
        let mut addresses = [offset; LANES];
        match address.base {
            AddressBase::None => {}
            AddressBase::R64(r) => {
                let row = at.warp.registers.get64(r);
                for (address, base) in addresses.iter_mut().zip(row) {
                    *address = address.wrapping_add(*base);
                }
            }
            AddressBase::R32(r) => {
                let row = at.warp.registers.get32(r);
                for (address, base) in addresses.iter_mut().zip(row) {
                    *address = u64::from((*address as u32).wrapping_add(*base));
                }
            }
            AddressBase::Frame => {
                let base = u64::from(at.warp.fragments[at.current].local_base);
                addresses = [base.wrapping_add(offset); LANES];
            }
        }
        addresses
    }

    /// Parts the lanes by state space. Offsets that no 32 bits hold stay out of bounds.
    pub(super) fn parts(
        &self,
        addresses: &[u64; LANES],
        space: Space,
        mask: u32,
    ) -> Result<Vec<Part>, Finding> {
        let narrow = |base: u64| offsets(addresses, base);
        Ok(match space {
            Space::Global | Space::Const => vec![Part::Global(mask, *addresses)],
            Space::Shared => vec![Part::Shared(mask, narrow(0))],
            Space::Local => vec![Part::Local(mask, narrow(0))],
            Space::Param => vec![Part::Param(mask, narrow(0))],
            Space::Generic => {
                let inside = |base: u64| {
                    lanes(mask)
                        .filter(|l| (base..base + windows::SIZE).contains(&addresses[*l]))
                        .fold(0u32, |m, l| m | 1 << l)
                };
                let shared = inside(windows::SHARED);
                let local = inside(windows::LOCAL);
                let param = inside(windows::PARAM);
                let global = mask & !(shared | local | param);
                let mut parts = Vec::with_capacity(1);
                if global != 0 {
                    parts.push(Part::Global(global, *addresses));
                }
                if shared != 0 {
                    parts.push(Part::Shared(shared, narrow(windows::SHARED)));
                }
                if local != 0 {
                    parts.push(Part::Local(local, narrow(windows::LOCAL)));
                }
                if param != 0 {
                    parts.push(Part::Param(param, narrow(windows::PARAM)));
                }
                parts
            }
        })
    }

    pub(super) fn load(
        &mut self,
        at: &mut At<'_>,
        access: &Access,
        mask: u32,
    ) -> Result<(), Finding> {
        let addresses = self.addresses(at, access.address);
        let total = access.bytes * access.slots.len() as u32;
        if access.words && self.load_words(at, access, total, mask, &addresses)? {
            return Ok(());
        }
        let mut values = [0u128; LANES];
        for part in self.parts(&addresses, access.space, mask)? {
            match part {
                Part::Global(mask, addresses) => {
                    let take =
                        |data: &[u8], offset, lane: usize| values[lane] = read(data, offset, total);
                    self.load_global(at, access, total, mask, &addresses, take)?;
                }
                Part::Shared(mask, offsets) => {
                    let take =
                        |data: &[u8], offset, lane: usize| values[lane] = read(data, offset, total);
                    self.load_shared(at, access, total, mask, &offsets, take)?;
                }
                Part::Local(mask, offsets) => {
                    self.load_local(at, total, mask, &offsets, &mut values)?;
                }
                Part::Param(mask, offsets) => {
                    let take =
                        |data: &[u8], offset, lane: usize| values[lane] = read(data, offset, total);
                    self.load_param(total, mask, &offsets, take)?;
                }
            }
        }
        spread(at, access, &values, mask);
        Ok(())
    }

    /// The usual load: 32-bit elements of global or shared memory to 32-bit registers. False if it
    /// is another one.
    fn load_words(
        &mut self,
        at: &mut At<'_>,
        access: &Access,
        bytes: u32,
        mask: u32,
        addresses: &[u64; LANES],
    ) -> Result<bool, Finding> {
        let mut words = [[0u32; LANES]; 4];
        let count = access.slots.len();
        let take = |data: &[u8], offset, lane| words_at(data, offset, count, lane, &mut words);
        match access.space {
            Space::Global => self.load_global(at, access, bytes, mask, addresses, take)?,
            Space::Shared => {
                self.load_shared(at, access, bytes, mask, &offsets(addresses, 0), take)?;
            }
            _ => return Ok(false),
        }
        for (slot, row) in access.slots.iter().zip(&words) {
            if let Slot::B32(r) = slot {
                at.warp.registers.set32(*r, row, mask);
            }
        }
        Ok(true)
    }

    /// Gives `take` the memory, the offset and the lane of each access that is allowed.
    fn load_global(
        &mut self,
        at: &At<'_>,
        access: &Access,
        bytes: u32,
        mask: u32,
        addresses: &[u64; LANES],
        mut take: impl FnMut(&[u8], usize, usize),
    ) -> Result<(), Finding> {
        if self.checks {
            let mut a = described(at.pc, bytes, check::Op::Read, access.order);
            a.read_only = access.read_only;
            self.checker.global(self.arena, at.who, &a, mask, addresses)?;
        }
        for lane in lanes(mask) {
            let offset = self.inside(addresses[lane], bytes, lane)?;
            take(self.arena.data(), offset, lane);
        }
        self.tally.global(mask, addresses, bytes, false);
        Ok(())
    }

    /// [`load_global`](Self::load_global) of the block's shared memory.
    fn load_shared(
        &mut self,
        at: &At<'_>,
        access: &Access,
        bytes: u32,
        mask: u32,
        offsets: &[u32; LANES],
        mut take: impl FnMut(&[u8], usize, usize),
    ) -> Result<(), Finding> {
        if self.checks {
            let a = described(at.pc, bytes, check::Op::Read, access.order);
            self.checker.shared(at.who, &a, mask, offsets)?;
        }
        for lane in lanes(mask) {
            let offset = inside_shared(&at.block.shared, offsets[lane], bytes, lane)?;
            take(&at.block.shared, offset, lane);
        }
        self.tally.shared(mask, offsets, bytes);
        Ok(())
    }

    fn load_local(
        &mut self,
        at: &At<'_>,
        bytes: u32,
        mask: u32,
        offsets: &[u32; LANES],
        values: &mut [u128; LANES],
    ) -> Result<(), Finding> {
        let top = at.warp.fragments[at.current].local_top;
        for lane in lanes(mask) {
            inside_local(top, offsets[lane], bytes, lane)?;
            let (value, written) = at.warp.local.load(lane, offsets[lane], bytes);
            if self.checks && !written {
                let detail = format!(
                    "{bytes} bytes at offset {} of the thread's local memory were never written",
                    offsets[lane]
                );
                return Err(finding(Kind::Uninitialised, lane as u32, detail));
            }
            values[lane] = value;
        }
        Ok(())
    }

    fn load_param(
        &mut self,
        bytes: u32,
        mask: u32,
        offsets: &[u32; LANES],
        mut take: impl FnMut(&[u8], usize, usize),
    ) -> Result<(), Finding> {
        for lane in lanes(mask) {
            let offset = offsets[lane] as usize;
            if offset + bytes as usize > self.params.len() {
                let detail = format!(
                    "{bytes} bytes at offset {offset} of {} bytes of parameters",
                    self.params.len()
                );
                return Err(finding(Kind::OutOfBounds, lane as u32, detail));
            }
            take(self.params, offset, lane);
        }
        Ok(())
    }

    pub(super) fn store(
        &mut self,
        at: &mut At<'_>,
        access: &Access,
        mask: u32,
    ) -> Result<(), Finding> {
        let addresses = self.addresses(at, access.address);
        let total = access.bytes * access.slots.len() as u32;
        let values = join(at, access);
        for part in self.parts(&addresses, access.space, mask)? {
            match part {
                Part::Global(mask, addresses) => {
                    self.refuse_constants(mask, &addresses)?;
                    if self.checks {
                        let a = described(at.pc, total, check::Op::Write, access.order);
                        self.checker.global(self.arena, at.who, &a, mask, &addresses)?;
                    }
                    for lane in lanes(mask) {
                        let offset = self.inside(addresses[lane], total, lane)?;
                        write(self.arena.data_mut(), offset, total, values[lane]);
                    }
                    self.tally.global(mask, &addresses, total, true);
                }
                Part::Shared(mask, offsets) => {
                    if self.checks {
                        let a = described(at.pc, total, check::Op::Write, access.order);
                        self.checker.shared(at.who, &a, mask, &offsets)?;
                    }
                    for lane in lanes(mask) {
                        let offset = inside_shared(&at.block.shared, offsets[lane], total, lane)?;
                        write(&mut at.block.shared, offset, total, values[lane]);
                    }
                    self.tally.shared(mask, &offsets, total);
                }
                Part::Local(mask, offsets) => {
                    let top = at.warp.fragments[at.current].local_top;
                    for lane in lanes(mask) {
                        inside_local(top, offsets[lane], total, lane)?;
                        at.warp.local.store(lane, offsets[lane], total, values[lane]);
                    }
                }
                Part::Param(mask, _) => {
                    let detail = "a store to the kernel's parameters";
                    return Err(finding(Kind::OutOfBounds, mask.trailing_zeros(), detail));
                }
            }
        }
        Ok(())
    }

    /// Kernels may not write constants.
    pub(super) fn refuse_constants(
        &self,
        mask: u32,
        addresses: &[u64; LANES],
    ) -> Result<(), Finding> {
        if self.program.constants.is_empty() {
            return Ok(());
        }
        match lanes(mask).find(|lane| self.is_constant(addresses[*lane])) {
            None => Ok(()),
            Some(lane) => {
                let detail = format!("a write to a constant at {:#x}", addresses[lane]);
                Err(finding(Kind::OutOfBounds, lane as u32, detail))
            }
        }
    }

    /// Offset of a device address in the arena; outside all of device memory it is a finding even
    /// with checks off.
    pub(super) fn inside(&self, address: u64, bytes: u32, lane: usize) -> Result<usize, Finding> {
        self.arena.bounds(address, u64::from(bytes)).ok_or_else(|| {
            let detail = format!("{bytes} bytes at {address:#x}, outside device memory");
            finding(Kind::OutOfBounds, lane as u32, detail)
        })
    }
}

/// A 32-bit offset; what does not fit is the largest, which no memory has.
pub(super) fn offset32(offset: u64) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX - 15)
}

/// Offsets of addresses in a window.
#[inline(always)]
pub(super) fn offsets(addresses: &[u64; LANES], base: u64) -> [u32; LANES] {
    let mut offsets = [0; LANES];
    for (offset, address) in offsets.iter_mut().zip(addresses) {
        *offset = address.wrapping_sub(base).min(u64::from(u32::MAX - 15)) as u32;
    }
    offsets
}

/// Offset in shared memory, checked.
pub(super) fn inside_shared(
    shared: &[u8],
    offset: u32,
    bytes: u32,
    lane: usize,
) -> Result<usize, Finding> {
    if offset as usize + bytes as usize > shared.len() {
        let detail = format!(
            "{bytes} bytes at offset {offset} of the block's {} bytes of shared memory",
            shared.len()
        );
        return Err(finding(Kind::OutOfBounds, lane as u32, detail));
    }
    if offset & (bytes - 1) != 0 {
        let detail = format!("{bytes} bytes at offset {offset} of shared memory");
        return Err(finding(Kind::Misaligned, lane as u32, detail));
    }
    Ok(offset as usize)
}

fn inside_local(top: u32, offset: u32, bytes: u32, lane: usize) -> Result<(), Finding> {
    if u64::from(offset) + u64::from(bytes) > u64::from(top) {
        let detail = format!("{bytes} bytes at offset {offset} of {top} bytes of local memory");
        return Err(finding(Kind::OutOfBounds, lane as u32, detail));
    }
    if offset & (bytes - 1) != 0 {
        let detail = format!("{bytes} bytes at offset {offset} of local memory");
        return Err(finding(Kind::Misaligned, lane as u32, detail));
    }
    Ok(())
}
