//! Jobs: a queue, the threads that start children, and what became of each.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use tokio::sync::{oneshot, watch};
use utoipa::ToSchema;

use crate::app::upkeep::now_ms;
use crate::serve::job::child::{self, Done, End, Limits, Order, Stop};
use crate::serve::job::tally::Tally;

/// Jobs that ended and are still told of.
const KEPT: usize = 100;
/// Events of a job that are still told.
const EVENTS: usize = 10_000;
/// Bytes of them.
const EVENT_BYTES: usize = 8 << 20;
/// Questions that wait at once.
const WAITING: usize = 64;
/// Children that answer questions at once.
const ASKED: usize = 2;
/// What a child may write to stdout: `vox run --events` of a large cohort writes much.
const OUTPUT: u64 = 256 << 20;
/// A question is answered within this time.
const ANSWER: Duration = Duration::from_secs(30);

/// How much is done at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Jobs at once.
    pub slots: usize,
    /// Jobs that wait.
    pub queue: usize,
    /// Bytes of memory that a child may take.
    pub memory: u64,
    /// How long it may take.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { slots: 1, queue: 32, memory: 4 << 30, time: Duration::from_secs(3600) }
    }
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobKind)]
pub enum Kind {
    /// A program runs.
    Run,
    /// The store's files are checked.
    Verify,
    /// Results are removed, or it is told which would be.
    Gc,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobStatus)]
pub enum Status {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It ended, and all is well.
    Done,
    /// It ended otherwise: `detail` says why.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl Status {
    fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A job as it is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct Told {
    /// Its name.
    pub id: String,
    /// What is done.
    pub kind: Kind,
    /// How far it is.
    pub status: Status,
    /// When it was asked for, in milliseconds since 1970.
    pub created: u64,
    /// When it began.
    pub started: Option<u64>,
    /// When it ended.
    pub ended: Option<u64>,
    /// The exit code of its process.
    pub exit: Option<i32>,
    /// Why it failed.
    pub detail: Option<String>,
    /// How many events it has had.
    pub events: u64,
    /// The mistakes and warnings of its program, as `vox check --message-format json` tells them.
    #[schema(value_type = Vec<Object>)]
    pub mistakes: Vec<Json>,
    /// What it gave, once it ended: for a run its goals and counts.
    #[schema(value_type = Option<Object>)]
    pub answer: Option<Json>,
}

/// A job.
pub struct Job {
    state: Mutex<State>,
    stop: Stop,
    order: Order,
    changed: watch::Sender<u64>,
}

struct State {
    told: Told,
    events: VecDeque<Arc<str>>,
    bytes: usize,
}

/// Events of a job, from some number on.
pub struct News {
    /// The number of the first.
    pub first: u64,
    /// The events, each an object of JSON.
    pub events: Vec<Arc<str>>,
    /// Will there be no more?
    pub over: bool,
}

impl Job {
    /// Returns what is told of it.
    pub fn told(&self) -> Told {
        self.state().told.clone()
    }

    /// Returns the events from number `from` on; older ones that were let go are left out.
    pub fn news(&self, from: u64) -> News {
        let state = self.state();
        let oldest = state.told.events - state.events.len() as u64;
        let first = from.clamp(oldest, state.told.events);
        let skip = (first - oldest) as usize;
        let events = state.events.iter().skip(skip).take(256).cloned().collect::<Vec<_>>();
        let is_last = first + events.len() as u64 == state.told.events;
        News { first, events, over: is_last && state.told.status.is_over() }
    }

    /// Returns what changes with every event and at the end.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, line: &str) {
        if !line.starts_with('{') {
            return;
        }
        let mut state = self.state();
        state.bytes += line.len();
        state.events.push_back(line.into());
        state.told.events += 1;
        while state.events.len() > EVENTS || state.bytes > EVENT_BYTES && state.events.len() > 1 {
            let gone = state.events.pop_front().map_or(0, |event| event.len());
            state.bytes -= gone;
        }
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }

