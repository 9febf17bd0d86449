//! One job: its child, its events, its end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value as Json;
use tokio::sync::watch;

use crate::app::upkeep::now_ms;
use crate::serve::job::child::{self, Done, End, Order, Stop};
use crate::serve::job::said::{Said, without_places};
use crate::serve::job::told::{Kind, Status, Told};

/// Events of a job that are still told.
const EVENTS: usize = 10_000;
/// Bytes of them.
const EVENT_BYTES: usize = 8 << 20;

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
    /// Takes a job in.
    pub fn new(id: String, kind: Kind, order: Order) -> Self {
        let told = Told {
            id,
            kind,
            status: Status::Queued,
            created: now_ms(),
            started: None,
            ended: None,
            exit: None,
            detail: None,
            events: 0,
            mistakes: Vec::new(),
            answer: None,
        };
        Self {
            state: Mutex::new(State { told, events: VecDeque::new(), bytes: 0 }),
            stop: Stop::default(),
            order,
            changed: watch::Sender::new(0),
        }
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.stop.ask();
    }

    /// Ends it before it began.
    pub fn drop_it(&self) {
        self.set(|told| {
            told.status = Status::Cancelled;
            told.ended = Some(now_ms());
        });
    }

    /// Says whether it is called so.
    pub fn is(&self, id: &str) -> bool {
        self.state().told.id == id
    }

    /// Says whether nothing more becomes of it.
    pub fn is_over(&self) -> bool {
        self.state().told.status.is_over()
    }

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
    pub fn run(&self) -> Option<String> {
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
