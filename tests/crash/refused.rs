//! A disk that refuses one effect: the run ends as one that met a bad disk, and the store stays good.
//!
//! `VOX_FAIL_AT=n` makes the nth effect of a run of the real program fail with the error that `VOX_FAIL`
//! names; the test walks n upward until a run has fewer effects.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = "\
load x = \"x.npy\"
bright = x >. 3
print \"bright\" volume(bright)
print \"near\" volume(near(bright))
save \"near.npy\" near(bright)
";

/// Writes 24x24x24 voxels, enough for objects, as `NumPy` does.
fn image(path: &Path) {
    let mut header = "{'descr': '<f4', 'fortran_order': False, 'shape': (24, 24, 24), }".to_owned();
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    for at in 0..24u32.pow(3) {
        let value = (at.wrapping_mul(2_654_435_761) >> 29) as f32;
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
}

pub(crate) fn desk() -> tempfile::TempDir {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("p.imgql"), PROGRAM).unwrap();
    image(&desk.path().join("x.npy"));
    desk
}

pub(crate) fn vox(desk: &Path, args: &[&str], faults: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vox"));
    command.current_dir(desk).args(args).env("HOME", desk).env_remove("VOX_STORE");
    command.envs(faults.iter().copied()).output().unwrap()
}

pub(crate) fn run(desk: &Path, faults: &[(&str, &str)]) -> Output {
    let args = ["run", "p.imgql", "--in", "x=x.npy", "-o", "out", "--store", "s", "--keep", "all"];
    vox(desk, &args, faults)
}

fn saved(desk: &Path) -> Vec<u8> {
    fs::read(desk.join("out/near.npy")).unwrap()
}

pub(crate) fn is_clean(desk: &Path, when: &str) {
    let report = vox(desk, &["verify", "--store", "s"], &[]);
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.status.success(), "{when}: {text}{}", String::from_utf8_lossy(&report.stderr));
}

fn each_effect_fails_with(error: &str) {
    let whole = desk();
    let expected = run(whole.path(), &[]);
    assert!(expected.status.success(), "{}", String::from_utf8_lossy(&expected.stderr));
    let mut refused = 0;
    for at in 1..super::MOST {
        let desk = desk();
        let (number, mark) = (at.to_string(), desk.path().join("failed"));
        let faults = [
            ("VOX_FAIL_AT", number.as_str()),
            ("VOX_FAIL", error),
            ("VOX_FAIL_MARK", mark.to_str().unwrap()),
        ];
        let done = run(desk.path(), &faults);
        let when = format!("{error} at effect {at}");
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        match done.status.code() {
            // What may be lost was lost, or written again.
            Some(0) => {
                assert_eq!(done.stdout, expected.stdout, "{when}");
                assert_eq!(saved(desk.path()), saved(whole.path()), "{when}");
            }
            Some(5) => {
                refused += 1;
                assert!(told.contains("error: "), "{when}: {told}");
            }
            code => panic!("{when}: exit {code:?}: {told}"),
        }
        if desk.path().join("s/vox-store.toml").exists() {
            is_clean(desk.path(), &when);
        }
        let again = run(desk.path(), &[]);
        let told = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(again.status.success(), "after {when}: {told}");
        assert_eq!(again.stdout, expected.stdout, "after {when}");
        assert_eq!(saved(desk.path()), saved(whole.path()), "after {when}");
        is_clean(desk.path(), &when);
        if !mark.exists() {
            assert!(refused > 5, "only {refused} of {at} effects were refused with an error");
            return;
        }
    }
    panic!("the walk does not end");
}

#[test]
fn a_full_disk_at_any_effect_ends_the_run_and_leaves_a_good_store() {
    each_effect_fails_with("ENOSPC");
}

#[test]
fn a_bad_disk_at_any_effect_ends_the_run_and_leaves_a_good_store() {
    each_effect_fails_with("EIO");
}

#[test]
fn a_full_disk_says_what_would_make_room() {
    let desk = desk();
    assert!(run(desk.path(), &[]).status.success());
    let other = PROGRAM.replace(">. 3", ">. 4");
    fs::write(desk.path().join("p.imgql"), other).unwrap();
    let told = (1..super::MOST).map(|at| {
        let number = at.to_string();
        let done = run(desk.path(), &[("VOX_FAIL_AT", number.as_str()), ("VOX_FAIL", "ENOSPC")]);
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    });
    let refused =
        told.take(60).find(|(code, _)| *code == Some(5)).expect("some effect is refused").1;
    assert!(refused.contains("\nhelp: `vox gc --max-size "), "{refused}");
    assert!(refused.contains(" would free "), "{refused}");
}
