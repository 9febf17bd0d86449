//! Says how a chain of different operators was read: the dialects differ.

use crate::lang::ast::{Expr, ExprId, Program, Symbol};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::Dialect;
use crate::lang::source::Span;
use crate::lang::syntax_error::MIXED;

/// Chains with more operators are described, not written out.
const WRITTEN_OUT: u32 = 4;

/// Returns the warning about the chain of `ops` operators that is `value`.
pub fn warning(program: &Program, text: &str, value: ExprId, ops: u32) -> Diagnostic {
    let message = match (program.dialect, ops <= WRITTEN_OUT) {
        (Dialect::Two, true) => format!("read as `{}`", from_left(program, text, value, ops)),
        (Dialect::One, true) => format!("read as `{}`", from_right(program, text, value, ops)),
        (Dialect::Two, false) => "read from the left, one operator after the other".to_owned(),
        (Dialect::One, false) => "read from the right, each operator taking the rest".to_owned(),
    };
    let title = "different operators without parentheses; none binds tighter than another";
    Diagnostic::warning(MIXED, program.span(value), title)
        .says(message)
        .help("write the parentheses: the dialects read it differently")
}

fn from_left(program: &Program, text: &str, value: ExprId, ops: u32) -> String {
    let mut steps = Vec::new();
    let mut id = value;
    while let (Expr::Infix { op, left, right, .. }, true) =
        (program.expr(id), steps.len() < ops as usize)
    {
        steps.push((op.symbol, right));
        id = left;
    }
    let mut out = "(".repeat(steps.len().saturating_sub(1));
    out.push_str(&snippet(program, text, id));
    for (i, &(op, right)) in steps.iter().enumerate().rev() {
        out.push_str(&spaced(program, op));
        out.push_str(&snippet(program, text, right));
        if i > 0 {
            out.push(')');
        }
    }
    out
}

fn from_right(program: &Program, text: &str, value: ExprId, ops: u32) -> String {
    let mut out = String::new();
    let mut id = value;
    let mut open = 0;
    for step in 0..ops {
        if step > 0 {
            out.push('(');
            open += 1;
        }
        match program.expr(id) {
            Expr::Infix { op, left, right, .. } => {
                out.push_str(&snippet(program, text, left));
                out.push_str(&spaced(program, op.symbol));
                id = right;
            }
            Expr::Prefix { op, arg } => {
                out.push_str(program.name(op.symbol));
                if program.name(op.symbol).ends_with(char::is_alphanumeric) {
                    out.push(' ');
                }
                id = arg;
            }
            _ => break,
        }
    }
    out.push_str(&snippet(program, text, id));
    out.push_str(&")".repeat(open));
    out
}

fn spaced(program: &Program, op: Symbol) -> String {
    format!(" {} ", program.name(op))
}

fn snippet(program: &Program, text: &str, id: ExprId) -> String {
    let span: Span = program.span(id);
    let whole = &text[span.range()];
    if whole.len() <= 24 && !whole.contains('\n') {
        return whole.to_owned();
    }
    let line = whole.lines().next().unwrap_or("");
    let mut short: String = line.chars().take(12).collect();
    short.push('…');
    short
}
