//! Values as bytes: `/v1/blob/ID`, as stored or decoded, and `/cas/ID`, decoded.
#![allow(unused_qualifications, reason = "the macro of the document writes them")]

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use utoipa::ToSchema;

use crate::id::{BlobId, Digest};
use crate::serve::accept::{Coding, coding};
use crate::serve::answer::Face;
use crate::serve::ask::Named;
use crate::serve::guard::{Read, Scoped};
use crate::serve::reply::Problem;
use crate::serve::shelf::{Found, Small, stored};
use crate::serve::state::Served;

/// What the bytes of values are.
const CBOR: &str = "application/cbor";

/// Bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "the document's word for bytes")]
pub struct Raw(Vec<u8>);

/// Returns the bytes of a value: canonical CBOR, as stored (`Content-Encoding: zstd`) for who accepts it.
///
/// What the tag, the digest and a range mean is the representation sent. The bytes of a name never change.
#[utoipa::path(
    method(get, head), path = "/v1/blob/{id}", tag = "blobs",
    params((
        "id" = String, Path, pattern = r"^[0-9a-f]{64}(\.[A-Za-z0-9.]{1,16})?$",
        description = "The digest of the value, with any ending."
    )),
    responses(
        (status = 200, description = "The bytes.", content_type = "application/cbor", body = Raw),
        (status = 206, description = "A range of them.", content_type = "application/cbor", body = Raw),
        (status = 304, description = "The client has them.")
    )
)]
pub async fn blob(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = with_ending(&id)?;
    send(&served, id, method, headers, Offer::Both, Some(format!("{id}.cbor"))).await
}

/// Returns the bytes of a value under a file's name, for programs that want one in the address.
#[utoipa::path(
    method(get, head), path = "/v1/blob/{id}/{name}", tag = "blobs",
    params(
        ("id" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The digest of the value."),
        ("name" = String, Path, description = "Any name.")
    ),
    responses(
        (status = 200, description = "The bytes.", content_type = "application/cbor", body = Raw),
        (status = 206, description = "A range of them.", content_type = "application/cbor", body = Raw),
        (status = 304, description = "The client has them.")
    )
)]
pub async fn named(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named((id, name)): Named<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    send(&served, digest(&id)?, method, headers, Offer::Both, Some(name)).await
}

/// Returns the bytes that have a digest: the canonical CBOR of a value, never coded.
#[utoipa::path(
    method(get, head), path = "/cas/{sha256}", tag = "blobs",
    params(("sha256" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The digest.")),
    responses(
        (status = 200, description = "The bytes.", content_type = "application/octet-stream", body = Raw),
        (status = 206, description = "A range of them.", content_type = "application/octet-stream", body = Raw),
        (status = 304, description = "The client has them.")
    )
)]
pub async fn cas(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    send(&served, digest(&id)?, method, headers, Offer::Decoded, None).await
}

/// Which representations there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    Both,
    Decoded,
}

/// Reads the name of a value.
pub fn digest(text: &str) -> Result<BlobId, Problem> {
    BlobId::try_from(text).map_err(|_| Problem::bad("id", "an id has 64 digits, 0 to 9 and a to f"))
}

fn with_ending(text: &str) -> Result<BlobId, Problem> {
    let Some((id, ending)) = text.split_once('.') else { return digest(text) };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    if ending.is_empty() || ending.len() > 16 || !ending.bytes().all(is_plain) {
        return Err(Problem::bad("id", "an ending has 1 to 16 letters, digits and points"));
    }
    digest(id)
}

async fn send(
    served: &Arc<Served>,
    id: BlobId,
    method: Method,
    headers: HeaderMap,
    offer: Offer,
    name: Option<String>,
) -> Result<Response, Problem> {
    let coding = match offer {
        Offer::Decoded => Coding::Identity,
        Offer::Both => coding(&headers).ok_or_else(|| {
            let detail = "there are stored bytes (`zstd`) and decoded ones (`identity`)";
            Problem::new(StatusCode::NOT_ACCEPTABLE, "encoding", detail)
        })?,
    };
    let wanted = Wanted { id, method, headers, offer, coding, name };
    if let Some(small) = served.shelf.at_hand(id) {
        served.metrics.found(true);
        return wanted.small(served, &small);
    }
    served.work(move |served| wanted.find(served)).await
}

/// What is asked for.
struct Wanted {
    id: BlobId,
    method: Method,
    headers: HeaderMap,
    offer: Offer,
    coding: Coding,
    name: Option<String>,
}

impl Wanted {
    fn find(&self, served: &Served) -> Result<Response, Problem> {
        let found = served.shelf.find(&served.store, self.id)?;
        served.metrics.found(found.is_some());
        let blob = match found {
            None => return Err(unknown(self.id)),
            Some(Found::Small(small)) => return self.small(served, &small),
            Some(Found::Object(blob)) => blob,
        };
        let face = match self.coding {
            Coding::Zstd => {
                let digest = served.shelf.stored_digest(&blob);
                self.face(served, blob.stored_len(), Some(digest))
            }
            Coding::Identity => self.face(served, blob.len(), None),
        };
        let verdict = face.judge(&self.method, &self.headers);
        let is_sent = self.method == Method::GET && verdict.has_body();
        let bytes = match (is_sent, self.coding) {
            (false, _) => None,
            (true, Coding::Zstd) => Some(stored(blob)),
            (true, Coding::Identity) => Some(served.shelf.decoded(&served.store, &blob)?),
        };
        Ok(face.answer(&verdict, bytes))
    }

    fn small(&self, served: &Served, small: &Small) -> Result<Response, Problem> {
        let (face, bytes) = match (&small.stored, self.coding) {
            (Some((bytes, digest)), Coding::Zstd) => {
                (self.face(served, bytes.len(), Some(*digest)), bytes)
            }
            _ => (self.face(served, small.plain.len(), None), &small.plain),
        };
        let verdict = face.judge(&self.method, &self.headers);
        let is_sent = self.method == Method::GET && verdict.has_body();
        Ok(face.answer(&verdict, is_sent.then(|| bytes.clone())))
    }

    /// Describes stored bytes, which have a digest of their own, or decoded ones.
    fn face(&self, served: &Served, len: usize, stored: Option<Digest>) -> Face {
        let id = self.id;
        let tag = match stored {
            Some(digest) => format!("\"{id}-z{}\"", &digest.hex()[..16]),
            None => format!("\"{id}\""),
        };
        Face {
            tag,
            digest: Some(stored.unwrap_or(id.0)),
            len: len as u64,
            content_type: if self.offer == Offer::Both { CBOR } else { "application/octet-stream" },
            encoding: stored.map(|_| "zstd"),
            varies: self.offer == Offer::Both,
            name: self.name.clone(),
            is_private: served.tokens.are_needed(),
        }
    }
}

/// Says that a value is not here.
pub fn unknown(id: BlobId) -> Problem {
    Problem::absent("unknown-blob", format!("{id} is not here"))
}
