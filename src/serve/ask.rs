//! What was sent: parts of the path, the query, a body of JSON; what does not fit is a problem.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::serve::reply::Problem;

/// A body of JSON has so many bytes at most.
pub const JSON: usize = 1 << 20;
/// The next bytes of a body are waited for so long.
const PAUSE: Duration = Duration::from_secs(20);

/// Parts of the path.
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(error) => Err(Problem::bad("path", error.body_text())),
        }
    }
}

/// The query.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Problem::bad("query", error.body_text())),
        }
    }
}

/// A body of JSON.
pub struct Sent<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = collect(request, JSON).await?;
        match serde_json::from_slice(&body) {
            Ok(sent) => Ok(Self(sent)),
            Err(error) => Err(Problem::bad("json", format!("the body does not fit: {error}"))),
        }
    }
}

/// Reads a body of at most so many bytes; one that comes too slowly, or encoded, is refused.
pub async fn collect(request: Request, most: usize) -> Result<Bytes, Problem> {
    let headers = request.headers();
    let is_plain =
        |value: &axum::http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !is_plain(value)) {
        let detail = "a body is taken as it is: leave `Content-Encoding` out";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", detail));
    }
    let large = || {
        let detail = format!("a body has {most} bytes at most here");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "large", detail)
    };
    if announced(headers).is_some_and(|len| len > most as u64) {
        return Err(large());
    }
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    loop {
        let slow = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body did not come");
        let frame = match timeout(PAUSE, body.frame()).await.map_err(slow)? {
            None => return Ok(bytes.into()),
            Some(frame) => frame.map_err(|_| Problem::bad("body", "the body was cut short"))?,
        };
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > most {
                return Err(large());
            }
            bytes.extend_from_slice(&data);
        }
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
