//! The words of syntax errors, and their codes.

use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lang::token::{Kind, Token};

/// Something else was expected here.
pub const UNEXPECTED: &str = "E0101";
/// A character that begins nothing.
pub const CHARACTER: &str = "E0102";
/// A string without an end.
pub const OPEN_TEXT: &str = "E0103";
/// `;` where no separator is needed.
pub const SEPARATOR: &str = "E0104";
/// `#` where a comment is meant.
pub const HASH: &str = "E0105";
/// A reserved word in the place of a name.
pub const RESERVED: &str = "E0106";
/// A bracket that is not closed.
pub const UNCLOSED: &str = "E0107";
/// `let`, `for`, `filter` or `fold` as an operand.
pub const NEEDS_PARENTHESES: &str = "E0108";
/// A text of four gigabytes.
pub const TOO_LARGE: &str = "E0109";
/// `$name` in the place of a name that is declared.
pub const DOLLAR: &str = "E0110";
/// A dot in a name that is declared.
pub const DOTTED: &str = "E0111";
/// An operator with letters that is too long.
pub const LONG_OPERATOR: &str = "E0112";
/// A chain of different operators (warning).
pub const MIXED: &str = "E0151";
/// An operator that ends in a dot, directly before a digit (warning).
pub const DOT_DIGIT: &str = "E0152";

/// Says that `expected` was expected where `token` is.
pub fn unexpected(token: Token, text: &str, span: Span, expected: &str) -> Diagnostic {
    match token.kind {
        Kind::Bad => Diagnostic::error(
            CHARACTER,
            span,
            format!("the character {} begins nothing in the language", quoted(text)),
        )
        .says(format!("expected {expected}"))
        .help("outside strings and comments write ASCII letters, digits and operators"),
        Kind::OpenText => Diagnostic::error(OPEN_TEXT, span, "this string has no end")
            .help("close it with `\"` on the same line; write `\\\"` for a quote inside"),
        Kind::End => {
            let message = format!("expected {expected}, found the end of the text");
            Diagnostic::error(UNEXPECTED, span, message)
        }
        _ => {
            let message = format!("expected {expected}, found {}", quoted(text));
            Diagnostic::error(UNEXPECTED, span, message)
        }
    }
}

/// Says that `token` separates nothing and begins no comment.
pub fn separator(text: &str, span: Span) -> Diagnostic {
    if text.starts_with(';') {
        Diagnostic::error(SEPARATOR, span, "there are no separators: commands need no `;`")
            .help("remove it; comments begin with `//`")
    } else {
        Diagnostic::error(HASH, span, "comments begin with `//`, not with `#`")
            .help("write `//`; there are no separators either")
    }
}

/// Says that a reserved word cannot be a name.
pub fn reserved(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error(RESERVED, span, format!("`{text}` is reserved and cannot be a name"))
        .help("reserved are `let in for filter fold do true false`; choose another name")
}

/// Says that a form cannot be an operand without parentheses.
pub fn needs_parentheses(text: &str, span: Span) -> Diagnostic {
    let message = format!("`{text}` cannot stand after an operator");
    Diagnostic::error(NEEDS_PARENTHESES, span, message)
        .help(format!("put it in parentheses: `({text} ...)`"))
}

/// Says how `>.` directly before a digit was read.
pub fn dot_digit(run: &str, span: Span) -> Diagnostic {
    let short = &run[..run.len() - 1];
    Diagnostic::warning(DOT_DIGIT, span, format!("read as the operator `{run}` before a number"))
        .help(format!("write `{run} 5` if that is meant, `{short} .5` if the dot is the number's"))
}

/// Returns a text between backquotes, its beginning if it is long.
pub fn quoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let mut short: String = line.chars().take(24).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}
