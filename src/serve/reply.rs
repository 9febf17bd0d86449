//! Errors as answers: RFC 9457, with our codes. No other room knows statuses.
//!
//! What is told to a caller names nothing of this host: no path, no user, no message of the system. The
//! person who runs the server finds the cause in the log.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::app::error::{Error, Whose};
use crate::store;

/// What went wrong, as `application/problem+json`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem this is.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "about:blank")]
    kind: Blank,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// A word for programs: `unknown-blob`, or the code of a mistake, as `E0203`.
    pub code: String,
    /// What is wrong, and what to do.
    pub detail: String,
    /// The mistakes of a program, as `vox check --message-format json` tells them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub mistakes: Vec<serde_json::Value>,
    /// What the person who runs the server is told.
    #[serde(skip)]
    cause: Option<Box<str>>,
}

/// The kind of a problem that its status tells.
#[derive(Clone, Copy, Debug)]
struct Blank;

impl Serialize for Blank {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("about:blank")
    }
}

/// What went wrong in here, for the log: rides in a response's extensions.
#[derive(Clone)]
pub struct Cause(pub String);

impl Problem {
    /// Makes a problem.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: Blank,
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            mistakes: Vec::new(),
            cause: None,
        }
    }

    /// Something in what was asked makes no sense.
    pub fn bad(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// What was asked for is not here.
    pub fn absent(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// What was asked for cannot be had of what is here.
    pub fn unfit(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// The caller, or the server as it was started, may not do this.
    pub fn forbidden(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// Too much is going on.
    pub fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too much is asked for: ask again")
    }

    /// Too many wait for their turn.
    pub fn full() -> Self {
        let detail = "too many wait for their turn: ask again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "queue", detail)
    }

    /// Something went wrong in here; the caller is told no more.
    pub fn ours(cause: impl Into<String>) -> Self {
        let detail = "something went wrong in the server; its log says what";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).because(cause)
    }

    /// Adds what the log is told.
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into().into_boxed_str());
        self
    }

    /// Returns what the person who runs the server is told.
    pub fn said(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.detail)
    }

    /// Adds the mistakes of a program; the first one's code becomes the problem's.
    pub fn with_mistakes(mut self, mistakes: Vec<serde_json::Value>) -> Self {
        let code = mistakes.iter().find_map(|mistake| mistake.get("code")?.as_str());
        if let Some(code) = code {
            self.code = code.to_owned();
        }
        self.mistakes = mistakes;
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let cause = chain(&error);
        if error.needed().is_some() {
            let detail = "the store's disk is full";
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, "full", detail).because(cause);
        }
        let is_read_only = matches!(error, Error::Store(store::error::Error::ReadOnly { .. }));
        if is_read_only {
            return Self::forbidden("read-only", "the store can only be read").because(cause);
        }
        let problem = match (error.whose(), &error) {
            (Whose::Usage, Error::Usage(text)) => Self::bad("usage", text.clone()),
            (Whose::Program, _) => Self::unfit("program", "the program has mistakes"),
            (Whose::Input, _) => {
                Self::unfit("input", "an input is missing, cannot be read, or does not fit")
            }
            (Whose::Result, _) => Self::unfit("result", "there is no result"),
            (Whose::Stopped, _) => Self::busy(),
            (Whose::Usage | Whose::Store | Whose::Ours, _) => {
                let detail = "the store could not be used; the server's log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store", detail)
            }
        };
        problem.because(cause)
    }
}

impl From<store::error::Error> for Problem {
    fn from(error: store::error::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<store::object::error::Error> for Problem {
    fn from(error: store::object::error::Error) -> Self {
        store::error::Error::from(error).into()
    }
}

impl From<store::log::error::Error> for Problem {
    fn from(error: store::log::error::Error) -> Self {
        store::error::Error::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let cause = self.cause.clone();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            StatusCode::UNAUTHORIZED => {
                let how = HeaderValue::from_static("Bearer realm=\"vox\"");
                headers.insert(header::WWW_AUTHENTICATE, how);
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if let Some(cause) = cause {
            response.extensions_mut().insert(Cause(cause.into()));
        }
        response
    }
}

/// Returns an error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_this_host_is_told() {
        let path = std::path::PathBuf::from("/home/somebody/secret");
        let denied = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let errors = [
            Error::NoStore { path: path.clone() },
            Error::Read { path: path.clone(), source: denied() },
            Error::Text { path: path.clone(), source: denied() },
            Error::Missing { name: "flair".into(), tried: path.display().to_string() },
            Error::Store(store::error::Error::ReadOnly { path: path.clone() }),
            Error::Store(store::error::Error::Io { verb: "open", path, source: denied() }),
            Error::Machine("could not read /home/somebody/secret".into()),
        ];
        for error in errors {
            let problem = Problem::from(error);
            let text = serde_json::to_string(&problem).unwrap_or_default();
            assert!(!text.contains("secret"), "{text}");
            assert!(problem.cause.is_some());
        }
    }
}
