//! The table of routes, and the document that is made from it.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use serde_json::{Value as Json, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::serve::blob;
use crate::serve::guard;
use crate::serve::health;
use crate::serve::program;
use crate::serve::put;
use crate::serve::record;
use crate::serve::render;
use crate::serve::reply::Problem;
use crate::serve::runs;
use crate::serve::state::Served;
use crate::serve::upkeep;
use crate::serve::value;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vox",
        description = "Results of image analyses, by what they compute and by what they are.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem))
)]
struct Api;

/// Returns all routes, each with what the document says of it.
fn table() -> OpenApiRouter<Arc<Served>> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(health::root))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::login))
        .routes(routes!(health::metrics))
        .routes(routes!(health::version))
        .routes(routes!(health::openapi))
        .routes(routes!(blob::blob))
        .routes(routes!(blob::named))
        .routes(routes!(blob::cas, put::put))
        .routes(routes!(value::value))
        .routes(routes!(render::volume))
        .routes(routes!(render::slice))
        .routes(routes!(record::heads))
        .routes(routes!(record::log))
        .routes(routes!(record::segment))
        .routes(routes!(record::ac))
        .routes(routes!(program::all_ops))
        .routes(routes!(program::op))
        .routes(routes!(program::explain))
        .routes(routes!(program::check))
        .routes(routes!(program::plan))
        .routes(routes!(program::format))
        .routes(routes!(runs::begin, runs::list))
        .routes(routes!(runs::one))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::events))
        .routes(routes!(runs::verify))
        .routes(routes!(runs::gc))
        .routes(routes!(upkeep::status))
        .routes(routes!(upkeep::pins))
}

/// Returns what answers requests.
pub fn router(served: Arc<Served>) -> Router {
    let (router, _) = table().split_for_parts();
    router
        .fallback(nothing)
        .method_not_allowed_fallback(not_so)
        .layer(middleware::from_fn_with_state(served.clone(), guard::guard))
        .with_state(served)
}

async fn nothing() -> Problem {
    Problem::absent("path", "there is nothing here; /v1/openapi.json tells what there is")
}

async fn not_so() -> Problem {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method", "this cannot be asked for in this way")
}

/// Returns the document: `OpenAPI` 3.1.
///
/// Every operation gets what all of them share: the ways to show a token, and problems.
pub fn document() -> Json {
    let (_, api) = table().split_for_parts();
    let mut document = serde_json::to_value(api).expect("a document of strings is JSON");
    let problem = json!({
        "description": "What went wrong.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let paths = document["paths"].as_object_mut().expect("there are paths");
    for (_, item) in paths.iter_mut() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let Some(operation) = operation.as_object_mut() else { continue };
            operation["responses"]["default"] = problem.clone();
            if method == "head"
                && let Some(Json::String(id)) = operation.get_mut("operationId")
            {
                // GET and HEAD are one handler; in the document each has a name.
                id.push_str("_head");
            }
        }
    }
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "A token with a scope: read, run or admin." },
    });
    document["security"] = json!([{ "token": [] }]);
    document
}
