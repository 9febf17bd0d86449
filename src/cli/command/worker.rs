//! `vox worker`: one group of cases, told as lines of JSON.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::app::config::Flags;
use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::app::far::worker::{self, Far, Trouble};
use crate::app::remote::Tell;
use crate::app::run::Answer;
use crate::cli::command::{run, spool};
use crate::cli::far_args::Worker;
use crate::cli::json as shape;
use crate::cli::lifeline;
use crate::cli::out;
use crate::cli::signal;
use crate::cli::words::{Voice, chain};
use crate::exec;
use crate::exec::error::Failure;
use crate::exec::event::Outcome;
use crate::remote::event::{self, Counts, Event, Status, Told};
use crate::remote::group::{Group, LONGEST};
use crate::remote::spool::read;
use crate::store::place;

/// How long what is under way may take after SIGTERM.
const GRACE: Duration = Duration::from_millis(4500);
/// The same when whoever began it is gone.
const ORPHANED: Duration = Duration::from_millis(250);
/// How often it says that it goes on.
const ALIVE: Duration = Duration::from_secs(10);
/// How often it is looked whether it should end.
const TICK: Duration = Duration::from_millis(25);
/// What a process takes besides the values that it holds: this, and half as much again as they.
const BESIDES: u64 = 512 << 20;

/// Runs a group, or works through a directory of them.
pub fn run(args: &Worker, environment: Environment, voice: Voice) -> Result<ExitCode, Error> {
    if let Some(dir) = &args.spool {
        return spool::run(args, dir, &environment, voice);
    }
    let from = args.group.as_deref().unwrap_or(Path::new("-"));
    let group = match group(from) {
        Ok(group) => group,
        Err(error) => {
            let message = chain(&error);
            voice.error(&error);
            return Ok(end(2, 0, Some(message)));
        }
    };
    Ok(work(&group, from, args, environment, voice))
}

/// Reads a group. What comes after one on stdin is left there: its end is that of whoever began this.
fn group(from: &Path) -> Result<Group, Error> {
    if from != Path::new("-") {
        return Ok(read(from)?);
    }
    let stdin = io::stdin().lock().take(LONGEST);
    let mut values = serde_json::Deserializer::from_reader(stdin).into_iter::<serde_json::Value>();
    let text = match values.next() {
        Some(Ok(json)) => json.to_string(),
        Some(Err(error)) => {
            return Err(Error::Usage(format!("stdin is no group of cases: {error}")));
        }
        None => return Err(Error::Usage("stdin is no group of cases: it is empty".to_owned())),
    };
    Ok(Group::parse("stdin", text.as_bytes())?)
}

fn work(
    group: &Group,
    from: &Path,
    args: &Worker,
    environment: Environment,
    voice: Voice,
) -> ExitCode {
    let flags = match flags(args) {
        Ok(flags) => flags,
        Err(error) => {
            voice.error(&error);
            return end(2, 0, Some(error.to_string()));
        }
    };
    confine(flags.memory.or(group.limits.memory));
    let tell: Tell = Box::new(move |why| {
        if !voice.quiet {
            out::say(&format!("warning: {why}; what it may have is computed"));
        }
    });
    let far = match Far::join(group, flags, environment, tell) {
        Ok(far) => far,
        Err(Trouble { code, message }) => {
            let message = format!("{message} (host {})", place::host());
            let error = Error::Far { whose: Whose::Store, message: message.clone() };
            voice.error(&error);
            return end(code, 0, Some(message));
        }
    };
    let watch = Arc::new(Watch::default());
    if let Err(error) = signal::listen(&far.context.stop) {
        voice.error(&error);
    }
    lifeline::watch(if from == Path::new("-") { JUST_READ } else { Duration::ZERO }, {
        let (stop, watch) = (Arc::clone(&far.context.stop), Arc::clone(&watch));
        move || {
            watch.is_orphan.store(true, Ordering::SeqCst);
            stop.store(true, Ordering::SeqCst);
        }
    });
    // Whoever reads this may ask it to end.
    say(&Event::Start {
        group: group.name().hex(),
        attempt: group.attempt,
        host: place::host(),
        pid: std::process::id(),
        vox: worker::VERSION.to_owned(),
        kernels: worker::kernels().hex(),
        store: far.store.clone(),
        offer: (group.from.is_some()).then(|| offer(args, &far)),
        cases: group.cases.len(),
    });
    let seconds = args.seconds.or(group.limits.seconds);
    {
        let (stop, watch) = (Arc::clone(&far.context.stop), Arc::clone(&watch));
        let (of, limit) = (group.cases.len(), seconds.map(Duration::from_secs));
        thread::spawn(move || watch.over(&stop, of, limit));
    }
    let (code, error) = far.run(&mut |case, answer, took| {
        let mut event = told(&case.name, answer, took);
        if let Ok(answer) = answer {
            event.files = far.seen(answer);
            if group.report {
                event.nodes = answer.report.nodes.iter().map(ran).collect();
            }
        }
        say(&Event::Case(Box::new(event)));
        watch.done.fetch_add(1, Ordering::SeqCst);
    });
    watch.finish();
    let code = match signal::came() {
        Some(signal) if code == 143 => 128 + i32::from(signal),
        _ => code,
    };
    end(code, watch.done.load(Ordering::SeqCst), error)
}

