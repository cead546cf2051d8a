//! A place in the list of words, with the few moves a recursive parser makes.

use super::ast::Refusal;
use super::token::{Kind, Token, refusal, tokens};

pub(super) struct Cursor<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Refusal> {
        Ok(Cursor { text, tokens: tokens(text)?, next: 0 })
    }

    /// The word `ahead` places on; at and past the end it is [`Kind::End`].
    fn token(&self, ahead: usize) -> Token {
        self.tokens[(self.next + ahead).min(self.tokens.len() - 1)]
    }

    pub(super) fn peek(&self) -> Kind {
        self.token(0).kind
    }

    pub(super) fn peek_second(&self) -> Kind {
        self.token(1).kind
    }

    /// Text of the next word, left where it is.
    pub(super) fn peek_text(&self) -> &'a str {
        self.slice(self.token(0))
    }

    /// Line of the next word.
    pub(super) fn line(&self) -> u32 {
        self.token(0).line
    }

    fn slice(&self, token: Token) -> &'a str {
        &self.text[token.start as usize..token.end as usize]
    }

    /// Takes the next word whatever it is.
    pub(super) fn take(&mut self) -> &'a str {
        let text = self.peek_text();
        self.skip();
        text
    }

    /// Steps over the next word; stays at the end.
    pub(super) fn skip(&mut self) {
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }

    /// Takes the next word if it is a `kind`.
    pub(super) fn accept(&mut self, kind: Kind) -> bool {
        let found = self.peek() == kind;
        if found {
            self.skip();
        }
        found
    }

    /// Takes the next word if it is the dotted word `text`, given with its dot.
    pub(super) fn accept_dotted(&mut self, text: &str) -> bool {
        let found = self.peek() == Kind::Dotted && self.peek_text() == text;
        if found {
            self.skip();
        }
        found
    }

    /// Takes the next word, which must be a `kind`; `wanted` says so to the reader of a refusal.
    pub(super) fn expect(&mut self, kind: Kind, wanted: &str) -> Result<&'a str, Refusal> {
        if self.peek() == kind { Ok(self.take()) } else { Err(self.unexpected(wanted)) }
    }

    /// Refuses the next word because something else should stand there.
    pub(super) fn unexpected(&self, wanted: &str) -> Refusal {
        self.refuse(format!("expected {wanted}"))
    }

    /// Refuses the next word.
    pub(super) fn refuse(&self, why: impl Into<String>) -> Refusal {
        let what = if self.peek() == Kind::End { "end of the text" } else { self.peek_text() };
        refusal(self.line(), what, why)
    }
}
