//! The log: its heads, its segments and what it says of a node.
#![allow(unused_qualifications, reason = "the macro of the document writes them")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::id::{Digest, NodeId};
use crate::serve::answer::Face;
use crate::serve::ask::{Asked, Named};
use crate::serve::blob::Raw;
use crate::serve::guard::{Read, Scoped};
use crate::serve::reply::Problem;
use crate::serve::state::Served;
use crate::store::log::list::{self, Found};
use crate::store::log::reader::SegmentReader;
use crate::store::log::receipt::Outcome;
use crate::store::lookup::Answer;
use crate::store::object::layout::{SegmentName, WriterId};

/// What a store has of everybody's log.
#[derive(Serialize, ToSchema)]
pub struct Heads {
    /// The store's name for itself.
    store: String,
    /// The format of the store.
    format: u64,
    /// Whose logs it has.
    writers: Vec<Log>,
}

/// What a store has of one writer's log.
#[derive(Serialize, ToSchema)]
pub struct Log {
    /// The writer.
    writer: String,
    /// The segments, in order.
    segments: Vec<Segment>,
}

/// A sealed file of a log.
#[derive(Serialize, ToSchema)]
pub struct Segment {
    /// The file's name.
    name: String,
    /// Its first record.
    first: u64,
    /// Its last record.
    last: u64,
    /// Bytes of the file.
    size: u64,
}

/// Tells which segments there are of every writer's log.
#[utoipa::path(
    get, path = "/v1/heads", tag = "log",
    responses((status = 200, description = "Writers and their segments.", body = Heads))
)]
pub async fn heads(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
) -> Result<Json<Heads>, Problem> {
    let heads = served.work(|served| {
        let layout = served.store.layout();
        let mut writers = Vec::new();
        for writer in list::writers(layout)? {
            let log = told(writer, list::of_writer(layout, writer)?);
            if !log.segments.is_empty() {
                writers.push(log);
            }
        }
        writers.sort_by(|a, b| a.writer.cmp(&b.writer));
        Ok(Heads { store: served.store.id()?, format: 1, writers })
    });
    heads.await.map(Json)
}

/// The query of a writer's log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct From {
    /// Segments that end before this record are left out.
    #[serde(default)]
    #[param(minimum = 0, maximum = 1_000_000_000)]
    from: u64,
}

/// Tells which segments there are of one writer's log.
#[utoipa::path(
    get, path = "/v1/log/{writer}", tag = "log",
    params(("writer" = String, Path, pattern = "^[0-9a-f]{32}$", description = "The writer."), From),
    responses((status = 200, description = "Its segments.", body = Log))
)]
pub async fn log(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named(writer): Named<String>,
    Asked(From { from }): Asked<From>,
) -> Result<Json<Log>, Problem> {
    let writer = named(&writer)?;
    let log = served.work(move |served| {
        let mut found = list::of_writer(served.store.layout(), writer)?;
        if found.is_empty() {
            return Err(Problem::absent("unknown-writer", "there is nothing of this writer here"));
        }
        found.retain(|found| found.name.last >= from);
        Ok(told(writer, found))
    });
    log.await.map(Json)
}

