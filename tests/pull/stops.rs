//! A pull that is stopped before any of its durable effects, or whose disk fails at one, leaves
//! garbage at most: the store is sound, and pulling again completes it.

use std::collections::BTreeMap;
use std::path::Path;

use vox::id::Digest;

use crate::desk::Desk;
use crate::example::{example, is_sound, open, tree};

/// More effects than any pull here has.
const MOST: u64 = 600;

fn vox(desk: &Desk, there: &Path, variables: &[(&str, &str)]) -> Option<i32> {
    let mut command = desk.command("pull --quiet");
    command.arg(there).envs(variables.iter().copied());
    command.output().unwrap().status.code()
}

/// What carries a name; temporaries are nobody's.
fn named(root: &Path) -> BTreeMap<String, Digest> {
    tree(root).into_iter().filter(|(name, _)| !name.contains(".tmp-")).collect()
}

/// Pulls with `name` set to 1, 2, 3 and so on, until nothing comes of it.
fn walk(name: &str, more: &[(&str, &str)], is_meant: impl Fn(Option<i32>) -> bool) {
    let there = example();
    let whole = tree(there.path());
    for at in 1..MOST {
        let desk = Desk::new();
        let (number, mark) = (at.to_string(), desk.path("mark"));
        let mut variables =
            vec![(name, number.as_str()), ("VOX_FAIL_MARK", mark.to_str().unwrap())];
        variables.extend(more);
        let code = vox(&desk, there.path(), &variables);
        let here = desk.path(".vox");
        if code == Some(0) {
            assert_eq!(named(&here), whole, "{at}");
            if !mark.exists() {
                assert!(at > 20, "the effects are seen");
                return;
            }
            // What failed was not needed, as a lock's or an old file's.
            continue;
        }
        assert!(is_meant(code), "{at}: {code:?}");
        for (name, digest) in named(&here) {
            assert_eq!(whole.get(&name), Some(&digest), "{at}: {name}");
        }
        assert_eq!(vox(&desk, there.path(), &[]), Some(0), "{at}");
        is_sound(&open(&here, "here"));
        assert_eq!(named(&here), whole, "{at}");
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
