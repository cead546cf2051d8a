//! Initial values of variables: numbers, addresses, single bytes of addresses, in nested braces.

use super::ast::{Init, InitValue, Refusal, Type, Variable};
use super::expression;
use super::literal::{Literal, literal};
use super::module::{Parser, addend};
use super::token::{Kind, refusal};
use super::variable::{Declarator, Head};

/// `generic(name)+4`
#[derive(Debug, Clone, PartialEq)]
struct Address {
    name: String,
    addend: i64,
    generic: bool,
}

/// What one element is given.
enum Value {
    Bytes(Vec<u8>),
    Address(Address),
    /// Byte `index` of an address: `0xFF00(name)` is byte 1.
    AddressByte {
        index: u32,
        of: Address,
    },
}

/// Collects values in the order of the text, which is that of their offsets.
#[derive(Default)]
struct Content {
    init: Vec<Init>,
    /// The address whose single bytes are being given, and how many of them were.
    partial: Option<(Address, u32)>,
}

impl Content {
    fn push(&mut self, offset: u64, value: Value) -> Result<(), &'static str> {
        const ORDER: &str = "the eight bytes of an address must follow each other, lowest first";
        match value {
            Value::AddressByte { index, of } => match &mut self.partial {
                None if index == 0 => self.partial = Some((of, 1)),
                Some((address, given)) if *address == of && *given == index => {
                    *given += 1;
                    if *given == 8
                        && let Some((address, _)) = self.partial.take()
                    {
                        self.whole_address(offset - 7, address);
                    }
                }
                _ => return Err(ORDER),
            },
            _ if self.partial.is_some() => return Err(ORDER),
            Value::Address(address) => self.whole_address(offset, address),
            Value::Bytes(bytes) => match self.init.last_mut() {
                Some(Init { offset: start, value: InitValue::Bytes(run) })
                    if *start + run.len() as u64 == offset =>
                {
                    run.extend(bytes);
                }
                _ => self.init.push(Init { offset, value: InitValue::Bytes(bytes) }),
            },
        }
        Ok(())
    }

    fn whole_address(&mut self, offset: u64, address: Address) {
        let Address { name, addend, generic } = address;
        self.init.push(Init { offset, value: InitValue::Address { name, addend, generic } });
    }
}

