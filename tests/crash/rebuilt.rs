//! `vox index rebuild` stopped before any of its effects: the next command makes the index again.

use std::process::Output;

use crate::refused::{desk, is_clean, run, vox};

#[test]
fn a_rebuild_that_is_stopped_loses_nothing() {
    let rebuild = ["index", "rebuild", "--store", "s"];
    let counts = |done: &Output| {
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        told.lines().last().unwrap_or_default().split(" failed").next().unwrap().to_owned()
    };
    for at in 1..super::MOST {
        let desk = desk();
        let desk = desk.path();
        let first = run(desk, &[]);
        assert!(first.status.success());
        let done = vox(desk, &rebuild, &[("VOX_CRASH_AT", &at.to_string())]);
        is_clean(desk, &format!("stopped at {at}"));
        let again = run(desk, &[]);
        assert_eq!(again.stdout, first.stdout, "stopped at {at}");
        assert!(counts(&again).starts_with("vox: 0 computed, 0 redone"), "{}", counts(&again));
        if done.status.success() {
            assert!(at > 3, "only {at} effects: are they counted?");
            return;
        }
        assert!(done.status.code().is_none(), "it was not stopped, it failed: {done:?}");
    }
    panic!("the walk does not end");
}
