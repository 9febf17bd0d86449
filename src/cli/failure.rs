//! Why goals have no value, in words: the case, the goals, what went wrong, where it was written, and
//! the input files it stands on.

use std::path::Path;

use crate::app::run::{Answer, Blame};
use crate::cli::out;
use crate::cli::words::{Voice, chain};
use crate::exec::error::Failure;
use crate::exec::event::Outcome;
use crate::lang::source::Source;
use crate::plan::goal::Action;
use crate::plan::graph::Origin;
use crate::primitive::refusal::Refusal;

/// Says why goals of one case have no value; goals that fail for one reason are told together.
pub fn tell(answer: &Answer, case: Option<&str>, output: &Path, voice: Voice) {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for ((action, outcome), blame) in answer.goals.iter().zip(&answer.blame) {
        let Outcome::Failed(failure) = outcome else { continue };
        let goal = match action {
            Action::Print { label } => format!("print \"{label}\""),
            Action::Save { path } => format!("save \"{}\"", output.join(path).display()),
        };
        let reason = reason(failure, blame, &answer.sources);
        match told.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, goals)) => goals.push(goal),
            None => told.push((reason, vec![goal])),
        }
    }
    for (reason, goals) in told {
        let case = case.map(|case| format!("{case}: ")).unwrap_or_default();
        out::say(&format!("{}: {case}{}: {reason}", voice.red("error"), goals.join(", ")));
    }
}

fn reason(failure: &Failure, blame: &Blame, sources: &[Source]) -> String {
    let (mut text, origin) = match failure {
        Failure::Refused { op: "vox1.read", refusal, origin, .. } => {
            // The file is named by the sentence.
            let text = unreadable(refusal, blame);
            return match place(*origin, sources) {
                Some(place) => format!("{text}\n  --> {place}"),
                None => text,
            };
        }
        Failure::Refused { origin, .. } => (chain(failure), Some(*origin)),
        Failure::Fault { fault } => (chain(failure), Some(fault.origin)),
        _ => (chain(failure), None),
    };
    if let Some(place) = origin.and_then(|origin| place(origin, sources)) {
        text.push_str("\n  --> ");
        text.push_str(&place);
    }
    if !blame.files.is_empty() {
        text.push_str("\n  inputs: ");
        text.push_str(&blame.files.join(", "));
    }
    text
}

/// Returns what is wrong with a file that its reader refuses.
fn unreadable(refusal: &Refusal, blame: &Blame) -> String {
    let files = blame.files.join("`, `");
    let format = blame.format.as_deref().unwrap_or("image");
    format!("`{files}` cannot be read as {format}: {}", refusal.said_by("vox1.read"))
}

/// Returns where something was written, as `file:line:column` and the text itself.
fn place(origin: Origin, sources: &[Source]) -> Option<String> {
    let source = sources.iter().find(|source| source.id().0 == origin.source)?;
    let (start, end) = (origin.start as usize, origin.end as usize);
    let text = source.text().get(start..end).filter(|text| !text.is_empty())?;
    let place = source.place(origin.start);
    let text = text.lines().next().unwrap_or_default();
    Some(format!("{}:{}:{}: `{text}`", source.name(), place.line, place.column))
}
