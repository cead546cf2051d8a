//! Modifiers of an instruction, taken one by one: what nobody took is refused, so that no
//! modifier is ever ignored.

use crate::number::Round;
use crate::ptx::ast::{Inst, Refusal, Type};
use crate::registers::refuse;

/// The modifiers not yet taken.
pub(super) struct Modifiers<'a> {
    inst: &'a Inst,
    rest: Vec<&'a str>,
}

impl<'a> Modifiers<'a> {
    /// All of an instruction's.
    pub(super) fn new(inst: &'a Inst) -> Self {
        Self { inst, rest: inst.modifiers.iter().map(String::as_str).collect() }
    }

    /// Takes `name` if it is there.
    pub(super) fn take(&mut self, name: &str) -> bool {
        match self.rest.iter().position(|m| *m == name) {
            Some(i) => {
                self.rest.remove(i);
                true
            }
            None => false,
        }
    }

    /// Takes the first modifier that `table` knows.
    pub(super) fn one_of<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        let known = |m: &str| table.iter().find(|(name, _)| *name == m).map(|(_, value)| *value);
        let i = self.rest.iter().position(|m| known(m).is_some())?;
        known(self.rest.remove(i))
    }

    /// [`one_of`](Self::one_of) where one must be there.
    pub(super) fn need<T: Copy>(&mut self, table: &[(&str, T)]) -> Result<T, Refusal> {
        self.one_of(table).ok_or_else(|| {
            let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
            refuse(self.inst, format!("one of .{} is needed", names.join(", .")))
        })
    }

    /// Takes the next type.
    pub(super) fn ty(&mut self) -> Result<Type, Refusal> {
        let i = self.rest.iter().position(|m| Type::from_name(m).is_some());
        i.and_then(|i| Type::from_name(self.rest.remove(i)))
            .ok_or_else(|| refuse(self.inst, "the type is missing or not implemented"))
    }

    /// Takes `.rn`, `.rz`, `.rm` or `.rp`.
    pub(super) fn round(&mut self) -> Option<Round> {
        self.one_of(&[
            ("rn", Round::Nearest),
            ("rz", Round::Zero),
            ("rm", Round::Down),
            ("rp", Round::Up),
        ])
    }

    /// Takes `.rni`, `.rzi`, `.rmi` or `.rpi`.
    pub(super) fn integral(&mut self) -> Option<Round> {
        self.one_of(&[
            ("rni", Round::Nearest),
            ("rzi", Round::Zero),
            ("rmi", Round::Down),
            ("rpi", Round::Up),
        ])
    }

    /// Refuses what nobody took.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.rest.first() {
            None => Ok(()),
            Some(m) => Err(refuse(self.inst, format!("modifier .{m} is not implemented here"))),
        }
    }
}

/// A refusal of a type that an instruction has no form for.
pub(super) fn refuse_type(inst: &Inst, ty: Type) -> Refusal {
    refuse(inst, format!("no form for type {ty:?}"))
}

/// Runs `$body` with `$T` standing for the Rust type of `$ty`, or refuses.
macro_rules! with_type {
    ($inst:expr, $ty:expr, $T:ident in { $($variant:ident: $lane:ty),+ $(,)? } => $body:expr) => {
        match $ty {
            $($crate::ptx::ast::Type::$variant => {
                type $T = $lane;
                $body
            })+
            other => Err($crate::alu::modifiers::refuse_type($inst, other)),
        }
    };
}

/// [`with_type`] of the six integer types, by signedness.
macro_rules! with_integer {
    ($inst:expr, $ty:expr, $T:ident => $body:expr) => {
        $crate::alu::modifiers::with_type!($inst, $ty, $T in {
            U16: u16, S16: i16, U32: u32, S32: i32, U64: u64, S64: i64,
        } => $body)
    };
}

/// [`with_type`] of the six integer types where signedness makes no difference.
macro_rules! with_width {
    ($inst:expr, $ty:expr, $T:ident => $body:expr) => {
        match $ty {
            $crate::ptx::ast::Type::U16 | $crate::ptx::ast::Type::S16 => {
                type $T = u16;
                $body
            }
            $crate::ptx::ast::Type::U32 | $crate::ptx::ast::Type::S32 => {
                type $T = u32;
                $body
            }
            $crate::ptx::ast::Type::U64 | $crate::ptx::ast::Type::S64 => {
                type $T = u64;
                $body
            }
            other => Err($crate::alu::modifiers::refuse_type($inst, other)),
        }
    };
}

pub(super) use {with_integer, with_type, with_width};
