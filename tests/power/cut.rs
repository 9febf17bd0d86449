//! A cut behind each effect, and what is left.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tempfile::TempDir;
use vox::id::Digest;

use crate::disk::{self, Disk, Found, Left};
use crate::record::{self, Step};
use crate::work;

/// What may be left of the index, which is nobody's effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Index {
    Absent,
    /// One that knows more than the log.
    Later,
}

/// Folders in memory where there are: their syncs cost nothing, and they are not what is tested.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// The record of a whole run, and the folder in which it was made.
fn recorded() -> (TempDir, Vec<Step>) {
    let folder = folder();
    assert!(work::run(folder.path(), None));
    let steps = record::read(&folder.path().join("record"));
    assert!(steps.len() > 60, "only {} effects: is the feature `fault` on?", steps.len());
    (folder, steps)
}

/// What was found wrong behind how many steps, and by which kind of cut.
type Wrong = (usize, Left, Index, String);

/// Looks at a store behind each step from `from` on; returns the first thing that is wrong, and
/// how many different states were looked at.
fn cuts(folder: &Path, steps: &[Step], from: usize) -> (Option<Wrong>, usize) {
    let there = folder.join("there");
    let mut disk = Disk::new();
    let mut told = Vec::new();
    let mut seen: HashSet<(Found, usize, Index)> = HashSet::new();
    for (at, step) in steps.iter().enumerate() {
        disk.take(&there, step);
        if let Step::Told(id) = step {
            told.push(*id);
        }
        if at < from {
            continue;
        }
        let seed = at as u64;
        for (way, left) in
            [Left::Nothing, Left::Names, Left::Torn, Left::Some(seed), Left::Some(seed + 7919)]
                .into_iter()
                .enumerate()
        {
            let index = if (at + way).is_multiple_of(2) { Index::Absent } else { Index::Later };
            let found = disk.cut(left);
            if !seen.insert((found.clone(), told.len(), index)) {
                continue;
            }
            // One that is whole after it was looked at is completed too.
            let whole = (at + way).is_multiple_of(3);
            if let Err(wrong) = look(folder, &found, index, &told, whole) {
                return (Some((at, left, index, wrong)), seen.len());
            }
        }
    }
    (None, seen.len())
}

fn look(
    folder: &Path,
    found: &Found,
    index: Index,
    told: &[Digest],
    whole: bool,
) -> Result<(), String> {
    let left = self::folder();
    disk::write(left.path(), found);
    let root = left.path().join("a").join("store");
    same_place(&root, &folder.join("there/a/store"));
    if index == Index::Later && root.join("local").is_dir() {
        for entry in fs::read_dir(folder.join("index")).unwrap() {
            let name = entry.unwrap().file_name();
            fs::copy(folder.join("index").join(&name), root.join("local").join(&name)).unwrap();
        }
    }
    if whole { work::complete(&root, told) } else { work::check(&root, told) }
}

/// Makes the writer believe that the store lies where it did: a cut moves nothing.
fn same_place(root: &Path, was: &Path) {
    let path = root.join("local/writer");
    let Ok(text) = fs::read_to_string(&path) else { return };
    let Ok(mut table) = text.parse::<toml::Table>() else { return };
    if table.get("root").and_then(toml::Value::as_str) == was.canonicalize().unwrap().to_str() {
        let now = root.canonicalize().unwrap();
        table.insert("root".to_owned(), now.to_str().unwrap().into());
        let inode = fs::metadata(&now).unwrap().ino().to_string();
        table.insert("inode".to_owned(), inode.into());
        fs::write(&path, toml::to_string(&table).unwrap()).unwrap();
    }
}

#[test]
fn a_cut_anywhere_loses_nothing_that_was_acknowledged() {
    let (folder, steps) = recorded();
    let (wrong, states) = cuts(folder.path(), &steps, 0);
    assert_eq!(wrong, None);
    assert!(states > steps.len(), "{states} states of {} steps", steps.len());
}

