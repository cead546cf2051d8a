//! The register file of a warp and how operands name its rows.
//!
//! A row holds one value for each of 32 lanes. Values of 8, 16 and 32 bits live in 32-bit rows,
//! zero-extended; 64-bit values in 64-bit rows; predicates are one bit a lane. Immediates and
//! special registers are rows of a bank that is filled when a warp starts, so that an operand is
//! always a row.

use std::collections::HashMap;

use crate::ptx::ast::{Body, Inst, Operand, Refusal, Reg, Type};

/// Lanes of a warp.
pub const LANES: usize = 32;

/// A 32-bit row of all lanes.
pub type Row32 = [u32; LANES];

/// A 64-bit row of all lanes.
pub type Row64 = [u64; LANES];

/// Set in a row index that means the bank and not the frame.
const BANK: u32 = 1 << 31;

/// A 32-bit row (8- and 16-bit values zero-extended).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct R32(u32);

/// A 64-bit row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct R64(u32);

/// A predicate row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct P(u32);

/// Sizes of a function's frame, in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameSize {
    /// 32-bit rows.
    pub b32: u32,
    /// 64-bit rows.
    pub b64: u32,
    /// Predicates.
    pub pred: u32,
}

/// Immediates and special registers that a module's code reads; made once, copied per warp.
#[derive(Debug, Clone, Default)]
pub struct Bank {
    /// Broadcast 32-bit values, then whatever [`Bank::specials32`] names.
    pub b32: Vec<Row32>,
    /// Broadcast 64-bit values.
    pub b64: Vec<Row64>,
    /// Special registers by name and their row in `b32`; the executor fills them per warp.
    pub specials32: Vec<(String, u32)>,
    /// The same for 64-bit ones (`gridid`, `envreg` pairs are 32-bit).
    pub specials64: Vec<(String, u32)>,
    index32: HashMap<u32, u32>,
    index64: HashMap<u64, u32>,
}

impl Bank {
    /// The row that holds `value` in every lane.
    pub fn immediate32(&mut self, value: u32) -> R32 {
        let rows = &mut self.b32;
        let i = *self.index32.entry(value).or_insert_with(|| {
            rows.push([value; LANES]);
            rows.len() as u32 - 1
        });
        R32(i | BANK)
    }

    /// The row that holds `value` in every lane.
    pub fn immediate64(&mut self, value: u64) -> R64 {
        let rows = &mut self.b64;
        let i = *self.index64.entry(value).or_insert_with(|| {
            rows.push([value; LANES]);
            rows.len() as u32 - 1
        });
        R64(i | BANK)
    }

    /// The row of a 32-bit special register.
    pub fn special32(&mut self, name: &str) -> R32 {
        if let Some((_, i)) = self.specials32.iter().find(|(n, _)| n == name) {
            return R32(*i | BANK);
        }
        self.b32.push([0; LANES]);
        let i = self.b32.len() as u32 - 1;
        self.specials32.push((name.to_owned(), i));
        R32(i | BANK)
    }

    /// The row of a 64-bit special register.
    pub fn special64(&mut self, name: &str) -> R64 {
        if let Some((_, i)) = self.specials64.iter().find(|(n, _)| n == name) {
            return R64(*i | BANK);
        }
        self.b64.push([0; LANES]);
        let i = self.b64.len() as u32 - 1;
        self.specials64.push((name.to_owned(), i));
        R64(i | BANK)
    }
}

/// A warp's registers: a stack of frames, of which the top one is addressed, and the bank.
#[derive(Debug, Clone, Default)]
pub struct Registers {
    frame32: Vec<Row32>,
    frame64: Vec<Row64>,
    pred: Vec<u32>,
    base: FrameSize,
    /// The warp's copy of the bank's 32-bit rows.
    pub bank32: Vec<Row32>,
    /// The warp's copy of the bank's 64-bit rows.
    pub bank64: Vec<Row64>,
    /// The condition code register of `add.cc` and friends, one bit a lane.
    pub carry: u32,
}

