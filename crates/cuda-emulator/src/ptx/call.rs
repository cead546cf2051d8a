//! Calls: `call.uni (returns), target, (arguments), prototype;`, of which all but the target may be
//! absent.

use super::ast::{Inst, Operand, Refusal};
use super::body::BodyParser;
use super::module::Global;
use super::names::Named;
use super::token::Kind;

impl BodyParser<'_, '_> {
    /// The operands of `inst`, a call, in the places the tree gives them.
    pub(super) fn call(&mut self, inst: &Inst) -> Result<Vec<Operand>, Refusal> {
        let mut returns = Vec::new();
        if self.cursor.peek() == Kind::LeftParen {
            returns = self.list(inst)?;
            self.cursor.expect(Kind::Comma, "`,`")?;
        }
        let target = self.target()?;
        let mut more = self.cursor.accept(Kind::Comma);
        let mut arguments = Vec::new();
        if more && self.cursor.peek() == Kind::LeftParen {
            arguments = self.list(inst)?;
            more = self.cursor.accept(Kind::Comma);
        }
        let indirect = matches!(target, Operand::Reg(_));
        let mut operands = vec![Operand::List(returns), target, Operand::List(arguments)];
        if more {
            match self.scopes.find(self.cursor.peek_text()) {
                Some(Named::Calls(name)) => {
                    operands.push(Operand::Symbol { name: name.clone(), addend: 0 });
                }
                _ => return Err(self.cursor.unexpected("a prototype or list of targets")),
            }
            self.cursor.skip();
        } else if indirect {
            return Err(self.cursor.unexpected("the prototype that an indirect call needs"));
        }
        Ok(operands)
    }

    /// A declared function, or a register with the address of one.
    fn target(&mut self) -> Result<Operand, Refusal> {
        let name = self.cursor.peek_text();
        let target = match (self.scopes.find(name), self.globals.get(name)) {
            (Some(&Named::Reg(reg)), _) => Operand::Reg(reg),
            (None, Some(Global::Function(_))) => {
                Operand::Symbol { name: name.to_owned(), addend: 0 }
            }
            _ => return Err(self.cursor.unexpected("a declared function or a register")),
        };
        self.cursor.skip();
        Ok(target)
    }

    /// `(a, b)`
    fn list(&mut self, inst: &Inst) -> Result<Vec<Operand>, Refusal> {
        self.cursor.skip();
        let mut list = Vec::new();
        if self.cursor.accept(Kind::RightParen) {
            return Ok(list);
        }
        loop {
            list.push(self.simple(inst)?);
            if !self.cursor.accept(Kind::Comma) {
                break;
            }
        }
        self.cursor.expect(Kind::RightParen, "`)` or `,`")?;
        Ok(list)
    }
}
