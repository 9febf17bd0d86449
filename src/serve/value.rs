//! What a value is, as JSON: `/v1/value/ID`.
#![allow(unused_qualifications, reason = "the macro of the document writes them")]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value as Any;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use crate::canon::{self, Tree};
use crate::each_voxel_type;
use crate::exec::shelf::Shelf as _;
use crate::exec::stored::Stored;
use crate::id::BlobId;
use crate::serve::ask::{Asked, Named};
use crate::serve::blob::{digest, unknown};
use crate::serve::guard::{Read, Scoped};
use crate::serve::reply::Problem;
use crate::serve::shelf::Found;
use crate::serve::show::{Page, page, refs};
use crate::serve::state::Served;
use crate::value::data::Value;
use crate::value::grid::Grid;

/// Values without voxels that have more bytes than this are not told as JSON.
const TOLD: usize = 64 << 20;
/// Items of a page, at most.
const MOST: usize = 1000;
/// The first bytes tell whether a value is an image.
const HEAD: usize = 64;

/// What a value is.
#[derive(Clone, Serialize, ToSchema)]
pub struct Told {
    /// Its name.
    id: String,
    /// Its kind: null, bool, number, string, bytes, sequence, record, overlay, grid, mask, image, colour image.
    kind: String,
    /// Its canonical bytes.
    bytes: u64,
    /// The bytes it takes as an object, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<u64>,
    /// Where the voxels of an image lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    grid: Option<Told3>,
    /// The type of voxels.
    #[serde(skip_serializing_if = "Option::is_none")]
    voxels: Option<&'static str>,
    /// Components of a colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<u64>,
    /// The least and the greatest voxel, NaN left out; none when there is no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<[f64; 2]>,
    /// True voxels of a mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// Items of a sequence or overlay, fields of a record, bytes of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// The first item or field of this page.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Items of a sequence or overlay from `offset` on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Any>>)]
    items: Option<Vec<Any>>,
    /// Fields of a record from `offset` on, each with `name` and `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<Field>>,
    /// A value that has no parts; numbers that JSON has not are null.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Any>)]
    value: Option<Any>,
    /// The images that the value mentions: each is a value of its own.
    refs: Vec<String>,
}

/// A field of a record.
#[derive(Clone, Serialize, ToSchema)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    #[schema(value_type = Any)]
    pub value: Any,
}

/// Where voxels lie.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Grid)]
pub struct Told3 {
    /// Voxels along each axis.
    dims: Vec<u64>,
    /// Millimetres between voxels.
    spacing: Vec<f64>,
    /// The place of the first voxel, in millimetres, right-anterior-superior.
    origin: Vec<f64>,
    /// The directions of the axes, row by row.
    direction: Vec<f64>,
}

impl Told3 {
    fn of(grid: &Grid) -> Self {
        Self {
            dims: grid.dims().iter().map(|dim| *dim as u64).collect(),
            spacing: grid.spacing().to_vec(),
            origin: grid.origin().to_vec(),
            direction: grid.direction().to_vec(),
        }
    }
}

/// The query.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Pages {
    /// The first item or field.
    #[serde(default)]
    #[param(minimum = 0, maximum = 1_000_000_000)]
    offset: u64,
    /// So many of them.
    #[serde(default = "usual")]
    #[param(minimum = 1, maximum = 1000)]
    limit: u64,
}

fn usual() -> u64 {
    100
}

