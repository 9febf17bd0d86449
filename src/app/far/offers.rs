//! Stores of workers that are not shared: each is asked for what its worker told.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::app::context::Context;
use crate::app::error::Error;
use crate::app::far::reader::Read;
use crate::app::peers::{self, Trust};
use crate::app::remote::{Pulled, Tell};

/// The stores of workers, each reached once.
pub(in crate::app::far) struct Offers<'a> {
    context: &'a Context,
    /// Where words for people go.
    words: Sender<Read>,
    known: Mutex<HashMap<String, Arc<Offer>>>,
}

/// The store of a worker.
pub(in crate::app::far) struct Offer {
    /// The parts, joined so that what is not in the store is asked for there.
    pub(in crate::app::far) context: Context,
    /// When it was last asked what is recorded.
    asked: Mutex<Option<Instant>>,
}

impl Offer {
    /// Brings what was recorded there until some time, unless that was done since.
    pub(in crate::app::far) fn catch_up(&self, since: Instant) -> Result<(), Error> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_none_or(|at| at <= since)
            && let Some(remote) = &self.context.remote
        {
            let now = Instant::now();
            remote.catch_up()?;
            *asked = Some(now);
        }
        Ok(())
    }
}

impl<'a> Offers<'a> {
    /// Begins knowing none.
    pub(in crate::app::far) fn new(context: &'a Context, words: Sender<Read>) -> Self {
        Self { context, words, known: Mutex::default() }
    }

    /// Returns the store of a worker, by its address or folder.
    ///
    /// Whoever lets workers compute for him believes what they say came out.
    pub(in crate::app::far) fn reach(&self, place: &str) -> Result<Arc<Offer>, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(offer) = known.get(place) {
            return Ok(offer.clone());
        }
        let (environment, config) = (&self.context.environment, &self.context.config);
        let mut reached = peers::reach(environment, config, place)?;
        reached.trust = Trust::Receipts;
        let words = Mutex::new(self.words.clone());
        let tell: Tell = Box::new(move |why| {
            let words = words.lock().unwrap_or_else(PoisonError::into_inner);
            words.send(Read::Words(format!("warning: {why}; what it has is computed here"))).ok();
        });
        let context = self.context.reaching(reached, tell)?;
        let offer = Arc::new(Offer { context, asked: Mutex::default() });
        known.insert(place.to_owned(), offer.clone());
        Ok(offer)
    }

    /// Returns what came of all of them.
    pub(in crate::app::far) fn pulled(&self) -> Option<Pulled> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let all = known.values().filter_map(|offer| offer.context.remote.as_ref());
        all.map(|remote| remote.pulled()).reduce(|one, other| Pulled {
            segments: one.segments + other.segments,
            objects: one.objects + other.objects,
            bytes: one.bytes + other.bytes,
        })
    }
}
