//! PTX text to a plain tree: opcode, dotted modifiers, operands, with registers and labels resolved.

pub mod ast;