/// A process dies before one of its effects, another one goes on, and then the power goes.
#[test]
fn a_cut_behind_a_crash_loses_nothing_either() {
    let mut crash_at = 11;
    loop {
        let folder = folder();
        let survived = work::run(folder.path(), Some(crash_at));
        let from = record::read(&folder.path().join("record")).len();
        assert!(work::run(folder.path(), None));
        let steps = record::read(&folder.path().join("record"));
        let told = (from..steps.len())
            .filter(|at| matches!(steps[*at], Step::Told(_)))
            // Behind the first and the last acknowledgement; those between are behind a run alone.
            .collect::<Vec<_>>();
        let first = told[0];
        let (wrong, _) = cuts(folder.path(), &steps[..=first], first);
        assert_eq!(wrong, None, "crashed at {crash_at}");
        let (wrong, _) = cuts(folder.path(), &steps, steps.len() - 1);
        assert_eq!(wrong, None, "crashed at {crash_at}");
        if survived {
            return;
        }
        crash_at += 1;
    }
}

/// The check can fail: an order that syncs nothing, or not all, loses what it acknowledged.
#[test]
fn orders_that_sync_too_little_fail_the_same_check() {
    let (folder, steps) = recorded();
    let without = |left_out: &dyn Fn(&Step) -> bool| {
        let steps: Vec<Step> = steps.iter().filter(|step| !left_out(step)).cloned().collect();
        cuts(folder.path(), &steps, 0).0
    };
    // Rename, then acknowledge.
    assert!(without(&Step::is_sync).is_some(), "nobody misses any sync");
    // Names that are durable before their bytes: visible files of no bytes.
    let bytes = |step: &Step| match step {
        Step::Sync(path) => path.starts_with(folder.path().join("there/a/store/objects")),
        Step::SyncAll(_) => true,
        _ => false,
    };
    let (_, _, _, wrong) = without(&bytes).expect("no bytes are synced");
    assert!(wrong.contains("a lie"), "{wrong}");
    // Bytes without names.
    assert!(without(&|step| matches!(step, Step::SyncFolder(_))).is_some(), "nor of folders");
    // One folder's names alone: that of the store itself, that of all objects, one of objects.
    let there = folder.path().join("there");
    for below in ["a", "a/store", "a/store/objects", "a/store/objects/log"] {
        let path = there.join(below);
        let wrong = without(&|step| matches!(step, Step::SyncFolder(synced) if *synced == path));
        assert!(wrong.is_some(), "nobody misses a sync of {below}");
    }
    // The record before its object: the log's file is written first.
    let swapped = log_first(&steps);
    assert!(cuts(folder.path(), &swapped, 0).0.is_some(), "a record before its object is no lie");
}

/// Moves what happens below the log before what happens to objects, from one acknowledgement to the
/// next.
fn log_first(steps: &[Step]) -> Vec<Step> {
    let path = |step: &Step| match step {
        Step::Folder(path)
        | Step::Create(path)
        | Step::Reserve(path, _)
        | Step::Write(path, ..)
        | Step::Resize(path, _)
        | Step::Sync(path)
        | Step::SyncFolder(path)
        | Step::SyncAll(path)
        | Step::Rename(path, _)
        | Step::Remove(path) => Some(path.clone()),
        Step::Told(_) => None,
    };
    let mut all = Vec::new();
    for batch in steps.split_inclusive(|step| matches!(step, Step::Told(_))) {
        let is_object = |step: &&Step| {
            path(step).is_some_and(|path| {
                let text = path.to_string_lossy();
                text.split_once("/objects/").is_some_and(|(_, below)| !below.starts_with("log"))
            })
        };
        let (objects, others): (Vec<&Step>, Vec<&Step>) = batch.iter().partition(is_object);
        let told = others.iter().position(|step| matches!(step, Step::Told(_)));
        let told = told.unwrap_or(others.len());
        all.extend(others[..told].iter().copied().cloned());
        all.extend(objects.into_iter().cloned());
        all.extend(others[told..].iter().copied().cloned());
    }
    all
}
