//! JSON: objects are records, null is null.

use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};

use crate::primitive::contract::{Output, Warning};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// Reads a value; of two members of one name the later one stands.
pub fn read(file: &[u8]) -> Result<Output, Refusal> {
    let json: Json = serde_json::from_slice(file).map_err(|error| {
        let at = [error.line(), error.column(), file.len()];
        Refusal::with(Code::Format, &at.map(|n| n as f64))
    })?;
    Ok(value(json)?.into())
}

fn value(json: Json) -> Result<Value, Refusal> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => Value::Number(number.as_f64().ok_or(Refusal::new(Code::Format))?),
        Json::String(text) => Value::Text(text.into()),
        Json::Array(items) => {
            Value::sequence(items.into_iter().map(value).collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let mut fields = Vec::with_capacity(members.len());
            for (name, member) in members {
                fields.push((Arc::from(name), value(member)?));
            }
            Value::record(fields)
        }
    })
}

/// Returns the text of a value, members by name, and how many numbers became null.
pub fn write(value: &Value) -> Result<(Vec<u8>, Vec<Warning>), Refusal> {
    let mut nulled = 0;
    let json = json(value, &mut nulled)?;
    let mut out = serde_json::to_vec_pretty(&json).map_err(|_| Refusal::new(Code::Format))?;
    out.push(b'\n');
    let warnings =
        if nulled > 0 { vec![Warning { code: "nonfinite", count: nulled }] } else { Vec::new() };
    Ok((out, warnings))
}

/// Returns the text of a value in one line, members by name; numbers that JSON has not are null.
pub fn line(value: &Value) -> Result<String, Refusal> {
    Ok(json(value, &mut 0)?.to_string())
}

fn json(value: &Value, nulled: &mut u64) -> Result<Json, Refusal> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Number(number) => {
            *nulled += u64::from(!number.is_finite());
            Number::from_f64(*number).map_or(Json::Null, Json::Number)
        }
        Value::Text(text) => Json::String(text.to_string()),
        Value::Bytes(bytes) => Json::String(hex::encode(bytes)),
        Value::Sequence(items) => {
            Json::Array(items.iter().map(|item| json(item, nulled)).collect::<Result<_, _>>()?)
        }
        Value::Record(fields) => {
            let mut members = Map::new();
            for (name, field) in fields.iter() {
                members.insert(name.to_string(), json(field, nulled)?);
            }
            Json::Object(members)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::codec::encode::encode;

    fn again(value: &Value) -> Value {
        read(&write(value).unwrap().0).unwrap().value
    }

    proptest! {
        #[test]
        fn numbers_come_back_to_the_bit(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            let Value::Number(same) = again(&Value::sequence(vec![Value::Number(number)])).items()
                [0].clone() else { prop_assert!(!number.is_finite()); return Ok(()) };
            prop_assert_eq!(same.to_bits(), number.to_bits());
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            if let Ok(output) = read(&bytes) {
                prop_assert!(write(&output.value).is_ok());
            }
        }
    }

    trait Items {
        fn items(&self) -> &[Value];
    }

    impl Items for Value {
        fn items(&self) -> &[Value] {
            let Value::Sequence(items) = self else { panic!("no sequence") };
            items
        }
    }

    #[test]
    fn records_and_rows_come_back() {
        let text = br#"{"b": [1, -0.0, null, true], "a": {"x": "\u00e9"}, "b": [2, 1e400]}"#;
        assert!(read(text).is_err());
        let value =
            read(br#"{"b": 1, "a": {"x": "\u00e9"}, "b": [2.5, -0.0, null]}"#).unwrap().value;
        assert_eq!(encode(&again(&value)).digest(), encode(&value).digest());
        let out = String::from_utf8(write(&value).unwrap().0).unwrap();
        assert_eq!(
            out.split_whitespace().collect::<String>(),
            r#"{"a":{"x":"é"},"b":[2.5,-0.0,null]}"#
        );
    }

    #[test]
    fn what_json_cannot_say_is_null_and_counted() {
        let value = Value::sequence(vec![
            Value::Number(f64::NAN),
            Value::Number(f64::INFINITY),
            Value::Bytes([1, 0xab].into()),
        ]);
        let (out, warnings) = write(&value).unwrap();
        assert_eq!(out, b"[\n  null,\n  null,\n  \"01ab\"\n]\n");
        assert_eq!(warnings, [Warning { code: "nonfinite", count: 2 }]);
    }
}
