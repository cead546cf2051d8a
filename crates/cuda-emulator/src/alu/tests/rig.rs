//! Runs one instruction, given as text, on many values and masks and compares every lane of every
//! register with a reference function.

use crate::alu::{Alu, lower};
use crate::ptx::ast::{Inst, Item, Operand, Refusal, Type};
use crate::ptx::parse;
use crate::registers::{Bank, LANES, Operands, Registers, Slot};

/// xorshift64*
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        (self.bits() >> 11) % n
    }

    /// A value of `bits` bits: edges of integers, small numbers, floats of all kinds, anything.
    pub(super) fn value(&mut self, bits: u32) -> u64 {
        let ones = u64::MAX >> (64 - bits);
        let sign = 1 << (bits - 1);
        // Fraction bits of a float of this width; of 16 bits either of two.
        let fraction = match bits {
            64 => 52,
            32 => 23,
            _ => [10, 7][self.below(2) as usize],
        };
        let exponent = ones >> 1 & !((1_u64 << fraction) - 1);
        let one = exponent >> 1 & exponent;
        let raw = match self.below(12) {
            0 => [0, 1, 2, ones, ones - 1, sign, sign - 1, sign + 1][self.below(8) as usize],
            1 => self.below(80).wrapping_sub(8),
            2 => [exponent, exponent | sign, exponent + 1, exponent | ones >> 1, ones]
                [self.below(5) as usize],
            // Subnormals, and one with its neighbours.
            3 => self.bits() & !exponent,
            4 => (one + self.below(3)).wrapping_sub(1) | (self.bits() & sign),
            // Close to one in magnitude, and close to integers.
            5 | 6 => {
                let near = (self.below(40) << fraction).wrapping_sub(20 << fraction);
                one.wrapping_add(near) ^ (self.bits() & (sign | ((1 << fraction) - 1)))
            }
            7 => {
                let coarse = self.bits() & !((1 << (fraction - 3)) - 1);
                one.wrapping_add(self.below(8) << fraction) & exponent | (coarse & !exponent)
            }
            8 => 1 << self.below(u64::from(bits)),
            _ => self.bits(),
        };
        raw & ones
    }
}

/// A lowered instruction with its registers.
pub(super) struct Rig {
    pub(super) inst: Inst,
    pub(super) alu: Alu,
    pub(super) regs: Registers,
    slots: Vec<Slot>,
    types: Vec<Type>,
    names: Vec<String>,
}

/// `text` as the only instruction of a kernel, lowered; `None` if it is not the ALU's.
pub(super) fn build(text: &str) -> Result<Option<Rig>, Refusal> {
    let module = parse(&format!(
        ".version 9.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{{\n\
         .reg .pred %p<10>;\n.reg .b8 %b<10>;\n.reg .b16 %h<10>;\n.reg .b32 %r<10>;\n\
         .reg .b64 %d<10>;\n{text};\nret;\n}}\n"
    ))?;
    let body = module.functions[0].body.as_ref().unwrap();
    let Item::Inst(inst) = &body.items[0] else { panic!("no instruction in {text}") };
    let mut bank = Bank::default();
    let mut ops = Operands::new(body, &mut bank)?;
    let Some(alu) = lower(inst, &mut ops)? else { return Ok(None) };
    let registers = &body.registers;
    let slots = (0..registers.len()).map(|i| ops.slot(crate::ptx::ast::Reg(i as u32))).collect();
    let frame = ops.frame();
    Ok(Some(Rig {
        inst: inst.clone(),
        alu,
        regs: Registers::new(frame, &bank),
        slots,
        types: registers.iter().map(|r| r.ty).collect(),
        names: registers.iter().map(|r| r.name.clone()).collect(),
    }))
}

impl Rig {
    pub(super) fn new(text: &str) -> Self {
        match build(text) {
            Ok(Some(rig)) => rig,
            Ok(None) => panic!("{text}: not taken"),
            Err(why) => panic!("{text}: {why}"),
        }
    }

    fn index(&self, name: &str) -> usize {
        self.names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no register {name}"))
    }

    pub(super) fn ty(&self, name: &str) -> Type {
        self.types[self.index(name)]
    }

    /// All lanes of a register; a predicate's are 0 and 1.
    pub(super) fn get(&self, name: &str) -> [u64; LANES] {
        match self.slots[self.index(name)] {
            Slot::B32(r) => self.regs.get32(r).map(u64::from),
            Slot::B64(r) => *self.regs.get64(r),
            Slot::Pred(p) => std::array::from_fn(|i| u64::from(self.regs.pred(p) >> i & 1)),
        }
    }

    pub(super) fn set(&mut self, name: &str, row: [u64; LANES]) {
        match self.slots[self.index(name)] {
            Slot::B32(r) => self.regs.set32(r, &row.map(|x| x as u32), u32::MAX),
            Slot::B64(r) => self.regs.set64(r, &row, u32::MAX),
            Slot::Pred(p) => {
                let bits = (0..LANES).fold(0, |bits, i| bits | (row[i] as u32 & 1) << i);
                self.regs.set_pred(p, bits, u32::MAX);
            }
        }
    }

