//! Whose log this host appends to: the file `local/writer`.
//!
//! One writer per store, host and path. The file is a floor: it is written after a segment is
//! durable, so the log may go beyond it and never ends below it. A store that was cloned, moved, or
//! restored from a backup must not append to a log that another goes on with: it gets a new writer.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Hasher};
use crate::store::log::append::Head;
use crate::store::log::error::Error;
use crate::store::log::segment::Span;
use crate::store::log::survey::survey;
use crate::store::object::disk;
use crate::store::object::error::Error as ObjectError;
use crate::store::object::layout::WriterId;

/// What `local/writer` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Who appends here now.
    pub writer: WriterId,
    /// Who appended here before; their receipts are this host's own too.
    pub replaced: Vec<WriterId>,
    /// Where it appends: anything else needs another writer.
    pub place: Place,
    /// How far the log went when the file was written.
    pub head: Head,
}

/// One store on one host at one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The machine's id.
    pub machine: String,
    /// The canonical path of the store.
    pub root: String,
    /// The inode of that folder, as text: it may need all 64 bits.
    pub inode: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    writer: String,
    #[serde(default)]
    replaced: Vec<String>,
    #[serde(flatten)]
    place: Place,
    seq: u64,
    head: String,
}

impl WriterId {
    /// Makes a writer that nobody has made before.
    pub fn mint() -> Self {
        let mut hasher = Hasher::new();
        for _ in 0..4 {
            // The standard library keys each of these from the system's random numbers.
            hasher.update(&RandomState::new().build_hasher().finish().to_le_bytes());
        }
        hasher.update(&std::process::id().to_le_bytes());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        hasher.update(&now.map_or(0, |now| now.as_nanos()).to_le_bytes());
        let digest = hasher.finish();
        Self(digest.0[..16].try_into().expect("a digest has 32 bytes"))
    }
}

impl Floor {
    /// Makes the floor of a new writer.
    pub fn mint(place: Place) -> Self {
        Self { writer: WriterId::mint(), replaced: Vec::new(), place, head: Head::NONE }
    }

    /// Makes the floor of a new writer in the place of this one.
    pub fn replace(&self, place: Place) -> Self {
        let mut replaced = self.replaced.clone();
        replaced.push(self.writer);
        Self { replaced, ..Self::mint(place) }
    }

    /// Says whether a writer is this host's own.
    pub fn owns(&self, writer: WriterId) -> bool {
        self.writer == writer || self.replaced.contains(&writer)
    }

