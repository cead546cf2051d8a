//! Instructions: guard, opcode, modifiers, operands.

use super::ast::{Guard, Inst, Item, Refusal, Reg, Type};
use super::body::BodyParser;
use super::names::Named;
use super::token::Kind;

impl BodyParser<'_, '_> {
    /// `@!%p1 add.rn.f32 %f1, %f2, %f3;`
    pub(super) fn instruction(&mut self) -> Result<(), Refusal> {
        let line = self.cursor.line();
        let guard = self.guard()?;
        let opcode = self.cursor.expect(Kind::Word, "an opcode")?.to_owned();
        let mut modifiers = Vec::new();
        while self.cursor.peek() == Kind::Dotted {
            modifiers.push(self.cursor.take()[1..].to_owned());
        }
        let source = self.source;
        let mut inst = Inst { guard, opcode, modifiers, operands: Vec::new(), line, source };
        match inst.opcode.as_str() {
            // Its label may come later, and is filled in then.
            "bra" => self.branch_target()?,
            "call" => inst.operands = self.call(&inst)?,
            _ if self.cursor.peek() == Kind::Semicolon => {}
            _ => loop {
                let operand = self.operand(&inst)?;
                inst.operands.push(operand);
                if !self.cursor.accept(Kind::Comma) {
                    break;
                }
            },
        }
        if self.cursor.peek() != Kind::Semicolon {
            let why = format!("expected `;` or `,` behind an operand of `{}`", inst.mnemonic());
            return Err(self.cursor.refuse(why));
        }
        self.cursor.skip();
        self.body.items.push(Item::Inst(inst));
        Ok(())
    }

    fn guard(&mut self) -> Result<Option<Guard>, Refusal> {
        if !self.cursor.accept(Kind::At) {
            return Ok(None);
        }
        let negated = self.cursor.accept(Kind::Bang);
        let reg = self.predicate()?;
        Ok(Some(Guard { reg, negated }))
    }

    /// The name of a predicate register.
    pub(super) fn predicate(&mut self) -> Result<Reg, Refusal> {
        match self.scopes.find(self.cursor.peek_text()) {
            Some(&Named::Reg(reg)) if self.body.registers[reg.0 as usize].ty == Type::Pred => {
                self.cursor.skip();
                Ok(reg)
            }
            _ => Err(self.cursor.unexpected("a predicate register")),
        }
    }
}
