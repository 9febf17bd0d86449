//! What workers told, read from the store: the same code as a local run, over results that are there.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::app::cases::{Case, Cohort};
use crate::app::cohort;
use crate::app::context::Context;
use crate::app::error::Error;
use crate::app::far::offers::Offers;
use crate::app::run::{self, Answer, Listener, Spec};
use crate::exec::report::Ran;
use crate::exec::shelf::Looked;
use crate::exec::why::Why;
use crate::id::{Digest, NodeId};
use crate::primitive::contract::Primitive;
use crate::remote::event::{self, Seen, Told};
use crate::store::object::proof::Proof;

/// On a network file system what another host wrote may not be seen for so long.
const STALE: Duration = Duration::from_secs(60);
/// After a look at the log none follows for so many times what it took,
const SHARE: u32 = 10;
/// but for no longer than this.
const PAUSE: Duration = Duration::from_millis(250);
/// How often it is looked again for a receipt that should be there.
const LOOK: Duration = Duration::from_millis(100);

/// A case for a reader.
pub(in crate::app::far) enum Job {
    /// Is all of it here already?
    Try(usize),
    /// No worker can do anything about it.
    Here(usize),
    /// A worker has done it.
    Told {
        /// Its place.
        at: usize,
        /// What the worker said.
        told: Box<Told>,
        /// The worker's own store.
        offer: Option<Arc<str>>,
        /// When that was heard.
        heard: Instant,
    },
}

/// What came of it.
pub(in crate::app::far) enum Read {
    /// The case, by its place.
    Answer(usize, Box<Result<Answer, Error>>),
    /// Some of this case has to be computed.
    Unknown(usize),
    /// Something for people.
    Words(String),
}

/// Makes a listener for one case.
pub(in crate::app::far) type Listen<'a> = dyn Fn(&Case) -> Box<dyn Listener> + Sync + 'a;

/// Answers cases from the store.
pub(in crate::app::far) struct Reader<'a> {
    pub(in crate::app::far) context: &'a Context,
    pub(in crate::app::far) spec: &'a Spec,
    /// The same, where what an operator refused was tried again already.
    pub(in crate::app::far) again: Spec,
    pub(in crate::app::far) cohort: &'a Cohort,
    pub(in crate::app::far) offers: Offers<'a>,
    /// When it was last looked for what others wrote, and when it may be looked again.
    pub(in crate::app::far) refreshed: Mutex<Option<(Instant, Instant)>>,
    pub(in crate::app::far) quit: AtomicBool,
}

impl Reader<'_> {
    /// Takes cases until nobody sends any.
    pub(in crate::app::far) fn work(
        &self,
        queue: &Mutex<Receiver<Job>>,
        results: &Sender<Read>,
        listen: &Listen<'_>,
    ) {
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            if self.quit.load(Ordering::Relaxed) {
                return;
            }
            if results.send(self.one(job, listen)).is_err() {
                return;
            }
        }
    }

    fn one(&self, job: Job, listen: &Listen<'_>) -> Read {
        let answer = match job {
            Job::Try(at) => {
                let case = &self.cohort.cases[at];
                match run::known(self.context, self.spec, case, &mut *listen(case)) {
                    Ok(None) => return Read::Unknown(at),
                    Ok(Some(answer)) => (at, Ok(answer)),
                    Err(error) => (at, Err(error)),
                }
            }
            Job::Here(at) => {
                (at, cohort::one(self.context, self.spec, &self.cohort.cases[at], listen))
            }
            Job::Told { at, told, offer, heard } => {
                (at, self.told(at, &told, offer.as_deref(), heard, listen))
            }
        };
        Read::Answer(answer.0, Box::new(answer.1))
    }

    fn told(
        &self,
        at: usize,
        told: &Told,
        offer: Option<&str>,
        heard: Instant,
        listen: &Listen<'_>,
    ) -> Result<Answer, Error> {
        told.files.iter().for_each(|seen| self.remember(seen));
        let case = &self.cohort.cases[at];
        let mut answer = match offer {
            Some(place) => {
                let offer = self.offers.reach(place)?;
                offer.catch_up(heard)?;
                cohort::one(&offer.context, &self.again, case, listen)?
            }
            None => {
                self.await_receipts(told, heard)?;
                cohort::one(self.context, &self.again, case, listen)?
            }
        };
        // What the worker did is what the run did; that it was read here is no news.
        let report = &mut answer.report;
        let counts = told.counts;
        report.computed = counts.computed;
        report.redone = counts.redone;
        report.reused = counts.reused;
        report.saved_us = counts.saved_us;
        report.unstored += counts.unstored;
        report.nodes = told.nodes.iter().filter_map(|ran| self.ran(ran)).collect();
        Ok(answer)
    }

    /// Waits until the receipts of a case can be seen, which its worker says are there: what is not would be
    /// computed once more.
    fn await_receipts(&self, told: &Told, heard: Instant) -> Result<(), Error> {
        // A goal that failed leaves its receipt, if any, below itself.
        let goals = told.goals.as_array().into_iter().flatten();
        let goals = goals.filter(|goal| goal.get("error").is_none());
        let nodes = goals.filter_map(|goal| NodeId::try_from(goal["node"].as_str()?).ok());
        let is_wanted = || {
            let stop = [&self.quit, &*self.context.stop];
            !stop.iter().any(|stop| stop.load(Ordering::Relaxed))
        };
        for node in nodes {
            let mut since = heard;
            while matches!(self.context.exec.shelf.look(node)?, Looked::Nothing)
                && heard.elapsed() < STALE
                && is_wanted()
            {
                self.refresh(since)?;
                if since > heard {
                    thread::sleep(LOOK);
                }
                since = Instant::now();
            }
        }
        Ok(())
    }

    /// Looks for what others wrote, unless that was done since: for all that was told meanwhile at once, so that
    /// looking takes a small part of the time however large the log is.
    fn refresh(&self, since: Instant) -> Result<(), Error> {
        let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match *refreshed {
            Some((at, _)) if at > since => return Ok(()),
            Some((_, next)) => next,
            None => since,
        };
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let now = Instant::now();
        self.context.store.refresh()?;
        let pause = (now.elapsed() * SHARE).min(PAUSE);
        *refreshed = Some((now, Instant::now() + pause));
        Ok(())
    }

    /// Takes over the digest of a file that looks here as it looked to the worker when it was hashed.
    fn remember(&self, seen: &Seen) {
        let Seen(path, digest, inode, size, mtime_ns, ctime_ns) = seen;
        let (inode, size, mtime_ns, ctime_ns) = (*inode, *size, *mtime_ns, *ctime_ns);
        let proof = Proof { inode, size, mtime_ns, ctime_ns };
        // A help: where it cannot be, the file is hashed.
        if let (Some(digest), Ok(file)) = (Digest::parse(digest), File::open(path)) {
            self.context.store.remember(path, &file, &proof, digest).ok();
        }
    }

    fn ran(&self, ran: &event::Ran) -> Option<Ran> {
        Some(Ran {
            node: NodeId::try_from(ran.node.as_str()).ok()?,
            op: self.context.registry.find(&ran.op).map(Primitive::signature)?.name,
            us: ran.us,
            bytes: ran.bytes,
            made: ran.made,
            claimed: ran.claimed,
            why: if ran.again { Why::Evicted } else { Why::Never },
        })
    }
}
