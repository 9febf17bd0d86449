//! What strings hold: escapes undone, names to expand found.

use crate::lang::ast::{List, Piece, Program, Text, TextId, Word};
use crate::lang::dialect::Dialect;
use crate::lang::lexer::{begins_name, in_name};
use crate::lang::source::Span;

/// Adds the string `quoted` (with its quotes) that stands at `span`.
///
/// Dialect 1 has no escapes and expands nothing.
pub fn add(program: &mut Program, quoted: &str, span: Span) -> TextId {
    let start = program.pieces.len() as u32;
    let inner = &quoted[1..quoted.len() - 1];
    if program.dialect == Dialect::One {
        if !inner.is_empty() {
            program.pieces.push(Piece::Plain(inner.to_owned()));
        }
    } else {
        read(program, inner, span);
    }
    let pieces = List { start, len: program.pieces.len() as u32 - start };
    program.texts.push(Text { span, pieces });
    TextId(program.texts.len() as u32 - 1)
}

fn read(program: &mut Program, inner: &str, span: Span) {
    let bytes = inner.as_bytes();
    let mut plain = String::new();
    let mut at = 0;
    let mut copied = 0;
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied();
        match bytes[at] {
            b'\\' if matches!(next, Some(b'"' | b'\\')) => {
                plain.push_str(&inner[copied..at]);
                copied = at + 1;
                at += 2;
            }
            b'$' if next == Some(b'$') => {
                plain.push_str(&inner[copied..at]);
                copied = at + 1;
                at += 2;
            }
            b'$' => {
                let Some((name, end)) = expansion(inner, at) else {
                    at += 1;
                    continue;
                };
                plain.push_str(&inner[copied..at]);
                if !plain.is_empty() {
                    program.pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                }
                let begin = span.start + 1 + at as u32;
                let place = Span::new(span.source, begin, begin + (end - at) as u32);
                let symbol = program.names.intern(name);
                program.pieces.push(Piece::Dollar(Word { symbol, span: place }));
                at = end;
                copied = end;
            }
            _ => at += 1,
        }
    }
    plain.push_str(&inner[copied..]);
    if !plain.is_empty() {
        program.pieces.push(Piece::Plain(plain));
    }
}

/// Returns the name of the `$name` or `${name}` at `at`, and where it ends.
fn expansion(inner: &str, at: usize) -> Option<(&str, usize)> {
    let bytes = inner.as_bytes();
    let brace = bytes.get(at + 1) == Some(&b'{');
    let start = at + 1 + usize::from(brace);
    if !bytes.get(start).is_some_and(|&byte| begins_name(byte)) {
        return None;
    }
    let end = start + bytes[start..].iter().take_while(|&&byte| in_name(byte)).count();
    if !brace {
        return Some((&inner[start..end], end));
    }
    (bytes.get(end) == Some(&b'}')).then(|| (&inner[start..end], end + 1))
}
