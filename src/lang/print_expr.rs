//! Expressions as canonical text, on an explicit stack.
//!
//! Parentheses stand where the tree needs them, and around a chain of other operators, so that no
//! printed text is read differently by the other dialect's rule without saying so.

use crate::lang::ast::{Expr, ExprId, Program, Symbol};
use crate::lang::dialect::Dialect;
use crate::lang::lexer::{begins_name, is_symbol};
use crate::lang::print_text;

/// Where an expression stands; decides whether it needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Anything may stand here.
    Any,
    /// Left of an operator, which may be the same operator again (dialect 2).
    Left(Symbol),
    /// Right of an operator, which may be the same operator again (dialect 1).
    Right(Symbol),
    /// After a prefix operator.
    Argument,
    /// After the infix operator `.`, where a name would be a field.
    AfterDot,
    /// Before `[`.
    Base,
    /// Before `.name`: the text must end in a bracket.
    Record,
    /// In the brackets of an index, where `:` is a mark.
    Index,
    /// The first of two arguments of `fold`; the second is in parentheses, or is not.
    Init { guarded: bool },
    /// The second of two arguments of `fold`.
    Seq,
}

enum Task {
    Expr(ExprId, Place),
    Word(Symbol),
    Text(&'static str),
    Gap,
}

/// Writes one expression.
pub fn expression(program: &Program, id: ExprId, out: &mut String) {
    let mut printer = Printer { program, out, tasks: vec![Task::Expr(id, Place::Any)], gap: false };
    while let Some(task) = printer.tasks.pop() {
        match task {
            Task::Expr(id, place) => printer.expr(id, place),
            Task::Word(symbol) => {
                let text = program.name(symbol);
                printer.put(text);
            }
            Task::Text(text) => printer.put(text),
            Task::Gap => printer.gap = true,
        }
    }
}

struct Printer<'p, 'o> {
    program: &'p Program,
    out: &'o mut String,
    tasks: Vec<Task>,
    /// Whether a prefix operator was written last: what follows must not glue to it.
    gap: bool,
}

impl Printer<'_, '_> {
    fn put(&mut self, text: &str) {
        if std::mem::take(&mut self.gap) && self.glues(text) {
            self.out.push(' ');
        }
        self.out.push_str(text);
    }

    fn glues(&self, text: &str) -> bool {
        let Some(first) = text.chars().next() else { return false };
        let last = self.out.chars().next_back().unwrap_or(' ');
        let one = self.program.dialect == Dialect::One;
        let symbol = first.is_ascii() && is_symbol(first as u8);
        symbol
            || first.is_ascii_digit() && (one || last == '.')
            || (first.is_alphanumeric() || first == '_') && (last.is_alphanumeric() || last == '$')
            || one && (last.is_alphabetic() || text == "nan")
    }

    fn expr(&mut self, id: ExprId, place: Place) {
        let program = self.program;
        let expr = program.expr(id);
        if !self.stands_bare(expr, place) {
            self.put("(");
            self.tasks.push(Task::Text(")"));
            self.tasks.push(Task::Expr(id, Place::Any));
            return;
        }
        match expr {
            Expr::Number(value) => self.put(&print_text::number(value)),
            Expr::Bool(value) => self.put(if value { "true" } else { "false" }),
            Expr::Text(text) => {
                self.put("");
                print_text::string(program, text, self.out);
            }
            Expr::Name(symbol) => self.put(program.name(symbol)),
            Expr::Dollar(symbol) => {
                // `$` begins a new token before a letter, so nothing glues to it.
                self.gap = false;
                self.out.push('$');
                self.out.push_str(program.name(symbol));
            }
            Expr::Call { callee, args } => {
                self.put(program.name(callee.symbol));
                self.list("(", program.items(args), ")");
            }
            Expr::Infix { op, left, right, extra } => {
                let (left_place, right_place) = match program.dialect {
                    Dialect::Two if program.name(op.symbol) == "." => {
                        (Place::Left(op.symbol), Place::AfterDot)
                    }
                    Dialect::Two => (Place::Left(op.symbol), Place::Argument),
                    Dialect::One => (Place::Argument, Place::Right(op.symbol)),
                };
                self.tasks.push(Task::Expr(right, right_place));
                self.tasks.push(Task::Text(" "));
                if !extra.is_empty() {
                    let items = program.items(extra);
                    self.tasks.push(Task::Text("]"));
                    for (i, &item) in items.iter().enumerate().rev() {
                        self.tasks.push(Task::Expr(item, Place::Any));
                        self.tasks.push(Task::Text(if i == 0 { "[" } else { ", " }));
                    }
                }
                self.tasks.push(Task::Word(op.symbol));
                self.tasks.push(Task::Text(" "));
                self.tasks.push(Task::Expr(left, left_place));
            }
            Expr::Prefix { op, arg } => {
                self.put(program.name(op.symbol));
                self.tasks.push(Task::Expr(arg, Place::Argument));
                self.tasks.push(Task::Gap);
            }
            Expr::Let { name, value, body } => {
                self.form("let ", name.symbol, " = ", value, " in ", body);
            }
            Expr::For { name, seq, body } => {
                self.form("for ", name.symbol, " in ", seq, " do ", body);
            }
            Expr::Filter { name, seq, keep } => {
                self.form("filter ", name.symbol, " in ", seq, " do ", keep);
            }
            Expr::Fold { op, init, seq } => self.fold(op.symbol, init, seq),
            Expr::Array(items) => self.list("[", program.items(items), "]"),
            Expr::Record(fields) => {
                self.put("{");
                self.tasks.push(Task::Text("}"));
                for (i, field) in program.fields(fields).iter().enumerate().rev() {
                    self.tasks.push(Task::Expr(field.value, Place::Any));
                    self.tasks.push(Task::Text(": "));
                    self.tasks.push(Task::Word(field.name.symbol));
                    self.tasks.push(Task::Text(if i == 0 { "" } else { ", " }));
                }
            }
            Expr::Index { base, index } => {
                self.tasks.push(Task::Text("]"));
                self.tasks.push(Task::Expr(index, Place::Index));
                self.tasks.push(Task::Text("["));
                self.tasks.push(Task::Expr(base, Place::Base));
            }
            Expr::Slice { base, from, to } => {
                self.tasks.push(Task::Text("]"));
                self.tasks.extend(to.map(|to| Task::Expr(to, Place::Index)));
                self.tasks.push(Task::Text(":"));
                self.tasks.extend(from.map(|from| Task::Expr(from, Place::Index)));
                self.tasks.push(Task::Text("["));
                self.tasks.push(Task::Expr(base, Place::Base));
            }
            Expr::Field { base, name } => {
                self.tasks.push(Task::Word(name.symbol));
                self.tasks.push(Task::Text("."));
                self.tasks.push(Task::Expr(base, Place::Record));
            }
        }
    }