/// Tells what a value is: of an image its grid and range, of a sequence or record a page, of others all.
#[utoipa::path(
    get, path = "/v1/value/{id}", tag = "values",
    params(("id" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The digest of the value."), Pages),
    responses((status = 200, description = "What it is.", body = Told))
)]
pub async fn value(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Told>, Problem> {
    let id = digest(&id)?;
    if pages.limit == 0 || pages.limit > MOST as u64 {
        return Err(Problem::bad("limit", format!("the limit is from 1 to {MOST}")));
    }
    if let Some(told) = served.told.get(&id) {
        return Ok(Json(Told::clone(&told)));
    }
    served.work(move |served| tell(served, id, pages)).await.map(Json)
}

fn tell(served: &Served, id: BlobId, pages: Pages) -> Result<Told, Problem> {
    let found = served.shelf.find(&served.store, id)?;
    served.metrics.found(found.is_some());
    let found = found.ok_or_else(|| unknown(id))?;
    let (head, len, stored) = match &found {
        Found::Small(small) => {
            let stored = small.stored.as_ref().map(|(bytes, _)| bytes.len() as u64);
            (small.plain[..HEAD.min(small.plain.len())].to_vec(), small.plain.len(), stored)
        }
        Found::Object(blob) => (blob.prefix(HEAD)?, blob.len(), Some(blob.stored_len() as u64)),
    };
    let blank = Told { bytes: len as u64, stored, ..Told::of(id) };
    if is_image(&head) {
        let (value, _room) = load(served, id, len)?;
        let told = of_image(blank, &value);
        served.told.put(id, Arc::new(told.clone()), 1);
        return Ok(told);
    }
    if len > TOLD {
        return Err(Problem::unfit("large", "the value is too large to be told: fetch its bytes"));
    }
    let bytes = match &found {
        Found::Small(small) => small.plain.clone(),
        Found::Object(blob) => served.shelf.decoded(&served.store, blob)?,
    };
    let tree = canon::read(&bytes).map_err(|error| Problem::ours(error.to_string()))?;
    Ok(of_tree(blank, &tree, pages))
}

/// Says whether canonical bytes begin as those of an image do: `{"t": "image", …`.
fn is_image(head: &[u8]) -> bool {
    head.get(1..).is_some_and(|behind| behind.starts_with(b"\x61t\x65image"))
}

/// Loads a value whose canonical bytes are so many, with the room that it takes.
pub fn load(
    served: &Served,
    id: BlobId,
    len: usize,
) -> Result<(Value, OwnedSemaphorePermit), Problem> {
    let room = served.shelf.room(len)?;
    let value = Stored::new(served.store.clone()).load(id)?.ok_or_else(|| unknown(id))?;
    Ok((value, room))
}

impl Told {
    fn of(id: BlobId) -> Self {
        Self {
            id: id.0.hex(),
            kind: String::new(),
            bytes: 0,
            stored: None,
            grid: None,
            voxels: None,
            components: None,
            range: None,
            count: None,
            length: None,
            offset: None,
            items: None,
            fields: None,
            value: None,
            refs: Vec::new(),
        }
    }
}

fn of_image(mut told: Told, value: &Value) -> Told {
    told.kind = value.kind().to_string();
    told.grid = value.grid().map(|grid| Told3::of(grid));
    match value {
        Value::Mask(mask) => told.count = Some(mask.count()),
        Value::Volume(volume) => {
            told.voxels = Some(volume.voxels.kind().name());
            told.range = range(value);
        }
        Value::Colour(colour) => {
            told.voxels = Some("f32");
            told.components = Some(colour.components as u64);
            told.range = range(value);
        }
        _ => {}
    }
    told
}

/// Returns the least and the greatest voxel that is a finite number.
#[expect(
    clippy::unnecessary_cast,
    clippy::cast_lossless,
    reason = "the macro casts numbers of every type"
)]
pub fn range(value: &Value) -> Option<[f64; 2]> {
    let mut range = [f64::INFINITY, f64::NEG_INFINITY];
    let mut add = |x: f64| {
        if x.is_finite() {
            range = [range[0].min(x), range[1].max(x)];
        }
    };
    match value {
        Value::Volume(volume) => {
            each_voxel_type!(&volume.voxels, buffer => buffer.iter().for_each(|x| add(*x as f64)));
        }
        Value::Colour(colour) => colour.voxels.iter().for_each(|x| add(f64::from(*x))),
        _ => return None,
    }
    (range[0] <= range[1]).then_some(range)
}

fn of_tree(mut told: Told, tree: &Tree, pages: Pages) -> Told {
    told.refs = refs(tree);
    match page(tree, pages.offset, pages.limit as usize) {
        Page::Items { kind, length, items } => {
            told.kind = kind;
            (told.length, told.offset) = (Some(length), Some(pages.offset.min(length)));
            told.items = Some(items);
        }
        Page::Fields { length, fields } => {
            told.kind = "record".to_owned();
            (told.length, told.offset) = (Some(length), Some(pages.offset.min(length)));
            told.fields =
                Some(fields.into_iter().map(|(name, value)| Field { name, value }).collect());
        }
        Page::Single { kind, value, length } => {
            told.kind = kind;
            told.length = length;
            told.value = Some(value);
        }
    }
    told
}