    fn set(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.state().told);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Runs it; returns words for the log, when there are any.
    fn run(&self) -> Option<String> {
        if self.stop.asked() {
            return None;
        }
        self.set(|told| {
            told.status = Status::Running;
            told.started = Some(now_ms());
        });
        let kind = self.told().kind;
        let is_run = kind == Kind::Run;
        let mut last = String::new();
        let done = child::run(&self.order, &self.stop, &mut |line| {
            if is_run {
                self.event(line);
            }
            line.clone_into(&mut last);
        });
        let (end, errors) = match done {
            Ok(Done { end, errors }) => (end, errors),
            Err(error) => {
                let detail = Some("it could not be started".to_owned());
                self.set(|told| {
                    told.status = Status::Failed;
                    told.ended = Some(now_ms());
                    told.detail = detail;
                });
                return Some(format!("a job could not be started: {error}"));
            }
        };
        let Said { mistakes, hidden } = Said::of(&errors);
        let mut answer: Option<Json> = serde_json::from_str(&last).ok();
        if is_run {
            answer = answer.and_then(|mut event| event.get_mut("answer").map(Json::take));
        }
        let (status, detail) = verdict(&end);
        self.set(|told| {
            told.status = status;
            told.ended = Some(now_ms());
            told.exit = if let End::Exit(code) = end { Some(code) } else { None };
            told.detail = detail;
            told.mistakes = mistakes;
            told.answer = answer.map(|answer| without_places(kind, answer));
        });
        hidden
    }
}

/// Says what an end means to whoever asked.
fn verdict(end: &End) -> (Status, Option<String>) {
    let why = match end {
        End::Exit(0) => return (Status::Done, None),
        End::Stopped => return (Status::Cancelled, None),
        End::Exit(1) => "a goal or a case has no result: the answer says why",
        End::Exit(2) => "it was asked for in a way that makes no sense",
        End::Exit(3) => "the program has mistakes",
        End::Exit(4) => "an input is missing, cannot be read, changes, or lies on another grid",
        End::Exit(5) => "the store is damaged, read-only or full; the server's log says more",
        End::Exit(code) => return (Status::Failed, Some(format!("it ended with code {code}"))),
        End::Signal(signal) => {
            let why = format!("it died of signal {signal}, most often for want of memory");
            return (Status::Failed, Some(why));
        }
        End::Late => "it took longer than it may",
        End::Loud => "it said more than is read",
    };
    (Status::Failed, Some(why.to_owned()))
}

/// What a child said on stderr.
pub struct Said {
    /// What the caller may know: mistakes of the program and of its inputs.
    pub mistakes: Vec<Json>,
    /// What is for the server's log.
    pub hidden: Option<String>,
}

impl Said {
    /// Sorts the lines.
    pub fn of(errors: &str) -> Self {
        let (mut mistakes, mut hidden) = (Vec::new(), Vec::new());
        for line in errors.lines() {
            let object: Option<Map<String, Json>> = serde_json::from_str(line).ok();
            let Some(object) = object else { continue };
            // Of what is wrong with the store or with vox, only the log is told: it names paths.
            let is_ours = matches!(
                object.get("whose").and_then(Json::as_str),
                Some("store" | "vox" | "stopped")
            );
            if is_ours {
                let message = object.get("message").and_then(Json::as_str).unwrap_or_default();
                hidden.push(message.to_owned());
            } else if object.contains_key("severity") {
                mistakes.push(Json::Object(object));
            }
        }
        let hidden = (!hidden.is_empty()).then(|| hidden.join("; "));
        Self { mistakes, hidden }
    }
}

