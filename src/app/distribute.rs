//! A cohort on many machines.
//!
//! Workers compute; what they gave is in the store that they share with this process. So a case that a worker has
//! told is run here once more, which is all hits: what is printed, tabled and saved is what a local run gives, byte
//! for byte, by the same code.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::app::cases::{Case, Cohort};
use crate::app::cohort::{self, Done};
use crate::app::context::Context;
use crate::app::driver::{Driver, Read, Ready};
use crate::app::engine::{self, Engine, Place};
use crate::app::error::Error;
use crate::app::run::{Answer, Listener, Spec};
use crate::remote::bridge::Bridge;
use crate::remote::feed::Feed;
use crate::remote::plan::{Options, Plan};
use crate::remote::transport::Transport;

/// How many groups at once are assumed of a spool, which cannot say.
const SPOOLED: usize = 16;
/// More cases than this are never in one file of a spool, unless it is asked for.
const FILED: usize = 50;
/// Runs the program over all cases on an engine, and tells them in case order.
///
/// `say` is given words for people. A case that is lost is told as failed; what
/// stops the whole run is an error.
pub fn run(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
    far: &Engine,
    listen: &(dyn Fn(&Case) -> Box<dyn Listener> + Sync),
    say: &mut dyn FnMut(&str),
    each: &mut dyn FnMut(Done<'_>),
) -> Result<(), Error> {
    let pattern = engine::pattern(context, spec, cohort, far)?;
    let mut transport: Box<dyn Transport> = match &far.place {
        Place::Spool(path) => {
            let path = context.environment.cwd.join(path);
            say(&format!(
                "vox: groups go through `{0}`: start `vox worker --spool {0}`",
                path.display()
            ));
            Box::new(Feed::new(&path)?)
        }
        Place::Child { name, program, args } => Box::new(Bridge::start(name, program, args)?),
    };
    // What an operator refused was tried again where it was computed.
    let mut again = spec.clone();
    again.options.retry_failed = false;
    let reader = Reader {
        context,
        spec: &again,
        cohort,
        refreshed: Mutex::new(None),
        quit: AtomicBool::new(false),
    };
    let (jobs, queue) = mpsc::channel();
    let (results, told) = mpsc::channel();
    let queue = Mutex::new(queue);
    let width = cohort::width(context, cohort);
    thread::scope(|scope| {
        for _ in 0..width {
            let (results, queue, reader) = (results.clone(), &queue, &reader);
            scope.spawn(move || reader.work(queue, &results, listen));
        }
        drop(results);
        let is_far = |at: &usize| cohort.cases[*at].missing.is_empty();
        let sent: Vec<usize> = (0..cohort.cases.len()).filter(is_far).collect();
        let options = match (&far.place, far.group) {
            (Place::Spool(_), None) => {
                let size = (sent.len() / (4 * SPOOLED)).clamp(1, FILED);
                Options { group: Some(size), at_once: true }
            }
            (Place::Spool(_), group) => Options { group, at_once: true },
            (Place::Child { .. }, group) => Options { group, at_once: false },
        };
        for at in (0..cohort.cases.len()).filter(|at| !is_far(at)) {
            jobs.send(Ready { at, counts: None, told: Instant::now() }).ok();
        }
        let mut driver = Driver {
            places: cohort.cases.iter().enumerate().map(|(at, case)| (&*case.name, at)).collect(),
            cohort,
            engine: far,
            pattern,
            plan: Plan::new(sent, options),
            transport: &mut *transport,
            jobs: Some(jobs),
            keys: HashMap::new(),
            words: HashMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
            begin: Instant::now(),
            has_begun: false,
        };
        if options.at_once {
            driver.plan.slots(SPOOLED);
        }
        let done = driver.drive(&context.stop, &told, say, each);
        // Before the readers are waited for: nobody computes any more what nobody wants.
        driver.jobs = None;
        driver.transport.end();
        reader.quit.store(true, Ordering::Relaxed);
        done
    })
}

/// Runs cases that workers have done, from the store.
struct Reader<'a> {
    context: &'a Context,
    spec: &'a Spec,
    cohort: &'a Cohort,
    /// When it was last looked for what others wrote.
    refreshed: Mutex<Option<Instant>>,
    quit: AtomicBool,
}

impl Reader<'_> {
    fn work(
        &self,
        queue: &Mutex<Receiver<Ready>>,
        results: &Sender<Read>,
        listen: &(dyn Fn(&Case) -> Box<dyn Listener> + Sync),
    ) {
        loop {
            let ready = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(ready) = ready else { return };
            if self.quit.load(Ordering::Relaxed) {
                return;
            }
            let answer = self.one(&ready, listen);
            if results.send((ready.at, answer)).is_err() {
                return;
            }
        }
    }

    fn one(
        &self,
        ready: &Ready,
        listen: &(dyn Fn(&Case) -> Box<dyn Listener> + Sync),
    ) -> Result<Answer, Error> {
        {
            let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
            if refreshed.is_none_or(|at| at <= ready.told) {
                let now = Instant::now();
                self.context.store.refresh()?;
                *refreshed = Some(now);
            }
        }
        let mut answer =
            cohort::one(self.context, self.spec, &self.cohort.cases[ready.at], listen)?;
        if let Some(counts) = ready.counts {
            // What the worker did is what the run did; that it was read here is no news.
            let report = &mut answer.report;
            report.computed = counts.computed;
            report.redone = counts.redone;
            report.reused = counts.reused;
            report.saved_us = counts.saved_us;
            report.unstored += counts.unstored;
        }
        Ok(answer)
    }
}
