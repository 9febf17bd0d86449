//! A place in the tokens of a text, and what can be seen from there.

use std::collections::HashSet;

use crate::lang::ast::Comment;
use crate::lang::dialect::Dialect;
use crate::lang::lexer::Lexer;
use crate::lang::source::{SourceId, Span};
use crate::lang::token::{Kind, Token};

/// No operator with letters is longer; it bounds the search for the one that begins a text.
pub const LONGEST_LETTERED: usize = 64;

/// Walks over the tokens; comments that it passes are kept.
#[derive(Debug)]
pub struct Cursor<'s> {
    lexer: Lexer<'s>,
    source: SourceId,
    token: Token,
    /// The sort of the token that was taken last.
    pub last: Kind,
    /// Where the token that was taken last ends.
    pub last_end: u32,
    /// Operators that only a list can tell: with letters, or beginning with `;` or `#`.
    pub listed: HashSet<String>,
    /// The comments so far.
    pub comments: Vec<Comment>,
}

impl<'s> Cursor<'s> {
    /// Stands before the first token.
    pub fn new(source: SourceId, text: &'s str, dialect: Dialect, listed: &[String]) -> Self {
        let lexer = Lexer::new(text, dialect);
        let token = Token { kind: Kind::End, start: 0, end: 0, first: true, spaced: false };
        let listed = listed.iter().cloned().collect();
        let comments = Vec::new();
        let mut cursor =
            Self { lexer, source, token, last: Kind::End, last_end: 0, listed, comments };
        cursor.seek(0);
        cursor
    }

    /// Returns the token in front.
    pub fn peek(&self) -> Token {
        self.token
    }

    /// Takes the token in front.
    pub fn take(&mut self) -> Token {
        let token = self.token;
        self.last = token.kind;
        self.last_end = token.end;
        self.seek(token.end);
        token
    }

    /// Takes the token in front if it is a `kind`.
    pub fn take_if(&mut self, kind: Kind) -> Option<Token> {
        (self.token.kind == kind).then(|| self.take())
    }

    /// Takes the text from the token in front to `end` as one token; what follows is lexed anew.
    pub fn take_to(&mut self, kind: Kind, end: u32) -> Token {
        self.token = Token { kind, end, ..self.token };
        self.take()
    }

    /// Goes to a byte without taking what lies between.
    pub fn seek(&mut self, at: u32) {
        let Self { lexer, source, comments, .. } = self;
        self.token = lexer.token(at, |passed| {
            // A run that was split is lexed again, with what follows it.
            if comments.last().is_some_and(|last| last.span.start >= passed.start) {
                return;
            }
            let span = Span::new(*source, passed.start, passed.end);
            comments.push(Comment {
                span,
                text: lexer.text()[span.range()].trim_end().to_owned(),
                own_line: passed.own_line,
                spaced: passed.spaced,
            });
        });
    }

