//! Constant expressions: integers with C's operators, in the 64-bit arithmetic PTX gives them.

use super::ast::Refusal;
use super::cursor::Cursor;
use super::literal::{Literal, literal};
use super::token::{Kind, refusal};

/// Nesting that no compiler writes and that would only cost stack.
const DEPTH: u32 = 64;

/// The value of a constant expression: an integer of any size of expression, or a single number.
pub(super) fn constant(cursor: &mut Cursor<'_>) -> Result<Literal, Refusal> {
    binary(cursor, 0, DEPTH)
}

/// A constant expression that must be an integer.
pub(super) fn integer(cursor: &mut Cursor<'_>) -> Result<i64, Refusal> {
    let (line, what) = (cursor.line(), cursor.peek_text());
    match constant(cursor)? {
        Literal::Int { bits, .. } => Ok(bits as i64),
        _ => Err(refusal(line, what, "expected an integer")),
    }
}

/// A constant expression that must be an unsigned 32-bit integer.
pub(super) fn small(cursor: &mut Cursor<'_>) -> Result<u32, Refusal> {
    let (line, what) = (cursor.line(), cursor.peek_text());
    u32::try_from(integer(cursor)?)
        .map_err(|_| refusal(line, what, "expected an integer from 0 to 4294967295"))
}

/// Does a constant expression start here?
pub(super) fn starts(kind: Kind) -> bool {
    use Kind::{Bang, Decimal, LeftParen, Minus, Number, Plus, Tilde};
    matches!(kind, Number | Decimal | Minus | Plus | Tilde | Bang | LeftParen)
}

/// How tightly a binary operator binds.
fn strength(kind: Kind) -> Option<u32> {
    Some(match kind {
        Kind::Pipe => 1,
        Kind::Caret => 2,
        Kind::Ampersand => 3,
        Kind::ShiftLeft | Kind::ShiftRight => 4,
        Kind::Plus | Kind::Minus => 5,
        Kind::Star | Kind::Slash => 6,
        _ => return None,
    })
}

fn binary(cursor: &mut Cursor<'_>, least: u32, depth: u32) -> Result<Literal, Refusal> {
    let mut left = unary(cursor, depth)?;
    while let Some(bind) = strength(cursor.peek()).filter(|&bind| bind > least) {
        let (line, operator) = (cursor.line(), cursor.peek());
        let what = cursor.take();
        let right = binary(cursor, bind, depth)?;
        left = combine(operator, left, right).ok_or_else(|| {
            refusal(line, what, "this operator needs two integers, and a divisor that is not 0")
        })?;
    }
    Ok(left)
}

fn combine(operator: Kind, left: Literal, right: Literal) -> Option<Literal> {
    let Literal::Int { bits: a, unsigned: a_unsigned } = left else { return None };
    let Literal::Int { bits: b, unsigned: b_unsigned } = right else { return None };
    let either = a_unsigned || b_unsigned;
    let shift = u32::try_from(b).unwrap_or(u32::MAX);
    let (bits, unsigned) = match operator {
        Kind::Plus => (a.wrapping_add(b), either),
        Kind::Minus => (a.wrapping_sub(b), either),
        Kind::Star => (a.wrapping_mul(b), either),
        Kind::Slash if b == 0 => return None,
        Kind::Slash if either => (a / b, either),
        Kind::Slash => ((a as i64).wrapping_div(b as i64) as u64, either),
        // A shift has the type of what is shifted.
        Kind::ShiftLeft => (a.checked_shl(shift).unwrap_or(0), a_unsigned),
        Kind::ShiftRight if a_unsigned => (a.checked_shr(shift).unwrap_or(0), true),
        Kind::ShiftRight => (((a as i64) >> shift.min(63)) as u64, false),
        // Operators on bits are of unsigned type.
        Kind::Ampersand => (a & b, true),
        Kind::Pipe => (a | b, true),
        Kind::Caret => (a ^ b, true),
        _ => return None,
    };
    Some(Literal::Int { bits, unsigned })
}

fn unary(cursor: &mut Cursor<'_>, depth: u32) -> Result<Literal, Refusal> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(cursor.refuse("constant expression nested too deeply"));
    };
    let (line, operator, what) = (cursor.line(), cursor.peek(), cursor.peek_text());
    match operator {
        Kind::Number | Kind::Decimal => {
            cursor.skip();
            literal(what).ok_or_else(|| refusal(line, what, "not a number of PTX"))
        }
        Kind::LeftParen => {
            cursor.skip();
            let value = binary(cursor, 0, depth)?;
            cursor.expect(Kind::RightParen, "`)`")?;
            Ok(value)
        }
        Kind::Plus | Kind::Minus | Kind::Tilde | Kind::Bang => {
            cursor.skip();
            apply(operator, unary(cursor, depth)?)
                .ok_or_else(|| refusal(line, what, "this operator does not apply to this number"))
        }
        Kind::Word if cursor.peek_text() == "WARP_SZ" => {
            cursor.skip();
            Ok(Literal::Int { bits: 32, unsigned: false })
        }
        _ => Err(cursor.unexpected("a number")),
    }
}

fn apply(operator: Kind, value: Literal) -> Option<Literal> {
    Some(match (operator, value) {
        (Kind::Plus, Literal::Int { .. } | Literal::Decimal(_)) => value,
        (Kind::Minus, Literal::Int { bits, unsigned }) => {
            Literal::Int { bits: bits.wrapping_neg(), unsigned }
        }
        (Kind::Minus, Literal::Decimal(number)) => Literal::Decimal(-number),
        (Kind::Minus, Literal::F64(bits)) => Literal::F64((-f64::from_bits(bits)).to_bits()),
        (Kind::Tilde, Literal::Int { bits, .. }) => Literal::Int { bits: !bits, unsigned: true },
        (Kind::Bang, Literal::Int { bits, .. }) => {
            Literal::Int { bits: u64::from(bits == 0), unsigned: false }
        }
        _ => return None,
    })
}
