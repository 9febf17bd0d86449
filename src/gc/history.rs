//! What the whole log says, whatever the index knows.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::gc::error::Error;
use crate::store::log::list;
use crate::store::log::reader::SegmentReader;
use crate::store::log::receipt::Receipt;
use crate::store::log::record::{Body, Record, Run};
use crate::store::object::layout::Layout;

/// Visits every run of every writer, in no order; segments that are damaged say nothing.
pub fn runs(layout: &Layout, visit: impl FnMut(&Run, &Receipt) + Send) -> Result<(), Error> {
    let visit = Mutex::new(visit);
    list::all(layout)?.par_iter().try_for_each(|found| {
        // Read, not mapped: others may be rewriting it on another host.
        let Some(reader) = SegmentReader::open(&found.path, false).or_else(forgive)? else {
            return Ok(());
        };
        let Some(segment) =
            reader.verified(found.writer, &found.name).map(Some).or_else(forgive)?
        else {
            return Ok(());
        };
        let mut said = Vec::new();
        for (_, bytes) in segment.records() {
            if let Body::Run(run) = Record::read(bytes)?.body {
                let receipt = Receipt::read(&run.receipt)?;
                said.push((run, receipt));
            }
        }
        let mut visit = visit.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().for_each(|(run, receipt)| visit(run, receipt));
        Ok(())
    })
}

fn forgive<T>(error: crate::store::log::error::Error) -> Result<Option<T>, Error> {
    if error.is_damage() { Ok(None) } else { Err(error.into()) }
}