    /// Returns the text of a token.
    pub fn text(&self, token: Token) -> &'s str {
        &self.lexer.text()[token.start as usize..token.end as usize]
    }

    /// Returns the whole text.
    pub fn whole(&self) -> &'s str {
        self.lexer.text()
    }

    /// Returns the place of a token.
    pub fn span(&self, token: Token) -> Span {
        Span::new(self.source, token.start, token.end)
    }

    /// Returns the place from a byte to the end of the token that was taken last.
    pub fn since(&self, start: u32) -> Span {
        Span::new(self.source, start, self.last_end.max(start))
    }

    /// Returns the token after `token`.
    pub fn after(&self, token: Token) -> Token {
        self.lexer.token(token.end, |_| ())
    }

    /// Returns the number in front, in the place of an operand of dialect 1.
    pub fn number_of_one(&self) -> Option<u32> {
        self.lexer.number_of_one(self.token.start)
    }

    /// Returns the run in front that begins with a known operator with letters, dialect 2 only.
    pub fn lettered_run(&self) -> Option<Token> {
        let known = self.known_lettered()?;
        Some(Token { kind: Kind::Run, end: self.lexer.symbols(known), ..self.token })
    }

    /// Returns the known operator with letters in front, if a `(` follows it.
    pub fn lettered_callee(&self) -> Option<Token> {
        let run = self.lettered_run()?;
        (self.after(run).kind == Kind::OpenParen).then_some(run)
    }

    /// Returns what is in front as an operator with letters that is being declared.
    pub fn lettered_head(&self) -> Option<Token> {
        let name = self.token;
        let dotted = name.kind == Kind::Name && self.text(name).contains('.');
        if self.lexer.dialect() == Dialect::One || name.kind != Kind::Name || dotted {
            return None;
        }
        let bytes = self.whole().as_bytes();
        let end = self.lexer.lettered(name.start, LONGEST_LETTERED + 1)?;
        let own = name.end < end && bytes[name.end as usize] != b'=';
        own.then_some(Token { kind: Kind::Run, end, ..name })
    }

    /// Whether `(names) =` follows the operator, its `=` beginning neither `==` nor `=.`.
    pub fn declares_operator(&self, operator: Token) -> bool {
        self.names_after(operator).is_some_and(|equals| {
            let text = self.text(equals);
            equals.kind == Kind::Run
                && text.starts_with('=')
                && !text.starts_with("==")
                && !text.starts_with("=.")
        })
    }

    /// Whether `=` or `(names) =` follows the name; a run that begins with `==` is no `=`.
    pub fn declares_name(&self, name: Token) -> bool {
        let next = self.after(name);
        let equals = match next.kind {
            Kind::OpenParen => self.names_after(name),
            _ => Some(next),
        };
        equals.is_some_and(|token| token.kind == Kind::Run && begins_with_mark(self.text(token)))
    }

    /// Whether the token in front begins a command, so that what stands before it is over.
    pub fn begins_command(&self) -> bool {
        let token = self.token;
        let one = self.lexer.dialect() == Dialect::One;
        match token.kind {
            Kind::Let => true,
            Kind::Name => {
                self.is_word(token)
                    || (!one
                        && (self.declares_name(token)
                            || self.lettered_head().is_some_and(|op| self.declares_operator(op))))
            }
            Kind::Run => !one && self.declares_operator(token),
            _ => false,
        }
    }

    /// Whether the name is `load`, `save`, `print` or `import` with its own next token.
    pub fn is_word(&self, name: Token) -> bool {
        match self.text(name) {
            "save" | "print" | "import" => {
                matches!(self.after(name).kind, Kind::Text | Kind::OpenText)
            }
            "load" => self.after(name).kind == Kind::Name,
            _ => false,
        }
    }

    /// Returns the end of the line that a byte lies in.
    pub fn line_end(&self, at: u32) -> u32 {
        let rest = &self.whole()[at as usize..];
        at + rest.find('\n').unwrap_or(rest.len()) as u32
    }

    /// Returns how far the line of a byte is indented.
    pub fn indent(&self, at: u32) -> usize {
        let text = self.whole();
        let line = text[..at as usize].rfind('\n').map_or(0, |newline| newline + 1);
        let bytes = text[line..at as usize].bytes();
        bytes.take_while(u8::is_ascii_whitespace).count()
    }

    /// Returns the token after `(names)` that follows `head`.
    fn names_after(&self, head: Token) -> Option<Token> {
        let open = self.after(head);
        if open.kind != Kind::OpenParen {
            return None;
        }
        let mut token = self.after(open);
        if token.kind == Kind::CloseParen {
            return Some(self.after(token));
        }
        loop {
            if token.kind != Kind::Name {
                return None;
            }
            token = self.after(token);
            match token.kind {
                Kind::Comma => token = self.after(token),
                Kind::CloseParen => return Some(self.after(token)),
                _ => return None,
            }
        }
    }

    /// Returns the end of the longest known operator with letters in front.
    fn known_lettered(&self) -> Option<u32> {
        let name = self.token;
        if self.listed.is_empty() || name.kind != Kind::Name {
            return None;
        }
        let end = self.lexer.lettered(name.start, LONGEST_LETTERED)?;
        let text = &self.whole()[name.start as usize..end as usize];
        let most = text.len().min(LONGEST_LETTERED);
        let found = (2..=most).rev().find(|&len| self.listed.contains(&text[..len]))?;
        Some(name.start + found as u32)
    }
}

/// Whether a run begins with a declaration's `=`.
pub fn begins_with_mark(run: &str) -> bool {
    run.starts_with('=') && !run.starts_with("==")
}
