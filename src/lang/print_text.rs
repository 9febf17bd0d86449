//! Strings and numbers as text that reads back as the same.

use crate::lang::ast::{Piece, Program, TextId};
use crate::lang::dialect::Dialect;
use crate::lang::lexer::{begins_name, in_name};

/// Writes a string with its quotes.
pub fn string(program: &Program, id: TextId, out: &mut String) {
    let pieces = program.pieces(id);
    out.push('"');
    for (i, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Plain(text) if program.dialect == Dialect::One => out.push_str(text),
            Piece::Plain(text) => plain(text, i + 1 == pieces.len(), out),
            Piece::Dollar(word) => {
                let name = program.name(word.symbol);
                let glued = match pieces.get(i + 1) {
                    Some(Piece::Plain(next)) => in_name(next.as_bytes()[0]),
                    _ => false,
                };
                out.push_str(if glued { "${" } else { "$" });
                out.push_str(name);
                if glued {
                    out.push('}');
                }
            }
        }
    }
    out.push('"');
}

fn plain(text: &str, last: bool, out: &mut String) {
    let bytes = text.as_bytes();
    for (i, c) in text.char_indices() {
        let next = bytes.get(i + 1).copied();
        let doubled = match c {
            '"' | '\\' => {
                out.push('\\');
                false
            }
            '$' => match next {
                Some(next) => begins_name(next) || matches!(next, b'{' | b'$'),
                None => !last,
            },
            _ => false,
        };
        if doubled {
            out.push('$');
        }
        out.push(c);
    }
}

/// Returns the shortest text of a number.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "1e999" } else { "-1e999" }.to_owned();
    }
    let text = format!("{value:?}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
