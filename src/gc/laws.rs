//! What the collector promises, tried on stores.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::time::{Duration, Instant};

use crate::gc::census::Census;
use crate::gc::error::Error;
use crate::gc::policy::{self, Limits, Why};
use crate::gc::reach::{Keeper, Roots};
use crate::gc::sweep::{Going, How, Options, Pace, Removed, Report, collect, would_free};
use crate::gc::trial::{self, LATER_MS, With, entry, everything, here, put, sweep};
use crate::gc::usage::Usage;
use crate::store::index::ask::Change;
use crate::store::index::ask::FOREVER;
use crate::store::lock;
use crate::store::log::record::Target;
use crate::store::object::disk;
use crate::store::open::Store;

fn filled(count: u64) -> (tempfile::TempDir, std::sync::Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = trial::open(&folder.path().join("store"), "m");
    put(&store, (0..count).map(|at| entry(at, With { us: at + 1, ..With::default() })).collect());
    (folder, store)
}

/// What `du` would say of all that is shared.
fn disk_usage(store: &Store) -> u64 {
    let all = walkdir::WalkDir::new(store.layout().objects()).into_iter();
    all.map(|entry| disk::allocated(&entry.unwrap().metadata().unwrap())).sum()
}

#[test]
fn a_dry_run_says_what_would_go_and_removes_nothing() {
    let (_folder, store) = filled(20);
    let dry = sweep(&store, &Options { how: How { dry_run: true, alone: false }, ..everything() });
    assert_eq!((dry.removed.len(), here(&store, 0..20).len()), (20, 20));
    let done = sweep(&store, &everything());
    let ids = |report: &Report| report.removed.iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(&done), ids(&dry));
    // What is cheaper to have again goes first.
    assert_eq!(ids(&dry), (0..20).map(trial::blob).collect::<Vec<_>>());
    assert!(here(&store, 0..20).is_empty());
    assert_eq!(done.after, dry.after);
}

#[test]
fn it_goes_down_to_ninety_percent_and_agrees_with_the_disk() {
    let (_folder, store) = filled(100);
    let usage = Usage::of(&store, LATER_MS).unwrap();
    let whole = disk_usage(&store);
    assert!(usage.bytes().abs_diff(whole) * 50 <= whole, "{} of {whole}", usage.bytes());
    let limit = usage.bytes() - 100_000;
    let limits = Limits { bytes: Some(limit), ..Limits::default() };
    assert!(would_free(&store, &limits, LATER_MS).unwrap().1 > 100_000);
    let report = sweep(&store, &Options { limits, ..everything() });
    let left = report.after.bytes();
    assert!(left <= policy::low_water(limit), "{left} of {limit}");
    let largest = report.removed.iter().map(|one| one.bytes).max().unwrap();
    assert!(left + largest > policy::low_water(limit), "no more than needed");
    let whole = disk_usage(&store);
    assert!(left.abs_diff(whole) * 50 <= whole, "{left} of {whole}");
    assert_eq!(would_free(&store, &limits, LATER_MS).unwrap(), (0, 0));
    let files = Limits { files: Some(40), ..Limits::default() };
    let report = sweep(&store, &Options { limits: files, ..everything() });
    assert_eq!(report.after.objects.objects + report.after.segments, 36);
}

#[test]
fn what_is_pinned_or_mentioned_by_it_stays() {
    let (_folder, store) = filled(3);
    put(&store, vec![entry(3, With { refs: vec![4, 5], ..With::default() })]);
    put(&store, vec![entry(6, With { refs: vec![7, 8], ..With::default() })]);
    let pin = |name, target| store.pinning(name, target).unwrap();
    put(&store, vec![pin("a node", Target::Node(trial::node(3)))]);
    put(&store, vec![pin("an object", Target::Blob(trial::blob(6)))]);
    let report = sweep(&store, &everything());
    assert_eq!(here(&store, 0..9), [3, 4, 5, 6, 7, 8]);
    let names: Vec<&Keeper> = report.kept.keys().collect();
    let name = |name: &str| Keeper::Pin(name.to_owned());
    assert_eq!(names, [&name("a node"), &name("an object")]);
    assert!(report.kept.values().all(|(count, _)| *count == 3));
    let standing = store.pins().unwrap();
    put(&store, standing.iter().map(|standing| standing.again(false)).collect());
    sweep(&store, &everything());
    assert!(here(&store, 0..9).is_empty());
}

#[test]
fn what_a_goal_of_a_live_run_stands_on_stays_until_it_ends() {
    let (_folder, store) = filled(3);
    put(&store, vec![entry(3, With { refs: vec![4], ..With::default() })]);
    let run = store.begin_run(vec![("goal".to_owned(), trial::node(3))]).unwrap();
    let report = sweep(&store, &everything());
    assert_eq!(here(&store, 0..5), [3, 4]);
    assert_eq!(report.kept.keys().collect::<Vec<_>>(), [&Keeper::Run]);
    drop(run);
    sweep(&store, &everything());
    assert!(here(&store, 0..5).is_empty());
}

