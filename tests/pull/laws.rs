//! What every source keeps: a folder, a `vox serve`, and servers of files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use vox::id::BlobId;
use vox::peer::directory::Directory;
use vox::peer::http::{Http, Options};
use vox::peer::pull::{self, How};
use vox::peer::source::{Offer, Silent, Source};
use vox::store::lookup::Answer;
use vox::store::object::layout::{Layout, SegmentName, WriterId};

use crate::example::{blob, bytes, example, is_sound, mentioned, node, open, pull, tree};
use crate::server::{Manner, Server};

/// Runs each law on each source.
macro_rules! keeps_the_laws {
    ($($name:ident),*; $laws:tt) => { $(keeps_the_laws!(@ $name, $laws);)* };
    (@ $name:ident, [$($law:ident),* $(,)?]) => {
        mod $name {
            $(#[test]
            fn $law() {
                super::$name(&|root, source| super::$law(root, source));
            })*
        }
    };
}

keeps_the_laws!(directory, serve, decoded, plain, plain_objects; [
    it_lists_every_segment,
    it_gives_bytes_as_they_are_stored,
    what_it_has_not_is_none,
    a_receipt_leads_to_its_segment,
    all_of_it_can_be_had,
]);

type Law<'a> = &'a dyn Fn(&Path, &dyn Source);

fn directory(law: Law<'_>) {
    let there = example();
    law(there.path(), &Directory::at(there.path()).unwrap());
}

fn over_http(root: &Path, below: &str, manner: Manner, law: Law<'_>) {
    let token = manner.token.clone();
    let server = Server::of(&root.join(below), manner);
    law(root, &Http::at(&server.url, &Options { token, ..Options::default() }).unwrap());
}

fn serve(law: Law<'_>) {
    let manner = Manner { token: Some("secret".to_owned()), ..Manner::default() };
    over_http(example().path(), "", manner, law);
}

fn decoded(law: Law<'_>) {
    over_http(example().path(), "", Manner { is_decoded: true, ..Manner::default() }, law);
}

fn plain(law: Law<'_>) {
    over_http(example().path(), "", Manner { is_plain: true, ..Manner::default() }, law);
}

fn plain_objects(law: Law<'_>) {
    over_http(example().path(), "objects", Manner { is_plain: true, ..Manner::default() }, law);
}

fn it_lists_every_segment(root: &Path, source: &dyn Source) {
    let layout = Layout::new(root);
    let offers = source.heads().unwrap();
    let paths = offers.iter().map(|offer| layout.segment(offer.writer, &offer.name));
    let listed: BTreeSet<_> = paths.collect();
    let files = walkdir::WalkDir::new(layout.log()).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    assert_eq!(listed, files.map(walkdir::DirEntry::into_path).collect());
    assert_eq!(listed.len(), 2);
}

fn it_gives_bytes_as_they_are_stored(root: &Path, source: &dyn Source) {
    let layout = Layout::new(root);
    for offer in source.heads().unwrap() {
        let stored = source.segment(&offer, &Silent).unwrap().unwrap();
        assert_eq!(stored, fs::read(layout.segment(offer.writer, &offer.name)).unwrap());
    }
    for id in [blob(&bytes(1)), blob(&bytes(7)), blob(&mentioned())] {
        let stored = source.object(id, &Silent).unwrap().unwrap();
        assert!(stored == fs::read(layout.object(id)).unwrap());
    }
}

fn what_it_has_not_is_none(_: &Path, source: &dyn Source) {
    let writer = WriterId([9; 16]);
    let name = SegmentName { first: 1, last: 1, digest: [0; 8] };
    assert!(source.segment(&Offer { writer, name, size: None }, &Silent).unwrap().is_none());
    assert!(source.object(blob(b"nobody's"), &Silent).unwrap().is_none());
    assert!(source.receipt(node(99)).unwrap().is_empty());
}

fn a_receipt_leads_to_its_segment(_: &Path, source: &dyn Source) {
    let here = tempfile::tempdir().unwrap();
    let store = open(here.path(), "here");
    let offers = source.receipt(node(4)).unwrap();
    if offers.is_empty() {
        // A server of files cannot say.
        return;
    }
    let mut report = pull::Report::default();
    let how = How::default();
    assert!(pull::pull_node(&store, source, node(7), &how, &Silent, &mut report).unwrap());
    // The second segment alone: what was before it is a gap, which is legal.
    assert_eq!((report.segments.fetched, report.objects.fetched), (1, 2));
    assert!(matches!(store.receipt(node(4)).unwrap(), Answer::Found(found) if found.here));
    assert!(matches!(store.receipt(node(1)).unwrap(), Answer::None));
    assert_eq!(store.bytes(blob(&bytes(7))).unwrap().unwrap(), bytes(7));
    is_sound(&store);
    assert!(!pull::pull_node(&store, source, node(99), &how, &Silent, &mut report).unwrap());
}

fn all_of_it_can_be_had(root: &Path, source: &dyn Source) {
    let here = tempfile::tempdir().unwrap();
    let store = open(here.path(), "here");
    let dry = How { dry_run: true, ..How::default() };
    let would = pull::pull(&store, source, &dry, &Silent).unwrap();
    assert_eq!((would.segments.fetched, would.objects.fetched), (2, 4));
    assert!(tree(here.path()).is_empty(), "a dry run writes nothing");
    let report = pull(&store, source);
    assert_eq!((report.segments.fetched, report.objects.fetched), (2, 4));
    assert_eq!(tree(here.path()), tree(root));
    is_sound(&store);
    for number in [1, 2, 3, 4, 7] {
        let Answer::Found(found) = store.receipt(node(number)).unwrap() else { panic!() };
        assert!(found.here);
        assert_eq!(found.us, 1000 * number);
        let out: BlobId = found.receipt.output().unwrap().out;
        assert!(store.bytes(out).unwrap().unwrap() == bytes(number));
    }
    let again = pull(&store, source);
    assert_eq!((again.segments.fetched, again.objects.fetched), (0, 0));
    assert_eq!((again.segments.here, again.objects.here), (2, 4));
    assert_eq!(tree(here.path()), tree(root));
}
