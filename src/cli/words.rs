//! What is said on stderr: how much, and in which colours.

use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::cli::args::{Common, When};
use crate::cli::{json, out, render};
use crate::lang::diagnostic::{Diagnostic, Severity};
use crate::lang::source::Source;

/// How things are said.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    /// Are colours used?
    pub colour: bool,
    /// Only errors?
    pub quiet: bool,
    /// How much more.
    pub verbose: u8,
    /// How mistakes of a program are told.
    pub messages: Messages,
}

/// How mistakes of a program are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Messages {
    /// As text with the lines they are about, on stderr.
    Text,
    /// As lines of JSON on stderr.
    JsonAside,
    /// As lines of JSON on stdout, because they are what was asked for.
    JsonAnswer,
}

impl Messages {
    /// Says whether they are JSON.
    pub fn are_json(self) -> bool {
        self != Self::Text
    }
}

impl Voice {
    /// Decides from the command line, the environment and the terminal, in this order.
    pub fn of(common: &Common, messages: Messages, environment: &Environment) -> Self {
        let colour = match common.color {
            When::Always => true,
            When::Never => false,
            When::Auto if environment.force_color => true,
            When::Auto => {
                !environment.no_color && !environment.quiet_terminal && out::is_terminal()
            }
        };
        Self { colour, quiet: common.quiet, verbose: common.verbose, messages }
    }

    /// Says an error, with its causes.
    pub fn error(self, error: &Error) {
        if let Error::Program { diagnostics, sources } = error {
            self.diagnostics(diagnostics, sources);
            if self.messages.are_json() {
                return;
            }
            let count = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
            let plural = if count == 1 { "" } else { "s" };
            out::say(&format!("vox: {count} mistake{plural}; nothing was run"));
            return;
        }
        if self.messages.are_json() {
            out::say(&json::trouble(error.whose(), &chain(error)).to_string());
            return;
        }
        if matches!(error.whose(), Whose::Stopped) {
            out::say("vox: stopped; what was acknowledged is kept, and the next run goes on there");
            return;
        }
        out::say(&format!("{}: {}", self.red("error"), chain(error)));
    }

    /// Says what to do next.
    pub fn help(self, text: &str) {
        out::say(&format!("help: {text}"));
    }

    /// Says diagnostics: errors always, warnings unless quiet, notes when asked for more.
    pub fn diagnostics(self, diagnostics: &[Diagnostic], sources: &[Source]) {
        for diagnostic in diagnostics {
            let shown = match diagnostic.severity {
                Severity::Error => true,
                Severity::Warning => !self.quiet,
                Severity::Note => self.verbose > 0,
            };
            if shown && self.messages.are_json() {
                let line = json::diagnostic(diagnostic, sources).to_string();
                if self.messages == Messages::JsonAnswer {
                    out::line(&line);
                } else {
                    out::say(&line);
                }
            } else if shown {
                out::say(&render::diagnostic(diagnostic, sources, self.colour));
            }
        }
    }

    /// Returns a word in red, where there are colours.
    pub fn red(self, word: &str) -> String {
        if self.colour { format!("\u{1b}[1;31m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

/// Returns an error with its causes, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}
