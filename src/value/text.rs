//! Values as text, as `print` shows them.

use std::fmt::Write as _;

use crate::value::data::Value;

/// Returns a number as text: Rust's shortest form that reads back (`3.0`, `-0.0`, `1e16`), and `nan`,
/// `inf`, `-inf`.
pub fn number(number: f64) -> String {
    if number.is_nan() {
        "nan".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "inf".to_owned() } else { "-inf".to_owned() }
    } else {
        format!("{number:?}")
    }
}

/// Returns a value as text, or `None` where it has no text: images, grids, overlays, and what holds
/// one.
///
/// Texts are bare, but quoted as in JSON inside sequences and records. Bytes are lower-case hex after
/// `0x`.
pub fn show(value: &Value) -> Option<String> {
    if let Value::Text(text) = value {
        return Some(text.to_string());
    }
    let mut out = String::new();
    inner(value, &mut out)?;
    Some(out)
}

/// Returns a text in quotes, as in JSON.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is always JSON")
}

fn inner(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(x) => out.push_str(&number(*x)),
        Value::Text(text) => out.push_str(&quoted(text)),
        Value::Bytes(bytes) => {
            out.push_str("0x");
            out.push_str(&hex::encode(bytes));
        }
        Value::Sequence(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                inner(item, out)?;
            }
            out.push(']');
        }
        Value::Record(fields) => {
            out.push('{');
            for (at, (name, item)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                if is_name(name) {
                    out.push_str(name);
                } else {
                    write!(out, "{}", quoted(name)).expect("a text takes any text");
                }
                out.push_str(": ");
                inner(item, out)?;
            }
            out.push('}');
        }
        Value::Grid(_)
        | Value::Mask(_)
        | Value::Volume(_)
        | Value::Colour(_)
        | Value::Overlay(_) => return None,
    }
    Some(())
}

/// Says whether a field's name reads without quotes.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;
    use crate::value::grid::Grid;

    #[test]
    fn numbers_read_as_rust_writes_them() {
        let shown: Vec<String> =
            [3.0, -0.0, 1e16, 0.1, 1e-7, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
                .map(number)
                .into();
        assert_eq!(shown, ["3.0", "-0.0", "1e16", "0.1", "1e-7", "nan", "nan", "inf", "-inf"]);
    }

    #[test]
    fn texts_are_bare_outside_and_quoted_inside() {
        assert_eq!(show(&Value::text("a\"b")).unwrap(), "a\"b");
        let value = Value::sequence(vec![
            Value::Number(1.0),
            Value::text("a\"b\n"),
            Value::Null,
            Value::Bool(true),
            Value::Bytes(Arc::from([0x0a, 0xff])),
            Value::record(vec![
                (Arc::from("b c"), Value::Number(2.0)),
                (Arc::from("a"), Value::sequence(vec![])),
            ]),
        ]);
        assert_eq!(
            show(&value).unwrap(),
            r#"[1.0, "a\"b\n", null, true, 0x0aff, {a: [], "b c": 2.0}]"#
        );
        let grid = Value::Grid(Arc::new(Grid::plain(&[1, 1]).unwrap()));
        assert!(show(&Value::sequence(vec![grid])).is_none());
    }
}
