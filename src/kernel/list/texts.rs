//! Texts joined.

use crate::kernel::argument;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::text;

/// Joins the arguments as texts, each as `print` shows it.
pub fn concat(call: &Call<'_>) -> Result<Output, Refusal> {
    if call.args.is_empty() {
        return Err(argument::kind());
    }
    let mut joined = String::new();
    for value in call.args {
        joined.push_str(&text::show(value).ok_or_else(argument::kind)?);
    }
    Ok(Value::text(&joined).into())
}
