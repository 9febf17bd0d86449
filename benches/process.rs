//! Milliseconds of whole processes of `vox`, beside a yardstick measured in the same run.
//!
//! `cargo bench --bench process [-- word]`: `start` (`vox --version`), `cold` (the demo's method on a
//! head of 240x240x155 voxels into a new store), `cohort` (the same on ten such heads), `edit` (then with another threshold), `warm` (the
//! same again), `nodes` (10,000 scalar nodes above one image, all kept, into a new store, and into one
//! of 500,000 results). Files go to a new folder below the system's temporary one (`TMPDIR`).
//! The yardstick is SHA-256 over 35.7 MB on one core. `cpu` is user and system
//! time of the quickest run: on a busy machine it tells more than the wall.

#![allow(clippy::disallowed_methods, reason = "a bench asks where to write")]
#![expect(clippy::print_stdout, reason = "a bench speaks to people")]
#![expect(unsafe_code, reason = "asks the system what children used")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use vox::id::Digest;

const NODES: usize = 10_000;
const FULL: usize = 500_000;
const RUNS: usize = 7;

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|word| name.contains(word.as_str()));
    let folder = tempfile::Builder::new().prefix("vox-bench-").tempdir();
    let folder = folder.expect("a temporary folder can be made");
    let bench = Bench { folder: folder.path().to_owned(), yardstick: yardstick() };
    println!("SHA-256 of 35.7 MB: {:.1} ms", bench.yardstick);
    println!("{:34} {:>9} {:>9} {:>8} {:>8}", "", "least ms", "median", "cpu ms", "x SHA");
    if is_wanted("start") {
        bench.tell("start", 1, &mut || vox(&["--version"]));
    }
    if ["cold", "edit", "warm"].iter().any(|name| is_wanted(name)) {
        bench.head();
    }
    if is_wanted("cohort") {
        bench.cohort();
    }
    if is_wanted("nodes") {
        bench.nodes();
    }
}

struct Bench {
    folder: PathBuf,
    yardstick: f64,
}

/// What one process took, in milliseconds.
struct Took {
    wall: f64,
    cpu: f64,
}

