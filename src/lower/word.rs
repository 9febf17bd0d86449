//! What a name or operator means where it stands, and what is wrong with it.

use crate::lang::ast::{Symbol, Word};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::run;
use crate::lang::source::Span;
use crate::lower::code::{Callable, Code, Form};
use crate::lower::mistake;
use crate::lower::scope::{Meaning, Scope, callable};
use crate::lower::settle::{Settler, Unit};
use crate::lower::suggest;
use crate::primitive::registry::Spelling;
use crate::value::data::Value;

impl Settler {
    /// Finds what `map` or `fold` calls, and checks how many arguments it takes.
    pub(super) fn function(
        &mut self,
        unit: &Unit<'_>,
        symbol: Symbol,
        span: Span,
        count: usize,
        code: &'static str,
    ) -> Option<Callable> {
        self.function_of(unit.symbols[symbol.0 as usize], span, count, code)
    }

    pub(super) fn function_of(
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

    pub(super) fn prefix(&mut self, name: Symbol, span: Span) {
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

    /// Notes that a declaration hides what its name meant before.
    pub(super) fn shadow_note(&mut self, text: &str, span: Span, before: Option<Meaning>) {
        let mut note = match before {
            None | Some(Meaning::Local(_)) => return,
            Some(Meaning::Decl(decl)) => {
                let decl = &self.linked.decls[decl.0 as usize];
                let what = if decl.library { "the library's" } else { "an earlier" };
                Diagnostic::note(mistake::SHADOWS, span, format!("`{text}` hides {what} `{text}`"))
                    .label(decl.span, "declared here")
            }
            Some(Meaning::Operator(spelling)) => Diagnostic::note(
                mistake::SHADOWS,
                span,
                format!("`{text}` hides `{}`", spelling.primitive),
            ),
            Some(Meaning::Form(_) | Meaning::Map | Meaning::Number(_)) => Diagnostic::note(
                mistake::SHADOWS,
                span,
                format!("`{text}` hides the built-in `{text}`"),
            ),
        };
        note.labels[0].message = "from here on".to_owned();
        self.diagnostics.push(note);
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

    pub(super) fn apply(&mut self, name: Symbol, count: u32, span: Span) {
        let Some(meaning) = self.scope.meaning(name) else {
            if self.field_of(name).is_some() {
                self.not_callable(name, span);
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
            Meaning::Number(number) if count == 0 => {
                self.emit(Code::Number(number), span);
            }
            Meaning::Local(_) | Meaning::Number(_) => {
                self.not_callable(name, span);
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
                let text = self.scope.names.text(name).to_owned();
                if let (1 | 2, "-" | "+") = (count, text.as_str()) {
                    let plus = Spelling { spelling: "+", primitive: "vox1.add", ..sign() };
                    self.operator(if text == "+" { plus } else { sign() }, count, span);
                    return;
                }
                if params == 0 {
                    self.not_callable(name, span);
                } else if count == 0 {
                    // `f x` without parentheses was told where `x` stands.
                    if !self.broken.contains(&(span.source, span.end)) {
                        let message = format!("`{text}` is a function of {params}, not a value");
                        let error = Diagnostic::error(mistake::FUNCTION, span, message);
                        self.diagnostics.push(error.help(format!("call it: `{text}(...)`")));
                    }
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

    fn not_callable(&mut self, name: Symbol, span: Span) {
        let text = self.scope.names.text(name);
        self.diagnostics.push(Diagnostic::error(
            mistake::VALUE,
            span,
            format!("`{text}` is a value, not a function"),
        ));
    }

    /// Says that something takes another number of arguments.
    pub(super) fn count(&mut self, name: &str, takes: &str, given: usize, span: Span) {
        let plural = if takes == "1" { "argument" } else { "arguments" };
        self.diagnostics.push(Diagnostic::error(
            mistake::COUNT,
            span,
            format!("`{name}` takes {takes} {plural}, {given} given"),
        ));
    }

    pub(super) fn meaning(&mut self, unit: &Unit<'_>, symbol: Symbol) -> Option<Meaning> {
        self.scope.meaning(unit.symbols[symbol.0 as usize])
    }

    pub(super) fn name(&mut self, unit: &Unit<'_>, symbol: Symbol, span: Span) {
        let name = unit.symbols[symbol.0 as usize];
        if let Some((head, field)) = self.field_of(name) {
            self.apply(head, 0, span);
            let field = self.constant(Value::text(&field));
            self.emit(Code::Call(Callable::Form(Form::Field(field)), 1), span);
            return;
        }
        self.apply(name, 0, span);
    }

    pub(super) fn field_of_name(
        &mut self,
        unit: &Unit<'_>,
        symbol: Symbol,
    ) -> Option<(Symbol, String)> {
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
        if let Some(help) = suggest::other_version(&text) {
            unknown = unknown.help(help);
        } else {
            let candidates = self.scope.candidates();
            let names = candidates.iter().map(String::as_str);
            if let Some(nearest) = suggest::nearest(&text, names) {
                unknown = unknown.help(format!("did you mean `{nearest}`?"));
            }
        }
        self.unknowns.push((self.diagnostics.len(), name));
        self.diagnostics.push(unknown);
    }

    /// Splits a run into its operator and the prefixes behind it, as symbols of the scope.
    pub(super) fn pieces(&mut self, unit: &Unit<'_>, op: Word) -> (Symbol, Vec<Symbol>) {
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
    pub(super) fn split_call(&mut self, unit: &Unit<'_>, word: Word) -> (Symbol, Vec<Symbol>) {
        let (first, mut rest) = self.pieces(unit, word);
        match rest.pop() {
            None => (first, Vec::new()),
            Some(last) => {
                rest.insert(0, first);
                (last, rest)
            }
        }
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