/// Leaves out of an answer what names places of this host.
fn without_places(kind: Kind, mut answer: Json) -> Json {
    if kind == Kind::Run {
        // A run sees no path but those that the caller wrote.
        return answer;
    }
    let Some(fields) = answer.as_object_mut() else { return Json::Null };
    fields.remove("store");
    if let Some(Json::Array(strays)) = fields.get("strays") {
        let count = strays.len();
        fields.insert("strays".to_owned(), count.into());
    }
    for bad in fields.get_mut("bad").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(Json::String(segment)) = bad.get_mut("segment") {
            *segment = segment.rsplit('/').next().unwrap_or_default().to_owned();
        }
    }
    let damaged = fields.get_mut("damaged").and_then(Json::as_array_mut);
    let nodes = damaged.into_iter().flatten().filter_map(|one| one["nodes"].as_array_mut());
    let sources = nodes.flatten().filter_map(|node| node["from"].as_array_mut()).flatten();
    for source in sources.filter_map(Json::as_object_mut) {
        source.remove("path");
    }
    answer
}

/// All jobs of a server.
pub struct Jobs {
    binary: PathBuf,
    bounds: Bounds,
    inner: Mutex<Inner>,
    more: Condvar,
    next: AtomicU64,
    /// How many jobs wait and how many run.
    pub load: watch::Sender<(usize, usize)>,
    /// What jobs did.
    pub tally: Tally,
    /// Is told what goes wrong in here.
    log: Box<dyn Fn(&str) + Send + Sync>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Arc<Job>>,
    questions: VecDeque<Question>,
    known: VecDeque<Arc<Job>>,
    running: usize,
    ends: bool,
}

struct Question {
    order: Order,
    stop: Stop,
    answer: oneshot::Sender<std::io::Result<Heard>>,
}

/// What a child answered.
pub struct Heard {
    /// Its stdout.
    pub output: String,
    /// How it ended, and its stderr.
    pub done: Done,
}

/// A question; whoever drops it does not want to know any more.
pub struct Asking {
    stop: Stop,
    answer: oneshot::Receiver<std::io::Result<Heard>>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

impl Asking {
    /// Waits for the answer.
    pub async fn answer(mut self) -> std::io::Result<Heard> {
        match (&mut self.answer).await {
            Ok(heard) => heard,
            Err(_) => Err(std::io::Error::other("the server ends")),
        }
    }
}

impl Jobs {
    /// Begins, with threads that live as long as the process.
    pub fn begin(
        binary: PathBuf,
        bounds: Bounds,
        log: Box<dyn Fn(&str) + Send + Sync>,
    ) -> std::io::Result<Arc<Self>> {
        let jobs = Arc::new(Self {
            binary,
            bounds,
            inner: Mutex::default(),
            more: Condvar::new(),
            next: AtomicU64::new(1),
            load: watch::Sender::new((0, 0)),
            tally: Tally::default(),
            log,
        });
        for _ in 0..bounds.slots {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name("jobs".to_owned()).spawn(move || jobs.work())?;
        }
        for _ in 0..ASKED {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name("asks".to_owned()).spawn(move || jobs.answer())?;
        }
        Ok(jobs)
    }

