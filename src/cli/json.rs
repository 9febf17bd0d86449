//! Values, goals and reports as JSON; the schema is number 1.

use serde_json::{Map, Value as Json, json};

use crate::app::error::{Error, Whose};
use crate::app::run::Answer;
use crate::cli::words::chain;
use crate::exec::event::Outcome;
use crate::exec::report::{Ran, Report};
use crate::id::NodeId;
use crate::lang::diagnostic::{Diagnostic, Severity};
use crate::lang::source::Source;
use crate::plan::goal::Action;
use crate::value::data::Value;

/// The version of everything here.
pub const SCHEMA: u64 = 1;

/// Returns a value; numbers that JSON has not are null, an image tells its kind and grid only.
pub fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => json!(truth),
        Value::Number(number) => json!(number),
        Value::Text(text) => json!(&**text),
        Value::Bytes(bytes) => json!(hex::encode(bytes)),
        Value::Sequence(items) => items.iter().map(self::value).collect(),
        Value::Record(fields) => Json::Object(
            fields
                .iter()
                .map(|(name, value)| (name.to_string(), self::value(value)))
                .collect::<Map<_, _>>(),
        ),
        other => {
            let dims = other.grid().map(|grid| grid.dims().to_vec());
            json!({ "kind": other.kind().to_string(), "dims": dims })
        }
    }
}

/// Returns a goal with what became of it.
pub fn goal(action: Option<&Action>, outcome: &Outcome, node: Option<NodeId>) -> Json {
    let mut goal = Map::new();
    if let Some(node) = node {
        goal.insert("node".to_owned(), json!(node.to_string()));
    }
    match action {
        Some(Action::Print { label }) => goal.insert("print".to_owned(), json!(label)),
        Some(Action::Save { path }) => goal.insert("save".to_owned(), json!(path)),
        None => None,
    };
    match outcome {
        Outcome::Value(value) => goal.insert("value".to_owned(), self::value(value)),
        Outcome::Saved { path, written } => {
            goal.insert("path".to_owned(), json!(path));
            goal.insert("written".to_owned(), json!(written))
        }
        Outcome::Failed(failure) => goal.insert("error".to_owned(), json!(failure.to_string())),
    };
    Json::Object(goal)
}

/// Returns a node that ran.
pub fn node(ran: &Ran) -> Json {
    json!({
        "node": ran.node.to_string(),
        "op": ran.op,
        "us": ran.us,
        "bytes": ran.bytes,
        "claimed": ran.claimed,
        "was": ran.was(),
    })
}

/// Returns a mistake with its places: bytes from 0, lines and columns (of characters) from 1, ends
/// behind the last; the first place is the one that the message is about.
pub fn diagnostic(diagnostic: &Diagnostic, sources: &[Source]) -> Json {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let places: Vec<Json> = diagnostic
        .labels
        .iter()
        .filter_map(|label| {
            let span = label.span;
            let source = sources.iter().find(|source| source.id() == span.source)?;
            let (start, end) = (source.place(span.start), source.place(span.end));
            Some(json!({
                "file": source.name(),
                "bytes": [span.start, span.end],
                "start": { "line": start.line, "column": start.column },
                "end": { "line": end.line, "column": end.column },
                "label": label.message,
            }))
        })
        .collect();
    json!({
        "schema": SCHEMA,
        "severity": severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "places": places,
        "help": diagnostic.help,
    })
}

/// Returns what went wrong besides the program, in the shape of a mistake without places.
pub fn trouble(whose: Whose, message: &str) -> Json {
    let whose = match whose {
        Whose::Result => "result",
        Whose::Usage => "usage",
        Whose::Program => "program",
        Whose::Input => "input",
        Whose::Store => "store",
        Whose::Ours => "vox",
        Whose::Stopped => "stopped",
    };
    json!({
        "schema": SCHEMA,
        "severity": "error",
        "code": null,
        "whose": whose,
        "message": message,
        "places": [],
        "help": null,
    })
}

/// Returns why a case could not be run at all, in the shape of a mistake; of a program's mistakes it is the first error,
/// and `mistakes` has them all.
pub fn problem(error: &Error) -> Json {
    let mut problem = trouble(error.whose(), &chain(error));
    let mut mistakes = Vec::new();
    if let Error::Program { diagnostics, sources } = error {
        let first = diagnostics.iter().find(|diagnostic| diagnostic.is_error());
        if let (Some(Json::Object(first)), Json::Object(problem)) =
            (first.map(|first| diagnostic(first, sources)), &mut problem)
        {
            problem.extend(first);
        }
        mistakes = diagnostics.iter().map(|found| diagnostic(found, sources)).collect();
    }
    problem["mistakes"] = Json::Array(mistakes);
    problem
}

/// Returns a case that could not be run at all: it has no goals, and counts as one that failed.
pub fn refused(name: &str, problem: Json) -> Json {
    let counts = counts(&Report { failed: 1, ..Report::default() });
    json!({ "case": name, "goals": [], "counts": counts, "error": problem })
}

/// Returns the counts of a report.
pub fn counts(report: &Report) -> Json {
    json!({
        "computed": report.computed,
        "redone": report.redone,
        "reused": report.reused,
        "failed": report.failed,
        "seconds": report.wall.as_secs_f64(),
        "saved_seconds": report.saved_us as f64 / 1e6,
        "unstored": report.unstored,
    })
}

/// Returns one case: its goals, counts and, with `nodes`, all nodes that ran.
pub fn case(name: Option<&str>, answer: &Answer, nodes: bool) -> Json {
    let mut case = Map::new();
    if let Some(name) = name {
        case.insert("case".to_owned(), json!(name));
    }
    let goals = answer.goals.iter().zip(&answer.nodes);
    let goals = goals.map(|((action, outcome), node)| goal(Some(action), outcome, *node));
    case.insert("goals".to_owned(), goals.collect());
    case.insert("counts".to_owned(), counts(&answer.report));
    if nodes {
        case.insert("nodes".to_owned(), answer.report.nodes.iter().map(node).collect());
    }
    Json::Object(case)
}
