//! Six small cases, a program over them, and what a run of it left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use vox::id::Digest;

use crate::desk::{Desk, Said, image};

/// Far more than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

const PROGRAM: &str = "import \"lib.imgql\"\n\
    load f\n\
    let body = twice(f) >. 20\n\
    print \"name\" \"$case at $warm\"\n\
    print \"max\" max(f)\n\
    print \"size\" volume(body)\n\
    save \"body.nii.gz\" body\n";

/// Takes a folder with six cases; the program imports a file and takes a setting.
pub(crate) fn six() -> Desk {
    let desk = Desk::new();
    desk.write("lib.imgql", "let twice(x) = x *. 2\n");
    desk.write("p.imgql", PROGRAM);
    for case in 0..6 {
        let bytes = image([16, 12, 8], |x, y, z| ((x * y + z * case) % (19 + case)) as f32);
        desk.write(&format!("cases/case-{case}/f.nii"), bytes);
    }
    desk
}

/// Takes a folder with one case on which an operator is silent for many seconds.
pub(crate) fn long() -> Desk {
    let desk = Desk::new();
    desk.write("cases/slow/f.nii", image([180, 180, 180], |x, y, z| ((x * y + z * 7) % 97) as f32));
    desk.write(
        "p.imgql",
        "load f\nprint \"alike\" volume(crossCorrelation(25, f, f, f >. 0, min(f), max(f), 2000) >. 0.4)\n",
    );
    desk
}

/// Everything that a run shows and leaves.
#[derive(PartialEq, Debug)]
pub(crate) struct Left {
    pub(crate) out: String,
    pub(crate) table: String,
    pub(crate) saved: BTreeMap<PathBuf, Digest>,
    objects: Vec<PathBuf>,
}

/// Returns the words of a run over the six, with a store, a table and a folder of its own.
pub(crate) fn words(name: &str) -> String {
    format!(
        "run p.imgql --cases cases --set warm=0.5 -o out-{name} --table {name}.csv --keep all --store store-{name}"
    )
}

/// Returns what a run left.
pub(crate) fn left(desk: &Desk, name: &str, said: &Said) -> Left {
    let mut objects: Vec<PathBuf> =
        desk.digests(&format!("store-{name}/objects")).into_keys().collect();
    objects.retain(|path| !path.starts_with("log"));
    Left {
        out: said.out.clone(),
        table: desk.text(&format!("{name}.csv")),
        saved: desk.digests(&format!("out-{name}")),
        objects,
    }
}

/// Returns the arguments that make the page of Python beside this the engine; nothing without Python.
pub(crate) fn transport() -> Option<[String; 2]> {
    let found = Command::new("python3").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no python3");
        return None;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/remote/transport.py");
    Some(["--engine".to_owned(), format!("cmd:python3 '{}'", file.display())])
}

/// Returns a run over that transport.
pub(crate) fn over(desk: &Desk, words: &str, engine: &[String]) -> Command {
    let mut command = desk.command(words);
    command.args(engine).env("WORKER", env!("CARGO_BIN_EXE_vox"));
    command.env_remove("VOX_STORE");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until something is there.
#[track_caller]
pub(crate) fn wait<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begin.elapsed() < LIMIT, "it does not come to be");
        sleep(Duration::from_millis(5));
    }
}

/// Says whether a process is gone, or waits only for somebody to take note of it.
pub(crate) fn is_gone(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'),
        Err(_) => true,
    }
}

/// Waits for a process, and fails when it does not end.
#[track_caller]
pub(crate) fn end(mut child: Child) -> Said {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("it does not end");
        }
        sleep(Duration::from_millis(5));
    }
    Said::from(child.wait_with_output().unwrap())
}

/// Returns the groups that a run writes for the six, `size` cases each, without running any.
pub(crate) fn groups(desk: &Desk, words: &str, size: usize, count: usize) -> Vec<Json> {
    let spool = format!("{words} --engine spool:made --group {size}");
    let mut driver = desk.start(&spool);
    let todo = desk.path("made/todo");
    let names = wait(|| {
        let names: Vec<PathBuf> =
            fs::read_dir(&todo).ok()?.map(|entry| entry.unwrap().path()).collect();
        let names: Vec<PathBuf> = names
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        (names.len() == count).then_some(names)
    });
    driver.kill().unwrap();
    driver.wait().unwrap();
    let groups = names.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
    let mut groups: Vec<Json> = groups.collect();
    groups.sort_by_key(|group| group["cases"][0]["id"].as_str().unwrap().to_owned());
    fs::remove_dir_all(desk.path("made")).unwrap();
    groups
}

/// Returns the lines of a worker.
#[track_caller]
pub(crate) fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
