//! From text to plan: megabytes a second, milliseconds, bytes a node.
//!
//! `cargo bench --bench language [-- word]`: `parse` (a long program of ordinary commands, in both
//! dialects), `nodes` (1,000,000 nodes lowered and keyed, and what they take in memory), `for` (a loop
//! over 10,000 elements), `large` (a megabyte of parentheses, 100,000 declarations, an expression 10,000
//! deep, 50 steps of Fibonacci), `check` (`vox check` of the demo's program as a whole process), `sweep` (77
//! pairs of thresholds over one head, and its peak memory beside that of one pair).

#![allow(clippy::disallowed_methods, reason = "a bench asks where to write")]
#![expect(clippy::print_stdout, reason = "a bench speaks to people")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use vox::id::Digest;
use vox::kernel::install;
use vox::lang::dialect::{Dialect, Options};
use vox::lang::parser::parse;
use vox::lang::source::{Source, SourceId};
use vox::lower::files::{FileError, Files, Found, Header};
use vox::lower::lowered::Lowered;
use vox::lower::program::lower;
use vox::lower::request::Request;
use vox::plan::graph::Plan;
use vox::value::grid::Grid;

const RUNS: usize = 7;
const HEAD: &str = "load f = \"f.nii\"\n";

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|word| name.contains(word.as_str()));
    println!("{:44} {:>10} {:>10}", "", "least", "limit");
    if is_wanted("parse") {
        parsing();
    }
    if is_wanted("nodes") {
        nodes();
    }
    if is_wanted("for") {
        let text = format!("{HEAD}print \"x\" for i in range(0, 10000) do volume(f > i)");
        tell("a `for` over 10,000 elements", least(|| plan(&text)), "50 ms");
    }
    if is_wanted("large") {
        large();
    }
    if is_wanted("check") {
        check();
    }
    if is_wanted("sweep") {
        sweep();
    }
}

fn tell(name: &str, ms: f64, limit: &str) {
    println!("{name:44} {ms:7.2} ms {limit:>10}");
}

/// Returns the least time of several runs, in milliseconds; what they make is dropped outside of it.
fn least<T>(mut run: impl FnMut() -> T) -> f64 {
    let once = |_| {
        let start = Instant::now();
        let made = black_box(run());
        let ms = start.elapsed().as_secs_f64() * 1e3;
        drop(made);
        ms
    };
    (0..RUNS).map(once).fold(f64::INFINITY, f64::min)
}

fn parsing() {
    let block = |i: usize, word: &str| {
        format!(
            "// what is bright, and next to what is brighter still\n\
             {word}bright{i} = f >. 0.{i} // share\n\
             {word}core{i} = touch(bright{i}, (g >. 0.95) & (!border))\n\
             {word}grow{i}(a, b) = (a | touch(b, a)) & maxvol(near(a))\n\
             save \"out/lesion{i}.nii.gz\" grow{i}(bright{i}, core{i})\n"
        )
    };
    for (dialect, word) in [(Dialect::Two, ""), (Dialect::One, "let ")] {
        let mut text = String::new();
        let mut i = 10_000;
        while text.len() < 8_000_000 {
            text.push_str(&block(i, word));
            i += 1;
        }
        let options = Options::of(dialect);
        let ms = least(|| {
            let (program, told) =
                parse(&Source::new(SourceId(0), "big.imgql", text.as_str()), &options);
            assert!(told.iter().all(|found| !found.is_error()), "{:?}", told.first());
            program
        });
        let rate = text.len() as f64 / 1e3 / ms;
        println!("{:44} {rate:5.1} MB/s {:>10}", format!("parse, dialect {dialect:?}"), "20 MB/s");
    }
}

fn nodes() {
    const COUNT: usize = 1_000_000;
    let mut chain = format!("{HEAD}v0 = volume(f)\n");
    for at in 1..COUNT {
        writeln!(chain, "v{at} = v{} + {at}", at - 1).expect("is memory");
    }
    writeln!(chain, "print \"last\" v{}", COUNT - 1).expect("is memory");
    let looped =
        format!("{HEAD}print \"x\" fold + 0 (for i in range({}) do volume(f > i))", COUNT / 3);
    for (name, text) in [("a chain of declarations", &chain), ("a fold over a loop", &looped)] {
        let before = resident();
        let start = Instant::now();
        let lowered = plan(text);
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let nodes = lowered.plan.as_ref().map_or(0, Plan::len);
        let bytes = (resident() - before) / nodes as f64;
        tell(&format!("{nodes} nodes, {name}"), ms, "1500 ms");
        println!("{:44} {bytes:8.0} B {:>10}", "  resident a node, text and plan", "300 B");
    }
}