    /// Reads the file; one that is absent or makes no sense is `None`, and gets a new writer.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(err) if err.kind() == std::io::ErrorKind::InvalidData => Ok(None),
            Err(err) => Err(ObjectError::io("read", path, 0, err).into()),
        }
    }

    /// Writes the file, durably. The segment that holds the head is durable before.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = toml::to_string(&File {
            writer: self.writer.to_string(),
            replaced: self.replaced.iter().map(ToString::to_string).collect(),
            place: self.place.clone(),
            seq: self.head.seq,
            head: self.head.hash.to_string(),
        });
        let text = text.expect("texts and a sequence number are TOML");
        Ok(disk::replace(path, text.as_bytes())?)
    }

    fn parse(text: &str) -> Option<Self> {
        let file: File = toml::from_str(text).ok()?;
        let replaced = file.replaced.iter().map(|writer| WriterId::parse(writer));
        Some(Self {
            writer: WriterId::parse(&file.writer)?,
            replaced: replaced.collect::<Option<_>>()?,
            place: file.place,
            head: Head { seq: file.seq, hash: Digest::parse(&file.head)? },
        })
    }

    /// Returns the head to append behind, or `None` when this store needs a new writer.
    ///
    /// `spans` are the sealed segments of this writer; `hash_at` is as for [`survey`]. Segments that
    /// contain the floor's head or go beyond it continue it. Where they do not, or fork, the log was
    /// cut or went on elsewhere.
    pub fn resume(
        &self,
        place: &Place,
        spans: &[Span],
        mut hash_at: impl FnMut(usize, u64) -> Result<Digest, Error>,
    ) -> Result<Option<Head>, Error> {
        let Head { seq, hash } = self.head;
        if *place != self.place || spans.iter().any(|span| span.writer != self.writer) {
            return Ok(None);
        }
        let Some(last) = spans.iter().max_by_key(|span| span.name.last) else {
            return Ok((self.head == Head::NONE).then_some(Head::NONE));
        };
        let found = survey(spans, &mut hash_at)?;
        if !found.forks.is_empty() || found.gaps.iter().any(|gap| gap.last >= seq) {
            // A gap below the floor is what forgetting leaves.
            return Ok(None);
        }
        if seq > 0 {
            let holds = |span: &Span| (span.name.first..=span.name.last).contains(&seq);
            let Some(holder) = spans.iter().position(holds) else { return Ok(None) };
            let span = &spans[holder];
            let there = if span.name.last == seq { span.after } else { hash_at(holder, seq)? };
            if there != hash {
                return Ok(None);
            }
        }
        Ok(Some(Head { seq: last.name.last, hash: last.after }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::object::layout::SegmentName;

    fn place() -> Place {
        Place { machine: "m".into(), root: "/r".into(), inode: u64::MAX.to_string() }
    }

    fn hash(branch: u8, seq: u64) -> Digest {
        // Branches part after the fifth record.
        if seq == 0 {
            Head::NONE.hash
        } else {
            Digest::of(&[branch * u8::from(seq > 5), seq as u8])
        }
    }

    /// Resumes a floor at `seq` of branch 0 over segments of (branch, first, last).
    fn resumed(seq: u64, segments: &[(u8, u64, u64)]) -> Option<u64> {
        let floor = Floor { head: Head { seq, hash: hash(0, seq) }, ..Floor::mint(place()) };
        let span = |&(branch, first, last): &(u8, u64, u64)| {
            let (before, after) = (hash(branch, first - 1), hash(branch, last));
            let name = SegmentName { first, last, digest: after.prefix().to_be_bytes() };
            Span { writer: floor.writer, name, before, after }
        };
        let spans: Vec<Span> = segments.iter().map(span).collect();
        let hash_at = |index: usize, seq| Ok(hash(segments[index].0, seq));
        let other = Place { root: "/elsewhere".into(), ..place() };
        assert_eq!(floor.resume(&other, &spans, hash_at).unwrap(), None);
        floor.resume(&place(), &spans, hash_at).unwrap().map(|head| head.seq)
    }

    #[test]
    fn segments_that_contain_the_floor_or_go_beyond_continue_it() {
        assert_eq!(resumed(0, &[]), Some(0));
        assert_eq!(resumed(0, &[(0, 1, 3)]), Some(3));
        assert_eq!(resumed(3, &[(0, 1, 3)]), Some(3));
        assert_eq!(resumed(3, &[(0, 1, 3), (0, 4, 9)]), Some(9));
        assert_eq!(resumed(7, &[(0, 1, 9)]), Some(9));
        // The first records were forgotten.
        assert_eq!(resumed(7, &[(0, 6, 9)]), Some(9));
    }

    #[test]
    fn a_log_that_was_cut_or_went_on_elsewhere_needs_a_new_writer() {
        assert_eq!(resumed(3, &[]), None);
        assert_eq!(resumed(3, &[(0, 1, 2)]), None);
        assert_eq!(resumed(7, &[(1, 1, 9)]), None);
        assert_eq!(resumed(5, &[(0, 1, 7), (1, 1, 9)]), None);
        assert_eq!(resumed(3, &[(0, 1, 3), (0, 6, 9)]), None);
        assert_eq!(resumed(0, &[(0, 2, 3)]), None);
    }

    #[test]
    fn the_file_is_read_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("writer");
        assert_eq!(Floor::read(&path).unwrap(), None);
        let first = Floor::mint(place());
        let floor = first.replace(place());
        assert_ne!(first.writer, floor.writer);
        assert!(floor.owns(first.writer) && floor.owns(floor.writer));
        assert!(!first.owns(floor.writer));
        let floor = Floor { head: Head { seq: 7, hash: hash(0, 7) }, ..floor };
        floor.write(&path).unwrap();
        assert_eq!(Floor::read(&path).unwrap(), Some(floor));
        for text in ["", "writer = 1", "\u{0}"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Floor::read(&path).unwrap(), None);
        }
    }
}
