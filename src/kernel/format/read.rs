//! `vox1.read`: the value of the files that the caller has read.

use std::sync::Arc;

use crate::canon::Tree;
use crate::kernel::format::probe::Format;
use crate::kernel::format::{jpeg, json, mha, nifti, npy, nrrd, png, text, tiff};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// Reads `call.files` as `p.format` says; `p.frame` is the image wanted of a sequence.
pub fn read(call: &Call<'_>) -> Result<Output, Refusal> {
    let word = call.params.get("format").and_then(|tree| tree.as_text());
    let format = word.and_then(Format::parse).ok_or(Refusal::new(Code::Format))?;
    let frame = match call.params.get("frame").map(Tree::as_uint) {
        None => None,
        Some(Some(frame)) => usize::try_from(frame).ok(),
        Some(None) => return Err(Refusal::new(Code::Integer)),
    };
    if format == Format::Nifti {
        return nifti::read::read(call.files, frame);
    }
    if let Some(frame) = frame.filter(|frame| *frame > 0) {
        return Err(Refusal::with(Code::Range, &[frame as f64, 1.0]));
    }
    match format {
        Format::Mha => return mha::read(call.files),
        Format::Nrrd => return nrrd::read(call.files),
        _ => {}
    }
    let &[file] = call.files else {
        return Err(Refusal::with(Code::Format, &[call.files.len() as f64]));
    };
    match format {
        Format::Png => png::read(file),
        Format::Npy => npy::read(file),
        Format::Json => json::read(file),
        Format::Text => text::read(file),
        Format::Bytes => Ok(Value::Bytes(Arc::from(file)).into()),
        Format::Jpeg => jpeg::read(file),
        Format::Tiff => tiff::read(file),
        Format::Nifti | Format::Mha | Format::Nrrd => Err(Refusal::new(Code::Format)),
    }
}
