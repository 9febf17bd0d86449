//! What is still open while an expression is read: the stack that stands for the recursion.

use crate::lang::ast::{ExprId, List, Symbol, Word};

/// A form whose next part is being read.
///
/// `start` is where the form begins, `open` where its bracket stands.
#[expect(missing_docs, reason = "the fields are parts of the form that the variant shows")]
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    /// An operator that waits for its operand.
    Prefix { op: Word },
    /// An operator that waits for its right operand.
    Infix { op: Word, left: ExprId, extra: List },
    /// `(`
    Paren { open: u32 },
    /// `callee(`; its arguments lie from `base` on the stack of items.
    Call { callee: Word, open: u32, base: u32 },
    /// `[`
    Array { open: u32, base: u32 },
    /// `{name:`; its fields lie from `base` on the stack of fields.
    Record { open: u32, base: u32, name: Word },
    /// `seq[`
    Index { seq: ExprId, open: u32 },
    /// `seq[from:`
    Slice { seq: ExprId, from: Option<ExprId>, open: u32 },
    /// `left op[` of dialect 1.
    Extra { op: Word, left: ExprId, open: u32, base: u32 },
    /// `let name =`
    LetValue { start: u32, name: Word },
    /// `let name = value in`
    LetBody { start: u32, name: Word, value: ExprId },
    /// `for name in`
    ForSeq { start: u32, name: Word },
    /// `for name in seq do`
    ForBody { start: u32, name: Word, seq: ExprId },
    /// `filter name in`
    FilterSeq { start: u32, name: Word },
    /// `filter name in seq do`
    FilterKeep { start: u32, name: Word, seq: ExprId },
    /// `fold op`
    FoldFirst { start: u32, op: Word },
    /// `fold op init`
    FoldSecond { start: u32, op: Word, init: ExprId },
}

/// One expression between brackets, commas and words: what its chain of operators looks like.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that are independent")]
pub struct Level {
    /// The first operator of the chain.
    pub first: Option<Symbol>,
    /// How many operators; in dialect 1 prefixes count.
    pub ops: u32,
    /// Whether they differ.
    pub mixed: bool,
    /// Whether a prefix operator of dialect 1 stands in it.
    pub prefixed: bool,
    /// Whether a `:` here is the mark of a slice.
    pub colon: bool,
    /// Whether it lies in a bracket, so that no command can begin.
    pub inside: bool,
}

impl Level {
    /// Counts an infix operator.
    pub fn infix(&mut self, op: Symbol) {
        self.ops += 1;
        self.mixed |= self.prefixed || *self.first.get_or_insert(op) != op;
    }

    /// Counts a prefix operator of dialect 1, which takes the rest.
    pub fn prefix(&mut self) {
        self.ops += 1;
        self.prefixed = true;
    }
}
