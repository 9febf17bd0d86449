//! The README's console blocks are run, in order and in one empty folder; what they print is held
//! against what stands there. Times may differ.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::path::Path;

/// Puts wildcards for what depends on the machine: `in 0.084 s (saved 2.31 s)`.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    let mut is_output = false;
    for line in text.lines() {
        // What ends with a newline needs an empty line behind it there.
        if is_output && (line == "```" || line.starts_with("$ ")) {
            out.push('\n');
            is_output = false;
        }
        is_output |= line.starts_with("$ ");
        match (line.find(" failed in "), line.ends_with(" s)")) {
            (Some(at), true) => out += &format!("{} failed in [..]\n", &line[..at]),
            // How often a run seals depends on how long it takes.
            // Which nodes leave a receipt, and which files are remembered, too.
            _ if line.contains(" receipts computed again, 0 differ") => {
                out += "[..] receipts computed again, 0 differ[..]\n";
            }
            _ if line.ends_with(" records: clean") => out += "[..] records: clean\n",
            _ => out += &format!("{line}\n"),
        }
    }
    out
}

#[test]
fn times_are_not_compared() {
    let line = "vox: 14 computed, 0 failed in 0.084 s (saved 2.31 s)";
    assert_eq!(timeless(line), "vox: 14 computed, 0 failed in [..]\n");
    assert_eq!(timeless("one\n\ntwo\n"), "one\n\ntwo\n");
}

#[test]
fn the_readme_tells_the_truth() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&readme).unwrap();
    assert!(text.contains("```console\n$ vox demo\n"), "the story begins with the demo");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("README.md");
    fs::write(&copy, timeless(&text)).unwrap();
    // With these beside it all blocks run in one folder, which is empty at first.
    fs::create_dir(folder.path().join("README.in")).unwrap();
    fs::create_dir(folder.path().join("README.out")).unwrap();
    // Found on the path, the demo calls itself `vox` and not by where it was built.
    let vox = trycmd::cargo::cargo_bin("vox");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        [vox.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).unwrap();
    let cases = trycmd::TestCases::new();
    cases
        .default_bin_path(trycmd::cargo::cargo_bin("vox"))
        .register_bin("vox", trycmd::cargo::cargo_bin("vox"))
        .env("NO_COLOR", "1")
        .env("PATH", path.to_string_lossy())
        .env("HOME", folder.path().to_string_lossy())
        .env("XDG_CACHE_HOME", folder.path().join("cache").to_string_lossy())
        .case(copy.to_str().unwrap());
    cases.run();
}
