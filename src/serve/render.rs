//! Renderings of images: `volume.nii.gz` and `slice.png`.
#![allow(unused_qualifications, reason = "the macro of the document writes them")]

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::id::BlobId;
use crate::kernel::format::{gzip, nifti};
use crate::serve::answer::{Face, Verdict};
use crate::serve::ask::{Asked, Named};
use crate::serve::blob::{Raw, digest, unknown};
use crate::serve::guard::{Read, Scoped};
use crate::serve::picture::{self, Axis, View};
use crate::serve::reply::Problem;
use crate::serve::shelf::Found;
use crate::serve::state::Served;
use crate::serve::value::load;
use crate::value::data::Value;

/// Raised whenever a rendering of the same value has other bytes.
const VERSION: u32 = 1;
/// A rendering has so many pixels along an axis at most.
const PIXELS: usize = 4096;

/// What is rendered, by value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Rendering {
    /// A `NIfTI` file.
    Volume,
    /// A slice.
    Slice {
        /// Across which axis.
        axis: Axis,
        /// Which one; none means the middle.
        i: Option<u64>,
        /// The bits of the two ends of the window; none means the range of the voxels.
        window: Option<[u64; 2]>,
        /// Pixels of a voxel.
        scale: u64,
    },
}

/// Returns an image as a `NIfTI` file.
#[utoipa::path(
    method(get, head), path = "/v1/value/{id}/volume.nii.gz", tag = "values",
    params(("id" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The digest of an image.")),
    responses(
        (status = 200, description = "The file.", content_type = "application/gzip", body = Raw),
        (status = 304, description = "The client has it.")
    )
)]
pub async fn volume(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    send(&served, digest(&id)?, Rendering::Volume, method, headers).await
}

/// The query of a slice.
#[derive(Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Slice {
    /// The axis that the slice lies across; the others go right and down, from the first voxel on.
    #[serde(default)]
    #[param(inline)]
    axis: Axis,
    /// Which slice, from 0 on; the middle one when it is left out.
    #[param(minimum = 0, maximum = 65535)]
    i: Option<u64>,
    /// `lo,hi`: what is black and what is white; by default the range of the voxels.
    #[param(pattern = r"^-?[0-9]{1,9}(\.[0-9]{1,9})?,-?[0-9]{1,9}(\.[0-9]{1,9})?$")]
    window: Option<String>,
    /// Pixels of a voxel.
    #[serde(default = "one")]
    #[param(minimum = 1, maximum = 8)]
    scale: u64,
}

fn one() -> u64 {
    1
}

/// Returns a slice of an image as a PNG file.
#[utoipa::path(
    method(get, head), path = "/v1/value/{id}/slice.png", tag = "values",
    params(("id" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The digest of an image."), Slice),
    responses(
        (status = 200, description = "The picture.", content_type = "image/png", body = Raw),
        (status = 304, description = "The client has it.")
    )
)]
pub async fn slice(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
    Asked(slice): Asked<Slice>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !(1..=8).contains(&slice.scale) {
        return Err(Problem::bad("scale", "the scale is from 1 to 8"));
    }
    let window = slice.window.as_deref().map(window).transpose()?;
    let Slice { axis, i, scale, .. } = slice;
    let rendering = Rendering::Slice { axis, i, window, scale };
    send(&served, digest(&id)?, rendering, method, headers).await
}

fn window(text: &str) -> Result<[u64; 2], Problem> {
    let numbers = text.split_once(',').and_then(|(lo, hi)| {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        Some([number(lo)?, number(hi)?])
    });
    match numbers {
        Some([lo, hi]) if lo <= hi => Ok([lo.to_bits(), hi.to_bits()]),
        _ => {
            Err(Problem::bad("window", "a window is two numbers, as in `0,255`, the lesser first"))
        }
    }
}

impl Rendering {
    fn tag(&self, id: BlobId) -> String {
        match self {
            Self::Volume => format!("W/\"{id}-nii-{VERSION}\""),
            Self::Slice { axis, i, window, scale } => {
                let i = i.map_or("m".to_owned(), |i| i.to_string());
                let window = window.map_or("r".to_owned(), |[lo, hi]| format!("{lo:x}.{hi:x}"));
                format!("W/\"{id}-{}-{i}-{window}-{scale}-{VERSION}\"", axis.word())
            }
        }
    }

    fn render(&self, value: &Value) -> Result<Vec<u8>, Problem> {
        let Self::Slice { axis, i, window, scale } = self else {
            let file = nifti::write::write(value);
            let file = file.map_err(|error| Problem::unfit("kind", error.to_string()))?;
            return Ok(gzip::gzip(&file));
        };
        let window = window.map(|ends| ends.map(f64::from_bits));
        let view = View { axis: *axis, i: *i, window, scale: *scale as usize, most: PIXELS };
        picture::png(value, &view)
    }
}

async fn send(
    served: &Arc<Served>,
    id: BlobId,
    rendering: Rendering,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = (id, rendering);
    if let Some(bytes) = served.renderings.get(&key) {
        return Ok(answer(served, &key, &method, &headers, bytes));
    }
    served
        .work(move |served| {
            let found = served.shelf.find(&served.store, id)?;
            served.metrics.found(found.is_some());
            let len = match found.ok_or_else(|| unknown(id))? {
                Found::Small(small) => small.plain.len(),
                Found::Object(blob) => blob.len(),
            };
            let (value, _room) = load(served, id, len)?;
            if !value.kind().is_image() {
                let detail = format!("{id} is {}, not an image", value.kind().article());
                return Err(Problem::unfit("kind", detail));
            }
            let bytes = Bytes::from(key.1.render(&value)?);
            served.renderings.put(key.clone(), bytes.clone(), bytes.len() + 256);
            Ok(answer(served, &key, &method, &headers, bytes))
        })
        .await
}

fn answer(
    served: &Served,
    (id, rendering): &(BlobId, Rendering),
    method: &Method,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Response {
    let (content_type, name) = match rendering {
        Rendering::Volume => ("application/gzip", Some(format!("{id}.nii.gz"))),
        Rendering::Slice { .. } => ("image/png", None),
    };
    let face = Face {
        tag: rendering.tag(*id),
        digest: None,
        len: bytes.len() as u64,
        content_type,
        encoding: None,
        varies: false,
        name,
        is_private: served.tokens.are_needed(),
    };
    let verdict: Verdict = face.judge(method, headers);
    let is_sent = *method == Method::GET && verdict.has_body();
    face.answer(&verdict, is_sent.then_some(bytes))
}
