//! Commands: tokens to a program, and where to go on after a mistake.

use crate::lang::ast::{Command, CommandKind, ExprId, List, Program, RecordField, TextId, Word};
use crate::lang::cursor::{Cursor, LONGEST_LETTERED, begins_with_mark};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::{Dialect, Options};
use crate::lang::frame::{Frame, Level};
use crate::lang::source::{Source, Span};
use crate::lang::syntax_error as errors;
use crate::lang::text;
use crate::lang::token::{Kind, Token};

/// Reads a text: the commands that were understood, and what is wrong with the others.
///
/// Where a command is not understood, one error is recorded and reading goes on at the next line
/// that begins a command and is indented no further. Time and memory are linear in the text.
pub fn parse(source: &Source, options: &Options) -> (Program, Vec<Diagnostic>) {
    let text = source.text();
    let dialect = options.dialect.or_else(|| Dialect::asked_for(text)).unwrap_or_default();
    if u32::try_from(text.len()).is_err() {
        let program = Program { dialect, ..Program::default() };
        let span = Span::new(source.id(), 0, 0);
        let error = Diagnostic::error(errors::TOO_LARGE, span, "the text has 4 GiB or more")
            .help("split it into files and import them");
        return (program, vec![error]);
    }
    let mut parser = Parser::new(source, dialect, &options.operators);
    parser.commands();
    parser.program.comments = parser.cursor.comments;
    (parser.program, parser.diagnostics)
}

/// A mistake was recorded; the command is given up.
#[derive(Debug)]
pub struct GaveUp;

/// What reading a part of a command gives.
pub type Parsed<T> = Result<T, GaveUp>;

/// Reads one text.
#[derive(Debug)]
pub struct Parser<'s> {
    /// Where in the tokens.
    pub cursor: Cursor<'s>,
    /// What was understood.
    pub program: Program,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// What is open in the expression that is being read.
    pub frames: Vec<Frame>,
    /// The expressions that are open, innermost last.
    pub levels: Vec<Level>,
    /// Arguments and elements of what is open.
    pub items: Vec<ExprId>,
    /// Fields of the records that are open.
    pub fields: Vec<RecordField>,
}

