//! The tree as it is, every form in brackets: for tests and for people who wonder.

use crate::lang::ast::{CommandKind, Expr, ExprId, Program, Symbol};
use crate::lang::print_text;

enum Task {
    Expr(ExprId),
    Word(Symbol),
    Text(&'static str),
}

/// Returns the commands, one a line.
pub fn dump(program: &Program) -> String {
    let mut out = String::new();
    for command in &program.commands {
        let value = match command.kind {
            CommandKind::Let { name, params, body, .. } => {
                out.push_str("let ");
                out.push_str(program.name(name.symbol));
                for param in program.params(params) {
                    out.push(' ');
                    out.push_str(program.name(param.symbol));
                }
                out.push_str(" = ");
                Some(body)
            }
            CommandKind::Load { name, path } => {
                out.push_str("load ");
                out.push_str(program.name(name.symbol));
                if let Some(path) = path {
                    out.push(' ');
                    print_text::string(program, path, &mut out);
                }
                None
            }
            CommandKind::Import { what } => {
                out.push_str("import ");
                print_text::string(program, what, &mut out);
                None
            }
            CommandKind::Print { label: text, value } => {
                out.push_str("print ");
                print_text::string(program, text, &mut out);
                out.push(' ');
                Some(value)
            }
            CommandKind::Save { path: text, value } => {
                out.push_str("save ");
                print_text::string(program, text, &mut out);
                out.push(' ');
                Some(value)
            }
        };
        if let Some(value) = value {
            out.push_str(&expression(program, value));
        }
        out.push('\n');
    }
    out
}

/// Returns one expression.
pub fn expression(program: &Program, id: ExprId) -> String {
    let mut out = String::new();
    let mut tasks = vec![Task::Expr(id)];
    while let Some(task) = tasks.pop() {
        match task {
            Task::Expr(id) => {
                let at = tasks.len();
                parts(program, program.expr(id), &mut out, &mut tasks);
                tasks[at..].reverse();
            }
            Task::Word(symbol) => out.push_str(program.name(symbol)),
            Task::Text(text) => out.push_str(text),
        }
    }
    out
}

/// Writes what is known at once and pushes the rest, in order.
fn parts(program: &Program, expr: Expr, out: &mut String, tasks: &mut Vec<Task>) {
    let mut list = |head: Option<&'static str>, word: Option<Symbol>, items: &[ExprId]| {
        tasks.push(Task::Text("("));
        tasks.extend(head.map(Task::Text));
        tasks.extend(word.map(Task::Word));
        for &item in items {
            tasks.push(Task::Text(" "));
            tasks.push(Task::Expr(item));
        }
        tasks.push(Task::Text(")"));
    };
    match expr {
        Expr::Number(value) => out.push_str(&print_text::number(value)),
        Expr::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Expr::Text(text) => print_text::string(program, text, out),
        Expr::Name(symbol) => out.push_str(program.name(symbol)),
        Expr::Dollar(symbol) => {
            out.push('$');
            out.push_str(program.name(symbol));
        }
        Expr::Call { callee, args } => {
            list(Some("call "), Some(callee.symbol), program.items(args));
        }
        Expr::Infix { op, left, right, extra } => {
            let items = [&[left, right], program.items(extra)].concat();
            list(None, Some(op.symbol), &items);
        }
        Expr::Prefix { op, arg } => list(Some("pre "), Some(op.symbol), &[arg]),
        Expr::Let { name, value, body } => list(Some("let "), Some(name.symbol), &[value, body]),
        Expr::For { name, seq, body } => list(Some("for "), Some(name.symbol), &[seq, body]),
        Expr::Filter { name, seq, keep } => {
            list(Some("filter "), Some(name.symbol), &[seq, keep]);
        }
        Expr::Fold { op, init: Some(init), seq } => {
            list(Some("fold "), Some(op.symbol), &[init, seq]);
        }
        Expr::Fold { op, init: None, seq } => list(Some("fold "), Some(op.symbol), &[seq]),
        Expr::Array(items) => list(Some("array"), None, program.items(items)),
        Expr::Record(fields) => {
            tasks.push(Task::Text("(record"));
            for field in program.fields(fields) {
                tasks.push(Task::Text(" "));
                tasks.push(Task::Word(field.name.symbol));
                tasks.push(Task::Text(": "));
                tasks.push(Task::Expr(field.value));
            }
            tasks.push(Task::Text(")"));
        }
        Expr::Index { base, index } => list(Some("at"), None, &[base, index]),
        Expr::Slice { base, from, to } => {
            tasks.extend([Task::Text("(slice "), Task::Expr(base)]);
            for bound in [from, to] {
                tasks.push(Task::Text(" "));
                tasks.push(bound.map_or(Task::Text("_"), Task::Expr));
            }
            tasks.push(Task::Text(")"));
        }
        Expr::Field { base, name } => {
            tasks.extend([Task::Text("(field "), Task::Expr(base), Task::Text(" ")]);
            tasks.extend([Task::Word(name.symbol), Task::Text(")")]);
        }
    }
}
