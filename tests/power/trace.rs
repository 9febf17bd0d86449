//! Nothing below a store changes that the recorder does not see: compared with the system's calls.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::record::{self, Step};

/// The calls that change files, as far as any of this program's libraries could use them.
const CALLS: &str = "write,pwrite64,writev,pwritev,pwritev2,rename,renameat,renameat2,unlink,unlinkat,rmdir,\
    ftruncate,truncate,fallocate,open,creat,openat,mkdir,mkdirat,link,linkat,symlink,symlinkat,\
    copy_file_range,sendfile,splice";

/// What changed a path: how often, or for writes how many bytes.
type Changes = BTreeMap<(&'static str, PathBuf), u64>;

/// Leaves out the files of `SQLite`, which syncs them itself and may lose them.
fn is_ours(path: &Path, store: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.starts_with(store) && (!name.starts_with("index.sqlite") || name.ends_with(".lock"))
}

fn of_record(steps: &[Step], store: &Path) -> Changes {
    let mut changes = Changes::new();
    for step in steps {
        let (what, path, count) = match step {
            Step::Folder(path) => ("folder", path, 1),
            Step::Create(path) => ("create", path, 1),
            Step::Reserve(path, _) => ("reserve", path, 1),
            Step::Write(path, _, bytes) => ("write", path, bytes.len() as u64),
            Step::Resize(path, _) => ("resize", path, 1),
            Step::Rename(from, _) => ("rename", from, 1),
            Step::Remove(path) => ("remove", path, 1),
            Step::Sync(_) | Step::SyncFolder(_) | Step::SyncAll(_) | Step::Told(_) => continue,
        };
        if is_ours(path, store) {
            *changes.entry((what, path.clone())).or_default() += count;
        }
    }
    changes
}

/// Reads one line of a trace; none of a call that failed or changed nothing of ours.
fn of_line(line: &str, store: &Path) -> Option<((&'static str, PathBuf), u64)> {
    let (call, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result = result.split(['<', ' ']).next()?;
    if result.starts_with('-') || result == "?" {
        return None;
    }
    // A descriptor is followed by its path in angle brackets, a path stands in quotes.
    let opened = || Some(PathBuf::from(arguments.split_once('<')?.1.split_once('>')?.0));
    let named = || Some(PathBuf::from(arguments.split('"').nth(1)?));
    let (what, path, count) = match call {
        "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" => {
            ("write", opened()?, result.parse().ok()?)
        }
        "ftruncate" => ("resize", opened()?, 1),
        "fallocate" => ("reserve", opened()?, 1),
        "rename" | "renameat" | "renameat2" => ("rename", named()?, 1),
        "unlink" | "unlinkat" | "rmdir" => ("remove", named()?, 1),
        "mkdir" | "mkdirat" => ("folder", named()?, 1),
        "open" | "openat" | "creat" => {
            if !arguments.contains("O_CREAT") && call != "creat" {
                return None;
            }
            ("create", named()?, 1)
        }
        // Nothing of ours does any of these.
        _ => ("other", opened().or_else(named)?, 1),
    };
    is_ours(&path, store).then_some(((what, path), count))
}

#[test]
fn everything_that_changes_below_a_store_is_recorded() {
    let said = Command::new("strace").arg("-V").output();
    if !said.is_ok_and(|said| said.status.success()) {
        println!("skipped: strace is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().canonicalize().unwrap();
    let vox = env!("CARGO_BIN_EXE_vox");
    let plain = |command: &mut Command| {
        command.current_dir(&at).env("HOME", &at).env("VOX_CLAIM_US", "0").env_remove("VOX_STORE");
    };
    let mut demo = Command::new(vox);
    plain(demo.args(["demo", "d", "--no-run", "--cases", "1", "--size", "48x48x48"]));
    assert!(demo.output().unwrap().status.success());
    let store = at.join("store");
    let mut traced = Command::new("strace");
    traced.args(["-ff", "-y", "-s", "0", "-o", "trace", "-e", &format!("trace={CALLS}"), vox]);
    traced.args(["run", "d/lesion.imgql", "--cases", "d/cases", "-o", "out", "--keep", "all"]);
    plain(traced.arg("--store").arg(&store).env("VOX_RECORD", at.join("record")));
    let said = traced.output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    if words.contains("ptrace") || words.contains("Operation not permitted") {
        println!("skipped: strace may not trace here: {words}");
        return;
    }
    assert!(said.status.success(), "{words}");
    let mut seen = Changes::new();
    for entry in fs::read_dir(&at).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("trace.") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                if let Some((change, count)) = of_line(line, &store) {
                    *seen.entry(change).or_default() += count;
                }
            }
        }
    }
    let recorded = of_record(&record::read(&at.join("record")), &store);
    for kind in ["write", "rename", "remove", "create", "folder"] {
        assert!(seen.keys().any(|(what, _)| *what == kind), "no {kind} was traced");
    }
    let both: std::collections::BTreeSet<_> = seen.keys().chain(recorded.keys()).collect();
    let differ: Vec<_> = both
        .into_iter()
        .filter(|change| seen.get(*change) != recorded.get(*change))
        .map(|change| (change, seen.get(change), recorded.get(change)))
        .collect();
    assert!(differ.is_empty(), "change, traced, recorded: {differ:#?}");
}

#[test]
fn a_line_of_a_trace_is_read() {
    let store = Path::new("/s");
    let line = |line: &str| of_line(line, store).map(|((what, path), count)| (what, path, count));
    let path = |text: &str| PathBuf::from(text);
    let write = r#"write(5</s/a>, ""..., 123) = 123"#;
    assert_eq!(line(write), Some(("write", path("/s/a"), 123)));
    assert_eq!(line(r#"write(1</t/a>, ""..., 123) = 123"#), None);
    assert_eq!(line(r#"pwrite64(5</s/local/index.sqlite-wal>, ""..., 9, 0) = 9"#), None);
    let made = r#"openat(AT_FDCWD</w>, "/s/b", O_RDWR|O_CREAT|O_EXCL, 0444) = 7</s/b>"#;
    assert_eq!(line(made), Some(("create", path("/s/b"), 1)));
    assert_eq!(line(r#"openat(AT_FDCWD</w>, "/s/b", O_RDONLY|O_CLOEXEC) = 7</s/b>"#), None);
    assert_eq!(line(r#"unlink("/s/b") = -1 ENOENT (No such file or directory)"#), None);
    assert_eq!(line(r#"rename("/s/.tmp", "/s/b") = 0"#), Some(("rename", path("/s/.tmp"), 1)));
    assert_eq!(line("+++ exited with 0 +++"), None);
}
