//! A cohort on many machines: groups go out, cases come back, and each is told from the store.
//!
//! Workers compute; what they gave is in the store that they share with this process. So a case that a worker has
//! told is run here once more, which is all hits: what is printed, tabled and saved is what a local run gives, byte
//! for byte, by the same code.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::app::cases::{Case, Cohort};
use crate::app::cohort::{self, Done};
use crate::app::context::Context;
use crate::app::error::{Error, Whose};
use crate::app::files::Disk;
use crate::app::run::{self, Answer, Listener, Spec};
use crate::app::worker;
use crate::exec;
use crate::lang::dialect::Dialect;
use crate::remote::bridge::Bridge;
use crate::remote::event::{Counts, End, Event};
use crate::remote::group::{self, FORMAT, Group, Limits, Program, StoreRef};
use crate::remote::plan::{Batch, Ended, Options, Plan, Verdict};
use crate::remote::spool::Feed;
use crate::remote::transport::{Message, Order, Transport};

/// How groups reach workers.
#[derive(Clone, Debug)]
pub enum Place {
    /// Through a directory.
    Spool(PathBuf),
    /// Through a child process.
    Child {
        /// What is started.
        program: String,
        /// Its arguments.
        args: Vec<OsString>,
    },
}

/// Where and how a cohort runs.
#[derive(Clone, Debug)]
pub struct Engine {
    /// How groups travel.
    pub place: Place,
    /// The folder of the cases.
    pub cases: PathBuf,
    /// So many cases a group.
    pub group: Option<usize>,
    /// Are hosts preferred that have some of it already?
    pub near: bool,
    /// What a host must have.
    pub needs: BTreeMap<String, u64>,
    /// What a worker may take.
    pub limits: Limits,
}

/// How many groups at once are assumed of a spool, which cannot say.
const SPOOLED: usize = 16;
/// More cases than this are never in one file of a spool, unless it is asked for.
const FILED: usize = 50;
/// How long it is waited for word at a time.
const TICK: Duration = Duration::from_millis(20);
/// How long workers may take to end after their last case.
const GRACE: Duration = Duration::from_secs(2);
/// After so long without a worker it is said that there is none.
const NOBODY: Duration = Duration::from_secs(10);

/// A case that is to be told from the store.
struct Ready {
    at: usize,
    counts: Option<Counts>,
    /// When its receipts were durable.
    told: Instant,
}

