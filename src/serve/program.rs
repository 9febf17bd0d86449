//! What programs are, without running them; and what they can call.
#![allow(unused_qualifications, reason = "the macro of the document writes them")]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json_;
use utoipa::ToSchema;

use crate::app::ops;
use crate::lower::explain;
use crate::serve::ask::{Named, Sent};
use crate::serve::guard::{Read, Run as MayRun, Scoped};
use crate::serve::job::child::End;
use crate::serve::job::jobs::Heard;
use crate::serve::job::request::Program;
use crate::serve::job::said::Said;
use crate::serve::reply::Problem;
use crate::serve::runs::may_run;
use crate::serve::state::Served;

/// What is wrong with a program.
#[derive(Serialize, ToSchema)]
pub struct Checked {
    /// Could it run?
    valid: bool,
    /// Mistakes and warnings, with their places: bytes from 0, lines and columns from 1.
    #[schema(value_type = Vec<Object>)]
    mistakes: Vec<Json_>,
}

async fn ask(
    served: &Arc<Served>,
    args: Vec<std::ffi::OsString>,
    input: String,
) -> Result<Heard, Problem> {
    let asking = served.jobs.ask(args, input.into_bytes()).ok_or_else(Problem::full)?;
    let heard = asking.answer().await.map_err(|error| Problem::ours(error.to_string()))?;
    match heard.done.end {
        End::Exit(5) => {
            let cause = Said::of(&heard.done.errors).hidden.unwrap_or_default();
            Err(Problem::ours(cause))
        }
        End::Exit(_) => Ok(heard),
        End::Late => Err(Problem::unfit("late", "it takes longer than it may")),
        End::Signal(_) | End::Loud => Err(Problem::unfit("large", "it needs more than it may")),
        End::Stopped => Err(Problem::busy()),
    }
}

fn fit(served: &Served, program: &Program) -> Result<(), Problem> {
    may_run(served)?;
    match program.fault() {
        Some(fault) => Err(Problem::unfit("request", fault)),
        None => Ok(()),
    }
}

/// Returns the mistakes in what a child said, on stdout or beside.
fn mistakes(heard: &Heard) -> Vec<Json_> {
    let mut mistakes = Said::of(&heard.output).mistakes;
    mistakes.extend(Said::of(&heard.done.errors).mistakes);
    mistakes
}

/// Looks for mistakes in a program, without running it.
#[utoipa::path(
    post, path = "/v1/check", tag = "programs", request_body = Program,
    responses((status = 200, description = "What is wrong with it.", body = Checked))
)]
pub async fn check(
    _: Scoped<MayRun>,
    State(served): State<Arc<Served>>,
    Sent(program): Sent<Program>,
) -> Result<Json<Checked>, Problem> {
    fit(&served, &program)?;
    let args = program.args("check", &served.place);
    let heard = ask(&served, args, program.program).await?;
    let mistakes = mistakes(&heard);
    Ok(Json(Checked { valid: heard.done.end == End::Exit(0), mistakes }))
}

/// Tells what a run would do: its nodes, with what the store has of each, and its goals.
#[utoipa::path(
    post, path = "/v1/plan", tag = "programs", request_body = Program,
    responses((status = 200, description = "What `vox plan --format json` writes.", body = Object))
)]
pub async fn plan(
    _: Scoped<MayRun>,
    State(served): State<Arc<Served>>,
    Sent(program): Sent<Program>,
) -> Result<Json<Json_>, Problem> {
    fit(&served, &program)?;
    let mut args = program.args("plan", &served.place);
    args.push("--format=json".into());
    let heard = ask(&served, args, program.program).await?;
    if heard.done.end == End::Exit(0)
        && let Some(plan) = heard.output.lines().find_map(|line| serde_json::from_str(line).ok())
    {
        return Ok(Json(plan));
    }
    let problem =
        Problem::unfit("program", "the program has mistakes, or its inputs are not there");
    Err(problem.with_mistakes(mistakes(&heard)))
}

/// A text to put into form.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The text, in imgQL.
    #[schema(max_length = 1_000_000)]
    program: String,
    /// 1 reads the program as `VoxLogicA` 1 does, 2 as `VoxLogicA` 2 does.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2)]
    dialect: Option<u8>,
}

/// A text in form.
#[derive(Serialize, ToSchema)]
pub struct Formed {
    /// The text.
    program: String,
}

/// Puts a program into canonical form; comments stay.
#[utoipa::path(
    post, path = "/v1/fmt", tag = "programs", request_body = Text,
    responses((status = 200, description = "The program in form.", body = Formed))
)]
pub async fn format(
    _: Scoped<MayRun>,
    State(served): State<Arc<Served>>,
    Sent(Text { program, dialect }): Sent<Text>,
) -> Result<Json<Formed>, Problem> {
    let whole = Program { program, dialect, ..Program::default() };
    fit(&served, &whole)?;
    let mut args = vec!["fmt".into(), "-".into()];
    args.extend(dialect.map(|dialect| format!("--dialect={dialect}").into()));
    let heard = ask(&served, args, whole.program).await?;
    if heard.done.end != End::Exit(0) {
        let detail = "the program has mistakes: `/v1/check` tells them";
        return Err(Problem::unfit("program", detail));
    }
    Ok(Json(Formed { program: heard.output }))
}

/// The reference, or a part of it.
#[derive(Serialize, ToSchema)]
pub struct Entries {
    /// Operators, definitions and forms.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<Json_>,
}

/// Tells all that a program can call, with documentation.
#[utoipa::path(
    get, path = "/v1/ops", tag = "language",
    responses((status = 200, description = "All entries.", body = Entries))
)]
pub async fn all_ops(_: Scoped<Read>) -> Json<Entries> {
    Json(Entries { entries: ops::all().iter().map(ops::Entry::json).collect() })
}

/// Tells of one name, with or without its namespace, or of an operator as it is written.
#[utoipa::path(
    get, path = "/v1/ops/{name}", tag = "language",
    params(("name" = String, Path, description = "What a program would write.", example = "touch")),
    responses((status = 200, description = "What is called so.", body = Entries))
)]
pub async fn op(_: Scoped<Read>, Named(name): Named<String>) -> Result<Json<Entries>, Problem> {
    let entries = ops::find(&name).map_err(|nearest| {
        let hint = nearest.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default();
        Problem::absent("unknown-op", format!("no operator or definition is called so{hint}"))
    })?;
    Ok(Json(Entries { entries: entries.iter().map(ops::Entry::json).collect() }))
}

/// What the code of a mistake means.
#[derive(Serialize, ToSchema)]
pub struct Explained {
    /// The code.
    code: String,
    /// What is wrong.
    cause: String,
    /// A program that has the mistake.
    example: Option<String>,
    /// What to do.
    repair: String,
}

/// Tells what the code of a mistake means.
#[utoipa::path(
    get, path = "/v1/explain/{code}", tag = "language",
    params(("code" = String, Path, description = "A code.", example = "E0203")),
    responses((status = 200, description = "What it means.", body = Explained))
)]
pub async fn explain(
    _: Scoped<Read>,
    Named(code): Named<String>,
) -> Result<Json<Explained>, Problem> {
    let found = explain::find(&code);
    let found = found.ok_or_else(|| Problem::absent("unknown-code", "there is no such code"))?;
    Ok(Json(Explained {
        code: found.code.to_owned(),
        cause: found.cause.to_owned(),
        example: found.example.map(str::to_owned),
        repair: found.repair.to_owned(),
    }))
}
