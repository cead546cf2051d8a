//! Numbers as PTX spells them.

/// A number with the type its spelling gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Literal {
    /// `12`, `0x1F`, `017`, `0b101`, each with or without `U`.
    Int {
        /// Its 64 bits.
        bits: u64,
        /// `U` was written, or it does not fit the signed type.
        unsigned: bool,
    },
    /// `0f` and eight hexadecimal digits: the exact bits of an f32.
    F32(u32),
    /// `0d` and sixteen hexadecimal digits: the exact bits of an f64.
    F64(u64),
    /// Written with a point or an exponent: an f64, converted where it is used.
    Decimal(f64),
}

/// Reads a word that starts with a digit; None if it is no number.
pub(super) fn literal(text: &str) -> Option<Literal> {
    let (prefix, digits) = text.split_at_checked(2).unwrap_or((text, ""));
    match prefix {
        "0f" | "0F" if digits.len() == 8 => hexadecimal(digits).map(|b| Literal::F32(b as u32)),
        "0d" | "0D" if digits.len() == 16 => hexadecimal(digits).map(Literal::F64),
        _ => integer(text).or_else(|| decimal(text)),
    }
}

fn integer(text: &str) -> Option<Literal> {
    let (text, suffixed) = match text.strip_suffix('U') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let bits = match text.get(..2) {
        Some("0x" | "0X") => hexadecimal(&text[2..])?,
        Some("0b" | "0B") => u64::from_str_radix(&text[2..], 2).ok()?,
        _ if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(&text[1..], 8).ok()?,
        _ => text.parse().ok()?,
    };
    Some(Literal::Int { bits, unsigned: suffixed || bits > i64::MAX as u64 })
}

fn hexadecimal(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

fn decimal(text: &str) -> Option<Literal> {
    // Rust's own grammar also knows "inf" and "nan", which never start with a digit.
    text.parse().ok().map(Literal::Decimal)
}
