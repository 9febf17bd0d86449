//! Is the house still the house? Imports run down only, and `unsafe` stays in its listed files.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up. A room imports from floors below its own and from itself.
const FLOORS: &[&[&str]] = &[
    &["id", "lang", "pool"],
    &["canon"],
    &["value"],
    &["codec", "primitive"],
    &["plan"],
    &["lower", "kernel", "store"],
    &["exec", "gc", "peer"],
    &["remote"],
    &["app"],
    &["serve"],
    &["cli"],
];

/// Inside the store too, from the ground up; the files beside the folders stand on top.
const STORE: &[&str] = &["fault", "share", "lock", "object", "log", "index"];

/// The files that may hold `unsafe`, each for the reason in its first lines.
const UNSAFE: &[&str] = &[
    "src/kernel/format/inflate.rs",
    "src/kernel/space/lanes.rs",
    "src/kernel/space/wide.rs",
    "src/pool.rs",
    "src/store/object/map.rs",
];

/// Macros stand at the root of the crate whatever room they are written in.
const MACROS: &[&str] = &["each_voxel_type", "with_voxel_type"];

/// Whether a file of kernels holds SIMD code: these are named `simd.rs`, `avx2.rs` and so on.
fn is_simd(path: &str) -> bool {
    path.starts_with("src/kernel/") && (path.contains("simd") || path.contains("avx"))
}

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text)
        })
        .collect()
}

/// The part of a file before its unit tests: tests may look further.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap()
}

/// Every `crate::a::b` of a text.
fn imports(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
        .flat_map(|line| line.match_indices("crate::").map(|(at, _)| &line[at + 7..]))
        .map(|path| {
            let mut parts =
                path.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|p| !p.is_empty());
            (parts.next().unwrap_or(""), parts.next().unwrap_or(""))
        })
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// Returns what is wrong with the imports of a file, if anything.
fn upstairs(path: &str, text: &str) -> Vec<String> {
    let mut parts = path.trim_start_matches("src/").trim_end_matches(".rs").split('/');
    let room = parts.next().unwrap();
    let part = parts.next().unwrap_or("");
    let Some(own) = floor(room) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (other, file) in imports(without_tests(text)) {
        if MACROS.contains(&other) {
            continue;
        }
        match floor(other) {
            None => wrong.push(format!("{path}: `{other}` has no floor")),
            Some(theirs) if other != room && theirs >= own => {
                wrong.push(format!("{path}: `{room}` imports `{other}`, which is not below it"));
            }
            Some(_) => {}
        }
        if room == "store" && other == "store" {
            let place = |name: &str| STORE.iter().position(|x| *x == name).unwrap_or(STORE.len());
            if place(file) > place(part) {
                wrong.push(format!(
                    "{path}: `store/{part}` imports `store/{file}`, which is above it"
                ));
            }
        }
    }
    wrong
}

#[test]
fn imports_run_down_only() {
    let wrong: Vec<String> =
        sources().iter().flat_map(|(path, text)| upstairs(path, text)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_import_that_runs_up_is_seen() {
    assert_eq!(upstairs("src/plan/graph.rs", "use crate::store::open::Store;\n").len(), 1);
    assert_eq!(upstairs("src/kernel/a.rs", "let x = crate::lower::f();\n").len(), 1);
    assert_eq!(upstairs("src/store/object/tree.rs", "use crate::store::log::read;\n").len(), 1);
    assert_eq!(upstairs("src/store/log/read.rs", "use crate::store::object::tree;\n").len(), 0);
}

#[test]
fn unsafe_stays_in_its_files() {
    for (path, text) in sources() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let holds = code.clone().any(|line| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
        });
        let listed = UNSAFE.contains(&path.as_str()) || is_simd(&path);
        assert!(!holds || listed, "{path} holds `unsafe` and is not listed");
    }
    for path in UNSAFE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        assert!(path.exists(), "{} is listed and not there", path.display());
    }
}

#[test]
fn faces_declare_and_do_not_define() {
    for (path, text) in sources() {
        if path.ends_with("mod.rs") {
            let defines = text.lines().any(|line| {
                [
                    "fn ",
                    "pub fn ",
                    "struct ",
                    "pub struct ",
                    "enum ",
                    "pub enum ",
                    "impl ",
                    "pub use ",
                ]
                .iter()
                .any(|word| line.starts_with(word))
            });
            assert!(!defines, "{path} defines something");
            assert!(text.starts_with("//!"), "{path} does not say what the room is for");
        }
    }
}
