//! Expressions to steps: names are settled, runs of operators are split.
//!
//! The tree is walked with a list of what is still to do, never by recursion.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::lang::ast::{Expr, ExprId, Piece, Program, Symbol, TextId, Word};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::run;
use crate::lang::source::Span;
use crate::lower::code::{Callable, Code, Form, Lambda, LambdaId, Linked, Start};
use crate::lower::mistake;
use crate::lower::request::Setting;
use crate::lower::scope::{Meaning, Scope, callable};
use crate::lower::suggest;
use crate::primitive::registry::Spelling;
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
    /// Words declared further down in the file that is read.
    pub below: HashMap<Symbol, Span>,
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

    /// Finds what `map` or `fold` calls, and checks how many arguments it takes.
    fn function(
        &mut self,
        unit: &Unit<'_>,
        symbol: Symbol,
        span: Span,
        count: usize,
        code: &'static str,
    ) -> Option<Callable> {
        self.function_of(unit.symbols[symbol.0 as usize], span, count, code)
    }

    fn function_of(
        &mut self,
        name: Symbol,
        span: Span,
        count: usize,
        code: &'static str,
    ) -> Option<Callable> {
        let text = self.scope.names.text(name).to_owned();
        let Some(meaning) = self.scope.meaning(name) else {
            self.unknown(name, span);
            return None;
        };
        let wrong = |takes: String| {
            let who = if count == 1 { "map" } else { "fold" };
            Diagnostic::error(
                code,
                span,
                format!("`{who}` needs a function of {count}, `{text}` {takes}"),
            )
        };
        if let Meaning::Decl(decl) = meaning {
            let params = self.linked.decls[decl.0 as usize].params as usize;
            if params != count {
                self.diagnostics.push(wrong(format!("takes {params}")));
                return None;
            }
        }
        let found = callable(meaning, &mut self.scope, &mut self.linked, count);
        if let Some(Callable::Prim(prim)) = found {
            let signature = &self.linked.prims[prim.0 as usize].signature;
            let grid = usize::from(signature.on_base_grid());
            let takes = |form: &crate::primitive::signature::Form| {
                let most = form.takes.len() - grid;
                (form.variadic || count <= most)
                    && count + signature.defaults.len() + usize::from(form.variadic) >= most
            };
            if !signature.forms.iter().any(takes) {
                self.diagnostics.push(wrong("takes another number".to_owned()));
                return None;
            }
        }
        if found.is_none() {
            self.diagnostics.push(wrong("is none".to_owned()));
        }
        found
    }

    fn prefix(&mut self, name: Symbol, span: Span) {
        let text = self.scope.names.text(name);
        let is_sign = text == "+" || text == "-";
        let is_plus = text == "+";
        let meaning = self.scope.meaning(name);
        let takes_one = match meaning {
            Some(Meaning::Decl(decl)) => self.linked.decls[decl.0 as usize].params == 1,
            _ => false,
        };
        if is_sign && !takes_one {
            if is_plus {
                return;
            }
            // A sign on a number is part of it.
            if let Some(Code::Number(number)) = self.linked.steps.last_mut() {
                *number = -*number;
                return;
            }
            self.operator(sign(), 1, span);
            return;
        }
        self.apply(name, 1, span);
    }

    fn operator(&mut self, spelling: Spelling, count: u32, span: Span) {
        match self.scope.prim(&mut self.linked, spelling, count as usize) {
            Some(prim) => {
                self.emit(Code::Call(Callable::Prim(prim), count), span);
            }
            None => {
                self.missing(spelling.primitive, span);
                self.emit(Code::Poison(count), span);
            }
        }
    }

    fn missing(&mut self, primitive: &str, span: Span) {
        self.diagnostics.push(Diagnostic::error(
            mistake::MISSING,
            span,
            format!("`{primitive}` is not part of this build"),
        ));
    }

    fn apply(&mut self, name: Symbol, count: u32, span: Span) {
        let text = self.scope.names.text(name).to_owned();
        let Some(meaning) = self.scope.meaning(name) else {
            if self.field_of(name).is_some() {
                self.not_callable(&text, span);
            } else {
                self.unknown(name, span);
            }
            self.emit(Code::Poison(count), span);
            return;
        };
        match meaning {
            Meaning::Local(code) if count == 0 => {
                self.emit(code, span);
            }
            Meaning::Local(_) => {
                self.not_callable(&text, span);
                self.emit(Code::Poison(count), span);
            }
            Meaning::Map => {
                self.diagnostics.push(Diagnostic::error(
                    mistake::FUNCTION,
                    span,
                    "`map` is no value: write `map(f, xs)`",
                ));
                self.emit(Code::Poison(count), span);
            }
            Meaning::Decl(decl) => {
                let params = self.linked.decls[decl.0 as usize].params;
                if params == count {
                    let code = if count == 0 {
                        Code::Global(decl)
                    } else {
                        self.calls = true;
                        Code::Call(Callable::Decl(decl), count)
                    };
                    self.emit(code, span);
                    return;
                }
                if let (1 | 2, "-" | "+") = (count, text.as_str()) {
                    let plus = Spelling { spelling: "+", primitive: "vox1.add", ..sign() };
                    self.operator(if text == "+" { plus } else { sign() }, count, span);
                    return;
                }
                if params == 0 {
                    self.not_callable(&text, span);
                } else if count == 0 {
                    self.diagnostics.push(
                        Diagnostic::error(
                            mistake::FUNCTION,
                            span,
                            format!("`{text}` is a function of {params}, not a value"),
                        )
                        .help(format!("call it: `{text}(...)`")),
                    );
                } else {
                    let place = self.linked.decls[decl.0 as usize].span;
                    self.count(&text, &params.to_string(), count as usize, span);
                    if let Some(last) = self.diagnostics.last_mut() {
                        *last = last.clone().label(place, "declared here");
                    }
                }
                self.emit(Code::Poison(count), span);
            }
            Meaning::Form(form) => {
                if matches!(form, Form::Load | Form::ReadImage) && !self.scope.in_lambda() {
                    self.reads = true;
                }
                if form == Form::WriteImage {
                    self.calls = true;
                }
                self.emit(Code::Call(Callable::Form(form), count), span);
            }
            Meaning::Operator(spelling) => self.operator(spelling, count, span),
        }
    }

    fn not_callable(&mut self, text: &str, span: Span) {
        self.diagnostics.push(Diagnostic::error(
            mistake::VALUE,
            span,
            format!("`{text}` is a value, not a function"),
        ));
    }

    /// Says that something takes another number of arguments.
    pub fn count(&mut self, name: &str, takes: &str, given: usize, span: Span) {
        let plural = if takes == "1" { "argument" } else { "arguments" };
        self.diagnostics.push(Diagnostic::error(
            mistake::COUNT,
            span,
            format!("`{name}` takes {takes} {plural}, {given} given"),
        ));
    }

    fn meaning(&mut self, unit: &Unit<'_>, symbol: Symbol) -> Option<Meaning> {
        self.scope.meaning(unit.symbols[symbol.0 as usize])
    }

    fn name(&mut self, unit: &Unit<'_>, symbol: Symbol, span: Span) {
        let name = unit.symbols[symbol.0 as usize];
        if let Some((head, field)) = self.field_of(name) {
            self.apply(head, 0, span);
            let field = self.constant(Value::text(&field));
            self.emit(Code::Call(Callable::Form(Form::Field(field)), 1), span);
            return;
        }
        self.apply(name, 0, span);
    }

    fn field_of_name(&mut self, unit: &Unit<'_>, symbol: Symbol) -> Option<(Symbol, String)> {
        self.field_of(unit.symbols[symbol.0 as usize])
    }

    /// Splits `r.name` when `r` is a name of the program.
    fn field_of(&mut self, name: Symbol) -> Option<(Symbol, String)> {
        let text = self.scope.names.text(name);
        if !text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return None;
        }
        let (head, field) = text.split_once('.')?;
        let (head, field) = (self.scope.names.find(head)?, field.to_owned());
        (self.scope.is_local(head) || self.scope.declared(head).is_some()).then_some((head, field))
    }

    /// Says that a name is not there, with the nearest that is.
    pub fn unknown(&mut self, name: Symbol, span: Span) {
        let text = self.scope.names.text(name).to_owned();
        if self.lost.contains(&text) {
            return;
        }
        if self.within == Some(name) {
            self.diagnostics.push(
                Diagnostic::error(
                    mistake::RECURSION,
                    span,
                    format!("`{text}` is used in its own declaration"),
                )
                .help("there is no recursion; `fold` and `for` repeat over a sequence"),
            );
            return;
        }
        let mut unknown =
            Diagnostic::error(mistake::UNKNOWN, span, format!("there is no `{text}`"));
        if let Some(place) = self.below.get(&name) {
            unknown = unknown
                .label(*place, "declared here, further down")
                .help("a name is declared above its use: move the declaration up");
        } else if let Some(help) = suggest::other_version(&text) {
            unknown = unknown.help(help);
        } else {
            let candidates = self.scope.candidates();
            let names = candidates.iter().map(String::as_str);
            if let Some(nearest) = suggest::nearest(&text, names) {
                unknown = unknown.help(format!("did you mean `{nearest}`?"));
            }
        }
        self.diagnostics.push(unknown);
    }

    /// Splits a run into its operator and the prefixes behind it, as symbols of the scope.
    fn pieces(&mut self, unit: &Unit<'_>, op: Word) -> (Symbol, Vec<Symbol>) {
        let name = unit.symbols[op.symbol.0 as usize];
        if self.scope.meaning(name).is_some() {
            return (name, Vec::new());
        }
        let text = self.scope.names.text(name).to_owned();
        if text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') {
            return (name, Vec::new());
        }
        let longest = self.scope.longest();
        let known = |piece: &str, scope: &mut Scope| {
            let symbol = scope.names.intern(piece);
            scope.meaning(symbol).is_some()
        };
        // `run::split` asks through a shared reference.
        let scope = std::cell::RefCell::new(&mut self.scope);
        let split = run::split(&text, longest, &|piece| known(piece, &mut scope.borrow_mut()));
        match split {
            Some((first, rest)) => {
                let first = self.scope.names.intern(first);
                let rest = rest.into_iter().map(|piece| self.scope.names.intern(piece)).collect();
                (first, rest)
            }
            None => (name, Vec::new()),
        }
    }

    /// Splits the callee of a call: the last piece is called, the others are prefixes before it.
    fn split_call(&mut self, unit: &Unit<'_>, word: Word) -> (Symbol, Vec<Symbol>) {
        let (first, mut rest) = self.pieces(unit, word);
        match rest.pop() {
            None => (first, Vec::new()),
            Some(last) => {
                rest.insert(0, first);
                (last, rest)
            }
        }
    }

    /// Emits the steps of a string.
    pub fn string(&mut self, unit: &Unit<'_>, id: TextId) {
        let span = unit.program.text(id).span;
        let pieces = unit.program.pieces(id);
        let before = self.here();
        let mut count = 0;
        let mut plain = String::new();
        let mut is_plain = true;
        for piece in pieces {
            match piece {
                Piece::Plain(text) => {
                    let constant = self.constant(Value::text(text));
                    self.emit(Code::Constant(constant), span);
                    plain.push_str(text);
                }
                Piece::Dollar(word) => {
                    let name = unit.program.name(word.symbol);
                    if let Some(setting) = self.dollars.get(name) {
                        self.used.insert(name.to_owned());
                        plain.push_str(&setting.raw);
                        let constant = Value::text(&setting.raw);
                        let constant = self.constant(constant);
                        self.emit(Code::Constant(constant), span);
                    } else {
                        is_plain = false;
                        self.dollar(unit, word.symbol, word.span, false);
                    }
                }
            }
            count += 1;
        }
        if is_plain {
            self.linked.steps.truncate(before as usize);
            self.linked.spans.truncate(before as usize);
            let constant = self.constant(Value::text(&plain));
            self.emit(Code::Constant(constant), span);
        } else {
            self.emit(Code::Call(Callable::Form(Form::Text), count), span);
        }
    }

    fn dollar(&mut self, unit: &Unit<'_>, symbol: Symbol, span: Span, value: bool) {
        let text = unit.program.name(symbol);
        if let Some(setting) = self.dollars.get(text) {
            self.used.insert(text.to_owned());
            let constant = if value { setting.value.clone() } else { Value::text(&setting.raw) };
            let constant = self.constant(constant);
            self.emit(Code::Constant(constant), span);
            return;
        }
        let name = unit.symbols[symbol.0 as usize];
        if self.scope.is_local(name) || self.scope.declared(name).is_some() {
            self.apply(name, 0, span);
            return;
        }
        let mut unknown =
            Diagnostic::error(mistake::DOLLAR, span, format!("`${text}` is not declared"));
        let nearest = suggest::nearest(text, self.dollars.keys().map(String::as_str));
        unknown = match nearest {
            Some(nearest) => unknown.help(format!("did you mean `${nearest}`?")),
            None => unknown.help(format!("give it with `--set {text}=VALUE`, or declare `{text}`")),
        };
        self.diagnostics.push(unknown);
        self.emit(Code::Poison(0), span);
    }
}

/// The spelling of prefix and infix `-`.
fn sign() -> Spelling {
    Spelling {
        spelling: "-",
        primitive: "vox1.sub",
        swapped: false,
        dots: crate::primitive::registry::Dots::None,
        namespaces: &[],
    }
}
