//! Pulls in any order, again, interrupted: the same store in the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use vox::gc::compact;
use vox::gc::sweep::How as GcHow;
use vox::peer::directory::Directory;
use vox::peer::error::Error;
use vox::peer::http::{Http, Options};
use vox::peer::pull::{self, How};
use vox::peer::source::{Progress, Silent, Source, Thing};

use crate::example::{blob, bytes, example, is_sound, node, open, pull, run, tree};
use crate::server::{Manner, Server};

/// Pulls from some folders in this order, and returns what is there then.
fn pulled(peers: &[&Path]) -> BTreeMap<String, vox::id::Digest> {
    let here = tempfile::tempdir().unwrap();
    let store = open(here.path(), "here");
    for peer in peers {
        pull(&store, &Directory::at(peer).unwrap());
        // As `vox pull` does.
        compact::drop_covered(&store, GcHow::default()).unwrap();
    }
    is_sound(&store);
    tree(here.path())
}

#[test]
fn two_stores_in_any_order_give_the_same() {
    let (one, two) = (example(), tempfile::tempdir().unwrap());
    let store = open(two.path(), "two");
    run(&store, &[3, 5, 8]);
    // It knows a part of what the other has, and has lost one of its own values.
    pull(&store, &Directory::at(one.path()).unwrap());
    run(&store, &[9]);
    let lost = vox::store::object::layout::Layout::new(two.path()).object(blob(&bytes(1)));
    std::fs::remove_file(lost).unwrap();
    run(&open(one.path(), "there"), &[11]);
    let (one, two) = (one.path(), two.path());
    let whole = pulled(&[one, two]);
    assert_eq!(pulled(&[two, one]), whole);
    assert_eq!(pulled(&[one, two, one, two]), whole);
    let mut both = tree(one);
    both.extend(tree(two));
    assert_eq!(whole, both);
}

#[test]
fn small_segments_and_the_big_one_they_went_into_give_the_same_in_any_order() {
    let (small, big) = (example(), tempfile::tempdir().unwrap());
    let copy = |from: &Path, to: &Path| {
        let copied = std::process::Command::new("cp")
            .args(["-r".as_ref(), from.join("objects").as_os_str(), to.as_os_str()])
            .status();
        assert!(copied.unwrap().success());
    };
    // The peer merges its own segments after another has copied them.
    copy(small.path(), big.path());
    let store = open(small.path(), "there");
    assert_eq!(compact::compact(&store, GcHow::default()).unwrap().into, 1);
    let (merged, apart) = (small.path(), big.path());
    assert_ne!(tree(merged), tree(apart));
    let whole = pulled(&[merged]);
    assert_eq!(whole, tree(merged));
    assert_eq!(pulled(&[merged, apart]), whole);
    assert_eq!(pulled(&[apart, merged]), whole);
    assert_eq!(pulled(&[apart, merged, apart]), whole);
}

#[test]
fn who_pulls_from_whoever_pulled_from_him_gets_nothing_new() {
    let one = example();
    let two = tempfile::tempdir().unwrap();
    let (here, there) = (open(one.path(), "there"), open(two.path(), "two"));
    pull(&there, &Directory::at(one.path()).unwrap());
    run(&there, &[5]);
    let report = pull(&here, &Directory::at(two.path()).unwrap());
    assert_eq!((report.segments.fetched, report.objects.fetched), (1, 1));
    assert_eq!(tree(one.path()), tree(two.path()));
    // His own log goes on where it was.
    run(&here, &[6]);
    assert!(here.verify().unwrap().forks.is_empty());
    assert_eq!(here.own().len(), 1);
}

/// Asks to stop after so many bytes came, and counts what was kept.
struct Stop {
    after: u64,
    came: AtomicU64,
    kept: AtomicU64,
}

impl Progress for Stop {
    fn came(&self, bytes: u64) {
        self.came.fetch_add(bytes, Ordering::Relaxed);
    }

    fn kept(&self, _: Thing) {
        self.kept.fetch_add(1, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.came.load(Ordering::Relaxed) > self.after
    }
}

#[test]
fn what_has_arrived_stays_and_is_not_fetched_again() {
    let there = tempfile::tempdir().unwrap();
    let store = open(there.path(), "there");
    for number in 1..40 {
        run(&store, &[number, 100 + number]);
    }
    let whole = tree(there.path());
    let server = Server::of(there.path(), Manner::default());
    let over_http = Http::at(&server.url, &Options::default()).unwrap();
    let sources: [&dyn Source; 2] = [&Directory::at(there.path()).unwrap(), &over_http];
    for source in sources {
        let here = tempfile::tempdir().unwrap();
        let store = open(here.path(), "here");
        let (mut kept, mut rounds) = (0, 0);
        loop {
            rounds += 1;
            let stop = Stop { after: 30_000 * rounds, came: 0.into(), kept: 0.into() };
            let done = pull::pull(&store, source, &How::default(), &stop);
            kept += stop.kept.into_inner();
            for (name, digest) in tree(here.path()) {
                assert_eq!(whole.get(&name), Some(&digest), "{name}");
            }
            match done {
                Ok(_) => break,
                Err(error) => assert!(matches!(error, Error::Stopped), "{error:?}"),
            }
        }
        assert!(rounds > 2, "it was interrupted");
        assert_eq!(kept, whole.len() as u64, "each came once");
        assert_eq!(tree(here.path()), whole);
        is_sound(&store);
    }
}

#[test]
fn nothing_is_fetched_of_a_writer_that_is_not_believed() {
    let there = example();
    let here = tempfile::tempdir().unwrap();
    let store = open(here.path(), "here");
    let writer = open(there.path(), "there").own()[0];
    let how = How { distrust: vec![writer], ..How::default() };
    let source = Directory::at(there.path()).unwrap();
    let report = pull::pull(&store, &source, &how, &Silent).unwrap();
    assert_eq!(report.segments.listed, 0);
    assert!(!store.defined(node(1)).unwrap());
    assert!(tree(here.path()).is_empty());
}

#[test]
fn a_damaged_segment_is_fetched_again() {
    let there = example();
    let here = tempfile::tempdir().unwrap();
    let source = Directory::at(there.path()).unwrap();
    pull(&open(here.path(), "here"), &source);
    let offer = source.heads().unwrap()[0];
    let layout = vox::store::object::layout::Layout::new(here.path());
    let path = layout.segment(offer.writer, &offer.name);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"no segment").unwrap();
    let store = open(here.path(), "here");
    assert_eq!(pull(&store, &source).segments.fetched, 1);
    assert_eq!(tree(here.path()), tree(there.path()));
    is_sound(&store);
}