    /// Takes a job in; none when too many wait.
    pub fn add(
        &self,
        kind: Kind,
        args: Vec<OsString>,
        input: Vec<u8>,
        time: Duration,
    ) -> Option<Arc<Job>> {
        let mut inner = self.inner();
        if inner.ends || inner.waiting.len() >= self.bounds.queue {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let created = now_ms();
        let told = Told {
            id: format!("{created:x}-{number}"),
            kind,
            status: Status::Queued,
            created,
            started: None,
            ended: None,
            exit: None,
            detail: None,
            events: 0,
            mistakes: Vec::new(),
            answer: None,
        };
        let time = time.min(self.bounds.time);
        let job = Arc::new(Job {
            state: Mutex::new(State { told, events: VecDeque::new(), bytes: 0 }),
            stop: Stop::default(),
            order: self.order(args, input, time),
            changed: watch::Sender::new(0),
        });
        inner.waiting.push_back(Arc::clone(&job));
        inner.known.push_back(Arc::clone(&job));
        while inner.known.len() > KEPT + self.bounds.queue {
            let Some(at) = inner.known.iter().position(|job| job.told().status.is_over()) else {
                break;
            };
            inner.known.remove(at);
        }
        self.tell(&inner);
        drop(inner);
        self.more.notify_all();
        Some(job)
    }

    /// Asks something that is answered soon; none when too many wait.
    pub fn ask(&self, args: Vec<OsString>, input: Vec<u8>) -> Option<Asking> {
        let mut inner = self.inner();
        if inner.ends || inner.questions.len() >= WAITING {
            return None;
        }
        let (answer, receiver) = oneshot::channel();
        let stop = Stop::default();
        let order = self.order(args, input, ANSWER);
        inner.questions.push_back(Question { order, stop: stop.clone(), answer });
        drop(inner);
        self.more.notify_all();
        Some(Asking { stop, answer: receiver })
    }

    /// Returns a job.
    pub fn find(&self, id: &str) -> Option<Arc<Job>> {
        self.inner().known.iter().find(|job| job.state().told.id == id).cloned()
    }

    /// Returns all jobs that are known, the newest first.
    pub fn list(&self) -> Vec<Told> {
        let known: Vec<Arc<Job>> = self.inner().known.iter().rev().cloned().collect();
        known.iter().map(|job| Told { answer: None, ..job.told() }).collect()
    }

    /// Ends a job, whether it waits or runs; one that is over stays as it is.
    pub fn cancel(&self, job: &Arc<Job>) {
        job.stop.ask();
        let mut inner = self.inner();
        let at = inner.waiting.iter().position(|other| Arc::ptr_eq(other, job));
        if let Some(at) = at {
            inner.waiting.remove(at);
            self.tell(&inner);
            drop(inner);
            job.set(|told| {
                told.status = Status::Cancelled;
                told.ended = Some(now_ms());
            });
        }
    }

    /// Ends all jobs, and takes none any more.
    pub fn end(&self) {
        let mut inner = self.inner();
        inner.ends = true;
        inner.questions.clear();
        let known: Vec<Arc<Job>> = inner.known.iter().cloned().collect();
        drop(inner);
        for job in &known {
            if !job.told().status.is_over() {
                self.cancel(job);
            }
        }
        self.more.notify_all();
    }

    fn order(&self, args: Vec<OsString>, input: Vec<u8>, time: Duration) -> Order {
        let limits = Limits { memory: self.bounds.memory, time, output: OUTPUT };
        Order { binary: self.binary.clone(), args, input, limits }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, inner: &Inner) {
        self.load.send_replace((inner.waiting.len(), inner.running));
    }

    /// Runs one job after another.
    fn work(&self) {
        loop {
            let mut inner = self.inner();
            let job = loop {
                if inner.ends {
                    return;
                }
                if let Some(job) = inner.waiting.pop_front() {
                    break job;
                }
                inner = self.more.wait(inner).unwrap_or_else(PoisonError::into_inner);
            };
            inner.running += 1;
            self.tell(&inner);
            drop(inner);
            if let Some(words) = job.run() {
                (self.log)(&words);
            }
            self.tally.count(&job.told());
            let mut inner = self.inner();
            inner.running -= 1;
            self.tell(&inner);
        }
    }

    /// Answers one question after another.
    fn answer(&self) {
        loop {
            let mut inner = self.inner();
            let question = loop {
                if inner.ends {
                    return;
                }
                if let Some(question) = inner.questions.pop_front() {
                    break question;
                }
                inner = self.more.wait(inner).unwrap_or_else(PoisonError::into_inner);
            };
            drop(inner);
            if question.stop.asked() {
                continue;
            }
            let mut output = String::new();
            let done = child::run(&question.order, &question.stop, &mut |line| {
                output.push_str(line);
                output.push('\n');
            });
            question.answer.send(done.map(|done| Heard { output, done })).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn jobs(slots: usize, queue: usize) -> Arc<Jobs> {
        let time = Duration::from_secs(60);
        let bounds = Bounds { slots, queue, memory: 1 << 30, time };
        Jobs::begin("/bin/sh".into(), bounds, Box::new(|_| ())).unwrap()
    }

    fn script(text: &str) -> Vec<OsString> {
        vec!["-c".into(), text.into()]
    }

    fn wait(job: &Job) -> Told {
        for _ in 0..3000 {
            if job.told().status.is_over() {
                return job.told();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the job does not end: {:?}", job.told());
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_job_is_told_from_its_beginning_to_its_end() {
        let jobs = jobs(1, 10);
        let text = r#"echo '{"event":"start"}'; echo words
            echo '{"severity":"error","whose":"input","message":"m"}' >&2
            echo '{"severity":"error","whose":"store","message":"/secret"}' >&2
            echo '{"event":"end","answer":{"goals":[]}}'; exit 4"#;
        let job = jobs.add(Kind::Run, script(text), Vec::new(), LONG).unwrap();
        let told = wait(&job);
        assert_eq!((told.status, told.exit, told.events), (Status::Failed, Some(4), 2));
        assert_eq!(told.mistakes.len(), 1);
        assert_eq!(told.answer.unwrap().to_string(), r#"{"goals":[]}"#);
        let news = job.news(0);
        assert!(news.over && news.events.len() == 2);
        assert!(job.news(1).events.len() == 1 && job.news(99).over);
        assert!(jobs.find(&told.id).is_some() && jobs.find("none").is_none());
    }

    #[test]
    fn an_answer_names_no_place_of_this_host() {
        let jobs = jobs(1, 10);
        let answer = r#"{"store":"/secret","strays":["/secret"],"bad":[{"segment":"/secret/x"}],
            "damaged":[{"nodes":[{"from":[{"file":"aa","path":"/secret"}]}]}]}"#;
        let text = format!("echo '{}'", answer.replace('\n', ""));
        let told = wait(&jobs.add(Kind::Verify, script(&text), Vec::new(), LONG).unwrap());
        let answer = told.answer.unwrap().to_string();
        assert!(!answer.contains("secret") && answer.contains("\"strays\":1"), "{answer}");
        assert_eq!(told.events, 0);
    }

    #[test]
    fn a_queue_is_bounded_and_everything_can_be_cancelled() {
        let jobs = jobs(1, 2);
        let sleep = || jobs.add(Kind::Run, script("exec sleep 60"), Vec::new(), LONG);
        let first = sleep().unwrap();
        while first.told().status == Status::Queued {
            thread::sleep(Duration::from_millis(5));
        }
        let second = sleep().unwrap();
        let third = sleep().unwrap();
        assert!(sleep().is_none());
        jobs.cancel(&second);
        assert_eq!(second.told().status, Status::Cancelled);
        jobs.cancel(&first);
        assert_eq!(wait(&first).status, Status::Cancelled);
        jobs.end();
        assert_eq!(wait(&third).status, Status::Cancelled);
        assert!(sleep().is_none());
    }

    #[test]
    fn a_question_that_nobody_waits_for_is_dropped() {
        let jobs = jobs(1, 2);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let heard =
            runtime.block_on(jobs.ask(script("echo yes; exit 3"), Vec::new()).unwrap().answer());
        let heard = heard.unwrap();
        assert_eq!((heard.output.as_str(), heard.done.end), ("yes\n", End::Exit(3)));
        let slow = jobs.ask(script("exec sleep 60"), Vec::new()).unwrap();
        thread::sleep(Duration::from_millis(100));
        drop(slow);
        // Both threads are free again, long before the minute is over.
        for _ in 0..4 {
            let asked = jobs.ask(script("true"), Vec::new()).unwrap();
            assert!(runtime.block_on(asked.answer()).is_ok());
        }
    }

    #[test]
    fn old_events_are_let_go() {
        let jobs = jobs(1, 2);
        let text = "i=0; while [ $i -lt 10010 ]; do echo \"{$i}\"; i=$((i+1)); done";
        let job = jobs.add(Kind::Run, script(text), Vec::new(), LONG).unwrap();
        assert_eq!(wait(&job).events, 10_010);
        let news = job.news(0);
        assert_eq!((news.first, news.events.len(), news.over), (10, 256, false));
    }
}
