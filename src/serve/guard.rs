//! What every request passes: is it meant for us, does the browser send it for one of our pages, may the
//! caller do it; and what every answer carries.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body::Body as _;

use crate::app::upkeep;
use crate::id::Digest;
use crate::serve::access::{Line, rfc3339};
use crate::serve::bind::Bind;
use crate::serve::reply::{Cause, Problem};
use crate::serve::state::Served;
use crate::serve::token::Scope;

/// Paths that everybody may ask for.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/login"];

/// Where a request came from; none through a socket in the file system.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub Option<IpAddr>);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller(pub Option<Scope>);

/// What a handler asks for that only callers with a scope may call: `_: Scoped<Run>`.
pub struct Scoped<S>(PhantomData<S>);

/// A scope as a type.
pub trait Wanted {
    /// The scope.
    const SCOPE: Scope;
}

/// Callers that may ask.
pub struct Read;
/// Callers that may run programs.
pub struct Run;
/// Callers that may put and remove.
pub struct Admin;

impl Wanted for Read {
    const SCOPE: Scope = Scope::Read;
}

impl Wanted for Run {
    const SCOPE: Scope = Scope::Run;
}

impl Wanted for Admin {
    const SCOPE: Scope = Scope::Admin;
}

impl<S: Wanted, T: Sync> FromRequestParts<T> for Scoped<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().and_then(|caller| caller.0);
        if caller >= Some(S::SCOPE) {
            return Ok(Self(PhantomData));
        }
        let detail = format!("this needs a token with scope `{}`", S::SCOPE.word());
        Err(Problem::forbidden("scope", detail))
    }
}

/// Checks a request, answers it, counts it and writes it down.
pub async fn guard(
    State(served): State<Arc<Served>>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let method = word(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0);
    let id = if served.access.is_on() { digest(request.uri().path()) } else { None };
    let caller = caller(&served, request.headers());
    request.extensions_mut().insert(Caller(caller));
    let mut response = match check(&served, &request, caller) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    finish(response.headers_mut());
    let (status, bytes) = (response.status().as_u16(), response.body().size_hint().lower());
    let bytes = if method == "HEAD" { 0 } else { bytes };
    let (took, path) = (began.elapsed(), route.as_ref().map(MatchedPath::as_str));
    served.metrics.request(method, path.unwrap_or("none"), status, bytes, took);
    if served.access.is_on() {
        served.access.tell(&Line {
            time: rfc3339(upkeep::now_ms()),
            method,
            route: path,
            id: id.as_deref(),
            status,
            bytes,
            us: took.as_micros() as u64,
            scope: caller.map(Scope::word),
            peer: peer.map(|peer| peer.to_string()),
            error: response.extensions().get::<Cause>().map(|cause| cause.0.as_str()),
        });
    } else if let Some(Cause(cause)) = response.extensions().get::<Cause>()
        && status >= 500
    {
        (served.say)(&format!("vox serve: {cause}"));
    }
    response
}

fn check(served: &Served, request: &Request, caller: Option<Scope>) -> Result<(), Problem> {
    let headers = request.headers();
    let host = host(request)?;
    if matches!(served.bind, Bind::Tcp(_))
        && !host.as_deref().is_some_and(|host| is_ours(served, host))
    {
        let detail = "this server does not answer to that name: see `--host`";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", detail));
    }
    if caller.is_none() && !OPEN.contains(&request.uri().path()) {
        let detail = "show a token: `Authorization: Bearer TOKEN`";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "token", detail));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        same_origin(headers, host.as_deref())?;
        content_type(request)?;
    }
    Ok(())
}

/// Returns the name by which the server was called, with the port.
fn host(request: &Request) -> Result<Option<String>, Problem> {
    let mut given = request.headers().get_all(header::HOST).iter();
    let (first, second) = (given.next(), given.next());
    if second.is_some() || (first.is_none() && request.version() >= Version::HTTP_11) {
        return Err(Problem::bad("host", "say once which host is meant"));
    }
    let text = first.map(|host| host.to_str().map(str::to_owned));
    let text = text.transpose().map_err(|_| Problem::bad("host", "the host is no name"))?;
    match (request.uri().authority(), text) {
        (Some(named), Some(host)) if named.as_str() != host => {
            Err(Problem::bad("host", "two hosts are named"))
        }
        (Some(named), None) => Ok(Some(named.as_str().to_owned())),
        (_, text) => Ok(text),
    }
}

/// Says whether the server is called by one of its names. A page of another name that a name server
/// leads here (DNS rebinding) says its own; an address is nobody else's name.
fn is_ours(served: &Served, host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || served.options.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// Refuses what a browser sends for a page of somebody else.
fn same_origin(headers: &HeaderMap, host: Option<&str>) -> Result<(), Problem> {
    let foreign = || Problem::forbidden("origin", "this was sent for a page of another origin");
    if let Some(site) = headers.get("sec-fetch-site")
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return Err(foreign());
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().map_err(|_| foreign())?;
        let named = origin.split_once("://").map(|(_, named)| named);
        if named.is_none() || named != host {
            return Err(foreign());
        }
    }
    Ok(())
}

/// Refuses what a form of a page could send.
fn content_type(request: &Request) -> Result<(), Problem> {
    let wanted = if request.uri().path().starts_with("/cas/") {
        "application/octet-stream"
    } else {
        "application/json"
    };
    let headers = request.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|len| len.as_bytes() != b"0");
    let given = headers.get(header::CONTENT_TYPE);
    // A page must ask before it sends DELETE; it need not before a POST without a body.
    if given.is_none() && !has_body && *request.method() == Method::DELETE {
        return Ok(());
    }
    let given = given.and_then(|given| given.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    if given.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let detail = format!("`Content-Type: {wanted}` is wanted here");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail))
}

/// Returns what the caller may do: by a bearer token, else by a cookie, else because all may.
fn caller(served: &Served, headers: &HeaderMap) -> Option<Scope> {
    if let Some(open) = served.tokens.open() {
        return Some(open);
    }
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = given.to_str().ok()?.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| served.tokens.scope(token.trim()))
            .flatten();
    }
    let name = cookie_name(&served.bind);
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (key, word) = pair.trim().split_once('=')?;
        if key == name { served.tokens.session(word) } else { None }
    })
}

/// Returns the name of the cookie: browsers share cookies between the ports of a host.
pub fn cookie_name(bind: &Bind) -> String {
    match bind {
        Bind::Tcp(address) => format!("vox-{}", address.port()),
        Bind::Unix(_) => "vox".to_owned(),
    }
}

fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "OTHER",
    }
}

/// Returns the first digest of a path.
fn digest(path: &str) -> Option<String> {
    let parts = path.split('/').filter_map(|part| part.get(..64));
    parts.filter(|part| Digest::parse(part).is_some()).map(str::to_owned).next()
}

/// Adds what every answer carries.
fn finish(headers: &mut HeaderMap) {
    const ALL: [(HeaderName, HeaderValue); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ];
    for (name, value) in ALL {
        headers.insert(name, value);
    }
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
