//! Plain text, and what values look like in it.

use crate::primitive::contract::Output;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// Reads lines: a sequence of texts without their `\n` or `\r\n`, no empty one behind the last.
pub fn read(file: &[u8]) -> Result<Output, Refusal> {
    let text = std::str::from_utf8(file)
        .map_err(|error| Refusal::with(Code::Format, &[error.valid_up_to() as f64]))?;
    Ok(Value::sequence(text.lines().map(Value::text).collect()).into())
}

/// Returns the text of a value: of a sequence a line for each element, else one line; a text that
/// ends its last line itself is left so.
pub fn write(value: &Value) -> Result<Vec<u8>, Refusal> {
    let mut out = String::new();
    match value {
        Value::Sequence(items) => {
            for item in items.iter() {
                out.push_str(&shown(item)?);
                out.push('\n');
            }
        }
        other => {
            out.push_str(&shown(other)?);
            if !out.ends_with('\n') {
                out.push('\n');
            }
        }
    }
    Ok(out.into_bytes())
}

/// Returns what a value looks like in a line or a cell: as `print` shows it, bytes in hex.
pub fn shown(value: &Value) -> Result<String, Refusal> {
    Ok(match value {
        Value::Text(text) => text.to_string(),
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number_shown(*number),
        Value::Bytes(bytes) => hex::encode(bytes),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(inside).collect::<Result<_, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Record(fields) => {
            let mut parts = Vec::with_capacity(fields.len());
            for (name, value) in fields.iter() {
                parts.push(format!("{name}: {}", inside(value)?));
            }
            format!("{{{}}}", parts.join(", "))
        }
        Value::Grid(_)
        | Value::Mask(_)
        | Value::Volume(_)
        | Value::Colour(_)
        | Value::Overlay(_) => {
            return Err(Refusal::new(Code::Kind));
        }
    })
}

fn inside(value: &Value) -> Result<String, Refusal> {
    match value {
        Value::Text(text) => serde_json::to_string(&**text).map_err(|_| Refusal::new(Code::Format)),
        other => shown(other),
    }
}

fn number_shown(number: f64) -> String {
    if number.is_nan() { "nan".to_owned() } else { format!("{number:?}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        let Value::Sequence(lines) = read(b" a\r\n\nb\t\n").unwrap().value else { panic!() };
        let lines: Vec<String> = lines.iter().map(|line| shown(line).unwrap()).collect();
        assert_eq!(lines, [" a", "", "b\t"]);
        assert_eq!(read(b"\xff").unwrap_err().code, Code::Format);
    }

    #[test]
    fn values_look_as_print_shows_them() {
        let value = Value::sequence(vec![
            Value::Number(3.0),
            Value::Number(1e16),
            Value::Number(-f64::INFINITY),
            Value::Number(-f64::NAN),
            Value::text("a\"b"),
            Value::sequence(vec![Value::text("a\"b"), Value::Null]),
            Value::record(vec![("k".into(), Value::Bool(true))]),
        ]);
        assert_eq!(
            write(&value).unwrap(),
            b"3.0\n1e16\n-inf\nnan\na\"b\n[\"a\\\"b\", null]\n{k: true}\n"
        );
        assert_eq!(write(&Value::text("x\n")).unwrap(), b"x\n");
        assert_eq!(write(&Value::text("x")).unwrap(), b"x\n");
    }
}