/// Returns a sealed file of a writer's log.
#[utoipa::path(
    method(get, head), path = "/v1/log/{writer}/{name}", tag = "log",
    params(
        ("writer" = String, Path, pattern = "^[0-9a-f]{32}$", description = "The writer."),
        (
            "name" = String, Path, pattern = r"^[0-9]{12}-[0-9]{12}-[0-9a-f]{16}\.seg$",
            description = "The file's name."
        )
    ),
    responses(
        (status = 200, description = "The file.", content_type = "application/octet-stream", body = Raw),
        (status = 206, description = "A range of it.", content_type = "application/octet-stream", body = Raw),
        (status = 304, description = "The client has it.")
    )
)]
pub async fn segment(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named((writer, name)): Named<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let writer = self::named(&writer)?;
    let name = SegmentName::parse(&name);
    let name = name.ok_or_else(|| Problem::bad("name", "this is no name of a segment"))?;
    let answer = served.work(move |served| {
        let path = served.store.layout().segment(writer, &name);
        let reader = SegmentReader::open(&path, false)?;
        let reader = reader.ok_or_else(|| {
            let detail = "this segment is not here; it may have been merged into another";
            Problem::absent("unknown-segment", detail)
        })?;
        let digest = Digest::of(reader.stored());
        let face = Face {
            tag: format!("\"{digest}\""),
            digest: Some(digest),
            len: reader.stored().len() as u64,
            content_type: "application/octet-stream",
            encoding: None,
            varies: false,
            name: None,
            is_private: served.tokens.are_needed(),
        };
        let verdict = face.judge(&method, &headers);
        let is_sent = method == Method::GET && verdict.has_body();
        let bytes = is_sent.then(|| Bytes::from_owner(Sealed(reader)));
        Ok(face.answer(&verdict, bytes))
    });
    answer.await
}

struct Sealed(SegmentReader);

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        self.0.stored()
    }
}

/// What the log says of a node.
#[derive(Serialize, ToSchema)]
pub struct Standing {
    /// The node.
    node: String,
    /// `value`, or `refused` when the kernel refused its arguments.
    status: &'static str,
    /// The value that came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
    /// Its canonical bytes, if it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Where the receipt is: `WRITER/FILE-NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<String>,
    /// Whose receipt it is.
    writer: String,
}

/// Tells what the log says of a node: the receipt that stands.
#[utoipa::path(
    get, path = "/ac/{node}", tag = "log",
    params(("node" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The node.")),
    responses((status = 200, description = "What came out.", body = Standing))
)]
pub async fn ac(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named(node): Named<String>,
) -> Result<Json<Standing>, Problem> {
    let node = NodeId::try_from(node.as_str())
        .map_err(|_| Problem::bad("id", "an id has 64 digits, 0 to 9 and a to f"))?;
    served.work(move |served| result(served, node)).await.map(Json)
}

fn result(served: &Served, node: NodeId) -> Result<Standing, Problem> {
    let answer = served.store.receipt(node)?;
    served.metrics.found(matches!(answer, Answer::Found(_)));
    let found = match answer {
        Answer::Found(found) => found,
        Answer::None => {
            return Err(Problem::absent("unknown-node", "there is no receipt of this node here"));
        }
        Answer::Conflict(_) => {
            let detail = "receipts of this node differ, and none stands";
            return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
        }
    };
    served.metrics.saved_us.fetch_add(found.us, Ordering::Relaxed);
    let (blob, size) = match &found.receipt.outcome {
        Outcome::Refused { .. } => (None, None),
        Outcome::Value(output) => {
            let size = match &output.val {
                Some(val) => Some(val.len() as u64),
                None => served.store.objects().open(output.out)?.map(|blob| blob.len() as u64),
            };
            (Some(output.out.0.hex()), size)
        }
    };
    let segment = served.store.segment_of(&found)?;
    Ok(Standing {
        node: node.0.hex(),
        status: if blob.is_some() { "value" } else { "refused" },
        blob,
        size,
        segment: segment.map(|name| format!("{}/{name}", found.writer)),
        writer: found.writer.to_string(),
    })
}

fn named(writer: &str) -> Result<WriterId, Problem> {
    WriterId::parse(writer)
        .ok_or_else(|| Problem::bad("writer", "a writer has 32 digits, 0 to 9 and a to f"))
}

fn told(writer: WriterId, mut found: Vec<Found>) -> Log {
    found.sort_by_key(|found| found.name);
    let segments = found.iter().filter_map(|found| {
        // One that was merged into another since it was listed is not told.
        let size = std::fs::metadata(&found.path).ok()?.len();
        let name = found.name;
        Some(Segment { name: name.to_string(), first: name.first, last: name.last, size })
    });
    Log { writer: writer.to_string(), segments: segments.collect() }
}