    fn list(&mut self, open: &'static str, items: &[ExprId], close: &'static str) {
        self.put(open);
        self.tasks.push(Task::Text(close));
        for (i, &item) in items.iter().enumerate().rev() {
            self.tasks.push(Task::Expr(item, Place::Any));
            self.tasks.push(Task::Text(if i == 0 { "" } else { ", " }));
        }
    }

    fn form(
        &mut self,
        word: &'static str,
        name: Symbol,
        mark: &'static str,
        first: ExprId,
        join: &'static str,
        second: ExprId,
    ) {
        self.put(word);
        self.tasks.push(Task::Expr(second, Place::Any));
        self.tasks.push(Task::Text(join));
        self.tasks.push(Task::Expr(first, Place::Any));
        self.tasks.push(Task::Text(mark));
        self.tasks.push(Task::Word(name));
    }

    fn fold(&mut self, op: Symbol, init: Option<ExprId>, seq: ExprId) {
        self.put("fold ");
        match init {
            None => self.tasks.push(Task::Expr(seq, Place::Any)),
            Some(init) => {
                let guarded = !self.stands_bare(self.program.expr(seq), Place::Seq);
                self.tasks.push(Task::Expr(seq, Place::Seq));
                self.tasks.push(Task::Text(" "));
                self.tasks.push(Task::Expr(init, Place::Init { guarded }));
            }
        }
        self.tasks.push(Task::Text(" "));
        self.tasks.push(Task::Word(op));
    }

    /// Whether an expression needs no parentheses where it stands.
    fn stands_bare(&self, expr: Expr, place: Place) -> bool {
        let form = matches!(
            expr,
            Expr::Let { .. } | Expr::For { .. } | Expr::Filter { .. } | Expr::Fold { .. }
        );
        let infix = matches!(expr, Expr::Infix { .. });
        let prefix = matches!(expr, Expr::Prefix { .. });
        let one = self.program.dialect == Dialect::One;
        match place {
            Place::Any => true,
            Place::Left(op) | Place::Right(op) => match expr {
                Expr::Infix { op: inner, .. } => inner.symbol == op,
                _ => !form,
            },
            // In dialect 1 this is also left of an operator, where a prefix would take the rest.
            Place::Argument => !(form || infix || one && prefix),
            Place::AfterDot => false,
            Place::Base => !form && !infix && !prefix,
            Place::Record => matches!(
                expr,
                Expr::Call { .. }
                    | Expr::Array(_)
                    | Expr::Record(_)
                    | Expr::Index { .. }
                    | Expr::Slice { .. }
            ),
            Place::Index => !self.has_colons() || is_word(expr),
            Place::Init { guarded } => match expr {
                Expr::Name(symbol) => {
                    !guarded && !matches!(self.program.name(symbol), "print" | "save" | "import")
                }
                Expr::Array(_)
                | Expr::Index { .. }
                | Expr::Slice { .. }
                | Expr::Field { .. }
                | Expr::Call { .. } => true,
                _ => is_word(expr),
            },
            Place::Seq => match expr {
                Expr::Name(symbol) => self.program.name(symbol) != "load",
                Expr::Call { callee, .. } => {
                    let text = self.program.name(callee.symbol);
                    begins_name(text.as_bytes()[0]) && !text.ends_with(is_symbol_char)
                }
                Expr::For { .. } | Expr::Filter { .. } => true,
                _ => is_word(expr),
            },
        }
    }

    /// Whether any operator begins with `:`, which an index would read as its mark.
    fn has_colons(&self) -> bool {
        self.program.names.has_colon()
    }
}

fn is_symbol_char(c: char) -> bool {
    c.is_ascii() && is_symbol(c as u8)
}

/// Whether it is one token, or a record: nothing can glue to it.
fn is_word(expr: Expr) -> bool {
    matches!(
        expr,
        Expr::Number(_)
            | Expr::Bool(_)
            | Expr::Text(_)
            | Expr::Name(_)
            | Expr::Dollar(_)
            | Expr::Record(_)
    )
}