fn large() {
    let half = 500_000;
    let mut lets = String::from("x0 = 1\n");
    for i in 1..100_000 {
        writeln!(lets, "let x{i} = x{} + 1", i - 1).expect("is memory");
    }
    let mut steps = String::from("a0 = f a1 = f + 1\n");
    for i in 2..=50 {
        writeln!(steps, "a{i} = a{} + a{}", i - 1, i - 2).expect("is memory");
    }
    let deep = 10_000;
    for (name, text) in [
        ("1 MB of parentheses", format!("x = {}1{}", "(".repeat(half), ")".repeat(half))),
        ("100,000 declarations", format!("{lets}print \"x\" x99999")),
        (
            "an expression 10,000 deep",
            format!("{HEAD}print \"x\" max({}f{})", "(".repeat(deep), " + 1)".repeat(deep)),
        ),
        ("50 steps of Fibonacci", format!("{HEAD}{steps}print \"x\" max(a50)")),
    ] {
        tell(name, least(|| plan(&text)), "1000 ms");
    }
}

fn check() {
    let folder = tempfile::Builder::new().prefix("vox-bench-").tempdir();
    let folder = folder.expect("a temporary folder can be made");
    let head = folder.path().join("head").display().to_string();
    vox(&["demo", &head, "--size", "96x96x64", "--cases", "1", "--no-run"]);
    let program = format!("{head}/lesion.imgql");
    let of = |name| format!("{name}={head}/cases/case-1/case-1_{name}.nii.gz");
    let (flair, seg) = (of("flair"), of("seg"));
    let call = ["check", &program, "--in", &flair, "--in", &seg];
    tell("vox check, whole process", least(|| vox(&call)), "8 ms");
}

fn sweep() {
    let folder = tempfile::Builder::new().prefix("vox-bench-").tempdir();
    let folder = folder.expect("a temporary folder can be made");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let head = at("head");
    vox(&["demo", &head, "--size", "240x240x155", "--cases", "1", "--no-run"]);
    let image = format!("{head}/cases/case-1/case-1_flair.nii.gz");
    let method = format!(
        "load f = \"{image}\"\ni = intensity(f)\nbrain = i >. 10\np = percentiles(i, brain, 0.5)\n\
         grown(hi, lo) = volume(touch(p >. lo, distleq(3, p >. hi)))\n"
    );
    let pairs = |highs: usize, lows: usize| {
        format!(
            "{method}print \"n\" for h in range({highs}) do for l in range({lows}) do \
             grown(0.9 + (h * 0.005), 0.8 + (l * 0.01))\n"
        )
    };
    let mut peaks = Vec::new();
    for (name, text) in [("one pair", pairs(1, 1)), ("77 pairs", pairs(11, 7))] {
        let program = at("sweep.imgql");
        std::fs::write(&program, text).expect("the folder can be written");
        let store = at(&format!("store {name}"));
        let start = Instant::now();
        let peak = vox_peak_mb(&["run", &program, "--store", &store, "--threads", "2"]);
        tell(&format!("sweep, {name}, cold"), start.elapsed().as_secs_f64() * 1e3, "");
        peaks.push(peak);
    }
    println!(
        "{:44} {:7.0} MB {:>10}",
        "  peak memory of 77 pairs above one pair's",
        peaks[1] - peaks[0],
        "200 MB"
    );
}

/// Lowers a text with a file of 4 x 5 x 6 voxels under every name.
fn plan(text: &str) -> Lowered {
    let source = Source::new(SourceId(0), "bench.imgql", text);
    let lowered = lower(source, &Request::default(), Arc::new(One), Arc::new(install::table()));
    assert!(lowered.plan.is_some(), "{:?}", lowered.diagnostics.first());
    lowered
}

/// A world in which every path is one small image.
struct One;

impl Files for One {
    fn probe(&self, path: &Path) -> Result<Found, FileError> {
        let grid = Grid::plain(&[4, 5, 6]).expect("sizes are good");
        Ok(Found {
            paths: vec![path.to_owned()],
            digests: vec![Digest::of(b"f")],
            format: "nifti".to_owned(),
            header: Some(Header { grid: Arc::new(grid), frames: 1, colour: false }),
        })
    }

    fn list(&self, root: &Path, _: &str, _: bool, _: bool) -> Result<Vec<String>, FileError> {
        Err(FileError::Missing(root.to_owned()))
    }

    fn import_text(&self, _: &Path) -> Result<Option<String>, FileError> {
        Ok(None)
    }

    fn identity(&self, _: &Path) -> Option<String> {
        None
    }
}

/// Returns the memory of this process that is in use, in bytes; 0 where the system does not say.
fn resident() -> f64 {
    field("/proc/self/status", "VmRSS:")
}

/// Returns a field of a status file, given in kB, in bytes.
fn field(path: &str, name: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
}

/// Runs `vox` to its end.
fn vox(args: &[&str]) {
    let status = Command::new(env!("CARGO_BIN_EXE_vox"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("vox can be started");
    assert!(status.success(), "vox {args:?}: {status}");
}

/// Runs `vox` and returns the most memory it was seen to have, in MB.
fn vox_peak_mb(args: &[&str]) -> f64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vox"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("vox can be started");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    while child.try_wait().expect("it is a child").is_none() {
        peak = peak.max(field(&status, "VmHWM:"));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    peak / 1e6
}
