//! The loop of a run on an engine: groups go out, cases come back, each is told in its turn.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use crate::app::cases::Cohort;
use crate::app::cohort::Done;
use crate::app::engine::Engine;
use crate::app::error::{Error, Whose};
use crate::app::run::Answer;
use crate::exec;
use crate::remote::event::{self, Counts, End, Event};
use crate::remote::group::{self, Group};
use crate::remote::plan::{Batch, Ended, Plan, Verdict};
use crate::remote::transport::{Message, Order, Transport};

/// How long it is waited for word at a time.
const TICK: Duration = Duration::from_millis(20);
/// How long workers may take to end after their last case.
const GRACE: Duration = Duration::from_secs(2);
/// After so long without a worker it is said that there is none.
const NOBODY: Duration = Duration::from_secs(10);

/// A case that is to be told from the store.
pub(in crate::app) struct Ready {
    /// Its place.
    pub(in crate::app) at: usize,
    /// What ran for it elsewhere.
    pub(in crate::app) counts: Option<Counts>,
    /// When its receipts were durable.
    pub(in crate::app) told: Instant,
}

/// What came of a case, by its place.
pub(in crate::app) type Read = (usize, Result<Answer, Error>);

/// The loop of a run on an engine.
pub(in crate::app) struct Driver<'a> {
    pub(in crate::app) cohort: &'a Cohort,
    pub(in crate::app) engine: &'a Engine,
    /// A group without cases.
    pub(in crate::app) pattern: Group,
    pub(in crate::app) plan: Plan,
    pub(in crate::app) transport: &'a mut dyn Transport,
    pub(in crate::app) jobs: Option<Sender<Ready>>,
    /// The groups that are out, by their keys.
    pub(in crate::app) keys: HashMap<String, u64>,
    /// Why workers say that they ended.
    pub(in crate::app) words: HashMap<String, String>,
    pub(in crate::app) places: HashMap<&'a str, usize>,
    /// Cases that are done before others that come first.
    pub(in crate::app) waiting: BTreeMap<usize, Result<Answer, Error>>,
    pub(in crate::app) next: usize,
    pub(in crate::app) begin: Instant,
    pub(in crate::app) has_begun: bool,
}

impl Driver<'_> {
    /// Drives until all cases are told.
    pub(in crate::app) fn drive(
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
        while let Some(batch) = self.plan.batch() {
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
            Message::Worker(_, Event::Case { case, counts, lost, error, .. }) => {
                let known = self.places.get(&*case).copied();
                let known = known.filter(|at| self.cohort.cases[*at].missing.is_empty());
                let Some(at) = known.filter(|at| self.plan.told(*at)) else { return Ok(()) };
                if lost {
                    let reason = error.unwrap_or_else(|| "no reason was given".to_owned());
                    self.waiting.insert(at, Err(Error::Lost { reason }));
                } else if let Some(jobs) = &self.jobs {
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
            (Ended::Exit(code), None) => event::death(*code),
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