/// A stdin that ends so soon after its group was a file, not somebody who waits.
const JUST_READ: Duration = Duration::from_millis(200);

/// Reads the limits and the store from the command line.
fn flags(args: &Worker) -> Result<Flags, Error> {
    Ok(Flags {
        store: args.common.store.clone(),
        threads: args.threads.as_deref().map(run::threads).transpose()?,
        memory: args.memory.as_deref().map(run::memory).transpose()?,
        ..Flags::default()
    })
}

/// Looks after a worker from beside it.
#[derive(Default)]
struct Watch {
    /// Is whoever began this gone?
    is_orphan: AtomicBool,
    done: AtomicUsize,
    finished: (Mutex<bool>, Condvar),
}

impl Watch {
    fn finish(&self) {
        *self.finished.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.finished.1.notify_all();
    }

    /// Waits a little; says whether all is done.
    fn rest(&self) -> bool {
        let finished = self.finished.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.finished.1.wait_timeout_while(finished, TICK, |finished| !*finished);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Says that it goes on, and ends the process when it should have ended: an operator may take long, and
    /// what is not sealed by then is computed again.
    fn over(&self, stop: &AtomicBool, of: usize, limit: Option<Duration>) {
        let begin = Instant::now();
        let mut alive = begin;
        let mut asked: Option<Instant> = None;
        while !self.rest() {
            if alive.elapsed() >= ALIVE {
                alive = Instant::now();
                say(&Event::Alive { done: self.done.load(Ordering::SeqCst), of });
            }
            if limit.is_some_and(|limit| begin.elapsed() > limit) {
                let error = Some("it took longer than it may".to_owned());
                say(&Event::End { code: 124, done: self.done.load(Ordering::SeqCst), error });
                std::process::exit(124);
            }
            if stop.load(Ordering::SeqCst) {
                let since = *asked.get_or_insert_with(Instant::now);
                let grace = if self.is_orphan.load(Ordering::SeqCst) { ORPHANED } else { GRACE };
                if since.elapsed() > grace {
                    std::process::exit(143);
                }
            }
        }
    }
}

fn say(event: &Event) {
    out::line(&event.line());
    out::flush();
}

fn end(code: i32, done: usize, error: Option<String>) -> ExitCode {
    say(&Event::End { code, done, error });
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn told(case: &str, answer: Result<&Answer, &Error>, took: Duration) -> Told {
    let case = case.to_owned();
    let (files, nodes) = (Vec::new(), Vec::new());
    let ms = took.as_millis() as u64;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let (goals, counts) = (serde_json::Value::Null, Counts::default());
            let error = Some(chain(error));
            let status = Status::Failed;
            return Told { case, status, goals, counts, ms, lost: false, error, files, nodes };
        }
    };
    let failures: Vec<&Failure> = answer
        .goals
        .iter()
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Failed(failure) => Some(&**failure),
            _ => None,
        })
        .collect();
    let counts = worker::counts(answer);
    let is_refusal = |failure: &&Failure| matches!(failure, Failure::Refused { .. });
    let status = match failures.first() {
        Some(_) if failures.iter().all(is_refusal) => Status::Refused,
        Some(_) => Status::Failed,
        None if counts.computed + counts.redone == 0 => Status::Hit,
        None => Status::Done,
    };
    let mut goals = shape::case(None, answer, false)["goals"].take();
    for goal in goals.as_array_mut().into_iter().flatten() {
        // Where a goal would be saved is not this host's to say.
        if let Some(goal) = goal.as_object_mut() {
            goal.remove("path");
            goal.remove("written");
        }
    }
    let error = failures.first().map(ToString::to_string);
    let lost = failures.iter().any(|failure| matches!(failure, Failure::Lost { .. }));
    Told { case, status, goals, counts, ms, lost, error, files, nodes }
}

fn ran(ran: &exec::report::Ran) -> event::Ran {
    event::Ran {
        node: ran.node.to_string(),
        op: ran.op.to_owned(),
        us: ran.us,
        bytes: ran.bytes,
        made: ran.made,
        claimed: ran.claimed,
        again: ran.why.was_recorded(),
    }
}

/// Returns where others read this worker's store: what was said, or its folder.
fn offer(args: &Worker, far: &Far) -> String {
    let environment = &far.context.environment;
    match args.offer.as_deref().or_else(|| environment.vox("offer")) {
        Some(place) if place.contains("://") => place.to_owned(),
        Some(place) => environment.cwd.join(place).display().to_string(),
        None => environment.cwd.join(far.context.store.layout().root()).display().to_string(),
    }
}

/// Lets this process take not much more than the values that it may hold.
#[cfg(target_os = "linux")]
fn confine(memory: Option<u64>) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let Some(memory) = memory else { return };
    let most = Some(memory.saturating_add(memory / 2).saturating_add(BESIDES));
    // A lower one that somebody else set stays.
    setrlimit(Resource::Data, Rlimit { current: most, maximum: most }).ok();
}

#[cfg(not(target_os = "linux"))]
fn confine(_: Option<u64>) {}