impl Bench {
    fn at(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Runs something several times and tells the least and the median, for each of `count` parts.
    fn tell(&self, name: &str, count: usize, run: &mut dyn FnMut() -> Took) {
        let mut all: Vec<Took> = (0..RUNS).map(|_| run()).collect();
        all.sort_by(|a, b| a.wall.total_cmp(&b.wall));
        let (least, median) = (&all[0], all[RUNS / 2].wall);
        let ratio = least.wall / self.yardstick;
        let (wall, cpu) = (least.wall, least.cpu);
        print!("{name:34} {wall:9.1} {median:9.1} {cpu:8.1} {ratio:8.2}");
        if count > 1 {
            print!("   {:.2} us each", least.wall * 1e3 / count as f64);
        }
        println!();
    }

    fn head(&self) {
        let (head, store, out) = (self.at("head"), self.at("store"), self.at("out"));
        vox(&["demo", &head, "--size", "240x240x155", "--cases", "1", "--no-run"]);
        let program = format!("{head}/lesion.imgql");
        let of = |name| format!("{name}={head}/cases/case-1/case-1_{name}.nii.gz");
        let (flair, seg) = (of("flair"), of("seg"));
        let mut call = vec!["run", &program, "--in", &flair, "--in", &seg, "-o", &out];
        call.extend(["--store", &store]);
        self.tell("cold, stored", 1, &mut || {
            remove(&store);
            remove(&out);
            vox(&call)
        });
        println!("{:34} {:9.0} MB", "its peak memory", peak_mb());
        let mut warm = 0.86;
        self.tell("an edit of `warm`", 1, &mut || {
            warm += 0.001;
            let setting = format!("warm={warm}");
            vox(&[&call[..], &["--set", &setting]].concat())
        });
        vox(&call);
        self.tell("warm: the same again", 1, &mut || vox(&call));
    }

    fn cohort(&self) {
        let (head, store, out) = (self.at("heads"), self.at("cohort"), self.at("outs"));
        vox(&["demo", &head, "--size", "240x240x155", "--cases", "10", "--no-run"]);
        let (program, cases) = (format!("{head}/lesion.imgql"), format!("{head}/cases"));
        let call = ["run", &program, "--cases", &cases, "-o", &out, "-q", "--store", &store];
        self.tell("cohort of 10 heads, cold, stored", 10, &mut || {
            remove(&store);
            remove(&out);
            vox(&call)
        });
        println!("{:34} {:9.0} MB", "its peak memory", peak_mb());
        self.tell("the cohort again", 10, &mut || vox(&call));
    }

    fn nodes(&self) {
        let (small, store, full) = (self.at("small"), self.at("nodes"), self.at("full"));
        vox(&["demo", &small, "--size", "48x48x48", "--cases", "1", "--no-run"]);
        let image = format!("{small}/cases/case-1/case-1_flair.nii.gz");
        let one = self.program("one", &image, NODES, false, 0);
        let all = self.program("all", &image, NODES, true, 0);
        fn call<'a>(program: &'a str, store: &'a str) -> [&'a str; 7] {
            ["run", program, "--keep", "all", "-q", "--store", store]
        }
        for (name, program) in [("one goal", &one), ("10,000 goals", &all)] {
            self.tell(&format!("nodes cold, {name}, new store"), NODES, &mut || {
                remove(&store);
                vox(&call(program, &store))
            });
            self.tell(&format!("nodes warm, {name}"), NODES, &mut || vox(&call(program, &store)));
        }
        for part in 0..FULL / 100_000 {
            let many = self.program("many", &image, 100_000, false, 1_000_000 * (part + 1));
            vox(&call(&many, &full));
        }
        for (name, goals) in [("one goal", false), ("10,000 goals", true)] {
            // Each time nodes that the store does not have.
            let mut shift = 10_000_000 * (1 + usize::from(goals));
            self.tell(&format!("nodes cold, {name}, 500,000 there"), NODES, &mut || {
                shift += NODES;
                let new = self.program("new", &image, NODES, goals, shift);
                vox(&call(&new, &full))
            });
        }
    }

    /// Writes a program of so many numbers, each made of the one before.
    fn program(
        &self,
        name: &str,
        image: &str,
        nodes: usize,
        all_goals: bool,
        shift: usize,
    ) -> String {
        let mut text = format!("load f = \"{image}\"\nv0 = volume(intensity(f) >. 1)\n");
        for at in 1..=nodes {
            writeln!(text, "v{at} = v{} .+. {}", at - 1, at + shift).expect("is memory");
            if all_goals {
                writeln!(text, "print \"v{at}\" v{at}").expect("is memory");
            }
        }
        if !all_goals {
            writeln!(text, "print \"last\" v{nodes}").expect("is memory");
        }
        let path = self.at(&format!("{name}.imgql"));
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }
}

/// Runs `vox` to its end.
fn vox(args: &[&str]) -> Took {
    let before = cpu_ms();
    let start = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_vox"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("vox can be started");
    let wall = start.elapsed().as_secs_f64() * 1e3;
    assert!(status.success(), "vox {args:?}: {status}");
    Took { wall, cpu: cpu_ms() - before }
}

fn remove(path: &str) {
    if Path::new(path).exists() {
        std::fs::remove_dir_all(path).expect("what a bench wrote can be removed");
    }
}

fn yardstick() -> f64 {
    let bytes = vec![7; 240 * 240 * 155 * 4];
    let once = |_| {
        let start = Instant::now();
        black_box(Digest::of(black_box(&bytes)));
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..9).map(once).fold(f64::INFINITY, f64::min)
}

fn usage() -> libc::rusage {
    let mut usage = std::mem::MaybeUninit::zeroed();
    // SAFETY: the call fills the struct, for which any bytes are valid, and keeps no pointer.
    unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    }
}

fn cpu_ms() -> f64 {
    let usage = usage();
    let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    ms(usage.ru_utime) + ms(usage.ru_stime)
}

/// Returns the most memory that any child had.
fn peak_mb() -> f64 {
    usage().ru_maxrss as f64 * 1024.0 / 1e6
}
