//! The loop of a run on an engine: groups go out, cases come back, each is told in its turn.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use crate::app::cases::Cohort;
use crate::app::cohort::Done;
use crate::app::context::Context;
use crate::app::error::{Error, Whose};
use crate::app::far::common;
use crate::app::far::engine::{self, Engine, Place};
use crate::app::far::reader::{Job, Read};
use crate::app::run::{Answer, Spec};
use crate::exec;
use crate::remote::event::{self, End, Event, Told};
use crate::remote::group::{self, Group};
use crate::remote::plan::{Batch, Ended, Plan, Verdict};
use crate::remote::transport::{Message, Order, Transport};

/// How long it is waited for word at a time.
const TICK: Duration = Duration::from_millis(20);
/// How long workers may take to end after their last case.
const GRACE: Duration = Duration::from_secs(2);
/// After so long without a worker it is said that there is none.
const NOBODY: Duration = Duration::from_secs(10);
/// So long the store is asked for cases before the first go out.
const EAGER: Duration = Duration::from_millis(500);
/// What all cases share is tried so often ahead of them.
const AHEAD: u32 = 2;

/// The loop of a run on an engine.
pub(in crate::app::far) struct Driver<'a> {
    pub(in crate::app::far) context: &'a Context,
    pub(in crate::app::far) spec: &'a Spec,
    pub(in crate::app::far) cohort: &'a Cohort,
    pub(in crate::app::far) engine: &'a Engine,
    pub(in crate::app::far) plan: Plan,
    /// Begun when the first case has to be computed.
    pub(in crate::app::far) line: Option<Line>,
    pub(in crate::app::far) jobs: Option<Sender<Job>>,
    /// The groups that are out, by their keys.
    pub(in crate::app::far) keys: HashMap<String, u64>,
    /// Where the store of a group's worker can be read, if it is one of its own.
    pub(in crate::app::far) offers: HashMap<String, Arc<str>>,
    /// Why workers say that they ended.
    pub(in crate::app::far) words: HashMap<String, String>,
    pub(in crate::app::far) places: HashMap<&'a str, usize>,
    /// Cases of which it is known whether they have to be computed, but not of all before them.
    pub(in crate::app::far) found: BTreeMap<usize, bool>,
    /// How many cases were looked at, from the first: groups do not depend on who was looked at sooner.
    pub(in crate::app::far) tried: usize,
    /// The first cases that have to be computed.
    pub(in crate::app::far) first: Vec<usize>,
    pub(in crate::app::far) ahead: Ahead,
    /// Cases that are done before others that come first.
    pub(in crate::app::far) waiting: BTreeMap<usize, Result<Answer, Error>>,
    pub(in crate::app::far) next: usize,
    pub(in crate::app::far) begin: Instant,
}

/// The way to workers.
pub(in crate::app::far) struct Line {
    pub(in crate::app::far) transport: Box<dyn Transport>,
    /// A group without cases.
    pattern: Group,
    begin: Instant,
    /// Has a worker begun, or was it said that none has?
    has_begun: bool,
}

/// What becomes of the nodes that all cases share.
pub(in crate::app::far) enum Ahead {
    /// It is not known whether there are any.
    Unknown,
    /// They are out, in this group; cases wait.
    Out(Box<Group>),
    /// Cases may go.
    Done,
}

