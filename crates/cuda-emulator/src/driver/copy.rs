//! Copies and memsets, of one row or of many.

use super::handle::Handle;
use super::operation::Done;
use super::state::State;
use super::status::{Code, Outcome, fault};
use crate::machine::StreamId;

/// One end of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A device address.
    Device(u64),
    /// A host address, which the caller promised to be good for the whole copy.
    Host(usize),
}

impl Place {
    /// That place and so many bytes.
    fn offset(self, bytes: u64) -> Self {
        match self {
            Place::Device(address) => Place::Device(address + bytes),
            Place::Host(address) => Place::Host(address + bytes as usize),
        }
    }
}

/// A copy of `rows` rows of `width` bytes.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    to: Place,
    from: Place,
    width: u64,
    rows: u64,
    to_pitch: u64,
    from_pitch: u64,
}

/// A memset of `rows` rows of `count` times a pattern.
#[derive(Debug, Clone)]
pub(crate) struct Fill {
    to: u64,
    pattern: Vec<u8>,
    count: u64,
    rows: u64,
    pitch: u64,
}

impl Copy {
    /// A copy of one row.
    pub(crate) fn new(to: Place, from: Place, bytes: u64) -> Self {
        Self { to, from, width: bytes, rows: 1, to_pitch: bytes, from_pitch: bytes }
    }

    /// A copy of rows that stand `pitch` bytes apart.
    pub(crate) fn rows(to: (Place, u64), from: (Place, u64), width: u64, rows: u64) -> Self {
        Self { to: to.0, from: from.0, width, rows, to_pitch: to.1, from_pitch: from.1 }
    }

    /// Whether there is nothing to copy.
    pub(crate) fn is_empty(&self) -> bool {
        self.width == 0 || self.rows == 0
    }

    /// The host address that it writes to, if it does.
    pub(crate) fn host_target(&self) -> Option<usize> {
        match self.to {
            Place::Host(address) => Some(address),
            Place::Device(_) => None,
        }
    }
}

impl Fill {
    /// A memset of rows; one row may have any pitch.
    pub(crate) fn new(to: u64, pattern: &[u8], count: u64, rows: u64, pitch: u64) -> Self {
        Self { to, pattern: pattern.to_vec(), count, rows, pitch }
    }

    /// Whether there is nothing to set.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 || self.rows == 0
    }
}

impl State {
    /// The checks of a copy that CUDA makes before it submits it.
    pub(crate) fn check_copy(&self, copy: &Copy) -> Outcome {
        for (place, pitch) in [(copy.to, copy.to_pitch), (copy.from, copy.from_pitch)] {
            let extent = extent(copy.width, copy.rows, pitch)?;
            match place {
                Place::Device(address) => self.check_range(address, extent)?,
                Place::Host(0) => return fault(Code::INVALID_VALUE, "the host pointer is null"),
                Place::Host(address) if self.machine.allocation(address as u64).is_some() => {
                    return fault(Code::INVALID_VALUE, "a device address as a host pointer");
                }
                Place::Host(_) => {}
            }
        }
        Ok(())
    }

    /// The checks of a memset that CUDA makes before it submits it.
    pub(crate) fn check_fill(&self, fill: &Fill) -> Outcome {
        let size = fill.pattern.len() as u64;
        if !fill.to.is_multiple_of(size) || fill.rows > 1 && !fill.pitch.is_multiple_of(size) {
            return fault(
                Code::INVALID_VALUE,
                format!("{:#x} is not {size}-byte aligned", fill.to),
            );
        }
        let Some(width) = fill.count.checked_mul(size) else {
            return Err(Code::INVALID_VALUE.into());
        };
        self.check_range(fill.to, extent(width, fill.rows, fill.pitch)?)
    }

    /// Copies.
    pub(crate) fn run_copy(&mut self, id: StreamId, copy: &Copy) -> Done {
        self.tick_bytes(copy.width * copy.rows);
        let dense = copy.to_pitch == copy.width && copy.from_pitch == copy.width;
        let (rows, width) =
            if dense { (1, copy.width * copy.rows) } else { (copy.rows, copy.width) };
        for row in 0..rows {
            let to = copy.to.offset(row * copy.to_pitch);
            let from = copy.from.offset(row * copy.from_pitch);
            self.copy_row(id, to, from, width)?;
        }
        Ok(())
    }

    fn copy_row(&mut self, id: StreamId, to: Place, from: Place, n: u64) -> Done {
        match (to, from) {
            (Place::Device(to), Place::Device(from)) => self.machine.copy(to, from, n, id)?,
            (Place::Device(to), Place::Host(from)) => {
                // SAFETY: the caller of the driver promised that the host memory may be read for
                // the whole copy; nothing here holds a reference into it otherwise.
                let bytes = unsafe { std::slice::from_raw_parts(from as *const u8, n as usize) };
                self.machine.write(to, bytes, id)?;
            }
            (Place::Host(to), Place::Device(from)) => {
                // SAFETY: the caller of the driver promised that the host memory may be written
                // for the whole copy. It may hold nothing yet, and any byte is a valid `u8`; it is
                // only written.
                let into = unsafe { std::slice::from_raw_parts_mut(to as *mut u8, n as usize) };
                self.machine.read(from, into, id)?;
            }
            (Place::Host(to), Place::Host(from)) => {
                // SAFETY: the caller of the driver promised both ranges; they may overlap.
                unsafe { std::ptr::copy(from as *const u8, to as *mut u8, n as usize) };
            }
        }
        Ok(())
    }

    /// Sets memory.
    pub(crate) fn run_fill(&mut self, id: StreamId, fill: &Fill) -> Done {
        let width = fill.count * fill.pattern.len() as u64;
        self.tick_bytes(width * fill.rows);
        if fill.pitch == width {
            let count = fill.count * fill.rows;
            return Ok(self.machine.fill(fill.to, &fill.pattern, count, id)?);
        }
        for row in 0..fill.rows {
            self.machine.fill(fill.to + row * fill.pitch, &fill.pattern, fill.count, id)?;
        }
        Ok(())
    }

    /// Whether an address is in device memory; else it is the host's.
    pub(crate) fn place(&self, address: u64) -> Place {
        match self.machine.allocation(address) {
            Some(_) => Place::Device(address),
            None => Place::Host(address as usize),
        }
    }

    /// The stream of a call without one: the legacy default stream.
    pub(crate) fn legacy(&mut self, context: Handle) -> Outcome<Handle> {
        Ok(self.context(context)?.legacy)
    }
}

/// Bytes from the first to the last of `rows` rows.
fn extent(width: u64, rows: u64, pitch: u64) -> Outcome<u64> {
    if rows > 1 && pitch < width {
        return fault(Code::INVALID_VALUE, format!("a pitch of {pitch} for rows of {width} bytes"));
    }
    let last = rows.saturating_sub(1).checked_mul(pitch);
    match last.and_then(|last| last.checked_add(width)) {
        Some(extent) => Ok(extent),
        None => fault(Code::INVALID_VALUE, "the size overflows"),
    }
}