impl Registers {
    /// Zeroed registers for one frame at base 0.
    pub fn new(frame: FrameSize, bank: &Bank) -> Self {
        Self {
            frame32: vec![[0; LANES]; frame.b32 as usize],
            frame64: vec![[0; LANES]; frame.b64 as usize],
            pred: vec![0; frame.pred as usize],
            base: FrameSize::default(),
            bank32: bank.b32.clone(),
            bank64: bank.b64.clone(),
            carry: 0,
        }
    }

    /// Zeroes everything for a new warp, keeping memory.
    pub fn reset(&mut self, frame: FrameSize, bank: &Bank) {
        self.frame32.clear();
        self.frame32.resize(frame.b32 as usize, [0; LANES]);
        self.frame64.clear();
        self.frame64.resize(frame.b64 as usize, [0; LANES]);
        self.pred.clear();
        self.pred.resize(frame.pred as usize, 0);
        self.base = FrameSize::default();
        self.bank32.clone_from(&bank.b32);
        self.bank64.clone_from(&bank.b64);
        self.carry = 0;
    }

    /// Addresses the frame that starts at `base` and has `size` rows, growing the stack if needed.
    pub fn enter(&mut self, base: FrameSize, size: FrameSize) {
        self.base = base;
        let grow = |len: usize, end: u32| len.max(end as usize);
        self.frame32.resize(grow(self.frame32.len(), base.b32 + size.b32), [0; LANES]);
        self.frame64.resize(grow(self.frame64.len(), base.b64 + size.b64), [0; LANES]);
        self.pred.resize(grow(self.pred.len(), base.pred + size.pred), 0);
    }

    /// A source row.
    #[inline(always)]
    pub fn get32(&self, r: R32) -> &Row32 {
        if r.0 & BANK != 0 {
            &self.bank32[(r.0 & !BANK) as usize]
        } else {
            &self.frame32[(self.base.b32 + r.0) as usize]
        }
    }

    /// A destination row. Lanes outside the active mask must keep their value.
    #[inline(always)]
    pub fn get32_mut(&mut self, r: R32) -> &mut Row32 {
        &mut self.frame32[(self.base.b32 + r.0) as usize]
    }

    /// A source row.
    #[inline(always)]
    pub fn get64(&self, r: R64) -> &Row64 {
        if r.0 & BANK != 0 {
            &self.bank64[(r.0 & !BANK) as usize]
        } else {
            &self.frame64[(self.base.b64 + r.0) as usize]
        }
    }

    /// A destination row. Lanes outside the active mask must keep their value.
    #[inline(always)]
    pub fn get64_mut(&mut self, r: R64) -> &mut Row64 {
        &mut self.frame64[(self.base.b64 + r.0) as usize]
    }

    /// A predicate, one bit a lane.
    #[inline(always)]
    pub fn pred(&self, p: P) -> u32 {
        self.pred[(self.base.pred + p.0) as usize]
    }

    /// Writes a predicate in the lanes of `mask`.
    #[inline(always)]
    pub fn set_pred(&mut self, p: P, value: u32, mask: u32) {
        let row = &mut self.pred[(self.base.pred + p.0) as usize];
        *row = (*row & !mask) | (value & mask);
    }

    /// Writes a 32-bit row in the lanes of `mask`.
    #[inline(always)]
    pub fn set32(&mut self, r: R32, value: &Row32, mask: u32) {
        let row = self.get32_mut(r);
        if mask == u32::MAX {
            *row = *value;
        } else {
            for lane in 0..LANES {
                if mask >> lane & 1 != 0 {
                    row[lane] = value[lane];
                }
            }
        }
    }

    /// Writes a 64-bit row in the lanes of `mask`.
    #[inline(always)]
    pub fn set64(&mut self, r: R64, value: &Row64, mask: u32) {
        let row = self.get64_mut(r);
        if mask == u32::MAX {
            *row = *value;
        } else {
            for lane in 0..LANES {
                if mask >> lane & 1 != 0 {
                    row[lane] = value[lane];
                }
            }
        }
    }
}

