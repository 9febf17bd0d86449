//! What is wrong with a program, as plain data. Drawing it is the business of those above.

use crate::lang::source::Span;

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The program does not run.
    Error,
    /// The program runs, perhaps not as meant.
    Warning,
    /// Worth knowing.
    Note,
}

/// A place in a source and what is to be said about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty.
    pub message: String,
}

/// One mistake, or one thing worth knowing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// `E` and four digits, stable between versions.
    pub code: &'static str,
    /// One line, lower case, without a full stop.
    pub message: String,
    /// The places; the first is the one that the message is about.
    pub labels: Vec<Label>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Begins an error about `span`.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message.into())
    }

    /// Begins a warning about `span`.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message.into())
    }

    /// Begins a note about `span`.
    pub fn note(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, span, message.into())
    }

    /// Says something at the first place.
    #[must_use]
    pub fn says(mut self, message: impl Into<String>) -> Self {
        self.labels[0].message = message.into();
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the place that the message is about.
    pub fn span(&self) -> Span {
        self.labels[0].span
    }

    /// Whether the program does not run because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    fn new(severity: Severity, code: &'static str, span: Span, message: String) -> Self {
        let labels = vec![Label { span, message: String::new() }];
        Self { severity, code, message, labels, help: None }
    }
}
