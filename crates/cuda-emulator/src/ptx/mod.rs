//! PTX text to a plain tree: opcode, dotted modifiers, operands, with registers and labels resolved.
//!
//! [`parse`] reads what nvcc writes, and inline assembly within it, as ptxas does: everything is
//! declared before it is used, labels excepted, and what is not understood is refused with its line.

pub mod ast;
mod body;
mod call;
mod cursor;
mod expression;
mod function;
mod init;
mod instruction;
mod literal;
mod module;
mod names;
mod operand;
mod special;
mod token;
mod variable;

#[cfg(test)]
mod tests;

use ast::{Module, Refusal};

/// Reads a whole PTX text.
pub fn parse(text: &str) -> Result<Module, Refusal> {
    module::Parser::new(text)?.module()
}