impl Driver<'_> {
    /// Drives until all cases are told.
    pub(in crate::app::far) fn drive(
        &mut self,
        stop: &Arc<AtomicBool>,
        reads: &Receiver<Read>,
        say: &mut dyn FnMut(&str),
        each: &mut dyn FnMut(Done<'_>),
    ) -> Result<(), Error> {
        let mut settled = None;
        loop {
            for read in reads.try_iter() {
                self.read(read, say);
            }
            if self.tell(each) {
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Err(exec::error::Error::Stopped.into());
            }
            let is_all = self.is_tried() && self.plan.is_done();
            if is_all && self.next == self.cohort.cases.len() {
                let since: &mut Instant = settled.get_or_insert_with(Instant::now);
                if self.plan.flying() == 0 || since.elapsed() > GRACE {
                    return Ok(());
                }
            }
            if !is_all && self.may_send() {
                self.send(say)?;
            }
            let message = match &mut self.line {
                Some(line) if !is_all || self.plan.flying() > 0 => line.transport.receive(TICK)?,
                _ => {
                    if let Ok(read) = reads.recv_timeout(TICK) {
                        self.read(read, say);
                    }
                    None
                }
            };
            if let Some(message) = message {
                self.hear(message, say)?;
            } else if let Some(line) = &mut self.line
                && !line.has_begun
                && line.begin.elapsed() > NOBODY
            {
                line.has_begun = true;
                say(&format!("vox: no worker has begun after {} s", NOBODY.as_secs()));
            }
        }
    }

    fn read(&mut self, read: Read, say: &mut dyn FnMut(&str)) {
        match read {
            Read::Answer(at, answer) => {
                self.waiting.insert(at, *answer);
                if at >= self.tried {
                    self.found.insert(at, false);
                }
            }
            Read::Unknown(at) => {
                self.found.insert(at, true);
            }
            Read::Words(words) => say(&words),
        }
        while let Some(is_new) = self.found.remove(&self.tried) {
            if is_new {
                self.plan.add(self.tried);
                if self.first.len() < 2 {
                    self.first.push(self.tried);
                }
            }
            self.tried += 1;
        }
    }

    fn is_tried(&self) -> bool {
        self.tried == self.cohort.cases.len()
    }

    /// Can a worker do anything about a case?
    fn is_far(&self, at: usize) -> bool {
        self.cohort.cases[at].missing.is_empty()
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

    /// Is it known well enough what has to be computed? A directory gets all at once; others get some early.
    fn may_send(&self) -> bool {
        let is_at_once = matches!(self.engine.place, Place::Spool(_));
        self.is_tried() || (!is_at_once && self.plan.has_more() && self.begin.elapsed() > EAGER)
    }

    fn send(&mut self, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        if self.line.is_none() {
            let pattern = engine::pattern(self.context, self.spec, self.cohort, self.engine)?;
            let transport = engine::start(self.context, self.engine, say)?;
            let begin = Instant::now();
            self.line = Some(Line { transport, pattern, begin, has_begun: false });
        }
        if matches!(self.ahead, Ahead::Unknown) {
            self.look_ahead()?;
        }
        if matches!(self.ahead, Ahead::Out(_)) {
            return Ok(());
        }
        if self.is_tried() {
            self.plan.close();
        }
        while let Some(batch) = self.plan.batch() {
            self.order(&batch)?;
        }
        if let Some(copy) = self.plan.late(self.begin.elapsed()) {
            self.order(&copy)?;
        }
        Ok(())
    }

    /// Sends what all cases share ahead of them, if it is dear.
    fn look_ahead(&mut self) -> Result<(), Error> {
        self.ahead = Ahead::Done;
        let [one, other] = self.first[..] else { return Ok(()) };
        let nodes = common::dear(self.context, self.spec, self.cohort, [one, other])?;
        if nodes.is_empty() {
            return Ok(());
        }
        let mut group = self.line().pattern.clone();
        group.group = "what all cases share".to_owned();
        group.nodes = nodes.iter().map(ToString::to_string).collect();
        group.cases = vec![self.case(one)];
        self.go_ahead(group)
    }

    fn go_ahead(&mut self, group: Group) -> Result<(), Error> {
        let order = Order {
            key: group.key(),
            group: group.clone(),
            needs: self.engine.needs.clone(),
            priority: 2,
            near: Vec::new(),
            avoid: Vec::new(),
        };
        self.ahead = Ahead::Out(Box::new(group));
        Ok(self.line().transport.run(&order)?)
    }

    fn line(&mut self) -> &mut Line {
        self.line.as_mut().expect("it begins before anything is sent")
    }

    fn order(&mut self, batch: &Batch) -> Result<(), Error> {
        let mut group = self.line().pattern.clone();
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
        let priority = i64::from(batch.attempt > 0 || batch.is_copy);
        Ok(self.line().transport.run(&Order { key, group, needs, priority, near, avoid })?)
    }

    fn case(&self, at: usize) -> group::Case {
        let case = &self.cohort.cases[at];
        let cwd = self.spec.world.cwd();
        let dir = cwd.join(&self.engine.cases).join(&case.name);
        let below = |path: &PathBuf| {
            let path = cwd.join(path);
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
            Message::Worker(key, Event::Start { host, store, offer, .. }) => {
                let line = self.line();
                line.has_begun = true;
                let is_own = store != line.pattern.store.id;
                if let Some(number) = self.keys.get(&key) {
                    self.plan.began(*number, &host, now);
                }
                if let Some(offer) = offer.filter(|_| is_own) {
                    self.offers.insert(key, offer.into());
                }
            }
            Message::Worker(key, Event::Case(told)) => self.case_told(&key, told)?,
            Message::Worker(key, Event::End { error, .. }) => {
                if let Some(error) = error {
                    self.words.insert(key, error);
                }
            }
            Message::Exit(key, code) => self.ended(&key, &Ended::Exit(code), say)?,
            Message::Lost(key, reason) => self.ended(&key, &Ended::Lost(reason), say)?,
            Message::Refused { key, reason, host } => {
                let is_ours = |key: &String| self.keys.contains_key(key) || self.is_ahead(key);
                let known = key.as_ref().is_none_or(is_ours);
                if known {
                    let host = host.map_or_else(String::new, |host| format!(" (on {host})"));
                    let message = format!("the engine refuses: {reason}{host}");
                    return Err(Error::Far { whose: Whose::Store, message });
                }
            }
        }
        Ok(())
    }

    fn case_told(&mut self, key: &str, told: Box<Told>) -> Result<(), Error> {
        if self.is_ahead(key) {
            return Ok(());
        }
        let known = self.places.get(&*told.case).copied().filter(|at| self.is_far(*at));
        let Some(at) = known.filter(|at| self.plan.told(*at)) else { return Ok(()) };
        if told.lost {
            let reason = told.error.unwrap_or_else(|| "no reason was given".to_owned());
            self.waiting.insert(at, Err(Error::Lost { reason }));
        } else if let Some(jobs) = &self.jobs {
            let offer = self.offers.get(key).cloned();
            jobs.send(Job::Told { at, told, offer, heard: Instant::now() }).ok();
        }
        for number in self.plan.needless() {
            let key = self.keys.iter().find(|(_, other)| **other == number);
            if let Some(key) = key.map(|(key, _)| key.clone()) {
                self.keys.remove(&key);
                self.line().transport.cancel(&key)?;
            }
        }
        Ok(())
    }

    fn is_ahead(&self, key: &str) -> bool {
        matches!(&self.ahead, Ahead::Out(group) if group.key() == key)
    }

    fn ended(&mut self, key: &str, how: &Ended, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let words = self.words.remove(key);
        if let Ahead::Out(group) = &self.ahead
            && group.key() == key
        {
            let end = match how {
                Ended::Exit(code) => End::of(*code),
                Ended::Lost(_) => End::Lost,
            };
            let mut group = group.clone();
            group.attempt += 1;
            if end != End::Told && end != End::Permanent && group.attempt < AHEAD {
                return self.go_ahead(*group);
            }
            // Whatever became of it, each case says for itself what it means.
            self.ahead = Ahead::Done;
            return Ok(());
        }
        let Some(number) = self.keys.remove(key) else { return Ok(()) };
        self.offers.remove(key);
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
