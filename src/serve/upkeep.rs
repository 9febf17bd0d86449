//! How the store is, and what is kept in it.
#![allow(unused_qualifications, reason = "the macro of the document writes them")]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::upkeep;
use crate::serve::guard::{Read, Scoped};
use crate::serve::reply::Problem;
use crate::serve::state::Served;
use crate::store::log::record::Target;

/// How a store is.
#[derive(Serialize, ToSchema)]
#[schema(as = StoreStatus)]
pub struct Status {
    /// Bytes of everything below `objects/`, in whole blocks.
    bytes: u64,
    /// The limit, if it has one.
    limit: Option<u64>,
    /// Objects.
    objects: u64,
    /// Bytes of objects.
    object_bytes: u64,
    /// Receipts and other records.
    records: u64,
    /// Files of the log.
    segments: u64,
    /// Bytes of the log.
    log_bytes: u64,
    /// Hosts and processes that have written to it.
    writers: Vec<String>,
    /// How many of these are this host's.
    own_writers: usize,
    /// Names that are pinned.
    pins: usize,
    /// What the collector would remove now.
    would_free: Freed,
}

/// What would go.
#[derive(Serialize, ToSchema)]
pub struct Freed {
    /// Objects.
    objects: u64,
    /// Bytes.
    bytes: u64,
}

/// Tells how large the store is, and what would go.
#[utoipa::path(
    get, path = "/v1/store", tag = "store",
    responses((status = 200, description = "How it is.", body = Status))
)]
pub async fn status(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
) -> Result<Json<Status>, Problem> {
    let told = served.work(|served| {
        let status = upkeep::status(&served.environment, &served.config)?;
        let (objects, bytes) = status.would_free;
        let usage = &status.usage;
        Ok(Status {
            bytes: usage.bytes(),
            limit: status.limit,
            objects: usage.objects.objects,
            object_bytes: usage.objects.bytes,
            records: usage.records,
            segments: usage.segments,
            log_bytes: usage.log_bytes,
            writers: usage.writers.iter().map(ToString::to_string).collect(),
            own_writers: status.own,
            pins: status.pins,
            would_free: Freed { objects, bytes },
        })
    });
    Ok(Json(told.await?))
}

/// What is kept whatever else goes.
#[derive(Serialize, ToSchema)]
pub struct Pins {
    /// By name.
    pins: Vec<Pin>,
}

/// A name that keeps a result.
#[derive(Serialize, ToSchema)]
pub struct Pin {
    /// The name.
    name: String,
    /// The node whose result is kept.
    node: Option<String>,
    /// The value that is kept.
    blob: Option<String>,
    /// Bytes of it that are here.
    bytes: u64,
}

/// Lists what is pinned.
#[utoipa::path(
    get, path = "/v1/pins", tag = "store",
    responses((status = 200, description = "By name.", body = Pins))
)]
pub async fn pins(
    _: Scoped<Read>,
    State(served): State<Arc<Served>>,
) -> Result<Json<Pins>, Problem> {
    let told = served.work(|served| {
        let pins = upkeep::pins(&served.environment, &served.config)?;
        let pins = pins.into_iter().map(|pinned| {
            let (node, blob) = match pinned.standing.pin.target {
                Target::Node(node) => (Some(node.to_string()), None),
                Target::Blob(blob) => (None, Some(blob.to_string())),
            };
            Pin { name: pinned.standing.pin.name, node, blob, bytes: pinned.bytes }
        });
        Ok(Pins { pins: pins.collect() })
    });
    Ok(Json(told.await?))
}