/// Runs the program over all cases on an engine, and tells them in case order.
///
/// `say` is given words for people. A case that is lost is told as failed; what
/// stops the whole run is an error.
pub fn run(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
    engine: &Engine,
    listen: &(dyn Fn(&Case) -> Box<dyn Listener> + Sync),
    say: &mut dyn FnMut(&str),
    each: &mut dyn FnMut(Done<'_>),
) -> Result<(), Error> {
    let pattern = pattern(context, spec, cohort, engine)?;
    let mut transport: Box<dyn Transport> = match &engine.place {
        Place::Spool(path) => {
            let path = context.environment.cwd.join(path);
            say(&format!(
                "vox: groups go through `{0}`: start `vox worker --spool {0}`",
                path.display()
            ));
            Box::new(Feed::new(&path)?)
        }
        Place::Child { program, args } => Box::new(Bridge::start(program, args)?),
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
        let far: Vec<usize> = (0..cohort.cases.len()).filter(is_far).collect();
        let options = match (&engine.place, engine.group) {
            (Place::Spool(_), None) => {
                let size = (far.len() / (4 * SPOOLED)).clamp(1, FILED);
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
            engine,
            pattern,
            plan: Plan::new(far, options),
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

/// What came of a case, by its place.
type Read = (usize, Result<Answer, Error>);

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

/// The loop of a run on an engine.
struct Driver<'a> {
    cohort: &'a Cohort,
    engine: &'a Engine,
    /// A group without cases.
    pattern: Group,
    plan: Plan,
    transport: &'a mut dyn Transport,
    jobs: Option<Sender<Ready>>,
    /// The groups that are out, by their keys.
    keys: HashMap<String, u64>,
    /// Why workers say that they ended.
    words: HashMap<String, String>,
    places: HashMap<&'a str, usize>,
    /// Cases that are done before others that come first.
    waiting: BTreeMap<usize, Result<Answer, Error>>,
    next: usize,
    begin: Instant,
    has_begun: bool,
}

impl Driver<'_> {
    fn drive(
        &mut self,
        stop: &Arc<AtomicBool>,
        told: &Receiver<Read>,
        say: &mut dyn FnMut(&str),
        each: &mut dyn FnMut(Done<'_>),
    ) -> Result<(), Error> {
        let mut is_nobody_said = false;
        let mut settled = None;
        loop {
            for (at, answer) in told.try_iter() {
                self.waiting.insert(at, answer);
            }
            if self.tell(each) {
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Err(exec::error::Error::Stopped.into());
            }
            let is_all = self.plan.is_done();
            if is_all
                && (self.plan.flying() == 0
                    || settled.get_or_insert_with(Instant::now).elapsed() > GRACE)
            {
                if self.next == self.cohort.cases.len() {
                    return Ok(());
                }
                if let Ok((at, answer)) = told.recv_timeout(TICK) {
                    self.waiting.insert(at, answer);
                }
                continue;
            }
            if !is_all {
                self.send()?;
            }
            if !self.has_begun && !is_nobody_said && self.begin.elapsed() > NOBODY {
                is_nobody_said = true;
                say(&format!("vox: no worker has begun after {} s", NOBODY.as_secs()));
            }
            if let Some(message) = self.transport.receive(TICK)? {
                self.hear(message, say)?;
            }
        }
    }

    /// Tells cases in their order; says whether the store failed, so that no more are told.
    fn tell(&mut self, each: &mut dyn FnMut(Done<'_>)) -> bool {
        while let Some(answer) = self.waiting.remove(&self.next) {
            let is_fatal = matches!(
                &answer,
                Err(error @ (Error::Store(_) | Error::Run(_)))
                    if matches!(error.whose(), Whose::Store | Whose::Stopped)
            );
            each(Done { case: &self.cohort.cases[self.next], answer });
            self.next += 1;
            if is_fatal {
                return true;
            }
        }
        false
    }

    fn send(&mut self) -> Result<(), Error> {
        while let Some(batch) = self.plan.next() {
            self.order(&batch)?;
        }
        if let Some(copy) = self.plan.late(self.begin.elapsed()) {
            self.order(&copy)?;
        }
        Ok(())
    }

    fn order(&mut self, batch: &Batch) -> Result<(), Error> {
        let mut group = self.pattern.clone();
        group.attempt = batch.attempt;
        group.cases = batch.cases.iter().map(|at| self.case(*at)).collect();
        let ends =
            [group.cases.first(), group.cases.last()].map(|case| case.map_or("", |case| &*case.id));
        // Another word, so that an engine that knows names does not take the copy for what it has.
        let copy = if batch.is_copy { " once more" } else { "" };
        group.group = format!("{} to {}{copy}", ends[0], ends[1]);
        let key = group.key();
        self.keys.insert(key.clone(), batch.number);
        let near = if self.engine.near { batch.near.iter().cloned().collect() } else { Vec::new() };
        let avoid = batch.avoid.iter().cloned().collect();
        let needs = self.engine.needs.clone();
        Ok(self.transport.run(&Order { key, group, needs, near, avoid })?)
    }

    fn case(&self, at: usize) -> group::Case {
        let case = &self.cohort.cases[at];
        let dir = self.pattern.cwd.join(&self.engine.cases).join(&case.name);
        let below = |path: &PathBuf| {
            let path = self.pattern.cwd.join(path);
            path.strip_prefix(&dir).map_or_else(|_| path.clone(), Path::to_owned)
        };
        let input = case.inputs.iter().map(|(name, path)| (name.clone(), below(path))).collect();
        group::Case { id: case.name.clone(), input, dir }
    }

    fn hear(&mut self, message: Message, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let now = self.begin.elapsed();
        match message {
            Message::Slots(count) => self.plan.slots(count),
            Message::Accepted(_) | Message::Worker(_, Event::Alive { .. }) => {}
            Message::Worker(key, Event::Start { host, .. }) => {
                self.has_begun = true;
                if let Some(number) = self.keys.get(&key) {
                    self.plan.began(*number, &host, now);
                }
            }
            Message::Worker(_, Event::Case { case, counts, .. }) => {
                if let Some(at) = self.places.get(&*case).copied()
                    && self.cohort.cases[at].missing.is_empty()
                    && self.plan.told(at)
                    && let Some(jobs) = &self.jobs
                {
                    jobs.send(Ready { at, counts: Some(counts), told: Instant::now() }).ok();
                }
                for number in self.plan.needless() {
                    let key = self.keys.iter().find(|(_, other)| **other == number);
                    if let Some(key) = key.map(|(key, _)| key.clone()) {
                        self.keys.remove(&key);
                        self.transport.cancel(&key)?;
                    }
                }
            }
            Message::Worker(key, Event::End { error, .. }) => {
                if let Some(error) = error {
                    self.words.insert(key, error);
                }
            }
            Message::Exit(key, code) => self.ended(&key, &Ended::Exit(code), say)?,
            Message::Lost(key, reason) => self.ended(&key, &Ended::Lost(reason), say)?,
            Message::Refused { key, reason, host } => {
                let known = key.as_ref().is_none_or(|key| self.keys.contains_key(key));
                if known {
                    let host = host.map_or_else(String::new, |host| format!(" (on {host})"));
                    let message = format!("the engine refuses: {reason}{host}");
                    return Err(Error::Far { whose: Whose::Store, message });
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, key: &str, how: &Ended, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let Some(number) = self.keys.remove(key) else { return Ok(()) };
        let words = self.words.remove(key);
        let why = match (how, &words) {
            (_, Some(words)) => words.clone(),
            (Ended::Exit(code), None) => crate::remote::event::death(*code),
            (Ended::Lost(reason), None) => reason.clone(),
        };
        for verdict in self.plan.ended(number, how, self.begin.elapsed()) {
            match verdict {
                Verdict::Lost { case, reason } => {
                    self.waiting.insert(case, Err(Error::Lost { reason }));
                }
                Verdict::Again(count) => {
                    let cases = if count == 1 { "case goes" } else { "cases go" };
                    say(&format!("warning: {count} {cases} out again: {why}"));
                }
                Verdict::Stop { end, host } => {
                    let host = host.map_or_else(String::new, |host| format!(" on {host}"));
                    let whose = if end == End::Permanent { Whose::Usage } else { Whose::Store };
                    let message = format!("a worker{host} refuses: {why}");
                    return Err(Error::Far { whose, message });
                }
            }
        }
        Ok(())
    }
}

/// Returns a group of the run without its cases.
fn pattern(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
    engine: &Engine,
) -> Result<Group, Error> {
    let cwd = spec.world.cwd().to_owned();
    let mut program = Program {
        blob: String::new(),
        path: spec.program.clone(),
        text: spec.text.clone(),
        imports: imports(context, spec, cohort)?,
        dialect: spec.dialect.map(|dialect| match dialect {
            Dialect::One => 1,
            Dialect::Two => 2,
        }),
        set: spec.raw.clone(),
    };
    program.blob = program.digest().hex();
    let root = context.store.layout().root();
    Ok(Group {
        format: FORMAT,
        group: String::new(),
        attempt: 0,
        vox: worker::VERSION.to_owned(),
        kernels: worker::kernels().hex(),
        store: StoreRef { id: context.store.id()?, path: context.environment.cwd.join(root) },
        from: None,
        cwd,
        program,
        keep: context.config.keep.value.word().to_owned(),
        ttl_ms: context.config.ttl.value.map(|ttl| ttl.as_millis() as u64),
        retry_failed: spec.options.retry_failed,
        rehash: spec.rehash,
        goals: Vec::new(),
        cases: Vec::new(),
        limits: engine.limits.clone(),
        needs: engine.needs.clone(),
    })
}

/// Returns the files that the program imports, which do not depend on the case.
fn imports(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
) -> Result<BTreeMap<PathBuf, String>, Error> {
    let mut last = None;
    for case in cohort.cases.iter().filter(|case| case.missing.is_empty()) {
        let disk = Disk::reading(context.store.clone(), &spec.world, false);
        match run::plan(
            spec,
            run::request(spec, Some(case)),
            Arc::new(disk),
            context.registry.clone(),
        ) {
            Ok(lowered) => {
                let text =
                    |path: PathBuf| run::text(spec.world.cwd(), &path).map(|text| (path, text));
                return lowered.imports.into_iter().map(text).collect();
            }
            Err(error) if error.whose() == Whose::Input => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    // No case can be planned: each will say so itself.
    drop(last);
    Ok(BTreeMap::new())
}
