//! Layers for a viewer.

use std::sync::Arc;

use crate::kernel::argument;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// Makes an overlay of layers, bottom first: images, or one sequence of layers, or one record with
/// `layers`.
pub fn overlay(call: &Call<'_>) -> Result<Output, Refusal> {
    let given: &[Value] = match call.args {
        [Value::Sequence(layers)] => layers,
        [Value::Record(fields)] if fields.iter().any(|(name, _)| &**name == "layers") => {
            let [(_, layers)] = &**fields else { return Err(Refusal::new(Code::Field)) };
            argument::sequence(layers)?
        }
        args => args,
    };
    if given.is_empty() {
        return Err(Refusal::new(Code::Empty));
    }
    let layers = given.iter().map(layer).collect::<Result<Vec<_>, _>>()?;
    let images: Vec<&Value> = layers.iter().filter_map(image).collect();
    argument::same_grid(&images)?;
    Ok(Value::Overlay(layers.into()).into())
}

/// Returns a layer as a record of the fields given.
fn layer(given: &Value) -> Result<Value, Refusal> {
    let Value::Record(fields) = given else {
        if !given.kind().is_image() {
            return Err(argument::kind());
        }
        return Ok(Value::record(vec![(Arc::from("value"), given.clone())]));
    };
    for (name, value) in fields.iter() {
        match (&**name, value) {
            ("value", value) if value.kind().is_image() => {}
            ("label" | "colormap", Value::Text(_)) | ("visible", Value::Bool(_)) => {}
            ("opacity", Value::Number(opacity)) => {
                if !(0.0..=1.0).contains(opacity) {
                    return Err(Refusal::with(Code::Range, &[*opacity, 0.0, 1.0]));
                }
            }
            ("value" | "label" | "opacity" | "colormap" | "visible", _) => {
                return Err(argument::kind());
            }
            _ => return Err(Refusal::new(Code::Field)),
        }
    }
    if image(given).is_none() {
        return Err(Refusal::new(Code::Field));
    }
    Ok(given.clone())
}

fn image(layer: &Value) -> Option<&Value> {
    let Value::Record(fields) = layer else { return None };
    fields.iter().find(|(name, _)| &**name == "value").map(|(_, value)| value)
}
