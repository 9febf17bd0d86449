//! The heads of `let`, `for`, `filter` and `fold` in expressions.

use crate::lang::ast::Word;
use crate::lang::cursor::begins_with_mark;
use crate::lang::expr::State;
use crate::lang::frame::Frame;
use crate::lang::parser::{GaveUp, Parsed, Parser};
use crate::lang::syntax_error as errors;
use crate::lang::token::{Kind, Token};

impl Parser<'_> {
    /// Takes the head of a form; its first part is next.
    pub fn form(&mut self) -> Parsed<State> {
        let token = self.cursor.peek();
        if let Some(Frame::Prefix { .. } | Frame::Infix { .. }) = self.frames.last() {
            let error = errors::needs_parentheses(self.cursor.text(token), self.cursor.span(token));
            return Err(self.fail(error));
        }
        let start = self.cursor.take().start;
        if token.kind == Kind::Fold {
            let op = self.fold_operator()?;
            return Ok(self.within(Frame::FoldFirst { start, op }));
        }
        let name = self.plain_name("a name")?;
        if token.kind == Kind::Let {
            let equals = self.cursor.peek();
            if equals.kind != Kind::Run || !begins_with_mark(self.cursor.text(equals)) {
                return Err(self.unexpected("`=`"));
            }
            self.cursor.take_to(Kind::Run, equals.start + 1);
            return Ok(self.within(Frame::LetValue { start, name }));
        }
        self.expect(Kind::In, "`in`")?;
        Ok(self.within(match token.kind {
            Kind::For => Frame::ForSeq { start, name },
            _ => Frame::FilterSeq { start, name },
        }))
    }

    fn fold_operator(&mut self) -> Parsed<Word> {
        let token = self.cursor.peek();
        if let Some(run) = self.cursor.lettered_run() {
            let run = self.cursor.take_to(Kind::Run, run.end);
            return Ok(self.intern(run));
        }
        match token.kind {
            Kind::Run if self.separator() => Err(GaveUp),
            Kind::Run => {
                let run = self.operator(token);
                Ok(self.intern(run))
            }
            Kind::Name => {
                self.cursor.take();
                Ok(self.intern(token))
            }
            _ => Err(self.unexpected("an operator or the name of a function")),
        }
    }

    /// Whether `fold op e1` has no second argument: what is in front cannot begin one.
    pub fn fold_is_over(&self, token: Token) -> bool {
        match token.kind {
            Kind::End | Kind::Comma | Kind::In | Kind::Do | Kind::Let | Kind::Run | Kind::Bad => {
                true
            }
            Kind::Name => self.cursor.begins_command(),
            kind => kind.is_closer(),
        }
    }
}
