//! Node to receipt to bytes.

use std::collections::HashSet;

use crate::id::{BlobId, Digest, NodeId};
use crate::store::error::Error;
use crate::store::index::ask::{Change, FOREVER, ObjectRow, Spot, Table};
use crate::store::index::segments::At;
use crate::store::log::receipt::{Outcome, Receipt};
use crate::store::log::record::{Body, Record};
use crate::store::memo::now_ns;
use crate::store::object::blob::Blob;
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::open::{Notice, Store};

/// A result that was recorded.
#[derive(Clone, Debug)]
pub struct Found {
    /// The receipt.
    pub receipt: Receipt,
    /// What it cost, in microseconds.
    pub us: u64,
    /// Its depth: see the record.
    pub lam: u64,
    /// What the arguments that are nodes gave, when it says so.
    pub inputs: Option<Vec<BlobId>>,
    /// Whether the value can be had: it rides in the receipt, or its object and all objects that it
    /// mentions are here. A refusal always can.
    pub here: bool,
    /// Whose record it is.
    pub writer: WriterId,
    /// When the value may go, as the record says that keeps it longest: see the index.
    pub until_ms: u64,
}

/// What the store knows of a node.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A result.
    Found(Box<Found>),
    /// Results that differ, and none that stands: compute the node, and say that this settles it.
    Conflict(Vec<WriterId>),
    /// No result.
    None,
}

/// A run record that was found.
struct Seen {
    writer: WriterId,
    seq: u64,
    lam: u64,
    us: u64,
    settles: bool,
    inputs: Option<Vec<BlobId>>,
    until_ms: u64,
    receipt: Receipt,
}

impl Seen {
    fn of(writer: WriterId, record: Record) -> Option<Self> {
        let Record { seq, lam, body: Body::Run(run), .. } = record else { return None };
        let receipt = Receipt::read(&run.receipt).ok()?;
        let (us, settles, inputs) = (run.us, run.settles, run.inputs);
        let until_ms = run.until.unwrap_or(FOREVER);
        Some(Self { writer, seq, lam, us, settles, inputs, until_ms, receipt })
    }
}

impl Store {
    /// Returns what the store knows of a node. The answer may be of a value that is not here.
    pub fn receipt(&self, node: NodeId) -> Result<Answer, Error> {
        let (seen, _) = self.recorded(node)?;
        self.answer(node, seen)
    }

    /// Returns what the store knows of a node, and what it cost if it was ever recorded.
    pub fn look(&self, node: NodeId) -> Result<(Answer, Option<u64>), Error> {
        let (seen, spent) = self.recorded(node)?;
        Ok((self.answer(node, seen)?, spent))
    }

    fn answer(&self, node: NodeId, seen: Vec<Seen>) -> Result<Answer, Error> {
        let Some(first) = seen.first() else { return Ok(Answer::None) };
        if seen.iter().all(|other| agree(&first.receipt, &other.receipt)) {
            return self.found(best(seen)).map(Answer::Found);
        }
        let writers: Vec<WriterId> =
            seen.iter().map(|seen| seen.writer).collect::<HashSet<_>>().into_iter().collect();
        self.notice(Notice::Conflict { node, writers: writers.clone() });
        match self.standing(seen) {
            Some(seen) => self.found(seen).map(Answer::Found),
            None => Ok(Answer::Conflict(writers)),
        }
    }

    /// Returns the file of the log that holds a result's record; none when it went since.
    pub fn segment_of(&self, found: &Found) -> Result<Option<SegmentName>, Error> {
        let key = found.receipt.node.0.prefix();
        for spot in self.ask(|index| index.spots(Table::Node, key))? {
            let At::Record(writer, record) = self.at(spot)? else { continue };
            let is_it = |seen: &Seen| seen.writer == found.writer && seen.receipt == found.receipt;
            if Seen::of(writer, *record).is_some_and(|seen| is_it(&seen))
                && let Some(row) = self.ask(|index| index.segment(spot.segment))?
            {
                return Ok(Some(row.name));
            }
        }
        Ok(None)
    }

    /// Closes the segments that were opened: what was removed must not answer from there.
    pub fn close_segments(&self) {
        self.segments.close();
    }

    /// Returns all receipts of a node, also those that differ.
    pub fn receipts(&self, node: NodeId) -> Result<Vec<Receipt>, Error> {
        Ok(self.recorded(node)?.0.into_iter().map(|seen| seen.receipt).collect())
    }

    /// Says whether a node was ever recorded: as a run, or as one that left no value.
    pub fn defined(&self, node: NodeId) -> Result<bool, Error> {
        Ok(self.recorded(node)?.1.is_some())
    }