impl<'s> Parser<'s> {
    fn new(source: &'s Source, dialect: Dialect, operators: &[String]) -> Self {
        Self {
            cursor: Cursor::new(source.id(), source.text(), dialect, operators),
            program: Program { dialect, ..Program::default() },
            diagnostics: Vec::new(),
            frames: Vec::new(),
            levels: Vec::new(),
            items: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn commands(&mut self) {
        while self.cursor.peek().kind != Kind::End {
            let first = self.cursor.peek();
            if self.separator() {
                continue;
            }
            match self.command(first) {
                Ok(kind) => {
                    let span = self.cursor.since(first.start);
                    self.program.commands.push(Command { kind, span, spaced: first.spaced });
                }
                Err(GaveUp) => self.recover(first),
            }
        }
    }

    /// Skips to the next line that begins a command and is indented no further than `failed`.
    fn recover(&mut self, failed: Token) {
        self.levels.clear();
        let indent = self.cursor.indent(failed.start);
        loop {
            let token = self.cursor.peek();
            let begins = token.first
                && token.start > failed.start
                && self.cursor.indent(token.start) <= indent
                && (self.cursor.begins_command() || self.is_meant_as_command(token));
            if token.kind == Kind::End || begins {
                return;
            }
            self.cursor.take();
        }
    }

    /// Whether a wrong command begins here that deserves its own error.
    fn is_meant_as_command(&self, token: Token) -> bool {
        if token.kind == Kind::Name {
            return matches!(self.cursor.text(token), "load" | "save" | "print" | "import");
        }
        let next = self.cursor.after(token);
        (token.kind.is_reserved() || token.kind == Kind::Dollar)
            && next.kind == Kind::Run
            && begins_with_mark(self.cursor.text(next))
    }

    fn command(&mut self, first: Token) -> Parsed<CommandKind> {
        match first.kind {
            Kind::Let => {
                self.cursor.take();
                self.declaration(true)
            }
            Kind::Name if self.cursor.is_word(first) => {
                self.cursor.take();
                self.word(self.cursor.text(first))
            }
            _ if self.program.dialect == Dialect::Two => self.declaration(false),
            _ => Err(self.no_command()),
        }
    }

    fn word(&mut self, word: &str) -> Parsed<CommandKind> {
        if word == "load" {
            let name = self.plain_name("the name of an image")?;
            let one = self.program.dialect == Dialect::One;
            let next = self.cursor.peek();
            let equals = next.kind == Kind::Run && begins_with_mark(self.cursor.text(next));
            if !one && !equals {
                return Ok(CommandKind::Load { name, path: None });
            }
            self.equals()?;
            let path = Some(self.string("the path of an image, in quotes")?);
            return Ok(CommandKind::Load { name, path });
        }
        let what = self.string("a string")?;
        Ok(match word {
            "import" => CommandKind::Import { what },
            "print" => CommandKind::Print { label: what, value: self.expression()? },
            _ => CommandKind::Save { path: what, value: self.expression()? },
        })
    }

    fn declaration(&mut self, after_let: bool) -> Parsed<CommandKind> {
        let token = self.cursor.peek();
        let lettered = self
            .cursor
            .lettered_head()
            .filter(|&op| after_let || self.cursor.declares_operator(op));
        let (head, is_operator) = match (lettered, token.kind) {
            (Some(op), _) => (self.cursor.take_to(Kind::Run, op.end), true),
            (None, Kind::Name) if after_let || self.declares(token) => (self.cursor.take(), false),
            (None, Kind::Run) if after_let && !self.is_only_mark(token) => {
                (self.cursor.take(), true)
            }
            (None, Kind::Run) if !after_let && self.cursor.declares_operator(token) => {
                (self.cursor.take(), true)
            }
            _ if after_let => return Err(self.no_name("a name or an operator")),
            _ => return Err(self.no_command()),
        };
        let name = self.declared(head)?;
        let params = self.params()?;
        self.equals()?;
        let body = self.expression()?;
        if is_operator {
            self.list_operator(head);
        }
        Ok(CommandKind::Let { name, is_operator, params, body })
    }

    /// Whether a name without `let` is meant as a declaration: wrong ones get the better error.
    fn declares(&self, name: Token) -> bool {
        let next = self.cursor.after(name);
        next.kind == Kind::Run && begins_with_mark(self.cursor.text(next))
            || self.cursor.declares_name(name)
    }

    /// Whether a run after `let` is the `=` whose name is missing.
    fn is_only_mark(&self, run: Token) -> bool {
        self.cursor.text(run).starts_with('=') && self.cursor.after(run).kind != Kind::OpenParen
    }

    fn params(&mut self) -> Parsed<List> {
        let start = self.program.params.len() as u32;
        let open = self.cursor.take_if(Kind::OpenParen);
        if let Some(open) = open
            && self.cursor.take_if(Kind::CloseParen).is_none()
        {
            loop {
                let param = self.plain_name("the name of a parameter")?;
                self.program.params.push(param);
                if self.cursor.take_if(Kind::Comma).is_none() {
                    break;
                }
            }
            self.close(Kind::CloseParen, open.start, "`,` or `)`")?;
        }
        Ok(List { start, len: self.program.params.len() as u32 - start })
    }

    /// Takes a declaration's `=`, the first character of its run.
    fn equals(&mut self) -> Parsed<()> {
        let token = self.cursor.peek();
        if token.kind == Kind::Run && begins_with_mark(self.cursor.text(token)) {
            self.cursor.take_to(Kind::Run, token.start + 1);
            return Ok(());
        }
        Err(self.unexpected("`=`"))
    }

    /// Takes a name without a dot.
    pub fn plain_name(&mut self, what: &str) -> Parsed<Word> {
        let token = self.cursor.peek();
        if token.kind != Kind::Name {
            return Err(self.no_name(what));
        }
        self.cursor.take();
        self.declared(token)
    }

    fn declared(&mut self, head: Token) -> Parsed<Word> {
        let word = self.intern(head);
        if head.kind == Kind::Name && self.cursor.text(head).contains('.') {
            let message = format!("`{}` cannot be declared: it has a dot", self.cursor.text(head));
            let error = Diagnostic::error(errors::DOTTED, word.span, message)
                .help("dots are for namespaces and fields; write `_`");
            return Err(self.fail(error));
        }
        let long = head.end - head.start > LONGEST_LETTERED as u32;
        if head.kind == Kind::Run && long {
            let message = format!("this operator has more than {LONGEST_LETTERED} characters");
            let error = Diagnostic::error(errors::LONG_OPERATOR, word.span, message)
                .help("choose a shorter one, or a name");
            return Err(self.fail(error));
        }
        Ok(word)
    }

    /// Remembers an operator that cannot be told by its characters.
    fn list_operator(&mut self, head: Token) {
        let text = self.cursor.text(head);
        if text.starts_with(|c: char| c.is_ascii_uppercase() || c == ';' || c == '#') {
            self.cursor.listed.insert(text.to_owned());
        }
    }

    fn string(&mut self, what: &str) -> Parsed<TextId> {
        match self.cursor.take_if(Kind::Text) {
            Some(token) => Ok(self.add_text(token)),
            None => Err(self.unexpected(what)),
        }
    }

    /// Adds the string that a token is.
    pub fn add_text(&mut self, token: Token) -> TextId {
        let span = self.cursor.span(token);
        text::add(&mut self.program, self.cursor.text(token), span)
    }

    /// Interns the text of a token.
    pub fn intern(&mut self, token: Token) -> Word {
        let symbol = self.program.names.intern(self.cursor.text(token));
        Word { symbol, span: self.cursor.span(token) }
    }

    /// Takes a closing bracket; `open` is where its partner stands.
    pub fn close(&mut self, kind: Kind, open: u32, expected: &str) -> Parsed<()> {
        if self.cursor.take_if(kind).is_some() {
            return Ok(());
        }
        let token = self.cursor.peek();
        let mut error = self.describe(token, expected);
        let opened = Token { start: open, end: open + 1, ..token };
        error = error.label(self.cursor.span(opened), "opened here");
        if token.kind == Kind::End || self.cursor.begins_command() {
            error.code = errors::UNCLOSED;
        }
        Err(self.fail(error))
    }

    /// Records that something else was expected in front.
    pub fn unexpected(&mut self, expected: &str) -> GaveUp {
        let error = self.describe(self.cursor.peek(), expected);
        self.fail(error)
    }

    /// Records an error and gives the command up.
    pub fn fail(&mut self, error: Diagnostic) -> GaveUp {
        self.diagnostics.push(error);
        GaveUp
    }

    /// Takes a `;` or `#` that separates nothing, with an error; whether there was one.
    pub fn separator(&mut self) -> bool {
        let token = self.cursor.peek();
        let text = self.cursor.text(token);
        let listed = token.kind == Kind::Run && {
            let most = text.len().min(LONGEST_LETTERED);
            (1..=most).any(|len| text.get(..len).is_some_and(|op| self.cursor.listed.contains(op)))
        };
        let declares = self.levels.last().is_none_or(|level| !level.inside)
            && self.cursor.declares_operator(token);
        if token.kind != Kind::Run || !text.starts_with([';', '#']) || listed || declares {
            return false;
        }
        let span = Span { end: token.start + 1, ..self.cursor.span(token) };
        self.diagnostics.push(errors::separator(text, span));
        if text.starts_with(';') {
            self.cursor.take_to(Kind::Run, token.start + 1);
        } else {
            let end = self.cursor.line_end(token.start);
            self.cursor.take_to(Kind::Run, end);
        }
        self.cursor.last_end = token.start;
        true
    }

    fn describe(&self, token: Token, expected: &str) -> Diagnostic {
        let span = self.cursor.span(token);
        errors::unexpected(token, self.cursor.text(token), span, expected)
    }

    fn no_name(&mut self, what: &str) -> GaveUp {
        let token = self.cursor.peek();
        let (text, span) = (self.cursor.text(token), self.cursor.span(token));
        let error = match token.kind {
            kind if kind.is_reserved() => errors::reserved(text, span),
            Kind::Dollar => {
                let message = format!("`{text}` cannot be declared");
                Diagnostic::error(errors::DOLLAR, span, message)
                    .help(format!("`$` is for using a name; declare `{}`", &text[1..]))
            }
            _ => self.describe(token, what),
        };
        self.fail(error)
    }

    fn no_command(&mut self) -> GaveUp {
        let token = self.cursor.peek();
        if token.kind != Kind::Name && self.is_meant_as_command(token) {
            return self.no_name("a command");
        }
        let mut error = match (token.kind, self.program.commands.is_empty()) {
            (_, true) | (Kind::Name, _) => self.describe(token, "a command"),
            _ => self.describe(token, "an operator or the next command"),
        };
        if matches!(token.kind, Kind::OpenParen | Kind::OpenBracket) {
            error = error.help("a call needs a name or an operator directly before its `(`");
        } else if let ("print" | "save" | "import" | "load", None) =
            (self.cursor.text(token), &error.help)
        {
            let word = self.cursor.text(token);
            let rest = if word == "load" { "name = \"file\"" } else { "\"...\"" };
            error = error.help(format!("write `{word} {rest}`, or `{word} = e` to declare it"));
        } else if error.help.is_none() {
            error = error.help(match self.program.dialect {
                Dialect::Two => {
                    "a command is `name = e`, `load x = \"file\"`, `import \"name\"`, \
                     `print \"label\" e` or `save \"file\" e`"
                }
                Dialect::One => {
                    "in dialect 1 a command is `let name = e`, `load x = \"file\"`, \
                     `import \"name\"`, `print \"label\" e` or `save \"file\" e`"
                }
            });
        }
        self.fail(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::dump::dump;
    use crate::lang::source::SourceId;

    fn source(text: &str) -> Source {
        Source::new(SourceId(0), "test.imgql", text)
    }

    #[test]
    fn the_first_line_chooses_the_dialect_unless_the_caller_does() {
        let text = "//! imgql 1\nlet x = a & b | c";
        let (program, _) = parse(&source(text), &Options::default());
        assert_eq!(dump(&program), "let x = (& a (| b c))\n");
        let (program, _) = parse(&source(text), &Options::of(Dialect::Two));
        assert_eq!(dump(&program), "let x = (| (& a b) c)\n");
    }

    #[test]
    fn spans_are_where_things_stand() {
        let text = "x = (a + b) * f(c)[0]";
        let source = source(text);
        let (program, _) = parse(&source, &Options::default());
        let spans: Vec<_> = program.spans.iter().map(|&span| source.slice(span)).collect();
        let expected = ["a", "b", "(a + b)", "c", "f(c)", "0", "f(c)[0]", "(a + b) * f(c)[0]"];
        assert_eq!(spans, expected);
        assert_eq!(source.slice(program.commands[0].span), text);
    }

    #[test]
    fn operators_have_a_longest() {
        for long in ["+".repeat(65), format!("A{}", "+B".repeat(40))] {
            let (program, told) =
                parse(&source(&format!("let {long}(a) = a")), &Options::default());
            assert_eq!(told.len(), 1);
            assert_eq!(told[0].code, errors::LONG_OPERATOR);
            assert!(program.commands.is_empty());
        }
    }
}
