//! Expressions to steps: names are settled, runs of operators are split.
//!
//! The tree is walked with a list of what is still to do, never by recursion.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::lang::ast::{Expr, ExprId, Program, Symbol, Word};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::{SourceId, Span};
use crate::lower::code::{Callable, Code, Form, Lambda, LambdaId, Linked, Start};
use crate::lower::mistake;
use crate::lower::request::Setting;
use crate::lower::scope::{Meaning, Scope};
use crate::value::data::Value;

/// What is settled so far, of all files.
pub struct Settler {
    /// Names in force.
    pub scope: Scope,
    /// The steps.
    pub linked: Linked,
    /// What was found wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// What `$NAME` means beside names of the program.
    pub dollars: HashMap<String, Setting>,
    /// The `$NAME`s that were used.
    pub used: HashSet<String>,
    /// Words of commands that were not understood: names that may be declared there.
    pub lost: HashSet<String>,
    /// Ends of what stands before a syntax error.
    pub broken: HashSet<(SourceId, u32)>,
    /// Names that are not there, with the places of their mistakes in the list.
    pub unknowns: Vec<(usize, Symbol)>,
    /// The declaration whose body is read.
    pub within: Option<Symbol>,
    /// Does the body call something?
    pub calls: bool,
    /// Does the body, outside of loops, read a file by a call?
    pub reads: bool,
}

/// One file while it is settled.
pub struct Unit<'p> {
    /// Its tree.
    pub program: &'p Program,
    /// Its names in the scope's table.
    pub symbols: &'p [Symbol],
}

enum Todo {
    Visit(ExprId),
    Emit(Code, Span),
    Call(Symbol, u32, Span),
    Prefix(Symbol, Span),
    Bind(Symbol, Span),
    Unbind(Symbol, Span),
    Open(Symbol, Span),
    Close { name: Symbol, filter: bool, span: Span, skip: Option<u32> },
}

impl Settler {
    /// Adds a step.
    pub fn emit(&mut self, code: Code, span: Span) -> u32 {
        self.linked.steps.push(code);
        self.linked.spans.push(span);
        self.linked.steps.len() as u32 - 1
    }

    /// Returns where the next step will be.
    pub fn here(&self) -> u32 {
        self.linked.steps.len() as u32
    }

    /// Keeps a constant; returns its number.
    pub fn constant(&mut self, value: Value) -> u32 {
        self.linked.constants.push(value);
        self.linked.constants.len() as u32 - 1
    }

    /// Emits the steps of an expression.
    pub fn expression(&mut self, unit: &Unit<'_>, root: ExprId) {
        let mut todo = vec![Todo::Visit(root)];
        while let Some(next) = todo.pop() {
            match next {
                Todo::Visit(id) => self.visit(unit, id, &mut todo),
                Todo::Emit(code, span) => {
                    self.emit(code, span);
                }
                Todo::Call(name, count, span) => self.apply(name, count, span),
                Todo::Prefix(name, span) => self.prefix(name, span),
                Todo::Bind(name, span) => {
                    self.emit(Code::Enter, span);
                    self.scope.bind(name);
                }
                Todo::Unbind(name, span) => {
                    self.scope.unbind(name);
                    self.emit(Code::Leave, span);
                }
                Todo::Open(name, span) => {
                    let skip = self.emit(Code::Skip(0), span);
                    self.scope.open();
                    self.scope.bind(name);
                    for task in todo.iter_mut().rev() {
                        if let Todo::Close { skip: to, .. } = task {
                            *to = Some(skip);
                            break;
                        }
                    }
                }
                Todo::Close { name, filter, span, skip } => self.close(name, filter, span, skip),
            }
        }
    }

    fn close(&mut self, name: Symbol, filter: bool, span: Span, skip: Option<u32>) {
        self.emit(Code::Return, span);
        self.scope.unbind(name);
        let captures = self.scope.close();
        let skip = skip.expect("the body was opened before it is closed");
        let id = LambdaId(self.linked.lambdas.len() as u32);
        self.linked.lambdas.push(Lambda { start: skip + 1, captures });
        self.linked.steps[skip as usize] = Code::Skip(self.here());
        self.calls = true;
        self.emit(if filter { Code::Filter(id) } else { Code::For(id) }, span);
    }

