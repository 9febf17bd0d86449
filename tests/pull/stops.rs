//! A pull that is stopped before any of its durable effects, or whose disk fails at one, leaves
//! garbage at most: the store is sound, and pulling again completes it.

use std::path::Path;

use crate::desk::Desk;
use crate::example::{example, is_sound, open, tree};

/// More effects than any pull here has.
const MOST: u64 = 600;

fn vox(desk: &Desk, there: &Path, name: &str, value: &str, more: &[(&str, &str)]) -> Option<i32> {
    let mut command = desk.command("pull --quiet");
    command.arg(there).env(name, value).envs(more.iter().copied());
    command.output().unwrap().status.code()
}

fn walk(name: &str, more: &[(&str, &str)], is_stopped: impl Fn(Option<i32>) -> bool) {
    let there = example();
    let whole = tree(there.path());
    for at in 1..MOST {
        let desk = Desk::new();
        let code = vox(&desk, there.path(), name, &at.to_string(), more);
        let here = desk.path(".vox");
        if code == Some(0) {
            assert!(at > 20, "the effects are seen");
            assert_eq!(tree(&here), whole);
            return;
        }
        assert!(is_stopped(code), "{at}: {code:?}");
        // What carries a name is true; temporaries are nobody's.
        let named = tree(&here).into_iter().filter(|(name, _)| !name.contains(".tmp-"));
        for (name, digest) in named {
            assert_eq!(whole.get(&name), Some(&digest), "{at}: {name}");
        }
        assert_eq!(vox(&desk, there.path(), "VOX_NOTHING", "", &[]), Some(0), "{at}");
        is_sound(&open(&here, "here"));
        let named = tree(&here).into_iter().filter(|(name, _)| !name.contains(".tmp-"));
        assert_eq!(named.collect::<std::collections::BTreeMap<_, _>>(), whole, "{at}");
    }
    panic!("no pull survived");
}

#[test]
fn a_stop_before_any_effect_is_harmless() {
    walk("VOX_CRASH_AT", &[], |code| code.is_none());
}

#[test]
fn a_full_disk_at_any_effect_is_told_and_harmless() {
    walk("VOX_FAIL_AT", &[("VOX_FAIL", "ENOSPC")], |code| code == Some(5));
}
