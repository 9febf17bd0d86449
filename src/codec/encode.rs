//! Values to canonical bytes.

use crate::canon::Tree;
use crate::value::data::Value;

/// Returns a literal as the tree that stands in `args`.
pub fn literal(value: &Value) -> Tree {
    match value {
        Value::Bool(truth) => Tree::Bool(*truth),
        Value::Number(number) => Tree::Float(*number),
        Value::Text(text) => Tree::text(text),
        Value::Sequence(items) => Tree::Array(items.iter().map(literal).collect()),
        Value::Record(fields) => Tree::map([
            ("t", Tree::text("record")),
            (
                "fields",
                Tree::Map(
                    fields.iter().map(|(name, value)| (name.to_string(), literal(value))).collect(),
                ),
            ),
        ]),
        _ => Tree::Null,
    }
}