    /// Random values in a register.
    pub(super) fn fill(&mut self, name: &str, random: &mut Random) -> [u64; LANES] {
        let bits = self.ty(name).bits();
        let row = std::array::from_fn(|_| random.value(bits));
        self.set(name, row);
        row
    }

    fn names_of(&self, operand: &Operand, into: &mut Vec<String>) {
        match operand {
            Operand::Reg(r) | Operand::NotReg(r) => into.push(self.names[r.0 as usize].clone()),
            Operand::Vector(parts) => parts.iter().for_each(|p| self.names_of(p, into)),
            Operand::Pair(a, b) => {
                self.names_of(a, into);
                self.names_of(b, into);
            }
            _ => {}
        }
    }

    /// Registers of operand 0, and of the others in order.
    pub(super) fn operands(&self) -> (Vec<String>, Vec<String>) {
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for (i, operand) in self.inst.operands.iter().enumerate() {
            self.names_of(operand, if i == 0 { &mut to } else { &mut from });
        }
        (to, from)
    }
}

/// Masks that are all, none, one lane, or anything.
pub(super) fn mask(random: &mut Random) -> u32 {
    match random.below(6) {
        0 => 0,
        1 => 1 << random.below(32),
        2 | 3 => u32::MAX,
        _ => random.bits() as u32,
    }
}

/// Runs `text` on random values: every register of operand 0 must hold what `reference` gives for
/// it, in order, from the registers of the other operands. `accept` compares (expected, found).
pub(super) fn check_with<const N: usize>(
    text: &str,
    rounds: u32,
    reference: impl Fn(&[u64]) -> [u64; N],
    accept: impl Fn(u64, u64) -> bool,
) {
    let mut texts = vec![text.to_owned()];
    // The destination in place of each source that it can be.
    let rig = Rig::new(text);
    let (to, from) = rig.operands();
    assert_eq!(to.len(), N, "{text}: destinations");
    for source in &from {
        for target in &to {
            if rig.ty(source) == rig.ty(target) {
                let (head, tail) = text.split_once(' ').unwrap();
                let mut operands = tail.to_owned();
                operands = operands.replacen(target, source, 1);
                texts.push(format!("{head} {operands}"));
            }
        }
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ text.len() as u64);
    for text in texts {
        let mut rig = Rig::new(&text);
        let (to, from) = rig.operands();
        let rounds = if from.is_empty() { 4 } else { rounds };
        for _ in 0..rounds {
            let before: Vec<_> = to.iter().map(|name| rig.fill(name, &mut random)).collect();
            let sources: Vec<_> = from.iter().map(|name| rig.fill(name, &mut random)).collect();
            let before: Vec<_> = (0..N)
                .map(|i| from.iter().position(|f| *f == to[i]).map_or(before[i], |j| sources[j]))
                .collect();
            let mask = mask(&mut random);
            let Rig { alu, regs, .. } = &mut rig;
            alu.run(regs, mask);
            let after: Vec<_> = to.iter().map(|name| rig.get(name)).collect();
            for lane in 0..LANES {
                let values: Vec<u64> = sources.iter().map(|row| row[lane]).collect();
                let expected = reference(&values);
                for i in 0..N {
                    let found = after[i][lane];
                    let active = mask >> lane & 1 != 0;
                    let expected = if active { expected[i] } else { before[i][lane] };
                    assert!(
                        if active { accept(expected, found) } else { expected == found },
                        "{text}, {} of {values:x?}: expected {expected:#x}, found {found:#x}, \
                         lane {lane} of mask {mask:#x}",
                        to[i],
                    );
                }
            }
        }
    }
}

/// [`check_with`] of one destination and exact bits.
pub(super) fn check(text: &str, reference: impl Fn(&[u64]) -> u64) {
    check_with(text, 60, |x| [reference(x)], |a, b| a == b);
}

/// The low `bits` bits as a signed number.
pub(super) fn signed(x: u64, bits: u32) -> i128 {
    let x = i128::from(x) & ((1 << bits) - 1);
    if x >> (bits - 1) != 0 { x - (1 << bits) } else { x }
}

/// The low `bits` bits as a number of that signedness.
pub(super) fn number(x: u64, bits: u32, is_signed: bool) -> i128 {
    if is_signed { signed(x, bits) } else { i128::from(x) & ((1 << bits) - 1) }
}

/// A number modulo 2 to the power of `bits`.
pub(super) fn wrap(x: i128, bits: u32) -> u64 {
    (x as u64) & (u64::MAX >> (64 - bits))
}

/// The stem of the registers of a width: `%h`, `%r` or `%d`.
pub(super) fn stem(bits: u32) -> &'static str {
    match bits {
        8 => "%b",
        16 => "%h",
        32 => "%r",
        _ => "%d",
    }
}

/// `mnemonic` with a destination and sources of the given widths: `add.s16 %h1, %h2, %h3`.
pub(super) fn form(mnemonic: &str, to: u32, from: &[u32]) -> String {
    let mut text = format!("{mnemonic} {}1", stem(to));
    for (i, bits) in from.iter().enumerate() {
        text += &format!(", {}{}", stem(*bits), i + 2);
    }
    text
}
