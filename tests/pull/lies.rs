//! A server that lies is named, and costs nothing.

use std::fs;
use std::time::Duration;

use vox::id::BlobId;
use vox::peer::check::Patience;
use vox::peer::directory::Directory;
use vox::peer::error::Error;
use vox::peer::http::{Http, Options};
use vox::peer::pull::{self, How};
use vox::peer::source::{Silent, Source as _};
use vox::store::object::frame;
use vox::store::object::layout::Layout;

use crate::example::{blob, bytes, example, is_sound, open, pull, tree};
use crate::server::{Lie, Manner, Server};

fn impatient() -> Options {
    let patience = Patience {
        pause: Duration::from_millis(300),
        grace: Duration::from_millis(300),
        rate: 100_000,
    };
    Options { patience, ..Options::default() }
}

/// A part of the path of an object, as both kinds of server write it.
fn object() -> String {
    blob(&bytes(7)).to_string()[10..].to_owned()
}

/// A part of the path of a segment, of which there are two.
fn segment() -> String {
    "000000000004-".to_owned()
}

/// Pulls from a server that lies about some paths, then from the same once it does not.
#[track_caller]
fn check(part: &str, lie: &Lie, is_meant: &dyn Fn(&Error) -> bool) {
    let there = example();
    let here = tempfile::tempdir().unwrap();
    let store = open(here.path(), "here");
    let whole = tree(there.path());
    for is_plain in [false, true] {
        let lie = Some((part.to_owned(), lie.clone()));
        let manner = Manner { is_plain, lie: lie.clone(), ..Manner::default() };
        let server = Server::of(there.path(), manner);
        let source = Http::at(&server.url, &impatient()).unwrap();
        let error = pull::pull(&store, &source, &How::default(), &Silent).unwrap_err();
        assert!(is_meant(&error), "{part} {lie:?} {is_plain}: {error:?}");
        assert!(error.to_string().contains(&server.url), "{error}");
        assert!(error.is_of_peer());
        // What is here is true, and of what is not nothing is left.
        for (name, digest) in tree(here.path()) {
            assert_eq!(whole.get(&name), Some(&digest), "{part} {lie:?}: {name}");
        }
        is_sound(&store);
        if part.starts_with('/') {
            break;
        }
    }
    let server = Server::of(there.path(), Manner::default());
    pull(&store, &Http::at(&server.url, &Options::default()).unwrap());
    assert_eq!(tree(here.path()), whole);
}

#[track_caller]
fn lied(part: &str, lie: &Lie) {
    check(part, lie, &|error| matches!(error, Error::Lied { .. }));
}

#[test]
fn wrong_bytes_are_not_kept() {
    for part in [segment(), object()] {
        lied(&part, &Lie::Wrong);
        lied(&part, &Lie::Half);
        lied(&part, &Lie::Text("<html>".to_owned()));
        lied(&part, &Lie::Text(String::new()));
    }
}

#[test]
fn good_bytes_of_another_name_are_not_kept() {
    let other = example();
    let layout = Layout::new(other.path());
    let path = layout.object(blob(&bytes(1)));
    lied(&object(), &Lie::Other(path.clone()));
    lied(&segment(), &Lie::Other(path));
    // A segment that is whole, of another writer.
    let offers = Directory::at(other.path()).unwrap().heads().unwrap();
    let path = layout.segment(offers[0].writer, &offers[0].name);
    lied(&segment(), &Lie::Other(path.clone()));
    lied(&object(), &Lie::Other(path));
}

#[test]
fn what_does_not_end_is_given_up() {
    for part in [segment(), object()] {
        lied(&part, &Lie::Endless);
        lied(&part, &Lie::Huge);
    }
    lied("/v1/heads", &Lie::Endless);
    lied("/v1/heads", &Lie::Huge);
}

#[test]
fn what_ends_in_the_middle_is_no_more_than_unreachable() {
    for part in [segment(), object(), "/v1/heads".to_owned()] {
        for lie in [Lie::Truncated, Lie::Closes, Lie::Garbage] {
            check(&part, &lie, &|error| matches!(error, Error::Unreachable { .. }));
        }
    }
}

#[test]
fn who_is_slow_is_not_waited_for() {
    for part in [segment(), object(), "/v1/heads".to_owned()] {
        check(&part, &Lie::Silent, &|error| matches!(error, Error::Slow { .. }));
    }
    // Where a length was announced before, another one is a lie.
    check(&object(), &Lie::Dribble, &|error| matches!(error, Error::Slow { .. }));
}

