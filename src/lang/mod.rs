//! Program text to syntax tree, for both dialects of imgQL, and back to text.
//!
//! Read it in the order of the walk: [`source`] and [`diagnostic`] (where and what), [`dialect`]
//! (which surface), [`token`] and [`lexer`] (text to tokens), [`ast`] (the tree) with [`names`], [`cursor`] and
//! [`text`] (tokens one by one, what strings hold), [`syntax_error`] (its words), [`parser`]
//! (commands, and where to go on after a mistake), [`expr`] (expressions) with [`form`], [`number`], [`frame`] and
//! [`chain`] (what is still open in one), [`run`] (runs that are split while lowering), [`same`]
//! (equality), [`mod@print`] with [`print_expr`] and [`print_text`] (canonical text), [`dump`] (for
//! tests).
//!
//! It imports nothing of the crate. Invariants: no input panics; time is linear in the text;
//! nothing recurses, so that the depth of a program is bounded by memory and not by the stack;
//! diagnostics are collected, never thrown, and one mistake gives one.

pub mod ast;
pub mod chain;
pub mod cursor;
pub mod diagnostic;
pub mod dialect;
pub mod dump;
pub mod expr;
pub mod form;
pub mod frame;
pub mod lexer;
pub mod names;
pub mod number;
pub mod parser;
pub mod print;
pub mod print_expr;
pub mod print_text;
pub mod run;
pub mod same;
pub mod source;
pub mod syntax_error;
pub mod text;
pub mod token;

#[cfg(test)]
mod limits;
#[cfg(test)]
mod tables;
