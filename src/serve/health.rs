//! What the server says of itself.
#![allow(unused_qualifications, reason = "the macro of the document writes them")]

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::serve::ask::Asked;
use crate::serve::guard::{Read, Scoped, cookie_name};
use crate::serve::reply::Problem;
use crate::serve::route;
use crate::serve::state::Served;

/// Says that the process is there.
#[utoipa::path(
    get, path = "/healthz", tag = "server", security(()),
    responses((status = 200, description = "The process answers.", content_type = "text/plain", body = String))
)]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether the store can be asked.
#[utoipa::path(
    get, path = "/readyz", tag = "server", security(()),
    responses((status = 200, description = "The store answers.", content_type = "text/plain", body = String))
)]
pub async fn readyz(State(served): State<Arc<Served>>) -> Result<&'static str, Problem> {
    if served.stops() {
        let detail = "the server is about to end";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail));
    }
    let unready = |problem: Problem| {
        let detail = "the store does not answer";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store", detail).because(problem.detail)
    };
    served.work(|served| Ok(served.store.rest()?)).await.map_err(unready)?;
    Ok("ready\n")
}

/// What the server is.
#[derive(Serialize, ToSchema)]
pub struct Version {
    /// The program's version.
    vox: &'static str,
    /// The format of keys, which decides whether results are found.
    key_format: u64,
    /// The format of the store.
    store_format: u64,
    /// The store's name for itself.
    store: String,
    /// What may be changed here.
    allow: Allowed,
}

/// What may be changed through the server.
#[derive(Serialize, ToSchema)]
pub struct Allowed {
    /// Programs may be run.
    run: bool,
    /// Values may be put.
    put: bool,
    /// Results may be removed.
    gc: bool,
}

/// Tells versions, the store's name and what the server allows.
#[utoipa::path(
    get, path = "/v1/version", tag = "server",
    responses((status = 200, description = "What the server is.", body = Version))
)]
pub async fn version(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
) -> Result<Json<Version>, Problem> {
    let store = served.work(|served| Ok(served.store.id()?)).await?;
    let allow = served.options.allow;
    Ok(Json(Version {
        vox: env!("CARGO_PKG_VERSION"),
        key_format: 1,
        store_format: 1,
        store,
        allow: Allowed { run: allow.run, put: allow.put, gc: allow.gc },
    }))
}

/// Tells what can be asked for, and how: this document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "server",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object))
)]
pub async fn openapi(_: Scoped<Read>) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| route::document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// Tells counters, as Prometheus reads them.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, description = "Counters.", content_type = "text/plain", body = String))
)]
pub async fn metrics(_: Scoped<Read>, State(served): State<Arc<Served>>) -> Response {
    let text = served.metrics.text(&served.jobs, served.access.dropped());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The query of `/login`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Login {
    /// The token.
    token: String,
}

/// Gives a browser a cookie for a token, and leads it to the first page.
#[utoipa::path(
    get, path = "/login", tag = "server", security(()), params(Login),
    responses((status = 303, description = "The token is known: the cookie is set."))
)]
pub async fn login(
    State(served): State<Arc<Served>>,
    Asked(Login { token }): Asked<Login>,
) -> Result<Response, Problem> {
    let scope = served.tokens.open().or_else(|| served.tokens.scope(&token));
    let unknown = || Problem::new(StatusCode::UNAUTHORIZED, "token", "the token is not known");
    let scope = scope.ok_or_else(unknown)?;
    let word = served.tokens.begin(scope)?;
    let name = cookie_name(&served.bind);
    let cookie = format!("{name}={word}; Path=/; HttpOnly; SameSite=Strict");
    let cookie =
        HeaderValue::from_str(&cookie).map_err(|error| Problem::ours(error.to_string()))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
    Ok(response)
}

/// Says where to go on.
#[utoipa::path(
    get, path = "/", tag = "server",
    responses((status = 200, description = "Words for people.", content_type = "text/plain", body = String))
)]
pub async fn root(_: Scoped<Read>) -> &'static str {
    "vox serves a store of results here; /v1/openapi.json tells all that can be asked for.\n"
}
