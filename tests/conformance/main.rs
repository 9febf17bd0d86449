//! Does vox answer what the reference answers? Runs the conformance set, where it is at hand.
//!
//! The set lies beside the project (`../shared/conformance`) or where `VOX_CONFORMANCE` says: small
//! programs with the reference's outputs. Each runs from text to value, on this machine's files and
//! in memory; [`rows`] adds what the set leaves out. How many ran, passed and were skipped is printed for each operator.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests, and a table that is to be read"
)]

mod answer;
mod case;
mod expected;
mod images;
mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use answer::Runner;
use case::{Case, Set};

/// Cases that are answered otherwise on purpose, each with the sentence of the design it follows
/// from. What is ruled otherwise is left out of the set already, so this table stays empty.
const DIFFERENCES: &[(&str, &str)] = &[];

/// What became of the cases of one operator.
#[derive(Default)]
struct Row {
    passed: usize,
    failed: usize,
    skipped: usize,
}

fn folder() -> PathBuf {
    match std::env::var_os("VOX_CONFORMANCE") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
    }
}

/// Runs all cases on a few threads; returns what was wrong with each.
fn run_all(set: &Set, folder: &Path) -> Vec<Option<String>> {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(vec![None; set.cases.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runner = Runner::new(folder);
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = set.cases.get(at) else { return };
                    let found = judge(&runner, case, set);
                    wrong.lock().unwrap()[at] = found.err();
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

fn judge(runner: &Runner, case: &Case, set: &Set) -> Result<(), String> {
    let answer = runner.answer(&case.program);
    case.expected.check(answer.as_ref(), &set.outputs, case.tolerance)
}

fn table(rows: &BTreeMap<&str, Row>) -> String {
    let mut text = format!("{:24} {:>6} {:>6} {:>7}\n", "operator", "ran", "passed", "skipped");
    let mut all = Row::default();
    for (name, row) in rows {
        let ran = row.passed + row.failed;
        writeln!(text, "{name:24} {ran:6} {:6} {:7}", row.passed, row.skipped).unwrap();
        all.passed += row.passed;
        all.failed += row.failed;
        all.skipped += row.skipped;
    }
    let ran = all.passed + all.failed;
    writeln!(text, "{:24} {ran:6} {:6} {:7}", "all", all.passed, all.skipped).unwrap();
    text
}

#[test]
fn the_reference_is_answered_alike() {
    let folder = folder();
    if !folder.join("manifest.json").exists() {
        println!("skipped: there is no conformance set at {}", folder.display());
        return;
    }
    let folder = folder.canonicalize().unwrap();
    // Programs name their files relative to the folder, and a run opens them as they are named.
    std::env::set_current_dir(&folder).unwrap();
    let set = Set::open(&folder);
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (case, found) in set.cases.iter().zip(run_all(&set, &folder)) {
        let row = rows.entry(&case.primitive).or_default();
        let differs = DIFFERENCES.iter().any(|(id, _)| *id == case.id);
        match found {
            _ if differs => row.skipped += 1,
            None => row.passed += 1,
            Some(why) => {
                row.failed += 1;
                wrong.push(format!("{} `{}`: {why}", case.id, case.expression));
            }
        }
    }
    println!("{}", table(&rows));
    for (id, _) in DIFFERENCES {
        assert!(set.cases.iter().any(|case| case.id == *id), "there is no case {id}");
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}
