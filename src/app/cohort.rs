//! Many cases: some at a time, told in order.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::app::cases::{self, Case, Cohort, Wanted};
use crate::app::context::Context;
use crate::app::error::{Error, Whose};
use crate::app::run::{self, Answer, Listener, Spec};
use crate::lang::ast::{Command, CommandKind, Piece, Program};
use crate::lang::dialect;
use crate::lang::parser;
use crate::lang::source::{Source, SourceId};
use crate::lower::lowered::{Usage, outline};
use crate::lower::suggest;

/// Lists the cases of a folder for a program; a name in `--in` that it does not load is an error.
pub fn list(spec: &Spec, root: &Path) -> Result<Cohort, Error> {
    let (inputs, _) = outline(&read(spec));
    for name in spec.inputs.keys() {
        if !inputs.iter().any(|input| input.name == *name) {
            let names = inputs.iter().map(|input| input.name.as_str());
            let nearest = suggest::nearest(name, names);
            return Err(Error::Usage(run::words(&Usage::UnknownInput {
                name: name.clone(),
                nearest,
            })));
        }
    }
    let wanted: Vec<Wanted> = inputs
        .into_iter()
        .map(|input| Wanted {
            pattern: spec.inputs.get(&input.name).cloned(),
            default: input.default.map(Into::into),
            name: input.name,
        })
        .collect();
    cases::list(&spec.world, root, &wanted)
        .map_err(|source| Error::Read { path: root.to_owned(), source })
}

/// Says whether the program saves anything.
pub fn saves(spec: &Spec) -> bool {
    let program = read(spec);
    let saves = |command: &Command| matches!(command.kind, CommandKind::Save { .. });
    program.commands.iter().any(saves) || program.names.find("WriteImage").is_some()
}

/// Returns the labels that the program prints, in its order, each once.
pub fn labels(spec: &Spec) -> Vec<String> {
    let program = read(spec);
    let mut labels: Vec<String> = Vec::new();
    for command in &program.commands {
        if let CommandKind::Print { label, .. } = command.kind {
            let pieces = program.pieces(label).iter().map(|piece| match piece {
                Piece::Plain(text) => text.clone(),
                Piece::Dollar(word) => setting(spec, program.name(word.symbol)),
            });
            let label: String = pieces.collect();
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
    }
    labels
}

/// What a `$NAME` in a label becomes, as far as it does not depend on the case.
fn setting(spec: &Spec, name: &str) -> String {
    let found = spec.settings.iter().rev().find(|(other, _)| other == name);
    found.map_or_else(|| format!("${name}"), |(_, setting)| setting.raw.clone())
}

fn read(spec: &Spec) -> Program {
    let source = Source::new(SourceId(0), spec.program.display().to_string(), spec.text.as_str());
    let options = dialect::Options { dialect: spec.dialect, ..dialect::Options::default() };
    parser::parse(&source, &options).0
}

/// Refuses what would go wrong for the whole cohort, before anything runs: mistakes of the program,
/// two cases that write one file, and saves over an input of any case.
///
/// Saves are those of the first case that can be planned; a case whose own inputs are at fault stops
/// no other.
pub fn check(context: &Context, spec: &Spec, cohort: &Cohort) -> Result<(), Error> {
    let cwd = &context.environment.cwd;
    let mut found = None;
    for case in cohort.cases.iter().filter(|case| case.missing.is_empty()) {
        match run::saves(context, spec, Some(case)) {
            Ok(saves) => {
                found = Some(saves);
                break;
            }
            Err(error) if error.whose() == Whose::Input => {}
            Err(error) => return Err(error),
        }
    }
    let saves = found.unwrap_or_default();
    if saves.is_empty() {
        return Ok(());
    }
    let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let mut taken: HashMap<(u64, u64), String> = HashMap::new();
    for case in &cohort.cases {
        for (name, path) in &case.inputs {
            if let Some(identity) = identity(&cwd.join(path)) {
                taken.insert(identity, format!("the input `{name}` of {}", case.name));
            }
        }
    }
    let output = cwd.join(spec.output.as_deref().unwrap_or(Path::new("")));
    for case in &cohort.cases {
        let folder = output.join(&case.name);
        // The folder first: two cases with one folder would write one file, there or not.
        let files = saves.iter().map(|path| folder.join(path));
        for place in std::iter::once(folder.clone()).chain(files) {
            let Some(identity) = identity(&place) else { continue };
            if let Some(other) = taken.insert(identity, case.name.clone())
                && other != case.name
            {
                return Err(Error::Usage(format!(
                    "{} would write to `{}`, which is also {}: name another folder with -o",
                    case.name,
                    place.display(),
                    if cohort.cases.iter().any(|case| case.name == other) {
                        format!("where {other} writes")
                    } else {
                        other
                    }
                )));
            }
        }
    }
    Ok(())
}

/// Returns how many cases run at a time: one a core, for a case alone leaves cores idle while it
/// reads and writes, but no more than there are.
pub fn width(context: &Context, cohort: &Cohort) -> usize {
    context.exec.engine.width().min(cohort.cases.len()).max(1)
}

/// What became of one case.
pub struct Done<'a> {
    /// The case.
    pub case: &'a Case,
    /// Its goals, or why there are none.
    pub answer: Result<Answer, Error>,
}

/// Runs the program over all cases, `width` at a time, and tells them in case order.
///
/// A case that fails stops no other. `listen` makes the listener of one case; it runs on the thread
/// that drives the case. A store that fails, or a signal, ends the cohort after the cases under way.
pub fn run(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
    width: usize,
    listen: &(dyn Fn(&Case) -> Box<dyn Listener> + Sync),
    each: &mut dyn FnMut(Done<'_>),
) {
    let next = AtomicUsize::new(0);
    let stop = Mutex::new(false);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..width.clamp(1, cohort.cases.len().max(1)) {
            let send = send.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cohort.cases.get(at) else { return };
                    if *stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
                        return;
                    }
                    let answer = one(context, spec, case, listen);
                    if let Err(error @ (Error::Store(_) | Error::Run(_))) = &answer {
                        let fatal = !matches!(
                            error,
                            Error::Run(crate::exec::error::Error::InputChanged { .. })
                        );
                        *stop.lock().unwrap_or_else(std::sync::PoisonError::into_inner) |= fatal;
                    }
                    if send.send((at, answer)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut told = 0;
        for (at, answer) in receive {
            waiting.insert(at, answer);
            while let Some(answer) = waiting.remove(&told) {
                each(Done { case: &cohort.cases[told], answer });
                told += 1;
            }
        }
    });
}

/// Runs one case; one without all of its inputs is an error.
pub fn one(
    context: &Context,
    spec: &Spec,
    case: &Case,
    listen: &(dyn Fn(&Case) -> Box<dyn Listener> + Sync),
) -> Result<Answer, Error> {
    complete(case)?;
    run::run(context, spec, Some(case), &mut *listen(case))
}

/// Refuses a case that lacks an input.
pub fn complete(case: &Case) -> Result<(), Error> {
    let Some((name, places)) = case.missing.iter().next() else { return Ok(()) };
    let tried: Vec<String> = places.iter().map(|path| format!("`{}`", path.display())).collect();
    Err(Error::Missing { name: name.clone(), tried: tried.join(", ") })
}
