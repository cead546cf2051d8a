//! The words of PTX: names, dotted words, numbers, strings, punctuation. Blanks and comments vanish
//! here, line numbers appear.

use logos::{Lexer, Logos};

use super::ast::Refusal;

/// What sort of word it is; the text itself stays in the source.
#[derive(Logos, Debug, Clone, Copy, PartialEq, Eq)]
#[logos(extras = u32)]
#[logos(skip(r"[ \t\r\x0B\x0C]+"))]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
#[logos(skip(r"\n+|/\*[^*]*\*+([^/*][^*]*\*+)*/", newlines))]
pub(super) enum Kind {
    /// A name or opcode: `%r1`, `$L__BB0_1`, `add`, `_`.
    #[regex(r"[a-zA-Z_$][a-zA-Z0-9_$]*|%[a-zA-Z0-9_$]+")]
    Word,
    /// A directive, type or modifier: `.reg`, `.f32`, `.L1::no_allocate`, `.16x16b`.
    #[regex(r"\.[a-zA-Z0-9_]+(::[a-zA-Z0-9_]+)*")]
    Dotted,
    /// Starts with a digit: `12`, `0x1F`, `07U`, `0f3F800000`.
    #[regex(r"[0-9][a-zA-Z0-9_$]*", priority = 3)]
    Number,
    /// A decimal number with a point or an exponent: `1.5`, `9.0`, `1e-3`.
    #[regex(r"[0-9]+\.[0-9]*([eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+", priority = 8)]
    Decimal,
    #[regex(r#""([^"\\\n]|\\.)*""#)]
    Text,
    #[token("{")]
    LeftBrace,
    #[token("}")]
    RightBrace,
    #[token("(")]
    LeftParen,
    #[token(")")]
    RightParen,
    #[token("[")]
    LeftBracket,
    #[token("]")]
    RightBracket,
    #[token("<")]
    Less,
    #[token(">")]
    Greater,
    #[token("<<")]
    ShiftLeft,
    #[token(">>")]
    ShiftRight,
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token(":")]
    Colon,
    #[token("=")]
    Equals,
    #[token("@")]
    At,
    #[token("!")]
    Bang,
    #[token("~")]
    Tilde,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("&")]
    Ampersand,
    #[token("|")]
    Pipe,
    #[token("^")]
    Caret,
    /// After the last word.
    End,
}

/// One word and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Byte range in the text.
    pub(super) start: u32,
    pub(super) end: u32,
    /// From 1.
    pub(super) line: u32,
}

/// Counts the line ends inside a skipped stretch; `extras` is how many came before it.
fn newlines(lexer: &mut Lexer<'_, Kind>) {
    lexer.extras += lexer.slice().bytes().filter(|&b| b == b'\n').count() as u32;
}

/// All words of `text`, with one [`Kind::End`] behind them.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let Ok(length) = u32::try_from(text.len()) else {
        return Err(refusal(1, "text", "longer than 4 GiB"));
    };
    // nvcc's text has a word every four bytes or so.
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    let mut lexer = Kind::lexer(text);
    while let Some(kind) = lexer.next() {
        let line = lexer.extras + 1;
        let span = lexer.span();
        let Ok(kind) = kind else {
            return Err(refusal(line, lexer.slice(), "not a word of PTX"));
        };
        tokens.push(Token { kind, start: span.start as u32, end: span.end as u32, line });
    }
    let line = lexer.extras + 1;
    tokens.push(Token { kind: Kind::End, start: length, end: length, line });
    Ok(tokens)
}

/// A refusal, from borrowed parts.
pub(super) fn refusal(line: u32, what: &str, why: impl Into<String>) -> Refusal {
    Refusal { line, what: what.to_owned(), why: why.into() }
}
