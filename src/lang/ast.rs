//! The syntax tree: arenas that are indexed, so that nothing in it recurses.
//!
//! A child's index is always smaller than its parent's, because a node is made when its last
//! child is there; a pass from the first expression to the last sees children before parents.
//! Parentheses leave no node, only a wider span.

use crate::lang::dialect::Dialect;
use crate::lang::names::Names;
use crate::lang::source::Span;

/// An expression, as index into [`Program::exprs`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExprId(pub u32);

/// An interned name or operator, as index into [`Program::names`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Symbol(pub u32);

/// A string, as index into [`Program::texts`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TextId(pub u32);

/// A stretch of one of the side arenas; ask [`Program`] for what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct List {
    /// Index of the first.
    pub start: u32,
    /// How many.
    pub len: u32,
}

impl List {
    /// Whether it holds nothing.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// A name or an operator where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Word {
    /// Its text.
    pub symbol: Symbol,
    /// Its place.
    pub span: Span,
}

/// One expression.
///
/// Where `op` or `callee` is a run of operator characters, it is kept as written: a run that is no
/// operator in scope is the longest operator that begins it and prefixes, which only lowering can
/// tell (`run::split`). How each form is read again then:
///
/// - `Infix`: `f >.- 1` is the infix operator `>.` with `-` applied to the whole right operand.
/// - `Prefix`: `!-a` is `!` applied to `-` applied to the argument.
/// - `Call`: `!-(a, b)` is `!` applied to the call of the *last* piece, `-(a, b)`.
/// - `Fold`: `fold +-1 xs` is `fold +` with `-` applied to the first argument. Where that is an
///   `Infix`, the parentheses that would decide are gone: ask for a blank instead.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A string.
    Text(TextId),
    /// A name; at most one dot in it (`namespace.name`, or a field of a name).
    Name(Symbol),
    /// `$name`; the symbol is without the `$`.
    Dollar(Symbol),
    /// `f(a, b)` or `+(a, b)`; `f()` has no arguments and means what `f` means.
    Call {
        /// Name or operator.
        callee: Word,
        /// Expressions, in order.
        args: List,
    },
    /// `left op right`; in dialect 1 perhaps `left op[extra] right`, the call
    /// `op(left, right, extra...)`.
    Infix {
        /// The run.
        op: Word,
        /// Left operand.
        left: ExprId,
        /// Right operand.
        right: ExprId,
        /// Arguments in brackets; none in dialect 2.
        extra: List,
    },
    /// `op arg`.
    Prefix {
        /// The run.
        op: Word,
        /// The operand.
        arg: ExprId,
    },
    /// `let name = value in body`.
    Let {
        /// What is bound.
        name: Word,
        /// To what.
        value: ExprId,
        /// Where.
        body: ExprId,
    },
    /// `for name in seq do body`.
    For {
        /// The element.
        name: Word,
        /// The sequence.
        seq: ExprId,
        /// What is done.
        body: ExprId,
    },
    /// `filter name in seq do keep`.
    Filter {
        /// The element.
        name: Word,
        /// The sequence.
        seq: ExprId,
        /// Whether it is kept.
        keep: ExprId,
    },
    /// `fold op [init] seq`.
    Fold {
        /// Run or name.
        op: Word,
        /// The start, if given.
        init: Option<ExprId>,
        /// The sequence.
        seq: ExprId,
    },
    /// `[a, b]`.
    Array(List),
    /// `{name: e, ...}`: a stretch of [`Program::fields`].
    Record(List),
    /// `base[index]`.
    Index {
        /// The sequence.
        base: ExprId,
        /// Which element.
        index: ExprId,
    },
    /// `base[from:to]`.
    Slice {
        /// The sequence.
        base: ExprId,
        /// First element, or the first.
        from: Option<ExprId>,
        /// One past the last element, or the end.
        to: Option<ExprId>,
    },
    /// `base.name` after `)`, `]` or `}`; of a name it is [`Expr::Name`].
    Field {
        /// The record.
        base: ExprId,
        /// Which field; no dot in it.
        name: Word,
    },
}