    /// Returns the runs of a node, and what it cost if it was ever recorded, in microseconds; 0 when
    /// nobody wrote that down.
    fn recorded(&self, node: NodeId) -> Result<(Vec<Seen>, Option<u64>), Error> {
        let (mut runs, mut spent) = (Vec::new(), None);
        self.records(Table::Node, node.0.prefix(), &mut |writer, record| {
            let us = match &record.body {
                Body::Def(def) => {
                    let is_meant = NodeId(Digest::of(&def.definition)) == node;
                    is_meant.then(|| def.us.unwrap_or(0))
                }
                _ => {
                    let seen = Seen::of(writer, record).filter(|seen| seen.receipt.node == node);
                    let us = seen.as_ref().map(|seen| seen.us);
                    runs.extend(seen);
                    us
                }
            };
            spent = spent.max(us);
        })?;
        Ok((runs, spent))
    }

    /// Returns a result of the same computation on the same bytes, whatever its node.
    ///
    /// Answers that differ are no answer.
    pub fn cut(&self, key: Digest) -> Result<Option<Found>, Error> {
        let is_same = |seen: &Seen| {
            let cut = seen.inputs.as_deref().and_then(|inputs| seen.receipt.definition.cut(inputs));
            cut == Some(key)
        };
        let seen = self.seen(Table::Cut, key.prefix(), &is_same)?;
        let Some(first) = seen.first() else { return Ok(None) };
        if !seen.iter().all(|other| agree(&first.receipt, &other.receipt)) {
            return Ok(None);
        }
        self.found(best(seen)).map(|found| Some(*found))
    }

    /// Says whether an object is here, by its path.
    pub fn has(&self, id: BlobId) -> Result<bool, Error> {
        Ok(self.objects.has(id)?)
    }

