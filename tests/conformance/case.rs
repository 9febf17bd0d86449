//! The set as it lies in its folder.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::expected::{Expected, Tolerance};

/// All cases, and the arrays of their images one after another.
pub(crate) struct Set {
    pub(crate) cases: Vec<Case>,
    pub(crate) outputs: Vec<u8>,
}

/// A program and what the reference answers.
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) primitive: String,
    pub(crate) expression: String,
    /// Its last binding is `result`.
    pub(crate) program: String,
    pub(crate) tolerance: Tolerance,
    pub(crate) expected: Expected,
}

impl Set {
    pub(crate) fn open(folder: &Path) -> Self {
        let manifest = fs::read(folder.join("manifest.json")).unwrap();
        let manifest: Json = serde_json::from_slice(&manifest).unwrap();
        let cases = manifest["cases"].as_array().unwrap().iter().map(Case::of).collect();
        let packed = fs::read(folder.join("outputs.bin.zst")).unwrap();
        Self { cases, outputs: zstd::decode_all(&packed[..]).unwrap() }
    }
}

impl Case {
    fn of(json: &Json) -> Self {
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        let tolerance = &json["tolerance"];
        Self {
            id: text("id"),
            primitive: text("primitive"),
            expression: text("expression"),
            program: text("program"),
            tolerance: Tolerance {
                abs: tolerance["abs"].as_f64().unwrap(),
                rel: tolerance["rel"].as_f64().unwrap(),
            },
            expected: Expected::of(&json["expected"]),
        }
    }
}
