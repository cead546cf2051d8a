//! Declarations of variables: type, alignment, name, dimensions.

use super::ast::{Refusal, Space, Type, Variable};
use super::cursor::Cursor;
use super::expression;
use super::token::{Kind, refusal};

/// Bytes; so that sizes and offsets cannot overflow.
const LARGEST: u64 = 1 << 40;

/// More dimensions than this would only cost stack.
const DIMENSIONS: usize = 16;

/// What stands before the names of a declaration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) ty: Type,
    /// 1, 2 or 4 elements.
    pub(super) vector: u32,
    pub(super) align: u32,
}

/// A name with its dimensions.
#[derive(Debug)]
pub(super) struct Declarator<'a> {
    pub(super) name: &'a str,
    pub(super) line: u32,
    /// Outermost first; None for `[]`, which only the first may be.
    pub(super) dimensions: Vec<Option<u64>>,
}

impl Head {
    /// The variable that `declarator` declares; its size is None if its length is not given.
    pub(super) fn variable(
        &self,
        declarator: &Declarator<'_>,
        space: Space,
    ) -> Result<Variable, Refusal> {
        let refuse = |why| Err(refusal(declarator.line, declarator.name, why));
        let mut bytes = u64::from(self.vector) * u64::from(self.ty.bytes());
        for length in declarator.dimensions.iter().flatten() {
            bytes = match bytes.checked_mul(*length) {
                Some(0) => return refuse("an array of no elements"),
                Some(bytes) if bytes <= LARGEST => bytes,
                _ => return refuse("larger than any device's memory"),
            };
        }
        let size = (!declarator.dimensions.contains(&None)).then_some(bytes);
        Ok(Variable {
            name: declarator.name.to_owned(),
            space,
            ty: self.ty,
            align: self.align,
            size,
            is_extern: false,
            init: Vec::new(),
            line: declarator.line,
        })
    }
}

/// `.align 16 .v4 .f32`, in any order, and for a parameter `.ptr .global .align 16` behind it.
pub(super) fn head(cursor: &mut Cursor<'_>, space: Space) -> Result<Head, Refusal> {
    let (mut ty, mut vector, mut align) = (None, 1, None);
    while cursor.peek() == Kind::Dotted {
        match cursor.peek_text() {
            ".align" => {
                cursor.skip();
                align = Some(alignment(cursor)?);
            }
            ".v2" => {
                cursor.skip();
                vector = 2;
            }
            ".v4" => {
                cursor.skip();
                vector = 4;
            }
            ".ptr" if space == Space::Param => {
                cursor.skip();
                pointee(cursor)?;
            }
            ".attribute" => {
                return Err(cursor.refuse("managed and unified variables are not emulated"));
            }
            text => {
                let named = Type::from_name(&text[1..]).filter(|ty| *ty != Type::Pred);
                if ty.is_some() || named.is_none() {
                    return Err(cursor.unexpected("the type of a variable in memory"));
                }
                ty = named;
                cursor.skip();
            }
        }
    }
    let Some(ty) = ty else { return Err(cursor.unexpected("a type")) };
    if vector > 1 && space == Space::Param {
        return Err(cursor.refuse("a vector cannot be a parameter"));
    }
    Ok(Head { ty, vector, align: align.unwrap_or(vector * ty.bytes()) })
}

fn alignment(cursor: &mut Cursor<'_>) -> Result<u32, Refusal> {
    let (line, what) = (cursor.line(), cursor.peek_text());
    let align = expression::small(cursor)?;
    if !align.is_power_of_two() {
        return Err(refusal(line, what, "an alignment must be a power of two"));
    }
    Ok(align)
}

/// What a pointer parameter points to is a hint to the optimiser and does not change what runs.
fn pointee(cursor: &mut Cursor<'_>) -> Result<(), Refusal> {
    for space in [".const", ".global", ".local", ".shared"] {
        if cursor.accept_dotted(space) {
            break;
        }
    }
    if cursor.accept_dotted(".align") {
        alignment(cursor)?;
    }
    Ok(())
}

/// `name`, `name[4]`, `name[][3]`.
pub(super) fn declarator<'a>(cursor: &mut Cursor<'a>) -> Result<Declarator<'a>, Refusal> {
    let line = cursor.line();
    let name = cursor.expect(Kind::Word, "the name of a variable")?;
    let mut dimensions = Vec::new();
    while cursor.accept(Kind::LeftBracket) {
        if dimensions.len() == DIMENSIONS {
            return Err(refusal(line, name, "too many dimensions"));
        }
        if cursor.peek() == Kind::RightBracket {
            if !dimensions.is_empty() {
                return Err(cursor.unexpected("a length: only the first may be left out"));
            }
            dimensions.push(None);
        } else {
            dimensions.push(Some(u64::from(expression::small(cursor)?)));
        }
        cursor.expect(Kind::RightBracket, "`]`")?;
    }
    Ok(Declarator { name, line, dimensions })
}