    fn visit(&mut self, unit: &Unit<'_>, id: ExprId, todo: &mut Vec<Todo>) {
        let program = unit.program;
        let span = program.span(id);
        let visit_all = |todo: &mut Vec<Todo>, items: &[ExprId]| {
            todo.extend(items.iter().rev().map(|item| Todo::Visit(*item)));
        };
        match program.expr(id) {
            Expr::Number(number) => {
                self.emit(Code::Number(number), span);
            }
            Expr::Bool(truth) => {
                let constant = self.constant(Value::Bool(truth));
                self.emit(Code::Constant(constant), span);
            }
            Expr::Text(text) => self.string(unit, text),
            Expr::Name(symbol) => self.name(unit, symbol, span),
            Expr::Dollar(symbol) => self.dollar(unit, symbol, span, true),
            Expr::Call { callee, args } => {
                let args = program.items(args);
                if self.meaning(unit, callee.symbol) == Some(Meaning::Map) {
                    self.map(unit, args, span, todo);
                    return;
                }
                if args.is_empty() && self.field_of_name(unit, callee.symbol).is_some() {
                    self.name(unit, callee.symbol, span);
                    return;
                }
                let (last, prefixes) = self.split_call(unit, callee);
                todo.extend(prefixes.into_iter().map(|name| Todo::Prefix(name, span)));
                todo.push(Todo::Call(last, args.len() as u32, span));
                visit_all(todo, args);
            }
            Expr::Infix { op, left, right, extra } => {
                let extra = program.items(extra);
                let (first, prefixes) = self.pieces(unit, op);
                todo.push(Todo::Call(first, 2 + extra.len() as u32, span));
                visit_all(todo, extra);
                // The first prefix is the outermost: it is applied last.
                let right_span = program.span(right);
                todo.extend(prefixes.into_iter().map(|name| Todo::Prefix(name, right_span)));
                todo.push(Todo::Visit(right));
                todo.push(Todo::Visit(left));
            }
            Expr::Prefix { op, arg } => {
                let (first, rest) = self.pieces(unit, op);
                todo.push(Todo::Prefix(first, span));
                todo.extend(rest.into_iter().map(|name| Todo::Prefix(name, span)));
                todo.push(Todo::Visit(arg));
            }
            Expr::Let { name, value, body } => {
                let symbol = unit.symbols[name.symbol.0 as usize];
                todo.push(Todo::Unbind(symbol, span));
                todo.push(Todo::Visit(body));
                todo.push(Todo::Bind(symbol, name.span));
                todo.push(Todo::Visit(value));
            }
            Expr::For { name, seq, body } => {
                self.each(unit, name, seq, body, span, false, todo);
            }
            Expr::Filter { name, seq, keep } => {
                self.each(unit, name, seq, keep, span, true, todo);
            }
            Expr::Fold { op, init, seq } => self.fold(unit, op, init, seq, span, todo),
            Expr::Array(items) => {
                let items = program.items(items);
                let form = Callable::Form(Form::Sequence);
                todo.push(Todo::Emit(Code::Call(form, items.len() as u32), span));
                visit_all(todo, items);
            }
            Expr::Record(fields) => {
                let fields = program.fields(fields);
                let mut names: Vec<Arc<str>> = Vec::with_capacity(fields.len());
                let mut seen = HashSet::new();
                for field in fields {
                    if !seen.insert(field.name.symbol) {
                        let name = program.name(field.name.symbol);
                        self.diagnostics.push(Diagnostic::error(
                            mistake::TWICE,
                            field.name.span,
                            format!("the record has two fields `{name}`"),
                        ));
                    }
                    names.push(Arc::from(program.name(field.name.symbol)));
                }
                let shape = self.linked.shapes.len() as u32;
                self.linked.shapes.push(names.into());
                let form = Callable::Form(Form::Record(shape));
                todo.push(Todo::Emit(Code::Call(form, fields.len() as u32), span));
                todo.extend(fields.iter().rev().map(|field| Todo::Visit(field.value)));
            }
            Expr::Index { base, index } => {
                todo.push(Todo::Emit(Code::Call(Callable::Form(Form::Index), 2), span));
                visit_all(todo, &[base, index]);
            }
            Expr::Slice { base, from, to } => {
                todo.push(Todo::Emit(Code::Call(Callable::Form(Form::Slice), 3), span));
                let bound = |bound: Option<ExprId>, default| {
                    bound.map_or(Todo::Emit(Code::Number(default), span), Todo::Visit)
                };
                todo.push(bound(to, f64::INFINITY));
                todo.push(bound(from, 0.0));
                todo.push(Todo::Visit(base));
            }
            Expr::Field { base, name } => {
                let field = self.constant(Value::text(program.name(name.symbol)));
                let form = Callable::Form(Form::Field(field));
                todo.push(Todo::Emit(Code::Call(form, 1), span));
                todo.push(Todo::Visit(base));
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one expression")]
    fn each(
        &mut self,
        unit: &Unit<'_>,
        name: Word,
        seq: ExprId,
        body: ExprId,
        span: Span,
        filter: bool,
        todo: &mut Vec<Todo>,
    ) {
        let symbol = unit.symbols[name.symbol.0 as usize];
        todo.push(Todo::Close { name: symbol, filter, span, skip: None });
        todo.push(Todo::Visit(body));
        todo.push(Todo::Open(symbol, name.span));
        todo.push(Todo::Visit(seq));
    }

    fn map(&mut self, unit: &Unit<'_>, args: &[ExprId], span: Span, todo: &mut Vec<Todo>) {
        let program = unit.program;
        let [function, seq] = args else {
            self.count("map", "2", args.len(), span);
            self.emit(Code::Poison(0), span);
            return;
        };
        let place = program.span(*function);
        let Expr::Name(symbol) = program.expr(*function) else {
            self.diagnostics.push(
                Diagnostic::error(
                    mistake::MAP,
                    place,
                    "`map` takes the name of a function of one parameter",
                )
                .help("declare the function with a name, or write `for x in xs do e`"),
            );
            self.emit(Code::Poison(0), span);
            return;
        };
        let Some(function) = self.function(unit, symbol, place, 1, mistake::MAP) else {
            todo.push(Todo::Emit(Code::Poison(1), span));
            todo.push(Todo::Visit(*seq));
            return;
        };
        self.calls = true;
        todo.push(Todo::Emit(Code::Map(function), span));
        todo.push(Todo::Visit(*seq));
    }

    fn fold(
        &mut self,
        unit: &Unit<'_>,
        op: Word,
        init: Option<ExprId>,
        seq: ExprId,
        span: Span,
        todo: &mut Vec<Todo>,
    ) {
        let (first, prefixes) = self.pieces(unit, op);
        let argument = init.unwrap_or(seq);
        if !prefixes.is_empty() && matches!(unit.program.expr(argument), Expr::Infix { .. }) {
            let run = unit.program.name(op.symbol);
            self.diagnostics.push(
                Diagnostic::error(
                    mistake::BLANK,
                    op.span,
                    format!(
                        "`{run}` is an operator and a prefix, and what the prefix takes is unclear"
                    ),
                )
                .help(format!("write a blank after `fold {}`", self.scope.names.text(first))),
            );
        }
        let function = self.function_of(first, op.span, 2, mistake::FOLD);
        let start = match self.scope.meaning(first) {
            Some(Meaning::Operator(_)) => match self.scope.names.text(first) {
                "+" | "-" => Start::Number(0.0),
                "*" => Start::Number(1.0),
                "&&" | "&" | ".&." | "and" => Start::Bool(true),
                "||" | "|" | ".|." | "or" => Start::Bool(false),
                _ => Start::First,
            },
            _ => Start::First,
        };
        self.calls = true;
        let start = if init.is_some() { None } else { Some(start) };
        let count = 1 + u32::from(init.is_some());
        todo.push(Todo::Emit(
            function.map_or(Code::Poison(count), |function| Code::Fold(function, start)),
            span,
        ));
        let words = prefixes.into_iter().map(|name| Todo::Prefix(name, op.span));
        if init.is_some() {
            todo.push(Todo::Visit(seq));
        }
        todo.extend(words);
        todo.push(Todo::Visit(argument));
    }
}
