//! Taking values: `PUT /cas/ID`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use tokio::time::timeout;

use crate::codec::decode::decode_slice;
use crate::codec::encode::encode;
use crate::codec::error::Error as CodecError;
use crate::exec::shelf::Shelf as _;
use crate::exec::stored::Stored;
use crate::id::{BlobId, Digest};
use crate::serve::ask::{Named, collect};
use crate::serve::blob::{Raw, digest};
use crate::serve::guard::{Admin, Scoped};
use crate::serve::reply::Problem;
use crate::serve::state::{Served, TURN};
use crate::store::entry::{Entry, Parts, What};

/// A value that is put has so many bytes at most.
const MOST: usize = 512 << 20;

/// Takes a value: the body is its canonical CBOR, and has the digest that the name says.
///
/// Needs `--allow-put` and a token with scope `admin`. Nothing is visible before it is verified and durable.
#[utoipa::path(
    put, path = "/cas/{sha256}", tag = "blobs",
    params(("sha256" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The digest of the body.")),
    request_body(content = Raw, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "It was here already."),
        (status = 201, description = "It is stored.")
    )
)]
pub async fn put(
    _: Scoped<Admin>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    if !served.options.allow.put {
        return Err(Problem::forbidden("put", "this server takes no values: see `--allow-put`"));
    }
    let id = digest(&id)?;
    let turn = timeout(TURN, served.puts.acquire()).await.map_err(|_| Problem::busy())?;
    let body = collect(request, MOST).await?;
    let done = served.work(move |served| take(served, id, body)).await;
    drop(turn);
    done
}

fn take(served: &Served, id: BlobId, body: Bytes) -> Result<StatusCode, Problem> {
    if BlobId(Digest::of(&body)) != id {
        return Err(Problem::unfit("digest", "the body has another digest than the name says"));
    }
    if served.store.open_blob(id)?.is_some() {
        return Ok(StatusCode::OK);
    }
    check(served, &body)?;
    let len = body.len() as u64;
    let writer = served.store.writer(None)?;
    writer.submit(Entry { what: What::Object(Box::new(Put(body))), lam: 0, claim: None })?;
    let summary = writer.finish()?;
    if let Some(error) = summary.error {
        let cause = error.to_string();
        return Err(match error.needed() {
            Some(_) => {
                let detail = "the store's disk is full";
                Problem::new(StatusCode::INSUFFICIENT_STORAGE, "full", detail).because(cause)
            }
            None => Problem::ours(cause),
        });
    }
    served.metrics.put_bytes.fetch_add(len, Ordering::Relaxed);
    Ok(StatusCode::CREATED)
}

/// Checks that bytes are those of a value, and just those that vox would write.
fn check(served: &Served, body: &[u8]) -> Result<(), Problem> {
    let shelf = Stored::new(served.store.clone());
    let value = match decode_slice(body, &|id| shelf.load(id)) {
        Ok(value) => value,
        Err(CodecError::Source(error)) => return Err(error.into()),
        Err(error) => return Err(Problem::unfit("value", error.to_string())),
    };
    let encoded = encode(&value);
    let mut rest = body;
    let is_same = encoded.parts().into_iter().all(|part| match rest.strip_prefix(part) {
        Some(behind) => {
            rest = behind;
            true
        }
        None => false,
    });
    if is_same && rest.is_empty() {
        return Ok(());
    }
    Err(Problem::unfit("value", "not the canonical bytes of a value"))
}

/// Bytes that were put.
struct Put(Bytes);

impl Parts for Put {
    fn parts(&self) -> Vec<&[u8]> {
        vec![&self.0]
    }
}
