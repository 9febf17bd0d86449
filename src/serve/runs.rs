//! Jobs over HTTP: programs run, the store checked, results removed.
#![allow(unused_qualifications, reason = "the macro of the document writes them")]

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body::Frame;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use crate::serve::ask::{Asked, Named, Sent};
use crate::serve::guard::{Admin, Run as MayRun, Scoped};
use crate::serve::job::one::Job;
use crate::serve::job::request::Run;
use crate::serve::job::told::{Kind, Told};
use crate::serve::reply::Problem;
use crate::serve::state::Served;

/// A silent stream of events says this often that it is there.
const PULSE: Duration = Duration::from_secs(10);

/// Runs a program: the job's id comes at once, what it prints when it ended.
///
/// It sees files below the folders that the server was given and no others, and writes none: what it
/// saves is computed and told only. `GET /ac/{node}` finds the values of its goals.
#[utoipa::path(
    post, path = "/v1/runs", tag = "runs", request_body = Run,
    responses((status = 202, description = "It waits for its turn.", body = Told,
        headers(("location" = String, description = "Where the job is told."))))
)]
pub async fn begin(
    _: Scoped<MayRun>,
    State(served): State<Arc<Served>>,
    Sent(run): Sent<Run>,
) -> Result<Response, Problem> {
    may_run(&served)?;
    if let Some(fault) = run.program().fault() {
        return Err(Problem::unfit("request", fault));
    }
    let time = run.seconds.map_or(Duration::MAX, |seconds| Duration::from_secs(seconds.into()));
    let args = run.args(&served.place);
    add(&served, Kind::Run, args, run.program.into_bytes(), time)
}

/// Refuses where programs may not run.
pub fn may_run(served: &Served) -> Result<(), Problem> {
    if served.options.allow.run {
        return Ok(());
    }
    Err(Problem::forbidden("run", "this server runs no programs: it needs `--allow-run`"))
}

fn add(
    served: &Served,
    kind: Kind,
    args: Vec<OsString>,
    input: Vec<u8>,
    time: Duration,
) -> Result<Response, Problem> {
    let job = served.jobs.add(kind, args, input, time).ok_or_else(Problem::full)?;
    let told = job.told();
    let place = format!("/v1/runs/{}", told.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(told)).into_response())
}

/// All jobs that are still told.
#[derive(Serialize, ToSchema)]
#[schema(as = JobList)]
pub struct List {
    /// The newest first; without answers.
    runs: Vec<Told>,
}

/// Lists jobs, the newest first, without their answers.
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs",
    responses((status = 200, description = "Jobs.", body = List))
)]
pub async fn list(_: Scoped<MayRun>, State(served): State<Arc<Served>>) -> Json<List> {
    Json(List { runs: served.jobs.list() })
}

fn find(served: &Served, id: &str) -> Result<Arc<Job>, Problem> {
    let unknown = || Problem::absent("unknown-run", "there is no such job, or it is long over");
    served.jobs.find(id).ok_or_else(unknown)
}

/// Tells a job, with its answer once it ended.
#[utoipa::path(
    get, path = "/v1/runs/{id}", tag = "runs",
    params(("id" = String, Path, description = "The job's id.")),
    responses((status = 200, description = "The job.", body = Told))
)]
pub async fn one(
    _: Scoped<MayRun>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
) -> Result<Json<Told>, Problem> {
    Ok(Json(find(&served, &id)?.told()))
}

/// A body without fields.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Ends a job, whether it waits or runs; what it has computed is kept.
#[utoipa::path(
    post, path = "/v1/runs/{id}/cancel", tag = "runs", request_body = Nothing,
    params(("id" = String, Path, description = "The job's id.")),
    responses((status = 200, description = "The job; it may need some seconds to end.", body = Told))
)]
pub async fn cancel(
    _: Scoped<MayRun>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
    Sent(Nothing {}): Sent<Nothing>,
) -> Result<Json<Told>, Problem> {
    let job = find(&served, &id)?;
    served.jobs.cancel(&job);
    Ok(Json(job.told()))
}

/// One event of a stream, in the fields of server-sent events.
#[derive(Serialize, ToSchema)]
#[schema(as = JobEvent)]
pub struct Event {
    /// An object of JSON.
    data: String,
    /// `over` for the last one.
    #[serde(rename = "event")]
    name: Option<String>,
    /// Its number.
    id: Option<String>,
}

/// The query of a stream of events.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct From {
    /// The number of the first event that is wanted.
    #[serde(default)]
    from: u64,
}

