//! Loads and stores: addresses, the state space of each lane, the checks, the bytes.

use super::launch::Run;
use super::step::{At, set};
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
        if access.space == Space::Global || access.space == Space::Const {
            self.load_global(at, access, total, mask, &addresses, &mut values)?;
        } else if access.space == Space::Shared {
            let offsets = offsets(&addresses, 0);
            self.load_shared(at, access, total, mask, &offsets, &mut values)?;
        } else {
            for part in self.parts(&addresses, access.space, mask)? {
                match part {
                    Part::Global(mask, addresses) => {
                        self.load_global(at, access, total, mask, &addresses, &mut values)?;
                    }
                    Part::Shared(mask, offsets) => {
                        self.load_shared(at, access, total, mask, &offsets, &mut values)?;
                    }
                    Part::Local(mask, offsets) => {
                        self.load_local(at, total, mask, &offsets, &mut values)?;
                    }
                    Part::Param(mask, offsets) => {
                        self.load_param(total, mask, &offsets, &mut values)?;
                    }
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
        match access.space {
            Space::Global => {
                self.check_load(at, access, bytes, mask, addresses)?;
                for lane in lanes(mask) {
                    let offset = self.inside(addresses[lane], bytes, lane)?;
                    words_at(self.arena.data(), offset, count, lane, &mut words);
                }
                self.tally.global(mask, addresses, bytes, false);
            }
            Space::Shared => {
                let offsets = offsets(addresses, 0);
                self.check_shared_load(at, access, bytes, mask, &offsets)?;
                for lane in lanes(mask) {
                    let offset = inside_shared(&at.block.shared, offsets[lane], bytes, lane)?;
                    words_at(&at.block.shared, offset, count, lane, &mut words);
                }
                self.tally.shared(mask, &offsets, bytes);
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

    fn check_load(
        &mut self,
        at: &At<'_>,
        access: &Access,
        bytes: u32,
        mask: u32,
        addresses: &[u64; LANES],
    ) -> Result<(), Finding> {
        if !self.checks {
            return Ok(());
        }
        let mut a = described(at.pc, bytes, check::Op::Read, access.order);
        a.read_only = access.read_only;
        self.checker.global(self.arena, at.who, &a, mask, addresses)
    }

    fn check_shared_load(
        &mut self,
        at: &At<'_>,
        access: &Access,
        bytes: u32,
        mask: u32,
        offsets: &[u32; LANES],
    ) -> Result<(), Finding> {
        if !self.checks {
            return Ok(());
        }
        let a = described(at.pc, bytes, check::Op::Read, access.order);
        self.checker.shared(at.who, &a, mask, offsets)
    }

    fn load_global(
        &mut self,
        at: &At<'_>,
        access: &Access,
        bytes: u32,
        mask: u32,
        addresses: &[u64; LANES],
        values: &mut [u128; LANES],
    ) -> Result<(), Finding> {
        self.check_load(at, access, bytes, mask, addresses)?;
        for lane in lanes(mask) {
            let offset = self.inside(addresses[lane], bytes, lane)?;
            values[lane] = read(self.arena.data(), offset, bytes);
        }
        self.tally.global(mask, addresses, bytes, false);
        Ok(())
    }

    fn load_shared(
        &mut self,
        at: &At<'_>,
        access: &Access,
        bytes: u32,
        mask: u32,
        offsets: &[u32; LANES],
        values: &mut [u128; LANES],
    ) -> Result<(), Finding> {
        self.check_shared_load(at, access, bytes, mask, offsets)?;
        for lane in lanes(mask) {
            let offset = inside_shared(&at.block.shared, offsets[lane], bytes, lane)?;
            values[lane] = read(&at.block.shared, offset, bytes);
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
        values: &mut [u128; LANES],
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
            values[lane] = read(self.params, offset, bytes);
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

/// Little-endian value of 1 to 16 bytes that the caller has found to be inside.
#[inline(always)]
pub(super) fn read(data: &[u8], offset: usize, bytes: u32) -> u128 {
    match bytes {
        4 => u128::from(u32::from_le_bytes(array(data, offset))),
        8 => u128::from(u64::from_le_bytes(array(data, offset))),
        16 => u128::from_le_bytes(array(data, offset)),
        2 => u128::from(u16::from_le_bytes(array(data, offset))),
        _ => u128::from(data[offset]),
    }
}

/// The lane's 32-bit elements, from `offset` on.
#[inline(always)]
fn words_at(data: &[u8], offset: usize, count: usize, lane: usize, words: &mut [[u32; LANES]; 4]) {
    let bytes = &data[offset..offset + 4 * count];
    for (row, word) in words.iter_mut().zip(bytes.as_chunks().0) {
        row[lane] = u32::from_le_bytes(*word);
    }
}

#[inline(always)]
fn array<const N: usize>(data: &[u8], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&data[offset..offset + N]);
    bytes
}

/// Writes 1 to 16 bytes, little endian.
#[inline(always)]
pub(super) fn write(data: &mut [u8], offset: usize, bytes: u32, value: u128) {
    match bytes {
        4 => data[offset..offset + 4].copy_from_slice(&(value as u32).to_le_bytes()),
        8 => data[offset..offset + 8].copy_from_slice(&(value as u64).to_le_bytes()),
        16 => data[offset..offset + 16].copy_from_slice(&value.to_le_bytes()),
        2 => data[offset..offset + 2].copy_from_slice(&(value as u16).to_le_bytes()),
        _ => data[offset] = value as u8,
    }
}

/// Loaded bytes to the access's registers, extended to their width.
fn spread(at: &mut At<'_>, access: &Access, values: &[u128; LANES], mask: u32) {
    let bits = access.bytes * 8;
    for (i, slot) in access.slots.iter().enumerate() {
        let shift = i as u32 * bits;
        let unused = 64 - bits;
        let width = 64 - access.width.clamp(8, 64);
        let row = values.map(|v| {
            let value = ((v >> shift) as u64) << unused;
            if access.signed {
                // Extended to the register's width, then kept zero-extended beyond it.
                (((value as i64) >> unused) as u64) << width >> width
            } else {
                value >> unused
            }
        });
        set(at.warp, *slot, &row, mask);
    }
}

/// The stored registers' bytes, one after the other.
fn join(at: &At<'_>, access: &Access) -> [u128; LANES] {
    let bits = access.bytes * 8;
    let keep = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let mut values = [0u128; LANES];
    for (i, slot) in access.slots.iter().enumerate() {
        let shift = i as u32 * bits;
        match slot {
            Slot::B32(r) => {
                for (value, x) in values.iter_mut().zip(at.warp.registers.get32(*r)) {
                    *value |= u128::from(u64::from(*x) & keep) << shift;
                }
            }
            Slot::B64(r) => {
                for (value, x) in values.iter_mut().zip(at.warp.registers.get64(*r)) {
                    *value |= u128::from(*x & keep) << shift;
                }
            }
            Slot::Pred(_) => {}
        }
    }
    values
}
