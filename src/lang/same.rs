//! Equality of programs: what they say, not where.

use crate::lang::ast::{CommandKind, Expr, ExprId, List, Piece, Program, Symbol, TextId};

/// Whether two programs have the same commands; spans, comments and blank lines do not matter.
pub fn same(left: &Program, right: &Program) -> bool {
    let mut pair = Pair { left, right, todo: Vec::new() };
    left.dialect == right.dialect
        && left.commands.len() == right.commands.len()
        && left
            .commands
            .iter()
            .zip(&right.commands)
            .all(|(a, b)| pair.command(a.kind, b.kind) && pair.finish())
}

struct Pair<'p> {
    left: &'p Program,
    right: &'p Program,
    todo: Vec<(ExprId, ExprId)>,
}

impl Pair<'_> {
    fn command(&mut self, a: CommandKind, b: CommandKind) -> bool {
        use CommandKind::{Import, Let, Load, Print, Save};
        match (a, b) {
            (
                Let { name: a, is_operator: a_is, params: a_params, body: a_body },
                Let { name: b, is_operator: b_is, params: b_params, body: b_body },
            ) => {
                self.todo.push((a_body, b_body));
                let a_params = self.left.params(a_params);
                let b_params = self.right.params(b_params);
                a_is == b_is
                    && self.word(a.symbol, b.symbol)
                    && a_params.len() == b_params.len()
                    && a_params.iter().zip(b_params).all(|(a, b)| self.word(a.symbol, b.symbol))
            }
            (Load { name: a, path: a_path }, Load { name: b, path: b_path }) => {
                let paths = match (a_path, b_path) {
                    (Some(a), Some(b)) => self.text(a, b),
                    (None, None) => true,
                    _ => false,
                };
                paths && self.word(a.symbol, b.symbol)
            }
            (Import { what: a }, Import { what: b }) => self.text(a, b),
            (Print { label: a, value: a_value }, Print { label: b, value: b_value })
            | (Save { path: a, value: a_value }, Save { path: b, value: b_value }) => {
                self.todo.push((a_value, b_value));
                self.text(a, b)
            }
            _ => false,
        }
    }

    fn finish(&mut self) -> bool {
        while let Some((a, b)) = self.todo.pop() {
            if !self.expr(self.left.expr(a), self.right.expr(b)) {
                return false;
            }
        }
        true
    }

    fn expr(&mut self, a: Expr, b: Expr) -> bool {
        use Expr::{
            Array, Bool, Call, Dollar, Field, Filter, Fold, For, Index, Infix, Let, Name, Number,
            Prefix, Record, Slice, Text,
        };
        match (a, b) {
            (Number(a), Number(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Bool(a), Bool(b)) => a == b,
            (Text(a), Text(b)) => self.text(a, b),
            (Name(a), Name(b)) | (Dollar(a), Dollar(b)) => self.word(a, b),
            (Call { callee: a, args: a_args }, Call { callee: b, args: b_args }) => {
                self.word(a.symbol, b.symbol) && self.items(a_args, b_args)
            }
            (
                Infix { op: a, left: a_left, right: a_right, extra: a_extra },
                Infix { op: b, left: b_left, right: b_right, extra: b_extra },
            ) => {
                self.todo.extend([(a_left, b_left), (a_right, b_right)]);
                self.word(a.symbol, b.symbol) && self.items(a_extra, b_extra)
            }
            (Prefix { op: a, arg: a_arg }, Prefix { op: b, arg: b_arg }) => {
                self.todo.push((a_arg, b_arg));
                self.word(a.symbol, b.symbol)
            }
            (
                Let { name: a, value: a_first, body: a_second },
                Let { name: b, value: b_first, body: b_second },
            )
            | (
                For { name: a, seq: a_first, body: a_second },
                For { name: b, seq: b_first, body: b_second },
            )
            | (
                Filter { name: a, seq: a_first, keep: a_second },
                Filter { name: b, seq: b_first, keep: b_second },
            ) => {
                self.todo.extend([(a_first, b_first), (a_second, b_second)]);
                self.word(a.symbol, b.symbol)
            }
            (
                Fold { op: a, init: a_init, seq: a_seq },
                Fold { op: b, init: b_init, seq: b_seq },
            ) => {
                self.todo.push((a_seq, b_seq));
                self.word(a.symbol, b.symbol) && self.option(a_init, b_init)
            }
            (Array(a), Array(b)) => self.items(a, b),
            (Record(a), Record(b)) => self.fields(a, b),
            (Index { base: a, index: a_index }, Index { base: b, index: b_index }) => {
                self.todo.extend([(a, b), (a_index, b_index)]);
                true
            }
            (
                Slice { base: a, from: a_from, to: a_to },
                Slice { base: b, from: b_from, to: b_to },
            ) => {
                self.todo.push((a, b));
                self.option(a_from, b_from) && self.option(a_to, b_to)
            }
            (Field { base: a, name: a_name }, Field { base: b, name: b_name }) => {
                self.todo.push((a, b));
                self.word(a_name.symbol, b_name.symbol)
            }
            _ => false,
        }
    }

    fn word(&self, a: Symbol, b: Symbol) -> bool {
        self.left.name(a) == self.right.name(b)
    }

    fn option(&mut self, a: Option<ExprId>, b: Option<ExprId>) -> bool {
        self.todo.extend(a.zip(b));
        a.is_some() == b.is_some()
    }

    fn items(&mut self, a: List, b: List) -> bool {
        let (a, b) = (self.left.items(a), self.right.items(b));
        self.todo.extend(a.iter().copied().zip(b.iter().copied()));
        a.len() == b.len()
    }

    fn fields(&mut self, a: List, b: List) -> bool {
        let (a, b) = (self.left.fields(a), self.right.fields(b));
        self.todo.extend(a.iter().zip(b).map(|(a, b)| (a.value, b.value)));
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.word(a.name.symbol, b.name.symbol))
    }

    fn text(&self, a: TextId, b: TextId) -> bool {
        let (a, b) = (self.left.pieces(a), self.right.pieces(b));
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| match (a, b) {
                (Piece::Plain(a), Piece::Plain(b)) => a == b,
                (Piece::Dollar(a), Piece::Dollar(b)) => self.word(a.symbol, b.symbol),
                _ => false,
            })
    }
}
