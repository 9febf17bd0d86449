//! Which segments there are, and how they hang together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::store::log::append::Head;
use crate::store::log::error::Error;
use crate::store::log::segment::Span;
use crate::store::object::disk;
use crate::store::object::layout::{Layout, SegmentName, WriterId, segment_folder_name};

/// A file that has the name of a segment, in the place that the name asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Whose log it is of.
    pub writer: WriterId,
    /// Its name.
    pub name: SegmentName,
    /// Where it is.
    pub path: PathBuf,
}

/// Returns the writers whose logs are here.
pub fn writers(layout: &Layout) -> Result<Vec<WriterId>, Error> {
    let entries = disk::entries(&layout.log())?;
    let names = entries.iter().map(std::fs::DirEntry::file_name);
    Ok(names.filter_map(|name| WriterId::parse(name.to_str()?)).collect())
}

/// Returns the folders of a writer's log, by number.
pub fn folders(layout: &Layout, writer: WriterId) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = disk::entries(&layout.writer_log(writer))?;
    let named = |entry: &std::fs::DirEntry| {
        Some((segment_folder_name(entry.file_name().to_str()?)?, entry.path()))
    };
    Ok(entries.iter().filter_map(named).collect())
}

/// Returns the segments in one folder of a writer's log, in order.
pub fn segments(layout: &Layout, writer: WriterId, folder: u64) -> Result<Vec<Found>, Error> {
    let path = layout.writer_log(writer).join(format!("{folder:08}"));
    let entries = disk::entries(&path)?;
    let names = entries.iter().filter_map(|entry| {
        let name = SegmentName::parse(entry.file_name().to_str()?)?;
        let path = layout.segment(writer, &name);
        // A file in a folder of other numbers was put there by hand.
        (path == entry.path()).then_some(Found { writer, name, path })
    });
    Ok(names.collect())
}

/// Returns all segments that are here.
pub fn list(layout: &Layout) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for writer in writers(layout)? {
        found.extend(list_of(layout, writer)?);
    }
    Ok(found)
}

/// Returns all segments of one writer that are here.
pub fn list_of(layout: &Layout, writer: WriterId) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for (folder, _) in folders(layout, writer)? {
        found.extend(segments(layout, writer, folder)?);
    }
    Ok(found)
}

/// How the segments of some logs hang together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Where each log ends: more than once, if it forks.
    pub heads: BTreeMap<WriterId, BTreeSet<Head>>,
    /// What is missing before a segment.
    pub gaps: Vec<Gap>,
    /// Where a log says two things.
    pub forks: Vec<Fork>,
}

/// Records that must have been, and are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Whose.
    pub writer: WriterId,
    /// Number of the first record that is missing for sure: at most `last`.
    pub first: u64,
    /// Number of the last record that is missing.
    pub last: u64,
}

/// Two segments of one writer that differ in a record of one number: clones, restored backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fork {
    /// Whose.
    pub writer: WriterId,
    /// A number at which both have a hash, and another one.
    pub seq: u64,
    /// One segment.
    pub one: SegmentName,
    /// The other.
    pub other: SegmentName,
}

/// Says how segments hang together; gaps and forks are legal, and all their records count.
///
/// A hash of the chain covers all records before it, so two segments that agree behind one record
/// agree on everything up to it. `hash_at` returns the hash behind a record in the middle of a
/// segment (an index into `spans`, and a number); it is asked only where segments overlap.
pub fn survey(
    spans: &[Span],
    mut hash_at: impl FnMut(usize, u64) -> Result<crate::id::Digest, Error>,
) -> Result<Survey, Error> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|at| (spans[*at].writer, spans[*at].name));
    order.dedup_by_key(|at| spans[*at]);
    let mut survey = Survey::default();
    let mut ends = BTreeSet::new();
    let mut continued = BTreeSet::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = |index: usize, seq: u64| -> Result<crate::id::Digest, Error> {
        let span = &spans[index];
        if seq == span.name.last {
            Ok(span.after)
        } else if seq + 1 == span.name.first {
            Ok(span.before)
        } else {
            hash_at(index, seq)
        }
    };
    let mut furthest = (None, 0);
    for &index in &order {
        let span = &spans[index];
        let name = &span.name;
        if furthest.0 != Some(span.writer) {
            furthest = (Some(span.writer), 0);
        }
        ends.insert((span.writer, Head { seq: name.last, hash: span.after }));
        open.retain(|&one| {
            spans[one].writer == span.writer && spans[one].name.last + 1 >= name.first
        });
        let mut follows = name.first == 1;
        for &one in &open {
            let other = &spans[one];
            // Both have a hash from `first - 1` to the nearer end; there they differ if anywhere.
            let seq = name.last.min(other.name.last);
            if at(index, seq)? != at(one, seq)? {
                let (one, other) = (other.name, *name);
                survey.forks.push(Fork { writer: span.writer, seq, one, other });
            } else if name.last > other.name.last {
                continued.insert((span.writer, Head { seq, hash: other.after }));
            } else if name.last < other.name.last {
                continued.insert((span.writer, Head { seq, hash: span.after }));
            }
            let before = name.first - 1;
            follows =
                follows || (before + 1 >= other.name.first && at(one, before)? == span.before);
        }
        if !follows {
            let first = (furthest.1 + 1).min(name.first - 1);
            survey.gaps.push(Gap { writer: span.writer, first, last: name.first - 1 });
        }
        furthest.1 = furthest.1.max(name.last);
        open.push(index);
    }
    for (writer, head) in ends.difference(&continued) {
        survey.heads.entry(*writer).or_default().insert(*head);
    }
    Ok(survey)
}
