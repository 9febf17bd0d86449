//! Expressions, on an explicit stack: [`Parser::frames`] holds what a recursion would.

use crate::lang::ast::{Expr, ExprId, List, RecordField};
use crate::lang::chain;
use crate::lang::dialect::Dialect;
use crate::lang::frame::{Frame, Level};
use crate::lang::number::number;
use crate::lang::parser::{GaveUp, Parsed, Parser};
use crate::lang::source::Span;
use crate::lang::syntax_error as errors;
use crate::lang::token::{Kind, Token};

/// Where the reading of an expression stands.
pub enum State {
    /// An operand is next.
    Operand,
    /// After a primary: an index, a slice or a field may follow.
    Postfix(ExprId),
    /// After an operand: an infix operator may follow.
    After(ExprId),
    /// No operator follows.
    Ended(ExprId),
    /// Nothing is open any more.
    Done(ExprId),
}

impl Parser<'_> {
    /// Reads an expression as far as it goes.
    pub fn expression(&mut self) -> Parsed<ExprId> {
        self.frames.clear();
        self.levels.clear();
        self.items.clear();
        self.fields.clear();
        self.levels.push(Level::default());
        let mut state = State::Operand;
        let value = loop {
            state = match state {
                State::Operand => self.operand()?,
                State::Postfix(value) => self.postfix(value),
                State::After(value) => self.after(value)?,
                State::Ended(value) => self.ended(value)?,
                State::Done(value) => break value,
            };
        };
        self.levels.clear();
        Ok(value)
    }

    fn operand(&mut self) -> Parsed<State> {
        let token = self.cursor.peek();
        let two = self.program.dialect == Dialect::Two;
        if !two
            && matches!(token.kind, Kind::Name | Kind::Run)
            && let Some(end) = self.cursor.number_of_one()
        {
            let token = self.cursor.take_to(Kind::Number, end);
            return Ok(self.leaf(token, Expr::Number(number(self.cursor.text(token)))));
        }
        match token.kind {
            Kind::Number => {
                self.cursor.take();
                Ok(self.leaf(token, Expr::Number(number(self.cursor.text(token)))))
            }
            Kind::True | Kind::False => {
                self.cursor.take();
                Ok(self.leaf(token, Expr::Bool(token.kind == Kind::True)))
            }
            Kind::Text => {
                self.cursor.take();
                let text = self.add_text(token);
                Ok(self.leaf(token, Expr::Text(text)))
            }
            Kind::Dollar => {
                self.cursor.take();
                let symbol = self.program.names.intern(&self.cursor.text(token)[1..]);
                Ok(self.leaf(token, Expr::Dollar(symbol)))
            }
            // A name never stands before a string: this command is over before its operand.
            Kind::Name if self.cursor.is_word(token) && self.cursor.text(token) != "load" => {
                Err(self.unexpected("an expression"))
            }
            Kind::Name => Ok(self.name()),
            Kind::Run => self.prefix(),
            Kind::OpenParen => {
                self.cursor.take();
                Ok(self.open(Frame::Paren { open: token.start }, false))
            }
            Kind::OpenBracket if two => Ok(self.array()),
            Kind::OpenBrace if two => self.record(),
            Kind::Let | Kind::For | Kind::Filter | Kind::Fold if two => self.form(),
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn name(&mut self) -> State {
        if let Some(callee) = self.cursor.lettered_callee() {
            let callee = self.cursor.take_to(Kind::Run, callee.end);
            return self.call(callee);
        }
        let token = self.cursor.take();
        if self.cursor.peek().kind == Kind::OpenParen {
            return self.call(token);
        }
        let word = self.intern(token);
        self.leaf(token, Expr::Name(word.symbol))
    }

    fn call(&mut self, callee: Token) -> State {
        let callee = self.intern(callee);
        let open = self.cursor.take().start;
        if self.cursor.take_if(Kind::CloseParen).is_some() {
            let span = self.cursor.since(callee.span.start);
            let id = self.program.push(Expr::Call { callee, args: List::default() }, span);
            return State::Postfix(id);
        }
        let base = self.items.len() as u32;
        self.open(Frame::Call { callee, open, base }, false)
    }

    fn prefix(&mut self) -> Parsed<State> {
        let token = self.cursor.peek();
        let colon = self.cursor.text(token).starts_with(':');
        if let (Some(&Frame::Index { seq, open }), true) = (self.frames.last(), colon) {
            self.frames.pop();
            self.levels.pop();
            return Ok(self.slice(seq, None, open));
        }
        if self.separator() {
            return Err(GaveUp);
        }
        let two = self.program.dialect == Dialect::Two;
        let run = self.operator(token);
        if two && self.cursor.peek().kind == Kind::OpenParen {
            return Ok(self.call(run));
        }
        if !two {
            self.level().prefix();
        }
        let op = self.intern(run);
        self.frames.push(Frame::Prefix { op });
        Ok(State::Operand)
    }

    fn array(&mut self) -> State {
        let open = self.cursor.take().start;
        if self.cursor.take_if(Kind::CloseBracket).is_some() {
            let span = self.cursor.since(open);
            return State::Postfix(self.program.push(Expr::Array(List::default()), span));
        }
        let base = self.items.len() as u32;
        self.open(Frame::Array { open, base }, false)
    }

    fn record(&mut self) -> Parsed<State> {
        let open = self.cursor.take().start;
        if self.cursor.take_if(Kind::CloseBrace).is_some() {
            let span = self.cursor.since(open);
            return Ok(State::Postfix(self.program.push(Expr::Record(List::default()), span)));
        }
        let base = self.fields.len() as u32;
        self.field(open, base)
    }

    fn field(&mut self, open: u32, base: u32) -> Parsed<State> {
        let name = self.plain_name("the name of a field")?;
        let token = self.cursor.peek();
        if token.kind != Kind::Run || !self.cursor.text(token).starts_with(':') {
            return Err(self.unexpected("`:` after the name of a field"));
        }
        self.cursor.take_to(Kind::Run, token.start + 1);
        Ok(self.open(Frame::Record { open, base, name }, false))
    }

    fn postfix(&mut self, value: ExprId) -> State {
        if self.program.dialect == Dialect::One {
            return State::After(value);
        }
        let token = self.cursor.peek();
        if token.kind == Kind::OpenBracket {
            self.cursor.take();
            return self.open(Frame::Index { seq: value, open: token.start }, true);
        }
        let dot = token.kind == Kind::Run && self.cursor.text(token) == ".";
        if dot && self.cursor.last.is_closer() && self.cursor.after(token).kind == Kind::Name {
            self.cursor.take();
            let name = self.cursor.take();
            return State::Postfix(self.fields_of(value, name));
        }
        State::After(value)
    }

    /// Adds `.name`, or `.name.name` where the token has a dot.
    fn fields_of(&mut self, value: ExprId, name: Token) -> ExprId {
        let text = self.cursor.text(name);
        let start = self.program.span(value).start;
        let mut base = value;
        let mut at = name.start;
        for part in text.split('.') {
            let token = Token { start: at, end: at + part.len() as u32, ..name };
            let name = self.intern(token);
            let span = Span { start, ..self.cursor.span(token) };
            base = self.program.push(Expr::Field { base, name }, span);
            at = token.end + 1;
        }
        base
    }

    fn after(&mut self, value: ExprId) -> Parsed<State> {
        let two = self.program.dialect == Dialect::Two;
        let value = if two { self.reduce(value) } else { value };
        let token = self.cursor.peek();
        let level = *self.level();
        let run = match token.kind {
            Kind::Run if level.colon && self.cursor.text(token).starts_with(':') => None,
            Kind::Run => Some(token),
            Kind::Name if two => self.cursor.lettered_run(),
            _ => None,
        };
        let begins = two && !level.inside && run.is_some_and(|_| self.begins_operator());
        let Some(run) = run.filter(|_| !begins) else {
            let value = if two { value } else { self.reduce(value) };
            return Ok(State::Ended(value));
        };
        if self.separator() {
            let value = if two { value } else { self.reduce(value) };
            return if self.frames.is_empty() { Ok(State::Ended(value)) } else { Err(GaveUp) };
        }
        let run = self.operator(run);
        let op = self.intern(run);
        self.level().infix(op.symbol);
        if !two && self.cursor.peek().kind == Kind::OpenBracket {
            let open = self.cursor.take().start;
            let base = self.items.len() as u32;
            return Ok(self.open(Frame::Extra { op, left: value, open, base }, false));
        }
        self.frames.push(Frame::Infix { op, left: value, extra: List::default() });
        Ok(State::Operand)
    }

    /// Whether the operator in front is being declared.
    fn begins_operator(&self) -> bool {
        let token = self.cursor.peek();
        let head = if token.kind == Kind::Run { Some(token) } else { self.cursor.lettered_head() };
        head.is_some_and(|head| self.cursor.declares_operator(head))
    }

    /// Takes an operator; warns where it swallows the dot of a number.
    pub fn operator(&mut self, run: Token) -> Token {
        let run = self.cursor.take_to(Kind::Run, run.end);
        let text = self.cursor.text(run);
        let next = self.cursor.whole().as_bytes().get(run.end as usize);
        if self.program.dialect == Dialect::Two
            && text.len() > 1
            && text.ends_with('.')
            && next.is_some_and(u8::is_ascii_digit)
        {
            let span = self.cursor.span(run);
            self.diagnostics.push(errors::dot_digit(text, span));
        }
        run
    }

    /// Gives the value to the operators that wait for it.
    fn reduce(&mut self, mut value: ExprId) -> ExprId {
        while let Some(&frame) = self.frames.last() {
            let end = self.program.span(value);
            value = match frame {
                Frame::Prefix { op } => {
                    self.program.push(Expr::Prefix { op, arg: value }, op.span.to(end))
                }
                Frame::Infix { op, left, extra } => {
                    let span = self.program.span(left).to(end);
                    self.program.push(Expr::Infix { op, left, right: value, extra }, span)
                }
                _ => break,
            };
            self.frames.pop();
        }
        value
    }

    fn ended(&mut self, value: ExprId) -> Parsed<State> {
        let level = self.levels.pop().unwrap_or_default();
        if level.mixed {
            let text = self.cursor.whole();
            let warning = chain::warning(&self.program, text, value, level.ops);
            self.diagnostics.push(warning);
        }
        let Some(frame) = self.frames.pop() else { return Ok(State::Done(value)) };
        let in_front = self.cursor.peek();
        match frame {
            Frame::Prefix { .. } | Frame::Infix { .. } => Ok(State::Ended(value)),
            Frame::Paren { open } => {
                self.close(Kind::CloseParen, open, "an operator or `)`")?;
                self.program.spans[value.0 as usize] = self.cursor.since(open);
                Ok(State::Postfix(value))
            }
            Frame::Call { callee, open, base } => {
                self.items.push(value);
                if self.cursor.take_if(Kind::Comma).is_some() {
                    return Ok(self.open(frame, false));
                }
                self.close(Kind::CloseParen, open, "an operator, `,` or `)`")?;
                let args = self.list(base);
                let span = self.cursor.since(callee.span.start);
                Ok(State::Postfix(self.program.push(Expr::Call { callee, args }, span)))
            }
            Frame::Array { open, base } => {
                self.items.push(value);
                if self.cursor.take_if(Kind::Comma).is_some() {
                    return Ok(self.open(frame, false));
                }
                self.close(Kind::CloseBracket, open, "an operator, `,` or `]`")?;
                let list = self.list(base);
                let span = self.cursor.since(open);
                Ok(State::Postfix(self.program.push(Expr::Array(list), span)))
            }
            Frame::Record { open, base, name } => {
                self.fields.push(RecordField { name, value });
                if self.cursor.take_if(Kind::Comma).is_some() {
                    return self.field(open, base);
                }
                self.close(Kind::CloseBrace, open, "an operator, `,` or `}`")?;
                let start = self.program.fields.len() as u32;
                self.program.fields.extend(self.fields.drain(base as usize..));
                let len = self.program.fields.len() as u32 - start;
                let span = self.cursor.since(open);
                Ok(State::Postfix(self.program.push(Expr::Record(List { start, len }), span)))
            }
            Frame::Index { seq, open } => {
                let colon = self.cursor.text(in_front).starts_with(':');
                if in_front.kind == Kind::Run && colon {
                    return Ok(self.slice(seq, Some(value), open));
                }
                self.close(Kind::CloseBracket, open, "an operator, `:` or `]`")?;
                let span = self.cursor.since(self.program.span(seq).start);
                let index = Expr::Index { base: seq, index: value };
                Ok(State::Postfix(self.program.push(index, span)))
            }
            Frame::Slice { seq, from, open } => {
                self.close(Kind::CloseBracket, open, "an operator or `]`")?;
                let span = self.cursor.since(self.program.span(seq).start);
                let slice = Expr::Slice { base: seq, from, to: Some(value) };
                Ok(State::Postfix(self.program.push(slice, span)))
            }
            Frame::Extra { op, left, open, base } => {
                self.items.push(value);
                if self.cursor.take_if(Kind::Comma).is_some() {
                    return Ok(self.open(frame, false));
                }
                self.close(Kind::CloseBracket, open, "an operator, `,` or `]`")?;
                let extra = self.list(base);
                self.frames.push(Frame::Infix { op, left, extra });
                Ok(State::Operand)
            }
            Frame::LetValue { start, name } => {
                self.expect(Kind::In, "an operator or `in`")?;
                Ok(self.within(Frame::LetBody { start, name, value }))
            }
            Frame::LetBody { start, name, value: bound } => {
                Ok(self.formed(start, Expr::Let { name, value: bound, body: value }))
            }
            Frame::ForSeq { start, name } => {
                self.expect(Kind::Do, "an operator or `do`")?;
                Ok(self.within(Frame::ForBody { start, name, seq: value }))
            }
            Frame::ForBody { start, name, seq } => {
                Ok(self.formed(start, Expr::For { name, seq, body: value }))
            }
            Frame::FilterSeq { start, name } => {
                self.expect(Kind::Do, "an operator or `do`")?;
                Ok(self.within(Frame::FilterKeep { start, name, seq: value }))
            }
            Frame::FilterKeep { start, name, seq } => {
                Ok(self.formed(start, Expr::Filter { name, seq, keep: value }))
            }
            Frame::FoldFirst { start, op } => {
                if self.fold_is_over(in_front) {
                    return Ok(self.formed(start, Expr::Fold { op, init: None, seq: value }));
                }
                Ok(self.within(Frame::FoldSecond { start, op, init: value }))
            }
            Frame::FoldSecond { start, op, init } => {
                Ok(self.formed(start, Expr::Fold { op, init: Some(init), seq: value }))
            }
        }
    }

    fn slice(&mut self, seq: ExprId, from: Option<ExprId>, open: u32) -> State {
        let mark = self.cursor.peek().start;
        self.cursor.take_to(Kind::Run, mark + 1);
        if self.cursor.take_if(Kind::CloseBracket).is_some() {
            let span = self.cursor.since(self.program.span(seq).start);
            let slice = Expr::Slice { base: seq, from, to: None };
            return State::Postfix(self.program.push(slice, span));
        }
        self.open(Frame::Slice { seq, from, open }, true)
    }

    /// Opens a bracket and the expression in it.
    fn open(&mut self, frame: Frame, colon: bool) -> State {
        self.frames.push(frame);
        self.levels.push(Level { colon, inside: true, ..Level::default() });
        State::Operand
    }

    /// Opens a part of a form; what ends the form ends the part.
    pub fn within(&mut self, frame: Frame) -> State {
        let Level { colon, inside, .. } = *self.level();
        self.frames.push(frame);
        self.levels.push(Level { colon, inside, ..Level::default() });
        State::Operand
    }

    fn formed(&mut self, start: u32, expr: Expr) -> State {
        let span = self.cursor.since(start);
        State::Ended(self.program.push(expr, span))
    }

    fn leaf(&mut self, token: Token, expr: Expr) -> State {
        let span = self.cursor.span(token);
        State::Postfix(self.program.push(expr, span))
    }

    fn list(&mut self, base: u32) -> List {
        let start = self.program.items.len() as u32;
        self.program.items.extend(self.items.drain(base as usize..));
        List { start, len: self.program.items.len() as u32 - start }
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("an expression that is being read has its level")
    }

    /// Takes a word that must stand here.
    pub fn expect(&mut self, kind: Kind, expected: &str) -> Parsed<()> {
        match self.cursor.take_if(kind) {
            Some(_) => Ok(()),
            None => Err(self.unexpected(expected)),
        }
    }
}
