//! Operands.

use super::ast::{Base, Inst, Operand, Refusal, Reg, Type};
use super::body::BodyParser;
use super::expression;
use super::literal::Literal;
use super::module::addend;
use super::names::Named;
use super::special::is_special;
use super::token::{Kind, refusal};

impl BodyParser<'_, '_> {
    /// One operand of `inst`, of which guard, opcode and modifiers are known.
    pub(super) fn operand(&mut self, inst: &Inst) -> Result<Operand, Refusal> {
        match self.cursor.peek() {
            Kind::LeftBracket => self.address(),
            Kind::LeftBrace => self.vector(inst),
            _ => self.simple(inst),
        }
    }

    /// A vector's element, a call's argument, or an operand that is neither vector nor address.
    pub(super) fn simple(&mut self, inst: &Inst) -> Result<Operand, Refusal> {
        match self.cursor.peek() {
            Kind::Bang if self.cursor.peek_second() == Kind::Word => {
                self.cursor.skip();
                Ok(Operand::NotReg(self.predicate()?))
            }
            Kind::Word if self.cursor.peek_text() != "WARP_SZ" => self.word(),
            kind if kind == Kind::Word || expression::starts(kind) => self.number(inst),
            _ => Err(self.cursor.unexpected("an operand")),
        }
    }

    fn word(&mut self) -> Result<Operand, Refusal> {
        let name = self.cursor.peek_text();
        let operand = match self.scopes.find(name) {
            Some(&Named::Reg(reg)) => {
                self.cursor.skip();
                self.register_operand(reg)?
            }
            Some(Named::Variable(name)) => {
                let name = name.clone();
                self.cursor.skip();
                Operand::Symbol { name, addend: addend(self.cursor)? }
            }
            Some(Named::Branches(name) | Named::Calls(name)) => {
                let name = name.clone();
                self.cursor.skip();
                Operand::Symbol { name, addend: 0 }
            }
            Some(Named::Label(_)) => {
                return Err(self.cursor.refuse("a label is not a value"));
            }
            None if name == "_" => {
                self.cursor.skip();
                Operand::Sink
            }
            None if name.starts_with('%') => self.special()?,
            None if self.globals.contains_key(name) => {
                self.cursor.skip();
                Operand::Symbol { name: name.to_owned(), addend: addend(self.cursor)? }
            }
            None => return Err(self.cursor.refuse("nothing of that name is declared")),
        };
        if matches!(operand, Operand::Reg(_) | Operand::Sink) && self.cursor.accept(Kind::Pipe) {
            let second = match self.scopes.find(self.cursor.peek_text()) {
                Some(&Named::Reg(reg)) => Operand::Reg(reg),
                None if self.cursor.peek_text() == "_" => Operand::Sink,
                _ => return Err(self.cursor.unexpected("a register or `_`")),
            };
            self.cursor.skip();
            return Ok(Operand::Pair(Box::new(operand), Box::new(second)));
        }
        Ok(operand)
    }

    fn register_operand(&mut self, reg: Reg) -> Result<Operand, Refusal> {
        if self.cursor.peek() == Kind::Dotted {
            return Err(self.cursor.refuse("parts of a register are not emulated"));
        }
        Ok(Operand::Reg(reg))
    }

    /// `%tid.x`, `%laneid`
    fn special(&mut self) -> Result<Operand, Refusal> {
        let (line, word) = (self.cursor.line(), self.cursor.take());
        let mut name = word[1..].to_owned();
        let component = matches!(self.cursor.peek_text(), ".x" | ".y" | ".z" | ".w");
        if !is_special(&name, component) {
            let why = "neither a declared register nor a special register as written here";
            return Err(refusal(line, word, why));
        }
        if component {
            name.push_str(self.cursor.take());
        }
        Ok(Operand::Special(name))
    }

    fn number(&mut self, inst: &Inst) -> Result<Operand, Refusal> {
        let (line, what) = (self.cursor.line(), self.cursor.peek_text());
        let number = expression::constant(self.cursor)?;
        // Floating-point literals take the type of the operand, which for the conversions is the
        // last that is written.
        let ty = match inst.opcode.as_str() {
            // Its type is that of the policy; the fraction is an f32.
            "createpolicy" => Some(Type::F32),
            _ => inst.modifiers.iter().rev().find_map(|modifier| Type::from_name(modifier)),
        };
        Ok(match (number, ty) {
            (Literal::Int { bits, .. }, _) => Operand::Int(bits as i64),
            // Only the last source is of the last type.
            _ if inst.opcode == "slct" => {
                let why = "a floating-point literal in `slct` is not emulated";
                return Err(refusal(line, what, why));
            }
            (Literal::F32(bits), Some(Type::F64)) => {
                Operand::F64(f64::from(f32::from_bits(bits)).to_bits())
            }
            (Literal::F64(bits), Some(Type::F32)) => {
                Operand::F32((f64::from_bits(bits) as f32).to_bits())
            }
            (Literal::F32(bits), _) => Operand::F32(bits),
            (Literal::F64(bits), _) => Operand::F64(bits),
            (Literal::Decimal(number), Some(Type::F32)) => Operand::F32((number as f32).to_bits()),
            (Literal::Decimal(number), Some(Type::F64)) => Operand::F64(number.to_bits()),
            (Literal::Decimal(_), _) => {
                let why = "a decimal fraction needs an instruction of type f32 or f64";
                return Err(refusal(line, what, why));
            }
        })
    }

    /// `{%f1, _, 0}`
    fn vector(&mut self, inst: &Inst) -> Result<Operand, Refusal> {
        self.cursor.skip();
        let mut elements = Vec::new();
        loop {
            elements.push(self.simple(inst)?);
            if !self.cursor.accept(Kind::Comma) {
                break;
            }
        }
        self.cursor.expect(Kind::RightBrace, "`}` or `,`")?;
        Ok(Operand::Vector(elements))
    }

    /// `[%rd1+16]`, `[name]`, `[128]`
    fn address(&mut self) -> Result<Operand, Refusal> {
        self.cursor.skip();
        let name = self.cursor.peek_text();
        let base = match self.scopes.find(name) {
            Some(&Named::Reg(reg)) => Base::Reg(reg),
            Some(Named::Variable(name)) => Base::Symbol(name.clone()),
            Some(_) => return Err(self.cursor.refuse("not a place in memory")),
            None if self.globals.contains_key(name) => Base::Symbol(name.to_owned()),
            None => Base::Absolute,
        };
        let offset = if base == Base::Absolute {
            if !expression::starts(self.cursor.peek()) {
                return Err(self.cursor.refuse("neither a declared name nor an address"));
            }
            expression::integer(self.cursor)?
        } else {
            self.cursor.skip();
            addend(self.cursor)?
        };
        if self.cursor.peek() == Kind::Comma {
            return Err(self.cursor.refuse("texture and tensor coordinates are not emulated"));
        }
        self.cursor.expect(Kind::RightBracket, "`]`")?;
        Ok(Operand::Address { base, offset })
    }
}