impl Parser<'_> {
    /// What follows `=`. Gives `variable` its content and, where its length was left out, its size.
    pub(super) fn initialiser(
        &mut self,
        variable: &mut Variable,
        head: &Head,
        declarator: &Declarator<'_>,
    ) -> Result<(), Refusal> {
        let mut lengths = declarator.dimensions.clone();
        if head.vector > 1 {
            lengths.push(Some(u64::from(head.vector)));
        }
        let mut content = Content::default();
        let count = self.values(&lengths, head.ty, 0, &mut content)?;
        if content.partial.is_some() {
            return Err(self.cursor.refuse("the bytes of an address end before its eighth"));
        }
        if variable.size.is_none() {
            let row = block(&lengths[1..], head.ty);
            variable.size = Some(count * row);
        }
        variable.init = content.init;
        Ok(())
    }

    /// A brace for each of `lengths`, then values; returns how many blocks the brace has.
    fn values(
        &mut self,
        lengths: &[Option<u64>],
        ty: Type,
        offset: u64,
        content: &mut Content,
    ) -> Result<u64, Refusal> {
        let Some((length, inner)) = lengths.split_first() else {
            let line = self.cursor.line();
            let value = self.value(ty)?;
            return match content.push(offset, value) {
                Ok(()) => Ok(1),
                Err(why) => Err(refusal(line, "initial value", why)),
            };
        };
        self.cursor.expect(Kind::LeftBrace, "`{`")?;
        let mut count = 0;
        let mut more = !self.cursor.accept(Kind::RightBrace);
        while more {
            if length.is_some_and(|length| count == length) {
                return Err(self.cursor.refuse("more initial values than elements"));
            }
            self.values(inner, ty, offset + count * block(inner, ty), content)?;
            count += 1;
            more = self.cursor.accept(Kind::Comma);
            if !more {
                self.cursor.expect(Kind::RightBrace, "`}` or `,`")?;
            }
        }
        if count == 0 && length.is_none() {
            return Err(self.cursor.refuse("an array of no elements"));
        }
        Ok(count)
    }

    fn value(&mut self, ty: Type) -> Result<Value, Refusal> {
        if matches!(ty, Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2 | Type::Tf32) {
            return Err(self.cursor.refuse("a variable of this type takes no initial value"));
        }
        let next = (self.cursor.peek(), self.cursor.peek_second());
        if next == (Kind::Number, Kind::LeftParen) {
            return self.masked(ty);
        }
        if next.0 == Kind::Word && self.cursor.peek_text() != "WARP_SZ" {
            if ty.bytes() != 8 || ty == Type::F64 {
                return Err(self.cursor.refuse("an address has 8 bytes, this element has not"));
            }
            return Ok(Value::Address(self.address()?));
        }
        let (line, what) = (self.cursor.line(), self.cursor.peek_text());
        let number = expression::constant(&mut self.cursor)?;
        bytes(number, ty)
            .map(Value::Bytes)
            .ok_or_else(|| refusal(line, what, "the number does not suit the variable's type"))
    }

    /// `0xFF00(name+4)`: that byte of the address or number, in an element's lowest byte.
    fn masked(&mut self, ty: Type) -> Result<Value, Refusal> {
        let (line, what) = (self.cursor.line(), self.cursor.take());
        let mask = match literal(what) {
            Some(Literal::Int { bits, .. }) => bits,
            _ => 0,
        };
        let Some(index) = (0..8).find(|index| mask == 0xFF << (8 * index)) else {
            return Err(refusal(line, what, "a mask selects one whole byte"));
        };
        self.cursor.expect(Kind::LeftParen, "`(`")?;
        let value = if self.cursor.peek() == Kind::Word && self.cursor.peek_text() != "WARP_SZ" {
            if ty.bytes() != 1 {
                return Err(self
                    .cursor
                    .refuse("a byte of an address needs an element of one byte"));
            }
            Value::AddressByte { index, of: self.address()? }
        } else {
            let number = expression::integer(&mut self.cursor)?;
            let byte = Literal::Int { bits: (number as u64 & mask) >> (8 * index), unsigned: true };
            let bytes = bytes(byte, ty);
            Value::Bytes(bytes.ok_or_else(|| refusal(line, what, "not for a floating type"))?)
        };
        self.cursor.expect(Kind::RightParen, "`)`")?;
        Ok(value)
    }

    /// `name`, `name+4`, `generic(name)`, `generic(name)+4`.
    fn address(&mut self) -> Result<Address, Refusal> {
        let generic =
            self.cursor.peek_text() == "generic" && self.cursor.peek_second() == Kind::LeftParen;
        if generic {
            self.cursor.skip();
            self.cursor.skip();
        }
        if !self.globals.contains_key(self.cursor.peek_text()) {
            return Err(self.cursor.refuse("no variable or function of that name is declared"));
        }
        let name = self.cursor.take().to_owned();
        if generic {
            self.cursor.expect(Kind::RightParen, "`)`")?;
        }
        Ok(Address { name, addend: addend(&mut self.cursor)?, generic })
    }
}

/// Bytes of one block of `lengths` elements. The variable's own size was checked to fit.
fn block(lengths: &[Option<u64>], ty: Type) -> u64 {
    lengths.iter().flatten().product::<u64>() * u64::from(ty.bytes())
}

fn bytes(number: Literal, ty: Type) -> Option<Vec<u8>> {
    let value = match (number, ty) {
        (Literal::F32(bits), Type::F32 | Type::B32) => u64::from(bits),
        (Literal::F64(bits), Type::F64 | Type::B64) => bits,
        (Literal::F32(bits), Type::F64) => f64::from(f32::from_bits(bits)).to_bits(),
        (Literal::F64(bits), Type::F32) => u64::from((f64::from_bits(bits) as f32).to_bits()),
        (Literal::Decimal(number), Type::F32) => u64::from((number as f32).to_bits()),
        (Literal::Decimal(number), Type::F64) => number.to_bits(),
        (_, Type::F32 | Type::F64 | Type::B128) => return None,
        // Cut to the element's size, as everywhere in PTX.
        (Literal::Int { bits, .. }, _) => bits,
        _ => return None,
    };
    Some(value.to_le_bytes()[..ty.bytes() as usize].to_vec())
}
