//! A program as canonical text: one line a command, comments and single blank lines kept.
//!
//! Printed text reads back as the same program, and printing that gives the same text.

use crate::lang::ast::{Command, CommandKind, Comment, Program};
use crate::lang::dialect::Dialect;
use crate::lang::print_expr;
use crate::lang::print_text;

/// Trailing comments of lines that follow each other stand in one column, unless a line is longer.
const LONG: usize = 60;

/// Returns the text of a program that was read without errors.
///
/// A comment inside a command moves to its own line before it.
pub fn print(program: &Program) -> String {
    let mut out = String::new();
    let mut comments = program.comments.as_slice();
    // Lines in a row that end in a comment, as the place of the comment in `out` and its column.
    let mut row: Vec<(usize, usize)> = Vec::new();
    for (i, command) in program.commands.iter().enumerate() {
        let before = comments.partition_point(|c| c.span.start < command.span.start);
        let until = comments.partition_point(|c| c.span.start < command.span.end);
        if until > 0 || command.spaced {
            align(&mut out, &mut row);
        }
        for comment in &comments[..before] {
            line(&mut out, program.dialect, comment, comment.spaced);
        }
        let mut spaced = command.spaced;
        for comment in &comments[before..until] {
            line(&mut out, program.dialect, comment, std::mem::take(&mut spaced));
        }
        comments = &comments[until..];
        blank(&mut out, spaced);
        let begin = out.len();
        self::command(program, command, &mut out);
        let next = program.commands.get(i + 1).map_or(u32::MAX, |next| next.span.start);
        let mut is_commented = false;
        if let Some((comment, rest)) = comments.split_first()
            && !comment.own_line
            && comment.span.start < next
        {
            let width = out[begin..].chars().count();
            out.push(' ');
            if width <= LONG && !out[begin..].contains('\n') {
                is_commented = true;
                row.push((out.len(), width));
            }
            out.push_str(&comment.text);
            comments = rest;
        }
        if !is_commented {
            align(&mut out, &mut row);
        }
        out.push('\n');
    }
    align(&mut out, &mut row);
    for comment in comments {
        line(&mut out, program.dialect, comment, comment.spaced);
    }
    out
}

/// Moves the comments of a row of lines into one column.
fn align(out: &mut String, row: &mut Vec<(usize, usize)>) {
    let widest = row.iter().map(|(_, width)| *width).max().unwrap_or(0);
    let first = row.first().map_or(out.len(), |(at, _)| *at);
    if row.iter().any(|(_, width)| *width < widest) {
        let tail = out.split_off(first);
        let mut copied = 0;
        for (at, width) in row.iter() {
            let at = at - first;
            out.push_str(&tail[copied..at]);
            out.extend(std::iter::repeat_n(' ', widest - width));
            copied = at;
        }
        out.push_str(&tail[copied..]);
    }
    row.clear();
}

fn line(out: &mut String, dialect: Dialect, comment: &Comment, spaced: bool) {
    // A comment that comes to stand first must not become the line that chooses the dialect.
    let chosen = Dialect::asked_for(&comment.text);
    if out.is_empty() && comment.span.start > 0 && chosen.is_some_and(|other| other != dialect) {
        out.push('\n');
    }
    blank(out, spaced);
    out.push_str(&comment.text);
    out.push('\n');
}

fn blank(out: &mut String, spaced: bool) {
    if spaced && !out.is_empty() && out != "\n" {
        out.push('\n');
    }
}

fn command(program: &Program, command: &Command, out: &mut String) {
    match command.kind {
        CommandKind::Let { name, is_operator, params, body } => {
            if is_operator || program.dialect == Dialect::One {
                out.push_str("let ");
            }
            out.push_str(program.name(name.symbol));
            // Alone, an operator that begins with `=` would be the declaration's mark.
            let is_mark = is_operator && program.name(name.symbol).starts_with('=');
            if !params.is_empty() || is_mark {
                let params = program.params(params).iter();
                let names: Vec<_> = params.map(|word| program.name(word.symbol)).collect();
                out.push('(');
                out.push_str(&names.join(", "));
                out.push(')');
            }
            out.push_str(" = ");
            print_expr::expression(program, body, out);
        }
        CommandKind::Load { name, path } => {
            out.push_str("load ");
            out.push_str(program.name(name.symbol));
            if let Some(path) = path {
                out.push_str(" = ");
                print_text::string(program, path, out);
            }
        }
        CommandKind::Import { what } => {
            out.push_str("import ");
            print_text::string(program, what, out);
        }
        CommandKind::Print { label, value } => {
            out.push_str("print ");
            print_text::string(program, label, out);
            out.push(' ');
            print_expr::expression(program, value, out);
        }
        CommandKind::Save { path, value } => {
            out.push_str("save ");
            print_text::string(program, path, out);
            out.push(' ');
            print_expr::expression(program, value, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::diagnostic::Diagnostic;
    use crate::lang::dialect::Options;
    use crate::lang::parser::parse;
    use crate::lang::source::{Source, SourceId};

    fn source(text: &str) -> Source {
        Source::new(SourceId(0), "test.imgql", text)
    }

    #[test]
    fn printing_is_canonical_and_keeps_comments() {
        let printed = |text: &str, expected: &str| {
            let (program, told) = parse(&source(text), &Options::default());
            assert!(!told.iter().any(Diagnostic::is_error), "{told:?}");
            assert_eq!(print(&program), expected);
            let (again, _) = parse(&source(expected), &Options::default());
            assert_eq!(print(&again), expected);
        };
        printed(
            "let  x=1 y=-x // why  \n\n\n// next\nz=f( a,b )",
            "x = 1\ny = -x // why\n\n// next\nz = f(a, b)\n",
        );
        printed("// a\n\n\n// b\nx = // inside\n 1\n", "// a\n\n// b\n// inside\nx = 1\n");
        printed("x = 1\n\ny = (2 // two\n + 3)\n// end", "x = 1\n\n// two\ny = 2 + 3\n// end\n");
        printed("a = b & c | d\ne = b & c & d", "a = (b & c) | d\ne = b & c & d\n");
        printed(
            "a=1 // one\nlong_name = 2//two\nc = 3\nd = 4 // four\n\ne = 55 // five\nf = 6 // six",
            "a = 1         // one\nlong_name = 2 //two\nc = 3\nd = 4 // four\n\n\
             e = 55 // five\nf = 6  // six\n",
        );
        printed("+?(a,b)=a*b", "let +?(a, b) = a * b\n");
        printed("x = //! imgql 1\n 3", "\n//! imgql 1\nx = 3\n");
        printed("//! imgql 1\nlet x = a&b| N c", "//! imgql 1\nlet x = a & (b | N c)\n");
        printed("x = f>.-1", "x = f >.- 1\n");
    }
}
