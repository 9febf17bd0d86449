//! One child process: started with limits, read line by line, ended when asked or when it takes too long.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What one child may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of memory of its own.
    pub memory: u64,
    /// From its start to its end.
    pub time: Duration,
    /// Bytes of stdout, and as much of stderr, that are read; what comes after ends it.
    pub output: u64,
}

/// How a child is started.
#[derive(Clone, Debug)]
pub struct Order {
    /// The binary: the one that serves.
    pub binary: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its stdin.
    pub input: Vec<u8>,
    /// What it may take.
    pub limits: Limits,
}

/// Asks a child to end; the first to ask is obeyed.
#[derive(Clone, Default, Debug)]
pub struct Stop {
    wish: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        *self.wish.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wish.1.notify_all();
    }

    /// Says whether somebody asked.
    pub fn asked(&self) -> bool {
        *self.wish.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody asks, but not longer than this; says whether somebody did.
    fn wait(&self, patience: Duration) -> bool {
        let asked = self.wish.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wish.1.wait_timeout_while(asked, patience, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// How a child ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself, with an exit code.
    Exit(i32),
    /// By a signal that nobody here sent: a lack of memory, or a fault.
    Signal(i32),
    /// Because somebody asked.
    Stopped,
    /// Because it took longer than it may.
    Late,
    /// Because it wrote more than is read.
    Loud,
}

/// What came of a child.
#[derive(Debug)]
pub struct Done {
    /// How it ended.
    pub end: End,
    /// Its stderr.
    pub errors: String,
}

/// How long a child that is asked to end may still write what it has in hand.
const GRACE: Duration = Duration::from_secs(3);

/// Runs a child to its end; `line` is given each line of its stdout as it comes.
///
/// The calling thread must live as long as the server: children die with the thread that started them.
pub fn run(order: &Order, stop: &Stop, line: &mut dyn FnMut(&str)) -> io::Result<Done> {
    let mut command = Command::new(&order.binary);
    command
        .args(&order.args)
        .env("VOX_PARENT", std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let pid = rustix::process::Pid::from_child(&child);
    confine(pid, order.limits.memory);
    let mut stdin = child.stdin.take().expect("it was piped");
    let stdout = child.stdout.take().expect("it was piped");
    let stderr = child.stderr.take().expect("it was piped");
    let ended = Arc::new(AtomicBool::new(false));
    let loud = AtomicBool::new(false);
    let late = AtomicBool::new(false);
    let done = Stop::default();
    let signal = |signal| {
        // Its number is its own until it is waited for, which happens below.
        if !ended.load(Ordering::SeqCst) {
            rustix::process::kill_process(pid, signal).ok();
        }
    };
    let (status, errors) = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(&order.input).ok());
        let errors = scope.spawn(|| {
            let mut text = Vec::new();
            let mut limited = stderr.take(order.limits.output);
            limited.read_to_end(&mut text).ok();
            // A pipe that nobody reads would make it wait for ever.
            io::copy(&mut limited.into_inner(), &mut io::sink()).ok();
            String::from_utf8_lossy(&text).into_owned()
        });
        scope.spawn(|| {
            let begin = Instant::now();
            while !done.asked() {
                let left = order.limits.time.saturating_sub(begin.elapsed());
                if left.is_zero() {
                    late.store(true, Ordering::SeqCst);
                    signal(rustix::process::Signal::KILL);
                    return;
                }
                if stop.wait(left.min(TICK)) {
                    signal(rustix::process::Signal::TERM);
                    if !done.wait(GRACE) {
                        signal(rustix::process::Signal::KILL);
                    }
                    return;
                }
            }
        });
        if !lines(stdout, order.limits.output, line) {
            loud.store(true, Ordering::SeqCst);
            signal(rustix::process::Signal::KILL);
        }
        // The end of stdout is not yet the end of the process; its number stays until it is reaped.
        let status = child.wait();
        ended.store(true, Ordering::SeqCst);
        done.ask();
        (status, errors.join().unwrap_or_default())
    });
    let status = status?;
    let end = if loud.load(Ordering::SeqCst) {
        End::Loud
    } else if late.load(Ordering::SeqCst) {
        End::Late
    } else if stop.asked() {
        End::Stopped
    } else {
        use std::os::unix::process::ExitStatusExt as _;
        match status.code() {
            Some(code) => End::Exit(code),
            None => End::Signal(status.signal().unwrap_or(0)),
        }
    };
    Ok(Done { end, errors })
}

/// How often the watcher of a child looks whether it ended.
const TICK: Duration = Duration::from_millis(50);

/// Reads lines until the end; says whether it stayed within the limit.
fn lines(stdout: impl Read, limit: u64, line: &mut dyn FnMut(&str)) -> bool {
    let mut reader = BufReader::new(stdout);
    let mut left = limit;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut reader).take(left + 1).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return true,
            Ok(read) if read as u64 > left => return false,
            Ok(read) => left -= read as u64,
        }
        line(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
    }
}

/// Limits the memory of a process that has just begun.
#[cfg(target_os = "linux")]
fn confine(pid: rustix::process::Pid, memory: u64) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let limit = Rlimit { current: Some(memory), maximum: Some(memory) };
    prlimit(Some(pid), Resource::Data, limit).ok();
    // What it leaves behind when it dies is no use to anybody.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    prlimit(Some(pid), Resource::Core, none).ok();
}

#[cfg(not(target_os = "linux"))]
fn confine(_: rustix::process::Pid, _: u64) {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn shell(script: &str, time: Duration) -> Order {
        Order {
            binary: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            input: b"given".to_vec(),
            limits: Limits { memory: 1 << 30, time, output: 1000 },
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lines_codes_and_errors_come_back() {
        let mut seen = Vec::new();
        let order = shell("cat; echo; echo two; echo bad >&2; exit 7", LONG);
        let done = run(&order, &Stop::default(), &mut |line| seen.push(line.to_owned())).unwrap();
        assert_eq!((done.end, done.errors.as_str()), (End::Exit(7), "bad\n"));
        assert_eq!(seen, ["given", "two"]);
    }

    #[test]
    fn what_is_late_loud_or_unwanted_ends() {
        let mut none = |_: &str| {};
        let stop = Stop::default();
        let end = |script: &str, time, stop: &Stop, line: &mut dyn FnMut(&str)| {
            run(&shell(script, time), stop, line).unwrap().end
        };
        let short = Duration::from_millis(100);
        assert_eq!(end("exec sleep 60", short, &stop, &mut none), End::Late);
        assert_eq!(end("exec yes", LONG, &stop, &mut none), End::Loud);
        assert_eq!(
            end("yes >&2 & sleep 0.2; kill $!; exit 0", LONG, &stop, &mut none),
            End::Exit(0)
        );
        assert_eq!(end("kill -9 $$", LONG, &stop, &mut none), End::Signal(9));
        let asked = stop.clone();
        let mut ask = move |_: &str| asked.ask();
        assert_eq!(end("echo up; exec sleep 60", LONG, &stop, &mut ask), End::Stopped);
        let missing = Order { binary: "/none".into(), ..shell("", LONG) };
        assert!(run(&missing, &Stop::default(), &mut none).is_err());
    }
}
