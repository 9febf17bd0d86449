//! What a peer offers and is not here, and what the receipts of both name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

use crate::id::BlobId;
use crate::peer::error::Error;
use crate::peer::source::Offer;
use crate::store::index::ask::FOREVER;
use crate::store::log::error::Error as LogError;
use crate::store::log::list::{self, Found};
use crate::store::log::reader::SegmentReader;
use crate::store::log::receipt::Receipt;
use crate::store::log::record::{Body, Record};
use crate::store::log::segment::{self, Segment};
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::object::proof::Proof;
use crate::store::open::Store;

/// What an object is worth to the collector.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Worth {
    /// What it costs to compute it again, in microseconds.
    pub us: u64,
    /// When it may go, in milliseconds since 1970.
    pub until_ms: u64,
}

/// Objects that receipts name.
pub type Named = BTreeMap<BlobId, Worth>;

/// Which segments are here.
pub struct Here {
    good: HashSet<(WriterId, SegmentName)>,
    found: HashMap<WriterId, Vec<Found>>,
}

impl Here {
    /// Looks; a segment that is here and damaged counts as missing.
    pub fn look(store: &Store) -> Result<Self, Error> {
        let (mut good, mut found) = (HashSet::new(), HashMap::<_, Vec<Found>>::new());
        if store.layout().root().as_os_str().is_empty() {
            return Ok(Self { good, found });
        }
        let rows = store.ask(|index| index.segments())?;
        let proofs: HashMap<_, _> =
            rows.into_iter().map(|(_, row)| ((row.writer, row.name), row)).collect();
        for one in list::all(store.layout())? {
            let now = std::fs::metadata(&one.path).ok().map(|metadata| Proof::of(&metadata));
            let is_proved = proofs
                .get(&(one.writer, one.name))
                .is_some_and(|row| row.bad.is_none() && row.proof.is_some() && row.proof == now);
            if is_proved || read(&one)?.is_some() {
                good.insert((one.writer, one.name));
                found.entry(one.writer).or_default().push(one);
            }
        }
        Ok(Self { good, found })
    }

    /// Says whether the records of a segment are here: under its name, or in a bigger one.
    pub fn has(&self, offer: &Offer) -> Result<bool, Error> {
        if self.good.contains(&(offer.writer, offer.name)) {
            return Ok(true);
        }
        for big in self.found.get(&offer.writer).into_iter().flatten() {
            let covers = big.name.first <= offer.name.first && big.name.last >= offer.name.last;
            if covers
                && let Some(big) = read(big)?
                && is_part(&big, offer)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds what the receipts that a peer offers name, as far as they are here.
    ///
    /// Only what it offers: so the order in which peers are asked does not matter.
    pub fn name(&self, offers: &[Offer], named: &mut Named) -> Result<(), Error> {
        let mut wanted: HashMap<WriterId, Vec<RangeInclusive<u64>>> = HashMap::new();
        for offer in offers {
            let range = offer.name.first..=offer.name.last;
            wanted.entry(offer.writer).or_default().push(range);
        }
        for (writer, ranges) in wanted {
            for one in self.found.get(&writer).into_iter().flatten() {
                let (first, last) = (one.name.first, one.name.last);
                let mut meet = ranges.iter();
                if meet.any(|range| first <= *range.end() && last >= *range.start())
                    && let Some(segment) = read(one)?
                {
                    name(&segment, |seq| ranges.iter().any(|range| range.contains(&seq)), named)?;
                }
            }
        }
        Ok(())
    }
}

/// Adds the objects that receipts of a segment name: of the records that are chosen by number.
pub fn name(
    segment: &Segment,
    chosen: impl Fn(u64) -> bool,
    named: &mut Named,
) -> Result<(), Error> {
    for ((_, bytes), seq) in segment.records().zip(segment.span.name.first..) {
        if !chosen(seq) {
            continue;
        }
        let Body::Run(run) = Record::read(bytes)?.body else { continue };
        let until_ms = run.until.unwrap_or(FOREVER);
        for id in objects(&Receipt::read(&run.receipt)?) {
            let worth = named.entry(id).or_default();
            worth.us = worth.us.max(run.us);
            worth.until_ms = worth.until_ms.max(until_ms);
        }
    }
    Ok(())
}

/// Adds what all receipts that are here name.
pub fn name_all(store: &Store, distrust: &[WriterId], named: &mut Named) -> Result<(), Error> {
    for found in list::all(store.layout())? {
        if !distrust.contains(&found.writer)
            && let Some(segment) = read(&found)?
        {
            name(&segment, |_| true, named)?;
        }
    }
    Ok(())
}

/// Returns the objects that a receipt's value is made of.
pub fn objects(receipt: &Receipt) -> impl Iterator<Item = BlobId> + '_ {
    let output = receipt.output();
    let own = output.filter(|output| output.val.is_none()).map(|output| output.out);
    own.into_iter().chain(output.into_iter().flat_map(|output| output.refs.iter().copied()))
}

/// Reads a segment that is here; none when it has gone, or is damaged.
fn read(found: &Found) -> Result<Option<Segment>, Error> {
    let segment = SegmentReader::open(&found.path, false).and_then(|reader| {
        reader.map(|reader| reader.verified(found.writer, &found.name)).transpose()
    });
    match segment {
        Ok(segment) => Ok(segment),
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Says whether a segment is a run of the records of a bigger one: made of these, it has its name.
fn is_part(big: &Segment, offer: &Offer) -> Result<bool, LogError> {
    let (first, count) = (offer.name.first, offer.name.records());
    let Some(before) = big.hash_at(first - 1) else { return Ok(false) };
    let skipped = first - big.span.name.first;
    let records = big.records().skip(skipped as usize).take(count as usize);
    let records: Vec<&[u8]> = records.map(|(_, bytes)| bytes).collect();
    Ok(segment::build(offer.writer, first, before, &records)?.span.name == offer.name)
}
