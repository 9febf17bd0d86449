//! Everything checked again: names, frames, digests, chains, receipts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use crate::id::{BlobId, Digest, NodeId};
use crate::store::error::Error;
use crate::store::index::segments::reason;
use crate::store::log::append::Head;
use crate::store::log::list;
use crate::store::log::reader::SegmentReader;
use crate::store::log::receipt::{Outcome, Receipt};
use crate::store::log::record::{Body, Record};
use crate::store::log::segment::{Segment, Span};
use crate::store::log::survey::{Fork, Gap, survey};
use crate::store::object::disk;
use crate::store::object::layout::{SegmentName, WriterId, segment_folder_name};
use crate::store::open::Store;

/// What was found when all was checked.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many objects are good.
    pub objects: u64,
    /// How many segments are good.
    pub segments: u64,
    /// How many records they have.
    pub records: u64,
    /// Objects whose bytes are not those of their name, and what is wrong.
    pub damaged: Vec<(BlobId, String)>,
    /// Segments that are ignored, and why.
    pub bad: Vec<(PathBuf, String)>,
    /// Files of the log whose name is none.
    pub strays: Vec<PathBuf>,
    /// Records that are missing; legal.
    pub gaps: Vec<Gap>,
    /// Where each log ends.
    pub ends: BTreeMap<WriterId, BTreeSet<Head>>,
    /// Writers that say two things; legal.
    pub forks: Vec<Fork>,
    /// Nodes of which records differ, and whose they are.
    pub conflicts: Vec<Conflict>,
    /// Values that are not here though a receipt names them; legal.
    pub absent: u64,
}

/// Records of one node that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The node.
    pub node: NodeId,
    /// Whose records they are.
    pub writers: Vec<WriterId>,
}

/// How a node came out, as far as a conflict is concerned.
type Ended = Option<BlobId>;

impl Report {
    /// Says whether nothing is damaged, and no records differ.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.bad.is_empty() && self.conflicts.is_empty()
    }

    /// Returns how many ends all logs have.
    pub fn heads(&self) -> usize {
        self.ends.values().map(BTreeSet::len).sum()
    }
}

impl Store {
    /// Checks everything again, believing no row. Nothing is changed.
    pub fn verify(&self) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut ids = Vec::new();
        self.objects.walk(&mut |id, _| ids.push(id))?;
        for id in ids {
            match self.objects.open(id) {
                Ok(None) => {}
                Ok(Some(blob)) => match blob.prove() {
                    Ok(()) => report.objects += 1,
                    Err(error) if error.is_damage() => {
                        report.damaged.push((id, error.to_string()));
                    }
                    Err(error) => return Err(error.into()),
                },
                Err(error) if error.is_damage() => report.damaged.push((id, error.to_string())),
                Err(error) => return Err(error.into()),
            }
        }
        self.verify_log(&mut report)?;
        Ok(report)
    }

    fn verify_log(&self, report: &mut Report) -> Result<(), Error> {
        if self.layout.root().as_os_str().is_empty() {
            return Ok(());
        }
        self.strays(report)?;
        let mut spans: Vec<Span> = Vec::new();
        let mut paths = Vec::new();
        let mut ends: HashMap<NodeId, Vec<(Ended, WriterId)>> = HashMap::new();
        let mut named: HashSet<BlobId> = HashSet::new();
        for found in list::all(&self.layout)? {
            let Some(reader) = SegmentReader::open(&found.path, false).or_else(|error| {
                if !error.is_damage() {
                    return Err(error);
                }
                report.bad.push((found.path.clone(), reason(&error)));
                Ok(None)
            })?
            else {
                continue;
            };
            match reader.verified(found.writer, &found.name) {
                Ok(segment) => {
                    report.segments += 1;
                    report.records += found.name.records();
                    gather(found.writer, &segment, &mut ends, &mut named)?;
                    spans.push(segment.span);
                    paths.push(found.path);
                }
                Err(error) if error.is_damage() => {
                    report.bad.push((found.path, reason(&error)));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let surveyed = survey(&spans, |at, seq| {
            let reader = SegmentReader::open(&paths[at], false)?;
            let (writer, name) = (spans[at].writer, spans[at].name);
            let segment = reader.map(|reader| reader.verified(writer, &name)).transpose()?;
            Ok(segment.and_then(|segment| segment.hash_at(seq)).unwrap_or(Digest([0; 32])))
        })?;
        report.ends = surveyed.heads;
        report.gaps = surveyed.gaps;
        report.forks = surveyed.forks;
        for (node, ends) in ends {
            if ends.iter().any(|(ended, _)| *ended != ends[0].0) {
                let mut writers: Vec<WriterId> = ends.iter().map(|(_, writer)| *writer).collect();
                writers.sort_unstable();
                writers.dedup();
                report.conflicts.push(Conflict { node, writers });
            }
        }
        report.conflicts.sort_by_key(|conflict| conflict.node);
        for id in named {
            report.absent += u64::from(!self.has(id)?);
        }
        Ok(())
    }

    /// Notes the files of the log that no reader looks at, but for those that are not finished.
    fn strays(&self, report: &mut Report) -> Result<(), Error> {
        for writer in list::writers(&self.layout)? {
            for entry in disk::entries(&self.layout.writer_log(writer))? {
                let name = entry.file_name();
                let Some(number) = name.to_str().and_then(segment_folder_name) else {
                    if !disk::is_temporary(&name) {
                        report.strays.push(entry.path());
                    }
                    continue;
                };
                for file in disk::entries(&entry.path())? {
                    let name = file.file_name();
                    let parsed = name.to_str().and_then(SegmentName::parse);
                    let is_named = parsed.is_some_and(|name| name.first / 65536 == number);
                    if !is_named && !disk::is_temporary(&name) {
                        report.strays.push(file.path());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Gathers how each node came out, and the objects that receipts name.
fn gather(
    writer: WriterId,
    segment: &Segment,
    ends: &mut HashMap<NodeId, Vec<(Ended, WriterId)>>,
    named: &mut HashSet<BlobId>,
) -> Result<(), Error> {
    for (_, bytes) in segment.records() {
        let Body::Run(run) = Record::read(bytes)?.body else { continue };
        let receipt = Receipt::read(&run.receipt)?;
        let ended = match &receipt.outcome {
            Outcome::Value(output) => {
                if output.val.is_none() {
                    named.insert(output.out);
                }
                named.extend(&output.refs);
                Some(output.out)
            }
            Outcome::Refused { .. } => None,
        };
        let all = ends.entry(receipt.node).or_default();
        if !all.contains(&(ended, writer)) {
            all.push((ended, writer));
        }
    }
    Ok(())
}