/// Tells a job's events as they come, and in the end the job itself without its answer.
///
/// Server-sent events: `id` is the event's number, `data` what `vox run --events` writes; the last one is
/// called `over`. With `Last-Event-ID` the stream goes on behind that number.
#[utoipa::path(
    get, path = "/v1/runs/{id}/events", tag = "runs",
    params(("id" = String, Path, description = "The job's id."), From),
    responses((status = 200, description = "Events.", content_type = "text/event-stream", body = Event))
)]
pub async fn events(
    _: Scoped<MayRun>,
    State(served): State<Arc<Served>>,
    Named(id): Named<String>,
    Asked(From { from }): Asked<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = find(&served, &id)?;
    let last =
        headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let from = last.map_or(from, |last| last.saturating_add(1));
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        tokio::select! {
            () = tell(&job, from, &sender) => {}
            () = served.stopped() => {}
        }
    });
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(Stream(receiver))).into_response())
}

async fn tell(job: &Job, mut from: u64, sender: &mpsc::Sender<Bytes>) {
    let mut changes = job.changes();
    loop {
        changes.mark_unchanged();
        let news = job.news(from);
        let mut text = String::new();
        for (number, event) in (news.first..).zip(&news.events) {
            text.push_str(&format!("id: {number}\ndata: {event}\n\n"));
        }
        from = news.first + news.events.len() as u64;
        let is_full = !news.events.is_empty();
        if news.over {
            let told = Told { answer: None, ..job.told() };
            let told = serde_json::to_string(&told).unwrap_or_default();
            text.push_str(&format!("event: over\ndata: {told}\n\n"));
        }
        if !text.is_empty() && sender.send(text.into()).await.is_err() || news.over {
            return;
        }
        if is_full {
            continue;
        }
        if tokio::time::timeout(PULSE, changes.changed()).await.is_err()
            && sender.send(Bytes::from_static(b": still here\n\n")).await.is_err()
        {
            return;
        }
    }
}

/// A body whose parts come through a channel.
struct Stream(mpsc::Receiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

/// How the store's files are checked.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// Compute a sample of receipts again, and compare.
    deep: bool,
    /// Receipts to compute again.
    #[schema(minimum = 1, maximum = 100_000)]
    sample: Option<u32>,
    /// Begin no receipt after so many seconds.
    #[schema(minimum = 1, maximum = 86_400)]
    seconds: Option<u32>,
}

/// Checks every file of the store, as a job.
#[utoipa::path(
    post, path = "/v1/verify", tag = "store", request_body = Verify,
    responses((status = 202, description = "It waits for its turn.", body = Told))
)]
pub async fn verify(
    _: Scoped<MayRun>,
    State(served): State<Arc<Served>>,
    Sent(wish): Sent<Verify>,
) -> Result<Response, Problem> {
    let mut args = served.place.args(&["verify", "--json"]);
    if wish.deep {
        args.push("--deep".into());
        args.extend(wish.sample.map(|count| format!("--sample={count}").into()));
        args.extend(wish.seconds.map(|seconds| format!("--seconds={seconds}").into()));
    }
    add(&served, Kind::Verify, args, Vec::new(), Duration::MAX)
}

/// What is removed.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gc {
    /// Only tell what would be removed.
    dry_run: bool,
    /// Bytes to bring the store down to, if not what its configuration says.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    max_bytes: Option<u64>,
    /// Files to bring it down to.
    max_files: Option<u64>,
    /// Remove what was not used for so many days.
    #[schema(maximum = 36_500)]
    max_age_days: Option<u32>,
    /// Merge small files of the log.
    compact: bool,
}

impl Default for Gc {
    fn default() -> Self {
        Self { dry_run: true, max_bytes: None, max_files: None, max_age_days: None, compact: false }
    }
}

/// Sizes of stores.
const SIZES: RangeInclusive<u64> = 1..=1_000_000_000_000_000;

/// Removes results that can be computed again, as a job; unless told otherwise it only says which.
#[utoipa::path(
    post, path = "/v1/gc", tag = "store", request_body = Gc,
    responses((status = 202, description = "It waits for its turn.", body = Told))
)]
pub async fn gc(
    _: Scoped<Admin>,
    State(served): State<Arc<Served>>,
    Sent(wish): Sent<Gc>,
) -> Result<Response, Problem> {
    if !wish.dry_run && !served.options.allow.gc {
        let detail = "this server removes nothing: it needs `--allow-gc`";
        return Err(Problem::forbidden("gc", detail));
    }
    if wish.max_bytes.is_some_and(|bytes| !SIZES.contains(&bytes)) {
        return Err(Problem::unfit("request", "`max_bytes` is from 1 to 1e15"));
    }
    let mut args = served.place.args(&["gc", "--json"]);
    args.extend(wish.dry_run.then(|| "--dry-run".into()));
    args.extend(wish.max_bytes.map(|bytes| format!("--max-size={bytes}").into()));
    args.extend(wish.max_files.map(|files| format!("--max-files={files}").into()));
    args.extend(wish.max_age_days.map(|days| format!("--max-age={days}d").into()));
    args.extend(wish.compact.then(|| "--compact".into()));
    add(&served, Kind::Gc, args, Vec::new(), Duration::MAX)
}