/// A row of either width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// 8 to 32 bits.
    B32(R32),
    /// 64 bits.
    B64(R64),
    /// A predicate.
    Pred(P),
}

/// Turns the operands of one function into rows: registers to the frame, immediates and special
/// registers to the bank, sinks to a row that nobody reads.
#[derive(Debug)]
pub struct Operands<'a> {
    slots: Vec<Slot>,
    types: Vec<Type>,
    frame: FrameSize,
    /// The module's bank.
    pub bank: &'a mut Bank,
}

impl<'a> Operands<'a> {
    /// Gives every register of `body` a row.
    ///
    /// # Errors
    /// A register of a width that has no row.
    pub fn new(body: &Body, bank: &'a mut Bank) -> Result<Self, Refusal> {
        let mut this =
            Self { slots: Vec::new(), types: Vec::new(), frame: FrameSize::default(), bank };
        for register in &body.registers {
            let slot = match register.ty {
                Type::Pred => Slot::Pred(this.temp_pred()),
                Type::B128 => {
                    return Err(Refusal {
                        line: 0,
                        what: register.name.clone(),
                        why: "128-bit registers are not implemented".to_owned(),
                    });
                }
                ty if ty.bits() == 64 => Slot::B64(this.temp64()),
                _ => Slot::B32(this.temp32()),
            };
            this.slots.push(slot);
            this.types.push(register.ty);
        }
        Ok(this)
    }

    /// Rows of the frame so far.
    pub fn frame(&self) -> FrameSize {
        self.frame
    }

    /// A new 32-bit row that no register has.
    pub fn temp32(&mut self) -> R32 {
        self.frame.b32 += 1;
        R32(self.frame.b32 - 1)
    }

    /// A new 64-bit row that no register has.
    pub fn temp64(&mut self) -> R64 {
        self.frame.b64 += 1;
        R64(self.frame.b64 - 1)
    }

    /// A new predicate that no register has.
    pub fn temp_pred(&mut self) -> P {
        self.frame.pred += 1;
        P(self.frame.pred - 1)
    }

    /// The row of a register.
    pub fn slot(&self, reg: Reg) -> Slot {
        self.slots[reg.0 as usize]
    }

    /// The declared type of a register.
    pub fn declared(&self, reg: Reg) -> Type {
        self.types[reg.0 as usize]
    }

    /// Source of up to 32 bits: register, immediate, special register.
    ///
    /// # Errors
    /// The operand is missing or of another kind.
    pub fn source32(&mut self, inst: &Inst, i: usize) -> Result<R32, Refusal> {
        match inst.operands.get(i) {
            Some(operand) => {
                let operand = operand.clone();
                self.source32_of(inst, &operand)
            }
            None => Err(refuse(inst, format!("operand {i} is missing"))),
        }
    }

    /// [`source32`](Self::source32) of a given operand (an element of a vector, say).
    ///
    /// # Errors
    /// The operand is of another kind.
    pub fn source32_of(&mut self, inst: &Inst, operand: &Operand) -> Result<R32, Refusal> {
        match operand {
            Operand::Reg(reg) => match self.slot(*reg) {
                Slot::B32(r) => Ok(r),
                _ => Err(refuse(inst, "expected a register of at most 32 bits")),
            },
            Operand::Int(v) => Ok(self.bank.immediate32(*v as u32)),
            Operand::F32(bits) => Ok(self.bank.immediate32(*bits)),
            Operand::Special(name) => Ok(self.bank.special32(name)),
            other => Err(refuse(inst, format!("expected a 32-bit value, found {other:?}"))),
        }
    }

    /// 64-bit source: register, immediate, special register.
    ///
    /// # Errors
    /// The operand is missing or of another kind.
    pub fn source64(&mut self, inst: &Inst, i: usize) -> Result<R64, Refusal> {
        match inst.operands.get(i) {
            Some(operand) => {
                let operand = operand.clone();
                self.source64_of(inst, &operand)
            }
            None => Err(refuse(inst, format!("operand {i} is missing"))),
        }
    }

