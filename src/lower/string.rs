//! Strings and `$NAME`s.

use crate::lang::ast::{Piece, Program, Symbol, TextId};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lower::code::{Callable, Code, Form};
use crate::lower::mistake;
use crate::lower::settle::{Settler, Unit};
use crate::lower::suggest;
use crate::value::data::Value;

impl Settler {
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

    pub(super) fn dollar(&mut self, unit: &Unit<'_>, symbol: Symbol, span: Span, value: bool) {
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

/// Returns a string without `$`.
pub fn plain_text(program: &Program, id: TextId) -> Option<String> {
    let mut text = String::new();
    for piece in program.pieces(id) {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Dollar(_) => return None,
        }
    }
    Some(text)
}
