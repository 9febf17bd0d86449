//! A program as canonical text: one line a command, comments and single blank lines kept.
//!
//! Printed text reads back as the same program, and printing that gives the same text.

use crate::lang::ast::{Command, CommandKind, Comment, Program};
use crate::lang::dialect::Dialect;
use crate::lang::print_expr;
use crate::lang::print_text;

/// Returns the text of a program that was read without errors.
///
/// A comment inside a command moves to its own line before it.
pub fn print(program: &Program) -> String {
    let mut out = String::new();
    let mut comments = program.comments.as_slice();
    for (i, command) in program.commands.iter().enumerate() {
        let before = comments.partition_point(|c| c.span.start < command.span.start);
        for comment in &comments[..before] {
            line(&mut out, program.dialect, comment, comment.spaced);
        }
        let until = comments.partition_point(|c| c.span.start < command.span.end);
        let mut spaced = command.spaced;
        for comment in &comments[before..until] {
            line(&mut out, program.dialect, comment, std::mem::take(&mut spaced));
        }
        comments = &comments[until..];
        blank(&mut out, spaced);
        self::command(program, command, &mut out);
        let next = program.commands.get(i + 1).map_or(u32::MAX, |next| next.span.start);
        if let Some((comment, rest)) = comments.split_first()
            && !comment.own_line
            && comment.span.start < next
        {
            out.push(' ');
            out.push_str(&comment.text);
            comments = rest;
        }
        out.push('\n');
    }
    for comment in comments {
        line(&mut out, program.dialect, comment, comment.spaced);
    }
    out
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
            if !params.is_empty() {
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
