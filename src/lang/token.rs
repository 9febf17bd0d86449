//! What a text is made of.

/// The sort of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A name, in dialect 2 with at most one dot.
    Name,
    /// A number.
    Number,
    /// A string with its quotes.
    Text,
    /// A string that has no end.
    OpenText,
    /// `$name`.
    Dollar,
    /// A run of operator characters.
    Run,
    /// `(`
    OpenParen,
    /// `)`
    CloseParen,
    /// `[`
    OpenBracket,
    /// `]`
    CloseBracket,
    /// `{`
    OpenBrace,
    /// `}`
    CloseBrace,
    /// `,`
    Comma,
    /// `let`
    Let,
    /// `in`
    In,
    /// `for`
    For,
    /// `filter`
    Filter,
    /// `fold`
    Fold,
    /// `do`
    Do,
    /// `true`
    True,
    /// `false`
    False,
    /// A character that begins nothing.
    Bad,
    /// The end of the text.
    End,
}

impl Kind {
    /// Whether it is a word that cannot be a name.
    pub fn is_reserved(self) -> bool {
        matches!(
            self,
            Kind::Let
                | Kind::In
                | Kind::For
                | Kind::Filter
                | Kind::Fold
                | Kind::Do
                | Kind::True
                | Kind::False
        )
    }

    /// Whether it closes something.
    pub fn is_closer(self) -> bool {
        matches!(self, Kind::CloseParen | Kind::CloseBracket | Kind::CloseBrace)
    }
}

/// A token: its sort and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// Its sort.
    pub kind: Kind,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Whether it is the first of its line.
    pub first: bool,
    /// Whether a blank line stands before it.
    pub spaced: bool,
}