    /// Says whether a receipt's value can be had: it rides in it, or all its objects are here.
    pub fn is_here(&self, receipt: &Receipt) -> Result<bool, Error> {
        let Some(output) = receipt.output() else { return Ok(true) };
        if output.val.is_none() && !self.has(output.out)? {
            return Ok(false);
        }
        for id in &output.refs {
            if !self.has(*id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the canonical bytes of a value that rides in a receipt.
    pub fn small(&self, id: BlobId) -> Result<Option<Vec<u8>>, Error> {
        let mut small = None;
        self.records(Table::Small, id.0.prefix(), &mut |_, record| {
            let Body::Run(run) = &record.body else { return };
            let Ok(receipt) = Receipt::read(&run.receipt) else { return };
            let Outcome::Value(output) = receipt.outcome else { return };
            if output.out == id && small.is_none() {
                small = output.val;
            }
        })?;
        Ok(small)
    }

    /// Opens an object; at first sight its bytes are proved. A bad one is put aside, and not here.
    pub fn open_blob(&self, id: BlobId) -> Result<Option<Blob>, Error> {
        let blob = match self.objects.open(id) {
            Ok(Some(blob)) => blob,
            Ok(None) => return Ok(None),
            Err(error) if error.is_damage() => {
                if let Some(proof) = self.objects.stat(id)? {
                    self.put_aside(id, &proof, &error)?;
                }
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let row = self.ask(|index| index.object(id))?;
        if row.is_none_or(|row| row.proof != blob.proof()) {
            match blob.prove() {
                Ok(()) => self.proved(id, &blob)?,
                Err(error) if error.is_damage() => {
                    self.put_aside(id, &blob.proof(), &error)?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.touch(id);
        Ok(Some(blob))
    }

    /// Reads a value's bytes, wherever they are; a bad object is put aside, and not here.
    pub fn bytes(&self, id: BlobId) -> Result<Option<Vec<u8>>, Error> {
        if let Some(blob) = self.open_blob(id)? {
            let mut bytes = vec![0; blob.len()];
            match blob.fill(&mut bytes) {
                Ok(()) => return Ok(Some(bytes)),
                Err(error) if error.is_damage() => self.put_aside(id, &blob.proof(), &error)?,
                Err(error) => return Err(error.into()),
            }
        }
        self.small(id)
    }

    /// Puts aside an object whose bytes turned out to be bad while they were decoded.
    pub fn spoilt(
        &self,
        blob: &Blob,
        why: &crate::store::object::error::Error,
    ) -> Result<(), Error> {
        self.put_aside(blob.id(), &blob.proof(), why)
    }

    fn put_aside(
        &self,
        id: BlobId,
        proof: &crate::store::object::proof::Proof,
        why: &crate::store::object::error::Error,
    ) -> Result<(), Error> {
        self.notice(Notice::Damaged { blob: id, reason: why.to_string() });
        if !self.read_only {
            self.objects.set_aside(id, proof)?;
        }
        let change = Change { lost: vec![id], ..Change::default() };
        self.ask(|index| index.apply(&change)).map(drop)
    }

    fn proved(&self, id: BlobId, blob: &Blob) -> Result<(), Error> {
        let used = (now_ns() / 1_000_000_000) as u64;
        let row = ObjectRow { id, proof: blob.proof(), used, uses: 0, cost_us: 0, until_ms: 0 };
        let change = Change { objects: vec![row], ..Change::default() };
        self.ask(|index| index.apply(&change)).map(drop)
    }

    fn found(&self, seen: Seen) -> Result<Box<Found>, Error> {
        let here = self.is_here(&seen.receipt)?;
        let Seen { writer, lam, us, inputs, until_ms, receipt, .. } = seen;
        Ok(Box::new(Found { receipt, us, lam, inputs, here, writer, until_ms }))
    }

    /// Picks the record that stands among some that differ, if one does: this host's own, and when
    /// these differ too, the latest own one that settles.
    fn standing(&self, seen: Vec<Seen>) -> Option<Seen> {
        let own = self.own();
        let order = |seen: &Seen| own.iter().position(|writer| *writer == seen.writer);
        let mut own: Vec<(usize, Seen)> =
            seen.into_iter().filter_map(|seen| Some((order(&seen)?, seen))).collect();
        own.sort_by_key(|(order, seen)| (*order, seen.seq));
        let first = &own.first()?.1.receipt;
        if own.iter().all(|(_, other)| agree(first, &other.receipt)) {
            return Some(best(own.into_iter().map(|(_, seen)| seen).collect()));
        }
        own.into_iter().map(|(_, seen)| seen).rfind(|seen| seen.settles)
    }

    /// Returns the runs that a key leads to and that are really meant.
    fn seen(
        &self,
        table: Table,
        key: u64,
        is_meant: &dyn Fn(&Seen) -> bool,
    ) -> Result<Vec<Seen>, Error> {
        let mut all = Vec::new();
        self.records(table, key, &mut |writer, record| {
            all.extend(Seen::of(writer, record).filter(|seen| is_meant(seen)));
        })?;
        Ok(all)
    }

    /// Visits the records that a key leads to; a row whose segment has gone means list again.
    fn records(
        &self,
        table: Table,
        key: u64,
        visit: &mut dyn FnMut(WriterId, Record),
    ) -> Result<(), Error> {
        for attempt in 0..3 {
            let spots = self.ask(|index| index.spots(table, key))?;
            match self.read_all(&spots)? {
                // What was moved between the question and the answer lies elsewhere by now.
                Read::Less(_) if attempt < 2 && self.moved(table, key, &spots)? => {}
                Read::All(records) | Read::Less(records) => {
                    for (writer, record) in records {
                        visit(writer, record);
                    }
                    return Ok(());
                }
                Read::Gone(_) if attempt == 0 => {
                    self.refresh()?;
                }
                // The folders look as they did: it is the index that is wrong.
                Read::Gone(_) if attempt == 1 => self.relist()?,
                Read::Gone(records) => {
                    for (writer, record) in records {
                        visit(writer, record);
                    }
                }
            }
        }
        Ok(())
    }

    /// Says whether a key leads elsewhere than a moment ago.
    fn moved(&self, table: Table, key: u64, before: &[Spot]) -> Result<bool, Error> {
        self.rest()?;
        Ok(self.ask(|index| index.spots(table, key))? != before)
    }

    /// Reads the records at some places.
    fn read_all(&self, spots: &[Spot]) -> Result<Read, Error> {
        let mut records = Vec::with_capacity(spots.len());
        let (mut less, mut gone) = (false, false);
        for spot in spots {
            match self.at(*spot)? {
                At::Record(writer, record) => {
                    if !self.distrust.contains(&writer) {
                        records.push((writer, *record));
                    }
                }
                At::Gone => gone = true,
                At::Nothing => less = true,
            }
        }
        Ok(match (gone, less) {
            (true, _) => Read::Gone(records),
            (false, true) => Read::Less(records),
            (false, false) => Read::All(records),
        })
    }
}

/// What became of reading the records at some places.
enum Read {
    /// All were there.
    All(Vec<(WriterId, Record)>),
    /// Some places held nothing.
    Less(Vec<(WriterId, Record)>),
    /// A segment has gone since; these are in others.
    Gone(Vec<(WriterId, Record)>),
}

/// Says whether two receipts of one node say the same came out.
fn agree(one: &Receipt, other: &Receipt) -> bool {
    match (&one.outcome, &other.outcome) {
        (Outcome::Value(one), Outcome::Value(other)) => one.out == other.out,
        (Outcome::Refused { .. }, Outcome::Refused { .. }) => true,
        _ => false,
    }
}

/// Picks among records that agree the one that says most: what its arguments were.
fn best(seen: Vec<Seen>) -> Seen {
    let until_ms = seen.iter().map(|seen| seen.until_ms).max().unwrap_or(0);
    let at = seen.iter().position(|seen| seen.inputs.is_some()).unwrap_or(0);
    let best = seen.into_iter().nth(at).expect("the caller found one");
    Seen { until_ms, ..best }
}