    /// [`source64`](Self::source64) of a given operand.
    ///
    /// # Errors
    /// The operand is of another kind.
    pub fn source64_of(&mut self, inst: &Inst, operand: &Operand) -> Result<R64, Refusal> {
        match operand {
            Operand::Reg(reg) => match self.slot(*reg) {
                Slot::B64(r) => Ok(r),
                _ => Err(refuse(inst, "expected a 64-bit register")),
            },
            Operand::Int(v) => Ok(self.bank.immediate64(*v as u64)),
            Operand::F64(bits) => Ok(self.bank.immediate64(*bits)),
            Operand::Special(name) => Ok(self.bank.special64(name)),
            other => Err(refuse(inst, format!("expected a 64-bit value, found {other:?}"))),
        }
    }

    /// Destination of up to 32 bits; a sink gets a row of its own.
    ///
    /// # Errors
    /// The operand is missing or of another kind.
    pub fn dest32(&mut self, inst: &Inst, i: usize) -> Result<R32, Refusal> {
        match inst.operands.get(i).cloned() {
            Some(operand) => self.dest32_of(inst, &operand),
            None => Err(refuse(inst, format!("operand {i} is missing"))),
        }
    }

    /// [`dest32`](Self::dest32) of a given operand.
    ///
    /// # Errors
    /// The operand is of another kind.
    pub fn dest32_of(&mut self, inst: &Inst, operand: &Operand) -> Result<R32, Refusal> {
        match operand {
            Operand::Reg(reg) => match self.slot(*reg) {
                Slot::B32(r) => Ok(r),
                _ => Err(refuse(inst, "expected a register of at most 32 bits")),
            },
            Operand::Sink => Ok(self.temp32()),
            other => Err(refuse(inst, format!("expected a 32-bit register, found {other:?}"))),
        }
    }

    /// 64-bit destination; a sink gets a row of its own.
    ///
    /// # Errors
    /// The operand is missing or of another kind.
    pub fn dest64(&mut self, inst: &Inst, i: usize) -> Result<R64, Refusal> {
        match inst.operands.get(i).cloned() {
            Some(operand) => self.dest64_of(inst, &operand),
            None => Err(refuse(inst, format!("operand {i} is missing"))),
        }
    }

    /// [`dest64`](Self::dest64) of a given operand.
    ///
    /// # Errors
    /// The operand is of another kind.
    pub fn dest64_of(&mut self, inst: &Inst, operand: &Operand) -> Result<R64, Refusal> {
        match operand {
            Operand::Reg(reg) => match self.slot(*reg) {
                Slot::B64(r) => Ok(r),
                _ => Err(refuse(inst, "expected a 64-bit register")),
            },
            Operand::Sink => Ok(self.temp64()),
            other => Err(refuse(inst, format!("expected a 64-bit register, found {other:?}"))),
        }
    }

    /// A predicate operand, read or written; the flag says that it was written `!p`.
    ///
    /// # Errors
    /// The operand is of another kind.
    pub fn pred_of(&mut self, inst: &Inst, operand: &Operand) -> Result<(P, bool), Refusal> {
        match operand {
            Operand::Reg(reg) | Operand::NotReg(reg) => match self.slot(*reg) {
                Slot::Pred(p) => Ok((p, matches!(operand, Operand::NotReg(_)))),
                _ => Err(refuse(inst, "expected a predicate register")),
            },
            Operand::Sink => Ok((self.temp_pred(), false)),
            other => Err(refuse(inst, format!("expected a predicate, found {other:?}"))),
        }
    }

    /// [`pred_of`](Self::pred_of) of operand `i`.
    ///
    /// # Errors
    /// The operand is missing or of another kind.
    pub fn pred(&mut self, inst: &Inst, i: usize) -> Result<(P, bool), Refusal> {
        match inst.operands.get(i).cloned() {
            Some(operand) => self.pred_of(inst, &operand),
            None => Err(refuse(inst, format!("operand {i} is missing"))),
        }
    }
}

/// A refusal of an instruction.
pub fn refuse(inst: &Inst, why: impl Into<String>) -> Refusal {
    Refusal { line: inst.line, what: inst.mnemonic(), why: why.into() }
}