#[test]
fn what_is_used_or_pinned_between_deciding_and_removing_is_spared() {
    let (_folder, store) = filled(4);
    let decided: Vec<Removed> = (0..4)
        .map(|at| Removed {
            id: trial::blob(at),
            bytes: 1,
            why: Why::Room,
            age_s: 1000,
            cost_us: 0,
        })
        .collect();
    let mut roots = Roots::look(&store).unwrap();
    let kept = roots.reach(&store).unwrap();
    put(&store, vec![store.pinning("late", Target::Node(trial::node(1))).unwrap()]);
    let objects = crate::store::object::tree::Tree::new(store.layout());
    let used = vec![(trial::blob(2), LATER_MS / 1000 - 10, 1)];
    store.index().apply(&Change { used, ..Change::default() }).unwrap();
    let mut going = Going { store: &store, objects: &objects, roots: &mut roots, kept };
    let gone = going.remove(&decided, &everything()).unwrap().unwrap();
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert_eq!(here(&store, 0..4), [1, 2]);
}

#[test]
fn results_past_their_time_go_first_and_a_longer_life_stands() {
    let folder = tempfile::tempdir().unwrap();
    let store = trial::open(&folder.path().join("store"), "m");
    let until = |until| With { until, ..With::default() };
    put(&store, vec![entry(0, until(Some(1000))), entry(1, until(None))]);
    put(&store, vec![entry(2, until(Some(1000)))]);
    put(&store, vec![entry(2, until(None))]);
    let none = Options { limits: Limits::default(), now_ms: LATER_MS, ..Options::default() };
    let report = sweep(&store, &none);
    assert_eq!(report.removed.iter().map(|one| one.why).collect::<Vec<_>>(), [Why::Expired]);
    assert_eq!(here(&store, 0..3), [1, 2]);
    // The log says the same to an index that was made anew.
    put(&store, vec![entry(3, until(Some(1000)))]);
    drop(store);
    fs::remove_dir_all(folder.path().join("store/local")).unwrap();
    let store = trial::open(&folder.path().join("store"), "m");
    let report = sweep(&store, &none);
    assert_eq!((report.removed.len(), report.census.unwrap().found), (1, 3));
    assert_eq!(here(&store, 0..4), [1, 2]);
    let row = store.index().object(trial::blob(2)).unwrap().unwrap();
    assert_eq!(row.until_ms, FOREVER);
}

#[test]
fn what_others_brought_or_took_is_counted_anew() {
    let (folder, store) = filled(3);
    let (other_folder, other) = filled(0);
    put(&other, vec![entry(7, With { us: 77, ..With::default() })]);
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(other_folder.path().join("store/objects"))
        .arg(folder.path().join("store"))
        .status();
    assert!(copied.unwrap().success());
    fs::remove_file(store.layout().object(trial::blob(1))).unwrap();
    let report = sweep(&store, &Options { now_ms: LATER_MS, ..Options::default() });
    assert_eq!(report.census, Some(Census { found: 1, lost: 1 }));
    let row = store.index().object(trial::blob(7)).unwrap().unwrap();
    assert_eq!((row.cost_us, row.used), (77, LATER_MS / 1000));
    // Seen is not proved: the first to read it does that.
    assert!(store.bytes(trial::blob(7)).unwrap().is_some());
    let proved = store.index().object(trial::blob(7)).unwrap().unwrap();
    assert_eq!((proved.proof.inode == 0, row.proof.inode), (false, 0));
}

#[test]
fn litter_goes_and_only_litter() {
    let (folder, store) = filled(1);
    let outside = folder.path().join("input.nii");
    fs::write(&outside, b"x").unwrap();
    let proof = store.index().object(trial::blob(0)).unwrap().unwrap().proof;
    let row = crate::store::index::ask::MemoRow { proof, digest: trial::blob(0).0 };
    store.index().remember(&outside, Some(&row)).unwrap();
    store.index().remember(&folder.path().join("gone.nii"), Some(&row)).unwrap();
    let stray = store.layout().object_folder(trial::blob(0)).join(".tmp-1");
    let note = store.layout().object_folder(trial::blob(0)).join("note.txt");
    let dead = store.layout().runs().join("0123456789abcdef0123456789abcdef");
    for path in [&stray, &note, &dead] {
        fs::write(path, b"").unwrap();
    }
    let report = sweep(&store, &Options { now_ms: LATER_MS, ..Options::default() });
    assert_eq!((report.strays, report.memos, report.runs), (1, 1, 1));
    assert!(outside.exists() && note.exists() && !stray.exists() && !dead.exists());
    assert_eq!(store.index().memos().unwrap(), [outside]);
}

#[test]
fn after_a_run_there_is_little_time_and_nobody_is_kept_waiting() {
    let (_folder, store) = filled(300);
    let pace = |seconds| Pace::Until(Instant::now() + Duration::from_secs(seconds));
    let report = sweep(&store, &Options { pace: pace(0), ..everything() });
    assert!(report.stopped && report.removed.is_empty());
    let sealing = lock::sealing(store.layout().local()).unwrap();
    let report = sweep(&store, &Options { pace: pace(60), ..everything() });
    assert!(report.stopped && report.removed.is_empty());
    drop(sealing);
    let report = sweep(&store, &Options { pace: pace(60), ..everything() });
    assert!(!report.stopped && report.removed.len() == 300);
}

#[test]
fn over_a_network_somebody_must_say_that_nobody_else_writes() {
    let (_folder, store) = filled(1);
    fs::write(store.layout().network(), b"").unwrap();
    let objects = crate::store::object::tree::Tree::new(store.layout());
    let refused = collect(&store, &objects, &everything()).unwrap_err();
    assert!(matches!(refused, Error::Network { .. }) && refused.to_string().contains("--alone"));
    assert_eq!(here(&store, 0..1), [0]);
    assert_eq!(
        sweep(&store, &Options { how: How { dry_run: false, alone: true }, ..everything() })
            .removed
            .len(),
        1
    );
}
