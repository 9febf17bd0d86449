//! What a case printed under one label.

use std::borrow::Cow;

use crate::kernel::format::json;
use crate::value::data::Value;
use crate::value::text;

/// A cell: small, for a table has them all.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// Nothing came of it: an operator refused, or the case could not be run.
    Missing,
    /// The language's null.
    Null,
    /// A truth value.
    Truth(bool),
    /// A number.
    Number(f64),
    /// A text, and bytes as `print` shows them.
    Text(Box<str>),
    /// A sequence or a record.
    Nested(Box<Nested>),
}

/// A sequence or a record as text.
#[derive(Clone, PartialEq, Debug)]
pub struct Nested {
    /// As `print` shows it.
    pub shown: Box<str>,
    /// As JSON in one line; numbers that JSON has not are null.
    pub json: Box<str>,
}

impl Cell {
    /// Takes what is printed; an image has no text and is missing.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Truth(*truth),
            Value::Number(number) => Self::Number(*number),
            Value::Text(text) => Self::Text((**text).into()),
            Value::Sequence(_) | Value::Record(_) => match (text::show(value), json::line(value)) {
                (Some(shown), Ok(json)) => {
                    Self::Nested(Box::new(Nested { shown: shown.into(), json: json.into() }))
                }
                _ => Self::Missing,
            },
            other => text::show(other).map_or(Self::Missing, |shown| Self::Text(shown.into())),
        }
    }

    /// Returns it as `print` shows it; nothing where it is missing.
    pub fn shown(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Missing => return None,
            Self::Null => "null".into(),
            Self::Truth(truth) => if *truth { "true" } else { "false" }.into(),
            Self::Number(number) => text::number(*number).into(),
            Self::Text(text) => (&**text).into(),
            Self::Nested(nested) => (&*nested.shown).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;

    #[test]
    fn cells_read_as_print_shows_them() {
        let record = Value::record(vec![
            (Arc::from("b c"), Value::Number(f64::NAN)),
            (Arc::from("a"), Value::sequence(vec![Value::text("x\"y"), Value::Bool(true)])),
        ]);
        let values = [
            Value::Null,
            Value::Bool(false),
            Value::Number(-0.0),
            Value::Number(f64::INFINITY),
            Value::text("a, \"b\""),
            Value::Bytes(Arc::from([0x0a, 0xff])),
            record.clone(),
        ];
        for value in &values {
            assert_eq!(Cell::of(value).shown().unwrap(), text::show(value).unwrap());
        }
        let Cell::Nested(nested) = Cell::of(&record) else { panic!("nested") };
        assert_eq!(&*nested.json, r#"{"a":["x\"y",true],"b c":null}"#);
        assert_eq!(Cell::of(&Value::Overlay(Arc::from([]))), Cell::Missing);
        assert_eq!(Cell::Missing.shown(), None);
        assert!(size_of::<Cell>() <= 24, "a table has one for each value");
    }
}