#[test]
fn who_refuses_is_told_of() {
    for status in [401, 403, 500, 503] {
        for part in [object(), "/v1/heads".to_owned()] {
            let is_meant = |error: &Error| matches!(error, Error::Refused { status: other, .. } if *other == status);
            check(&part, &Lie::Status(status), &is_meant);
        }
    }
}

#[test]
fn who_sends_elsewhere_is_not_followed() {
    let there = example();
    let other = Server::of(there.path(), Manner::default());
    for part in [segment(), object(), "/v1/heads".to_owned()] {
        let lie = Lie::Redirect(format!("{}/v1/heads", other.url));
        check(&part, &lie, &|error| matches!(error, Error::Elsewhere { .. }));
    }
    assert!(other.asked().is_empty(), "neither token nor trust go there");
}

#[test]
fn lists_that_make_no_sense_are_lies() {
    let entry = |name: &str| {
        format!(
            r#"{{"store":"s","format":1,"writers":[{{"writer":"{}","segments":[{{"name":"{name}",
            "first":1,"last":1,"size":1}}]}}]}}"#,
            "00".repeat(16)
        )
    };
    let deep = "[".repeat(100_000);
    for text in [
        "",
        "{",
        "[]",
        "<html></html>",
        "{\"store\":1}",
        &entry("../../../x"),
        &entry("x.seg"),
        &deep,
    ] {
        lied("/v1/heads", &Lie::Text(text.to_owned()));
    }
}

#[test]
fn what_is_listed_and_not_there_is_counted() {
    let there = example();
    let here = tempfile::tempdir().unwrap();
    let store = open(here.path(), "here");
    let manner = Manner { lie: Some((object(), Lie::Status(404))), ..Manner::default() };
    let server = Server::of(there.path(), manner);
    let report = pull(&store, &Http::at(&server.url, &Options::default()).unwrap());
    assert_eq!((report.objects.fetched, report.objects.absent), (3, 1));
    is_sound(&store);
}

#[test]
fn nothing_is_believed_of_a_receipt_of_another_node() {
    let there = example();
    let server = Server::of(there.path(), Manner::default());
    let source = Http::at(&server.url, &Options::default()).unwrap();
    let of = |number| crate::example::node(number);
    assert_eq!(source.receipt(of(1)).unwrap().len(), 1);
    let told = format!(r#"{{"node":"{}","segment":"x/y"}}"#, of(2));
    let behave = |lie: Lie| {
        let lie = Some(("/ac/".to_owned(), lie));
        server.behave(Manner { lie, ..Manner::default() });
    };
    for text in [told, format!(r#"{{"node":"{}","segment":"../y"}}"#, of(1)), "{".to_owned()] {
        behave(Lie::Text(text));
        assert!(matches!(source.receipt(of(1)), Err(Error::Lied { .. })));
    }
    // Receipts that differ, and one whose segment is being merged: no answer, and no fault.
    for lie in [Lie::Status(409), Lie::Text(format!(r#"{{"node":"{}"}}"#, of(1)))] {
        behave(lie);
        assert!(source.receipt(of(1)).unwrap().is_empty());
    }
}

#[test]
fn a_value_that_is_not_canonical_is_no_object() {
    // Three in two bytes: it has the name that its bytes have, and no value has these.
    let raw = [0x18, 0x03];
    let id: BlobId = blob(&raw);
    let there = tempfile::tempdir().unwrap();
    let path = Layout::new(there.path()).object(id);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, frame::compress(&[&raw]).concat()).unwrap();
    let here = tempfile::tempdir().unwrap();
    let store = open(here.path(), "here");
    let source = Directory::at(there.path()).unwrap();
    let error = pull::pull_objects(&store, &source, &[id], &How::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("not canonical"), "{error}");
    assert!(tree(here.path()).is_empty());
}

#[test]
fn a_pipe_in_a_folder_is_no_segment() {
    let there = example();
    let source = Directory::at(there.path()).unwrap();
    let offers = source.heads().unwrap();
    let path = Layout::new(there.path()).segment(offers[0].writer, &offers[0].name);
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert!(source.segment(&offers[0], &Silent).unwrap().is_none());
}
