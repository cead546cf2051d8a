//! Address operands and the registers of memory instructions.

use super::body::Context;
use crate::exec::program::{Address, AddressBase, Space};
use crate::exec::windows;
use crate::ptx::ast::{Base, Inst, Operand, Refusal, Type};
use crate::registers::{Slot, refuse};

/// Where a symbol lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// At this address of this space.
    At(Space, u64),
    /// At this offset in the frame's local memory.
    Frame(u32),
    /// A function's address.
    Function(u64),
}

impl Context<'_> {
    /// Looks a name up: frame, parameters, shared memory, device memory, functions.
    pub(super) fn place(&self, inst: &Inst, name: &str) -> Result<Place, Refusal> {
        if let Some((offset, _)) = self.frame_variables.get(name) {
            return Ok(Place::Frame(*offset));
        }
        if let Some(offset) = self.entry_params.get(name) {
            return Ok(Place::At(Space::Param, u64::from(*offset)));
        }
        if let Some(offset) = self.shared.offset(&self.function.name, name) {
            return Ok(Place::At(Space::Shared, u64::from(offset)));
        }
        if let Some(address) = self.linkage.variables.get(name) {
            return Ok(Place::At(Space::Global, *address));
        }
        if let Some(index) = self.linkage.functions.get(name) {
            return Ok(Place::Function(windows::function_address(*index)));
        }
        Err(refuse(inst, format!("`{name}` is not declared")))
    }

    /// The space that the modifiers name; generic if none.
    pub(super) fn space(&self, inst: &Inst) -> Result<Space, Refusal> {
        for modifier in &inst.modifiers {
            return Ok(match modifier.as_str() {
                "global" => Space::Global,
                "shared" | "shared::cta" => Space::Shared,
                "local" => Space::Local,
                "param" | "param::entry" | "param::func" => Space::Param,
                "const" => Space::Const,
                "shared::cluster" => {
                    return Err(refuse(inst, "clusters are not implemented"));
                }
                _ => continue,
            });
        }
        Ok(Space::Generic)
    }

    /// An address operand in `space`, and the space it really is in: a parameter of a function is
    /// local memory.
    pub(super) fn address(
        &mut self,
        inst: &Inst,
        operand: Option<&Operand>,
        space: Space,
    ) -> Result<(Address, Space), Refusal> {
        let (base, offset) = match operand {
            Some(Operand::Address { base, offset }) => (base.clone(), *offset),
            Some(Operand::Reg(reg)) => (Base::Reg(*reg), 0),
            Some(Operand::Symbol { name, addend }) => (Base::Symbol(name.clone()), *addend),
            other => return Err(refuse(inst, format!("expected an address, found {other:?}"))),
        };
        match base {
            Base::Absolute => Ok((Address { base: AddressBase::None, offset }, space)),
            Base::Reg(reg) => {
                let base = match self.ops.slot(reg) {
                    Slot::B32(r) => AddressBase::R32(r),
                    Slot::B64(r) => AddressBase::R64(r),
                    Slot::Pred(_) => return Err(refuse(inst, "a predicate as an address")),
                };
                // A parameter's address in a register is a generic one: see `special_move`.
                let space = if space == Space::Param { Space::Generic } else { space };
                Ok((Address { base, offset }, space))
            }
            Base::Symbol(name) => match self.place(inst, &name)? {
                Place::Frame(start) => {
                    if !matches!(space, Space::Local | Space::Param) {
                        return Err(refuse(inst, format!("`{name}` is in local memory")));
                    }
                    let offset = i64::from(start) + offset;
                    Ok((Address { base: AddressBase::Frame, offset }, Space::Local))
                }
                Place::At(found, address) => {
                    let fits = match space {
                        Space::Const | Space::Global => found == Space::Global,
                        Space::Generic => found == Space::Global,
                        other => found == other,
                    };
                    if !fits {
                        return Err(refuse(inst, format!("`{name}` is in another state space")));
                    }
                    let offset = address as i64 + offset;
                    Ok((Address { base: AddressBase::None, offset }, space))
                }
                Place::Function(_) => Err(refuse(inst, "a function as a memory address")),
            },
        }
    }

    /// The registers of a scalar or vector operand, read.
    pub(super) fn source_slots(
        &mut self,
        inst: &Inst,
        operand: Option<&Operand>,
        ty: Type,
    ) -> Result<Vec<Slot>, Refusal> {
        self.slots(inst, operand, ty, false)
    }

    /// The registers of a scalar or vector operand, written.
    pub(super) fn dest_slots(
        &mut self,
        inst: &Inst,
        operand: Option<&Operand>,
        ty: Type,
    ) -> Result<Vec<Slot>, Refusal> {
        self.slots(inst, operand, ty, true)
    }

    fn slots(
        &mut self,
        inst: &Inst,
        operand: Option<&Operand>,
        ty: Type,
        write: bool,
    ) -> Result<Vec<Slot>, Refusal> {
        match operand {
            Some(Operand::Vector(list)) => {
                list.iter().map(|o| self.slot(inst, o, ty, write)).collect()
            }
            Some(operand) => Ok(vec![self.slot(inst, operand, ty, write)?]),
            None => Err(refuse(inst, "a register operand is missing")),
        }
    }

    /// One register or immediate of `ty`'s width (a register may be wider than the type).
    pub(super) fn slot(
        &mut self,
        inst: &Inst,
        operand: &Operand,
        ty: Type,
        write: bool,
    ) -> Result<Slot, Refusal> {
        Ok(match operand {
            Operand::Reg(reg) => self.ops.slot(*reg),
            Operand::Sink if write && ty.bits() == 64 => Slot::B64(self.ops.temp64()),
            Operand::Sink if write => Slot::B32(self.ops.temp32()),
            _ if write => return Err(refuse(inst, format!("cannot write {operand:?}"))),
            operand if ty.bits() == 64 => Slot::B64(self.ops.source64_of(inst, operand)?),
            operand => Slot::B32(self.ops.source32_of(inst, operand)?),
        })
    }

    /// Declared width in bits of the register in a destination operand.
    pub(super) fn width(&self, operand: Option<&Operand>, ty: Type) -> u32 {
        match operand {
            Some(Operand::Reg(reg)) => self.ops.declared(*reg).bits(),
            Some(Operand::Vector(list)) => {
                let reg = list.iter().find_map(|o| match o {
                    Operand::Reg(reg) => Some(self.ops.declared(*reg).bits()),
                    _ => None,
                });
                reg.unwrap_or(ty.bits())
            }
            _ => ty.bits(),
        }
    }
}
