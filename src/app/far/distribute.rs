//! A cohort on many machines.
//!
//! Cases of which all is in the store are told at once. The others are computed by workers, whose results are in
//! the store that they share with this process, or in one of theirs that it can read; so a case that a worker has
//! told is run here once more, which is all hits: what is printed, tabled and saved is what a local run gives, byte
//! for byte, by the same code.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::app::cases::Cohort;
use crate::app::cohort::{self, Done};
use crate::app::context::Context;
use crate::app::error::Error;
use crate::app::far::driver::{Ahead, Driver};
use crate::app::far::engine::{Engine, Place};
use crate::app::far::offers::Offers;
use crate::app::far::reader::{Job, Listen, Reader};
use crate::app::quantity;
use crate::app::run::Spec;
use crate::remote::plan::{Options, Plan};

/// How many groups at once are assumed of a spool, which cannot say.
const SPOOLED: usize = 16;

/// Runs the program over all cases on an engine, and tells them in case order.
///
/// `say` is given words for people. A case that is lost is told as failed; what
/// stops the whole run is an error.
pub fn run(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
    far: &Engine,
    listen: &Listen<'_>,
    say: &mut dyn FnMut(&str),
    each: &mut dyn FnMut(Done<'_>),
) -> Result<(), Error> {
    let mut again = spec.clone();
    again.options.retry_failed = false;
    let (jobs, queue) = mpsc::channel();
    let (results, reads) = mpsc::channel();
    let reader = Reader {
        context,
        spec,
        again,
        cohort,
        offers: Offers::new(context, results.clone()),
        refreshed: Mutex::new(None),
        quit: AtomicBool::new(false),
    };
    let queue = Mutex::new(queue);
    let done = thread::scope(|scope| {
        for _ in 0..cohort::width(context, cohort) {
            let (results, queue, reader) = (results.clone(), &queue, &reader);
            scope.spawn(move || reader.work(queue, &results, listen));
        }
        for (at, case) in cohort.cases.iter().enumerate() {
            let is_far = case.missing.is_empty();
            jobs.send(if is_far { Job::Try(at) } else { Job::Here(at) }).ok();
        }
        let (is_spool, group) = (matches!(far.place, Place::Spool(_)), far.group);
        let mut plan = Plan::new(Options { group, at_once: is_spool });
        if is_spool {
            plan.slots(SPOOLED);
        }
        let mut driver = Driver {
            context,
            spec,
            cohort,
            engine: far,
            plan,
            line: None,
            jobs: Some(jobs),
            keys: HashMap::new(),
            offers: HashMap::new(),
            words: HashMap::new(),
            places: cohort.cases.iter().enumerate().map(|(at, case)| (&*case.name, at)).collect(),
            found: BTreeMap::new(),
            tried: 0,
            first: Vec::new(),
            ahead: Ahead::Unknown,
            waiting: BTreeMap::new(),
            next: 0,
            begin: Instant::now(),
        };
        let done = driver.drive(&context.stop, &reads, say, each);
        // Before the readers are waited for: nobody computes any more what nobody wants.
        driver.jobs = None;
        if let Some(line) = &mut driver.line {
            line.transport.end();
        }
        reader.quit.store(true, Ordering::Relaxed);
        done
    });
    if let Some(pulled) = reader.offers.pulled() {
        say(&format!(
            "vox: {} segments and {} objects came from workers' stores, {}",
            pulled.segments,
            pulled.objects,
            quantity::show_size(pulled.bytes)
        ));
    }
    done
}
