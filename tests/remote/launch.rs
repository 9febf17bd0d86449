//! The scripts of `examples/cluster`, with the launchers that are here.

#![allow(clippy::disallowed_methods, reason = "scripts look for programs on the path")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cohort::{end, left, six, words};
use crate::desk::Desk;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cluster").join(name)
}

fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let is_there = found.is_ok_and(|output| output.status.success());
    if !is_there {
        println!("skipped: there is no {program}");
    }
    is_there
}

/// Runs a script; it is given where groups are, and the run as it would be without an engine.
fn launch(desk: &Desk, name: &str, run: &str, with: &[(&str, &str)]) -> crate::desk::Said {
    let mut command = Command::new("bash");
    command.arg(script(name)).arg("groups").args(run.split_whitespace());
    command.envs(with.iter().copied());
    desk.around(&mut command);
    let vox = Path::new(env!("CARGO_BIN_EXE_vox")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(vox.to_owned()).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(folders).unwrap()).env_remove("VOX_STORE");
    end(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn works(name: &str, with: &[(&str, &str)]) {
    let desk = six();
    let local = desk.vox(&words("local")).ok();
    let said = launch(&desk, name, &words("far"), with).ok();
    assert_eq!(left(&desk, "far", &said), left(&desk, "local", &local));
}

/// A Slurm of this machine, for as long as a test takes.
struct Slurm {
    folder: tempfile::TempDir,
}

impl Slurm {
    /// Starts one, where its parts are there.
    fn here() -> Option<Self> {
        let slurm = Self { folder: tempfile::tempdir().unwrap() };
        let output = slurm.script().output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(77) {
            println!("skipped: {words}");
            return None;
        }
        assert!(output.status.success(), "{words}");
        Some(slurm)
    }

    fn script(&self) -> Command {
        let mut command = Command::new("bash");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/slurm-here"));
        command.arg(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn config(&self) -> String {
        self.folder.path().join("slurm.conf").display().to_string()
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        // A test that fails leaves no daemons, either.
        self.script().arg("--stop").output().ok();
    }
}

#[test]
fn a_loop_of_a_shell() {
    works("spool-loop.sh", &[]);
}

#[test]
fn gnu_parallel() {
    if has("parallel") {
        works("spool-parallel.sh", &[]);
    }
}

#[test]
fn slurm() {
    if let Some(slurm) = Slurm::here() {
        works("spool-slurm.sh", &[("SLURM_CONF", &slurm.config()), ("WORKERS", "3")]);
    }
}

#[test]
fn scripts_are_shell() {
    for name in ["spool-loop.sh", "spool-parallel.sh", "spool-slurm.sh"] {
        let checked = Command::new("bash").arg("-n").arg(script(name)).output().unwrap();
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}
