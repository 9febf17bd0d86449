//! `vox1.encode`: the file of a value.

use crate::id::Digest;
use crate::kernel::format::table::{self, Between};
use crate::kernel::format::{gzip, json, mha, nifti, npy, nrrd, png, text, tiff};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// Returns `p.format` for a file of this name, or `None` when no format has its suffix.
///
/// Bytes take any name with the format `bytes`; the caller knows the kind.
pub fn format_of(name: &str) -> Option<&'static str> {
    const SUFFIXES: [(&str, &str); 12] = [
        (".nii", "nifti"),
        (".nii.gz", "nifti.gz"),
        (".png", "png"),
        (".tif", "tiff"),
        (".tiff", "tiff"),
        (".mha", "mha"),
        (".nrrd", "nrrd"),
        (".npy", "npy"),
        (".json", "json"),
        (".csv", "csv"),
        (".tsv", "tsv"),
        (".txt", "text"),
    ];
    let name = name.to_ascii_lowercase();
    SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, format)| *format)
}

/// Encodes the one argument as `p.format` says.
///
/// The value is a record of the file's length, `bytes`, and its `digest`; the file itself rides beside
/// it.
pub fn encode(call: &Call<'_>) -> Result<Output, Refusal> {
    let [value] = call.args else { return Err(Refusal::new(Code::Length)) };
    let format = call.params.get("format").and_then(|tree| tree.as_text());
    let mut warnings = Vec::new();
    let file = match format.ok_or(Refusal::new(Code::Format))? {
        "nifti" => nifti::write::write(value)?,
        "nifti.gz" => gzip::gzip(&nifti::write::write(value)?),
        "png" => {
            let (file, told) = png::write(value)?;
            warnings = told;
            file
        }
        "tiff" => {
            let (file, told) = tiff::write(value)?;
            warnings = told;
            file
        }
        "mha" => mha::write(value)?,
        "nrrd" => nrrd::write(value)?,
        "npy" => npy::write(value)?,
        "json" => {
            let (file, told) = json::write(value)?;
            warnings = told;
            file
        }
        "csv" => table::write(value, Between::Comma)?,
        "tsv" => table::write(value, Between::Tab)?,
        "text" => text::write(value)?,
        "bytes" => match value {
            Value::Bytes(bytes) => bytes.to_vec(),
            _ => return Err(Refusal::new(Code::Kind)),
        },
        _ => return Err(Refusal::new(Code::Format)),
    };
    let value = Value::record(vec![
        ("bytes".into(), Value::Number(file.len() as f64)),
        ("digest".into(), Value::Bytes(Digest::of(&file).0.into())),
    ]);
    Ok(Output { value, warnings, file: Some(file) })
}
