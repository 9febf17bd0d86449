//! What people keep by name.
//!
//! A pin is a record like any other, so pins of two writers meet when their logs do: of one name the
//! one with the greatest (lam, id) stands, whoever wrote it and whatever came first.

use std::collections::BTreeMap;

use crate::id::{BlobId, Digest, NodeId};
use crate::store::entry::{Entry, What};
use crate::store::error::Error;
use crate::store::index::ask::{SegmentId, Spot};
use crate::store::index::segments::At;
use crate::store::log::reader::SegmentReader;
use crate::store::log::record::{Body, Pin, Target};
use crate::store::log::segment::Position;
use crate::store::object::layout::WriterId;
use crate::store::open::Store;

/// The record that stands of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What it says.
    pub pin: Pin,
    /// 1 + the greatest of any pin of the name before it.
    pub lam: u64,
    /// Its number in its writer's log.
    pub seq: u64,
    /// Whose it is.
    pub writer: WriterId,
    /// When it was written, in milliseconds since 1970.
    pub at: u64,
    /// In which segment it lies.
    pub segment: SegmentId,
    spot: Spot,
}

impl Standing {
    /// Returns the entry that says the same again, or the opposite, above all pins of the name.
    pub fn again(&self, on: bool) -> Entry {
        let pin = Pin { on, ..self.pin.clone() };
        Entry { what: What::Pin(pin), lam: self.lam + 1, claim: None }
    }
}

impl Store {
    /// Returns what stands of every name that was ever pinned, in the order of the names.
    pub fn pins(&self) -> Result<Vec<Standing>, Error> {
        let mut standing: BTreeMap<String, Standing> = BTreeMap::new();
        for spot in self.ask(|index| index.pins())? {
            let At::Record(writer, record) = self.at(spot)? else { continue };
            let (lam, seq, at) = (record.lam, record.seq, record.at);
            let Body::Pin(pin) = record.body else { continue };
            let segment = spot.segment;
            let one = Standing { pin, lam, seq, writer, at, segment, spot };
            match standing.get(&one.pin.name) {
                Some(other) if !self.is_above(&one, other)? => {}
                _ => {
                    standing.insert(one.pin.name.clone(), one);
                }
            }
        }
        Ok(standing.into_values().collect())
    }

    /// Returns the entry that pins something under a name, above all pins of the name so far.
    pub fn pinning(&self, name: &str, target: Target) -> Result<Entry, Error> {
        let pin = Pin { name: name.to_owned(), target, on: true };
        let before = self.pins()?.into_iter().find(|standing| standing.pin.name == name);
        let lam = before.map_or(0, |standing| standing.lam) + 1;
        Ok(Entry { what: What::Pin(pin), lam, claim: None })
    }

    /// Says what an id names here: a node that was recorded, or an object; none when nothing.
    pub fn named(&self, id: Digest) -> Result<Option<Target>, Error> {
        if self.defined(NodeId(id))? {
            return Ok(Some(Target::Node(NodeId(id))));
        }
        Ok(self.has(BlobId(id))?.then_some(Target::Blob(BlobId(id))))
    }

    fn is_above(&self, one: &Standing, other: &Standing) -> Result<bool, Error> {
        if one.lam != other.lam || one.writer == other.writer && one.seq == other.seq {
            return Ok(one.lam > other.lam);
        }
        // Two writers who did not know of each other: their ids decide, which nobody chose.
        Ok(self.id_of(one)? > self.id_of(other)?)
    }

    /// Returns the id of a pin's record, which its whole segment leads to.
    fn id_of(&self, standing: &Standing) -> Result<Option<Digest>, Error> {
        let spot = standing.spot;
        let Some(row) = self.ask(|index| index.segment(spot.segment))? else { return Ok(None) };
        let path = self.layout.segment(row.writer, &row.name);
        let Some(reader) = SegmentReader::open(&path, false)? else { return Ok(None) };
        let segment = reader.verified(row.writer, &row.name)?;
        let position = Position::unpacked(spot.position);
        let id = segment.records().find(|(place, _)| place.position == position);
        Ok(id.map(|(place, _)| place.id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;
    use crate::store::open::Options;
    use crate::store::place::{Environment, Place};

    fn open(root: &std::path::Path, machine: &str) -> Arc<Store> {
        let environment =
            Environment { machine: Some(machine.to_owned()), ..Environment::default() };
        let place = Place { root: root.to_owned(), is_cache: false };
        Store::open(&place, &Options { environment, ..Options::default() }).unwrap()
    }

    fn put(store: &Arc<Store>, entry: Entry) {
        let writer = store.writer(None).unwrap();
        writer.submit(entry).unwrap();
        writer.finish().unwrap();
    }

    fn copy(from: &std::path::Path, to: &std::path::Path) {
        let copied = std::process::Command::new("cp")
            .args(["-rf".as_ref(), from.join("objects").as_os_str(), to.as_os_str()])
            .status();
        assert!(copied.unwrap().success());
    }

    fn stands(store: &Store) -> Vec<(String, Target, bool)> {
        store.refresh().unwrap();
        let pins = store.pins().unwrap().into_iter();
        pins.map(|one| (one.pin.name, one.pin.target, one.pin.on)).collect()
    }

    /// Two who do not know of each other, copied both ways: the same stands in both.
    #[test]
    fn pins_of_two_writers_merge_to_the_same_in_any_order() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, there) = (here.path().join("s"), there.path().join("s"));
        let (one, two) = (open(&here, "one"), open(&there, "two"));
        let target = |number: u8| Target::Blob(BlobId(Digest::of(&[number])));
        // Equal depth: the ids decide. `b` was changed once more here, `c` let go there.
        for (store, first) in [(&one, 1), (&two, 4)] {
            for (name, at) in [("a", 0), ("b", 1), ("c", 2)] {
                put(store, store.pinning(name, target(first + at)).unwrap());
            }
        }
        put(&one, one.pinning("b", target(9)).unwrap());
        put(&two, two.pins().unwrap()[2].again(false));
        copy(&here, &there);
        copy(&there, &here);
        let merged = stands(&one);
        assert_eq!(merged, stands(&two));
        assert_eq!(merged.len(), 3);
        assert!(merged[0].1 == target(1) || merged[0].1 == target(4));
        assert_eq!(merged[1], ("b".to_owned(), target(9), true));
        assert_eq!(merged[2], ("c".to_owned(), target(6), false));
        // Who pins now stands above both.
        put(&two, two.pinning("a", target(8)).unwrap());
        copy(&there, &here);
        assert_eq!(stands(&one)[0], ("a".to_owned(), target(8), true));
    }
}
