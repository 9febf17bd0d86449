//! All jobs of a server: a queue, and the threads that start children.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::app::upkeep::now_ms;
use crate::serve::job::child::{self, Done, Limits, Order, Stop};
use crate::serve::job::one::Job;
use crate::serve::job::tally::Tally;
use crate::serve::job::told::{Kind, Told};

/// Jobs that ended and are still told of.
const KEPT: usize = 100;
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
        let id = format!("{:x}-{number}", now_ms());
        let order = self.order(args, input, time.min(self.bounds.time));
        let job = Arc::new(Job::new(id, kind, order));
        inner.waiting.push_back(Arc::clone(&job));
        inner.known.push_back(Arc::clone(&job));
        while inner.known.len() > KEPT + self.bounds.queue {
            let Some(at) = inner.known.iter().position(|job| job.is_over()) else {
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
        self.inner().known.iter().find(|job| job.is(id)).cloned()
    }

    /// Returns all jobs that are known, the newest first.
    pub fn list(&self) -> Vec<Told> {
        let known: Vec<Arc<Job>> = self.inner().known.iter().rev().cloned().collect();
        known.iter().map(|job| Told { answer: None, ..job.told() }).collect()
    }

    /// Ends a job, whether it waits or runs; one that is over stays as it is.
    pub fn cancel(&self, job: &Arc<Job>) {
        job.stop();
        let mut inner = self.inner();
        let at = inner.waiting.iter().position(|other| Arc::ptr_eq(other, job));
        if let Some(at) = at {
            inner.waiting.remove(at);
            self.tell(&inner);
            drop(inner);
            job.drop_it();
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
            if !job.is_over() {
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
    use crate::serve::job::child::End;
    use crate::serve::job::told::Status;

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