/// `name: value` of a record.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RecordField {
    /// The name.
    pub name: Word,
    /// The value.
    pub value: ExprId,
}

/// A string where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text {
    /// With its quotes.
    pub span: Span,
    /// A stretch of [`Program::pieces`].
    pub pieces: List,
}

/// A part of a string, escapes already undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Stands for itself; never empty, never two in a row.
    Plain(String),
    /// `$name` or `${name}`; the symbol is without the `$`, the span with it.
    Dollar(Word),
}

/// One command.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Command {
    /// What it does.
    pub kind: CommandKind,
    /// From its first token to its last.
    pub span: Span,
    /// Whether a blank line stands before it.
    pub spaced: bool,
}

/// What a command does.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum CommandKind {
    /// `let name(params) = body`; `f()` and `f` are the same.
    Let {
        /// What is declared.
        name: Word,
        /// Whether it is an operator.
        is_operator: bool,
        /// A stretch of [`Program::params`].
        params: List,
        /// What it stands for.
        body: ExprId,
    },
    /// `load name = "path"`, or `load name`: an input that must be given.
    Load {
        /// What is declared.
        name: Word,
        /// The file.
        path: Option<TextId>,
    },
    /// `import "namespace or file"`.
    Import {
        /// Namespace or file.
        what: TextId,
    },
    /// `print "label" value`.
    Print {
        /// The label.
        label: TextId,
        /// What is printed.
        value: ExprId,
    },
    /// `save "path" value`.
    Save {
        /// The file.
        path: TextId,
        /// What is saved.
        value: ExprId,
    },
}

/// A comment where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comment {
    /// With its `//`, without the line end.
    pub span: Span,
    /// The text under the span, without blanks at its end.
    pub text: String,
    /// Whether nothing but blanks stands before it on its line.
    pub own_line: bool,
    /// Whether a blank line stands before it.
    pub spaced: bool,
}

/// A program, or an imported file.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The dialect it was read in.
    pub dialect: Dialect,
    /// The commands that were understood, in order.
    pub commands: Vec<Command>,
    /// All expressions, children before parents.
    pub exprs: Vec<Expr>,
    /// Where each expression stands, with the parentheses around it.
    pub spans: Vec<Span>,
    /// Side arena of arguments and elements.
    pub items: Vec<ExprId>,
    /// Side arena of records.
    pub fields: Vec<RecordField>,
    /// Side arena of parameters.
    pub params: Vec<Word>,
    /// The strings.
    pub texts: Vec<Text>,
    /// Side arena of strings.
    pub pieces: Vec<Piece>,
    /// Names and operators.
    pub names: Names,
    /// The comments, in order.
    pub comments: Vec<Comment>,
}

impl Program {
    /// Returns an expression.
    pub fn expr(&self, id: ExprId) -> Expr {
        self.exprs[id.0 as usize]
    }

    /// Returns where an expression stands.
    pub fn span(&self, id: ExprId) -> Span {
        self.spans[id.0 as usize]
    }

    /// Returns the text of a name or operator.
    pub fn name(&self, symbol: Symbol) -> &str {
        self.names.text(symbol)
    }

    /// Returns arguments, elements or bracket arguments.
    pub fn items(&self, list: List) -> &[ExprId] {
        &self.items[list.range()]
    }

    /// Returns the fields of a record.
    pub fn fields(&self, list: List) -> &[RecordField] {
        &self.fields[list.range()]
    }

    /// Returns the parameters of a declaration.
    pub fn params(&self, list: List) -> &[Word] {
        &self.params[list.range()]
    }

    /// Returns a string.
    pub fn text(&self, id: TextId) -> Text {
        self.texts[id.0 as usize]
    }

    /// Returns the parts of a string, none for the empty one.
    pub fn pieces(&self, id: TextId) -> &[Piece] {
        &self.pieces[self.text(id).pieces.range()]
    }

    /// Adds an expression.
    pub fn push(&mut self, expr: Expr, span: Span) -> ExprId {
        let id = ExprId(self.exprs.len() as u32);
        self.exprs.push(expr);
        self.spans.push(span);
        id
    }
}
