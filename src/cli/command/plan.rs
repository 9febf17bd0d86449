//! `vox plan`: what a run would do.

use std::process::ExitCode;

use serde_json::{Value as Json, json};

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::planning::{self, Planned, State};
use crate::app::syntax;
use crate::cli::command::run;
use crate::cli::exit;
use crate::cli::graph;
use crate::cli::json as shape;
use crate::cli::language_args::{Plan, PlanFormat};
use crate::cli::out;
use crate::cli::words::Voice;
use crate::plan::goal::Action;
use crate::plan::graph::{Arg, NodeIndex, Operand};
use crate::value::data::Value;
use crate::value::text;

/// Plans and tells.
pub fn run(args: &Plan, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let mut spec = run::spec(&args.program, environment)?;
    spec.output = args.output.clone();
    if let Some(path) = &args.program.save_syntax {
        syntax::save(&spec, path)?;
    }
    let config = args.common.settings(environment)?;
    let planned = planning::plan(environment, &config, &spec)?;
    voice.diagnostics(&planned.diagnostics, &planned.sources);
    if args.check {
        return Ok(if planned.is_done() { ExitCode::SUCCESS } else { exit::check_says_no() });
    }
    let names = Names::of(&planned);
    match args.format {
        PlanFormat::Text => tell(&planned, &names),
        PlanFormat::Json => out::line(&json(&planned, &names).to_string()),
        PlanFormat::Dot => out::text(&graph::dot(&planned, &names)),
        PlanFormat::Mermaid => out::text(&graph::mermaid(&planned, &names)),
    }
    if !voice.quiet {
        let done = planned.goals.iter().filter(|goal| goal.is_done).count();
        out::say(&format!(
            "vox: {} nodes, {} in the store, {} to run; {} of {} goals done",
            planned.nodes.len(),
            planned.stored(),
            planned.to_run(),
            done,
            planned.goals.len()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Short names of the nodes, `n0`, `n1`, ..., arguments before what uses them.
pub struct Names {
    numbers: Vec<u32>,
}

impl Names {
    fn of(planned: &Planned) -> Self {
        let most = planned.nodes.last().map_or(0, |node| node.0 as usize + 1);
        let mut numbers = vec![0; most];
        for (at, node) in planned.nodes.iter().enumerate() {
            numbers[node.0 as usize] = at as u32;
        }
        Self { numbers }
    }

    /// Returns the name of a node of the plan.
    pub fn name(&self, node: NodeIndex) -> String {
        format!("n{}", self.numbers.get(node.0 as usize).copied().unwrap_or(0))
    }

    /// Returns an operand: a node's name, a literal, or `?` where it is known only while running.
    pub fn operand(&self, operand: &Operand) -> String {
        match operand {
            Operand::Node(node) => self.name(*node),
            Operand::Literal(value) => literal(value),
            Operand::Template(_) => "?".to_owned(),
        }
    }
}

/// Returns a literal in few words.
pub fn literal(value: &Value) -> String {
    let whole = match value {
        Value::Text(text) => text::quoted(text),
        _ => text::show(value).unwrap_or_else(|| value.kind().to_string()),
    };
    if whole.chars().count() <= 40 {
        return whole;
    }
    whole.chars().take(39).chain(['…']).collect()
}

/// Returns what the store has of the node at a place, in a word.
pub fn word(planned: &Planned, at: usize) -> &'static str {
    match (planned.runs[at], planned.states[at]) {
        (true, _) => "run",
        (false, State::Stored) => "stored",
        (false, _) => "skip",
    }
}

/// Returns a goal as it is written.
pub fn goal(action: &Action) -> String {
    match action {
        Action::Print { label } => format!("print \"{label}\""),
        Action::Save { path } => format!("save \"{}\"", path.display()),
    }
}

/// Returns `vox1.read(flair.nii.gz)`: the operator with its arguments or files.
pub fn call(planned: &Planned, names: &Names, node: NodeIndex) -> String {
    let arguments: Vec<String> = match planned.plan.files(node) {
        Some(files) => files.paths.iter().map(|path| path.display().to_string()).collect(),
        None => planned
            .plan
            .args(node)
            .iter()
            .map(|arg| match arg {
                Arg::Node(node) => names.name(*node),
                Arg::Literal(value) => literal(value),
            })
            .collect(),
    };
    format!("{}({})", planned.plan.signature(node).name, arguments.join(", "))
}

fn tell(planned: &Planned, names: &Names) {
    for (at, node) in planned.nodes.iter().enumerate() {
        out::line(&format!(
            "{:<6} {:<6} {} {}",
            names.name(*node),
            word(planned, at),
            planned.plan.id(*node),
            call(planned, names, *node)
        ));
    }
    for each in &planned.goals {
        let done = if each.is_done { "stored" } else { "run" };
        let value = names.operand(&each.value);
        out::line(&format!("{:<6} {done:<6} {} {value}", "goal", goal(&each.action)));
    }
}

fn json(planned: &Planned, names: &Names) -> Json {
    let plan = &planned.plan;
    let nodes: Vec<Json> = planned
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            let args: Vec<Json> = plan
                .args(*node)
                .iter()
                .map(|arg| match arg {
                    Arg::Node(node) => {
                        json!({ "name": names.name(*node), "node": plan.id(*node).to_string() })
                    }
                    Arg::Literal(value) => json!({ "literal": shape::value(value) }),
                })
                .collect();
            let origin = plan.origin(*node);
            let source = planned.sources.iter().find(|source| source.id().0 == origin.source);
            let place = source.map(|source| {
                let place = source.place(origin.start);
                json!({ "file": source.name(), "line": place.line, "column": place.column })
            });
            let signature = plan.signature(*node);
            json!({
                "name": names.name(*node),
                "node": plan.id(*node).to_string(),
                "op": signature.name,
                "version": signature.version,
                "args": args,
                "files": plan.files(*node).map(|files| &files.paths),
                "kind": plan.kind(*node).to_string(),
                "stored": planned.states[at] == State::Stored,
                "recorded": planned.states[at] != State::New,
                "runs": planned.runs[at],
                "at": place,
            })
        })
        .collect();
    let goals: Vec<Json> = planned
        .goals
        .iter()
        .map(|goal| {
            let mut json = match &goal.action {
                Action::Print { label } => json!({ "print": label }),
                Action::Save { path } => json!({ "save": path }),
            };
            match &goal.value {
                Operand::Node(node) => {
                    json["name"] = json!(names.name(*node));
                    json["node"] = json!(plan.id(*node).to_string());
                }
                Operand::Literal(value) => json["literal"] = shape::value(value),
                Operand::Template(_) => json["known"] = json!("while running"),
            }
            json["done"] = json!(goal.is_done);
            json
        })
        .collect();
    json!({
        "schema": shape::SCHEMA,
        "nodes": nodes,
        "goals": goals,
        "counts": {
            "nodes": planned.nodes.len(),
            "stored": planned.stored(),
            "runs": planned.to_run(),
        },
        "done": planned.is_done(),
    })
}
