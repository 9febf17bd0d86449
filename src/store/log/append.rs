//! Sealing: records become a file.

use rayon::prelude::*;

use crate::id::Digest;
use crate::store::log::error::Error;
use crate::store::log::record::{BEGINNING, Draft};
use crate::store::log::segment::{self, Place, Span};
use crate::store::object::disk::{self, Mode};
use crate::store::object::error::Error as ObjectError;
use crate::store::object::layout::{Layout, WriterId};
use crate::store::object::proof::Proof;

/// A batch of more raw bytes becomes more segments.
const SEALED: usize = 64 << 20;
/// So many records are written down on one thread at least.
const TOGETHER: usize = 256;

/// How far the log of a writer goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Head {
    /// Number of the last record; 0 if there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

/// A segment that was written.
#[derive(Debug)]
pub struct Sealed {
    /// What it covers.
    pub span: Span,
    /// What its file looks like.
    pub proof: Proof,
    /// Where its records lie, in order.
    pub places: Vec<Place>,
}

impl Head {
    /// The head of a log without records.
    pub const NONE: Self = Self { seq: 0, hash: BEGINNING };
}

/// Writes drafts behind the head of a log, and returns the segments once they are durable.
///
/// The caller holds `gc.lock` shared and `log.lock`, has made durable every object that the records
/// mention, and afterwards stores the new head as its floor. After an error the head stands as it
/// was; a segment that did reach the disk meanwhile is found by the next opening.
pub fn seal(
    layout: &Layout,
    writer: WriterId,
    head: Head,
    drafts: &[Draft],
) -> Result<Vec<Sealed>, Error> {
    let mut sealed = Vec::new();
    let number = |(at, draft): (usize, &Draft)| draft.numbered(head.seq + at as u64 + 1).bytes();
    let records: Vec<Vec<u8>> =
        drafts.par_iter().with_min_len(TOGETHER).enumerate().map(number).collect();
    let mut head = head;
    let mut left = records.as_slice();
    while !left.is_empty() {
        let mut raw = 0;
        let more = |record: &&Vec<u8>| {
            raw += record.len();
            raw <= SEALED
        };
        let (run, rest) = left.split_at(left.iter().take_while(more).count().max(1));
        head = seal_one(layout, writer, head, run, &mut sealed)?;
        left = rest;
    }
    Ok(sealed)
}

fn seal_one(
    layout: &Layout,
    writer: WriterId,
    head: Head,
    records: &[Vec<u8>],
    sealed: &mut Vec<Sealed>,
) -> Result<Head, Error> {
    let built = segment::build(writer, head.seq + 1, head.hash, records)?;
    let proof = publish(layout, &built.span, &built.stored)?;
    let head = Head { seq: built.span.name.last, hash: built.span.after };
    sealed.push(Sealed { span: built.span, proof, places: built.places });
    Ok(head)
}

/// Writes the file of a segment, durably: one that was built here, or verified from a peer.
pub fn publish(layout: &Layout, span: &Span, stored: &[impl AsRef<[u8]>]) -> Result<Proof, Error> {
    let folder = layout.segment_folder(span.writer, span.name.first);
    disk::make_folder(&layout.objects(), &folder)?;
    let path = layout.segment(span.writer, &span.name);
    let file = disk::write(&path, stored, Mode::Fixed)?;
    disk::publish(vec![file], &[], &[])?;
    let metadata =
        std::fs::metadata(&path).map_err(|err| ObjectError::io("look at", &path, 0, err))?;
    Ok(Proof::of(&metadata))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::log::list;
    use crate::store::log::reader::SegmentReader;
    use crate::store::log::record::Record;
    use crate::store::log::record::tests::{golden, writer};

    #[test]
    fn what_is_sealed_is_listed_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let mut head = Head::NONE;
        for count in [1, 5, 1000] {
            let drafts = vec![golden(); count];
            let sealed = seal(&layout, writer(), head, &drafts).unwrap();
            let [one] = &*sealed else { panic!("one segment") };
            assert_eq!(one.span.before, head.hash);
            assert_eq!(one.span.name.first, head.seq + 1);
            let path = layout.segment(writer(), &one.span.name);
            let reader = SegmentReader::open(&path, true).unwrap().unwrap();
            assert_eq!(reader.proof(), one.proof);
            let segment = reader.verified(writer(), &one.span.name).unwrap();
            assert_eq!(segment.span, one.span);
            assert_eq!(one.places.len(), count);
            for (at, place) in one.places.iter().enumerate().rev() {
                let bytes = reader.record(place.position).unwrap();
                let record = golden().numbered(head.seq + at as u64 + 1);
                assert_eq!(Record::read(&bytes).unwrap(), record);
            }
            head = Head { seq: one.span.name.last, hash: one.span.after };
        }
        assert_eq!(head.seq, 1006);
        assert!(seal(&layout, writer(), head, &[]).unwrap().is_empty());
        let found = list::all(&layout).unwrap();
        let names: Vec<(u64, u64)> =
            found.iter().map(|found| (found.name.first, found.name.last)).collect();
        assert_eq!(names, [(1, 1), (2, 6), (7, 1006)]);
    }

    #[test]
    fn a_position_where_no_record_is_gives_an_error() {
        use crate::store::log::segment::Position;
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let sealed = seal(&layout, writer(), Head::NONE, &[golden()]).unwrap();
        let path = layout.segment(writer(), &sealed[0].span.name);
        let reader = SegmentReader::open(&path, true).unwrap().unwrap();
        for (frame, offset) in [(0, 0), (0, 371), (0, 372), (0, u32::MAX), (1, 0), (u32::MAX, 0)] {
            assert!(reader.record(Position { frame, offset }).unwrap_err().is_damage());
        }
        assert!(SegmentReader::open(&folder.path().join("none"), true).unwrap().is_none());
    }

    #[test]
    fn files_with_other_names_are_not_listed() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let sealed = seal(&layout, writer(), Head::NONE, &[golden()]).unwrap();
        let path = layout.segment(writer(), &sealed[0].span.name);
        std::fs::copy(&path, path.with_file_name(".tmp-x")).unwrap();
        std::fs::copy(&path, path.with_file_name("notes.txt")).unwrap();
        let elsewhere = layout.segment_folder(writer(), 65536);
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::copy(&path, elsewhere.join(path.file_name().unwrap())).unwrap();
        std::fs::create_dir_all(layout.log().join("no-writer")).unwrap();
        assert_eq!(list::all(&layout).unwrap().len(), 1);
        assert_eq!(list::writers(&layout).unwrap(), [writer()]);
    }
}
