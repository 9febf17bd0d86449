//! Refusals: results of kernels that say why there is no value.

use std::fmt;

use crate::value::data::Value;

/// Why a kernel has no value for its arguments; itself a result that is kept.
///
/// Only what the arguments determine: no file name, path, span or sentence. Words are made from it
/// when it is shown.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The word of the receipt.
    pub code: Code,
    /// The offending numbers and limits, in reading order.
    pub args: Vec<Value>,
}

/// The words of refusals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Code {
    /// An argument of a kind that the operator does not take.
    Kind,
    /// Images on different grids.
    Grid,
    /// A count of axes or sizes that the operator cannot work on.
    Dims,
    /// Nothing to work on.
    Empty,
    /// A number outside its limits.
    Range,
    /// A number that must be integral is not.
    Integer,
    /// Sequences whose lengths do not fit.
    Length,
    /// A record without that field.
    Field,
    /// A text or file of another form.
    Format,
    /// More than an operator can hold.
    Size,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 10] = [
        Self::Kind,
        Self::Grid,
        Self::Dims,
        Self::Empty,
        Self::Range,
        Self::Integer,
        Self::Length,
        Self::Field,
        Self::Format,
        Self::Size,
    ];

    /// Returns the word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Grid => "grid",
            Self::Dims => "dims",
            Self::Empty => "empty",
            Self::Range => "range",
            Self::Integer => "integer",
            Self::Length => "length",
            Self::Field => "field",
            Self::Format => "format",
            Self::Size => "size",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.word() == word)
    }
}

impl Refusal {
    /// Makes a refusal without numbers.
    pub fn new(code: Code) -> Self {
        Self { code, args: Vec::new() }
    }

    /// Makes a refusal that tells numbers.
    pub fn with(code: Code, numbers: &[f64]) -> Self {
        Self { code, args: numbers.iter().map(|number| Value::Number(*number)).collect() }
    }
}

impl Refusal {
    /// Says it in a sentence of the operator's own, where the numbers mean something to a person.
    pub fn said_by(&self, op: &str) -> String {
        let numbers: Vec<String> = self.args.iter().map(shown).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        match (op, self.code, numbers.as_slice()) {
            ("vox1.read", Code::Format, [have, need]) => format!(
                "the file is damaged or cut short: it has {have} bytes, and {need} were expected"
            ),
            ("vox1.read", Code::Format, [line, column, _]) => {
                format!("what stands at line {line}, column {column} is no JSON")
            }
            ("vox1.read", Code::Format, []) => {
                "the file is not of the form that its name says".to_owned()
            }
            ("vox1.read", Code::Range, [frame, frames]) => {
                format!("image {frame} of a file that holds {frames} (they count from 0)")
            }
            ("default.index", Code::Range, [index, len]) => {
                format!("index {index} of a sequence of {len} (they count from 0)")
            }
            (_, Code::Integer, [number]) => format!("{number} is not integral"),
            (_, Code::Length, [a, b]) => format!("lengths {a} and {b} do not agree"),
            _ => self.to_string(),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            format!("{number}")
        }
        Value::Number(number) => format!("{number:?}"),
        Value::Text(text) => format!("{text:?}"),
        other => other.kind().to_string(),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.code {
            Code::Kind => "an argument is of a kind that it does not take",
            Code::Grid => "the images lie on different grids",
            Code::Dims => "the image has sizes that it cannot work on",
            Code::Empty => "there is nothing to work on",
            Code::Range => "a number is outside its limits",
            Code::Integer => "a number must be integral",
            Code::Length => "lengths do not agree",
            Code::Field => "there is no such field",
            Code::Format => "the form is not one it can read",
            Code::Size => "more than it can hold",
        })?;
        if !self.args.is_empty() {
            let shown: Vec<String> = self.args.iter().map(shown).collect();
            write!(f, " ({})", shown.join(", "))?;
        }
        Ok(())
    }
}
