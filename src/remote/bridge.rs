//! A transport that is a child process: it reads orders and tells what happens, a JSON object a line.
//!
//! To the child: `{"op":"run","group":…,"key":…,"needs":…,"near":[…],"avoid":[…],"priority":…}`, `{"op":"cancel","key":…}`,
//! `{"op":"end"}`. From it: `{"event":"slots","count":…}`, `accepted`, every line of a worker with its `key`, `exit`
//! with the worker's `code`, `lost` with a `reason`, `refused` with a `reason` and a `host`. The end of its stdin
//! means that vox is gone: it ends then, with its workers.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value as Json, json};

use crate::remote::error::Error;
use crate::remote::event::Event;
use crate::remote::transport::{Message, Order, Transport};

/// A line that is longer is no message.
const LONGEST: u64 = 64 << 20;
/// How long a child that is told to end may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long what it began may take after SIGTERM.
const GRACE: Duration = Duration::from_millis(500);

/// A child process that carries groups.
pub struct Bridge {
    program: String,
    child: Child,
    /// What goes to its stdin; nothing after the end was told.
    orders: Option<Sender<String>>,
    lines: Receiver<Result<Message, String>>,
    is_gone: bool,
}

impl Bridge {
    /// Starts a program, which people know by a name, in a process group of its own: what it begins ends with it.
    pub fn start(name: &str, program: &str, args: &[OsString]) -> Result<Self, Error> {
        let shown = name.to_owned();
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start { program: shown.clone(), source })?;
        let stdin = child.stdin.take().expect("it was piped");
        let stdout = child.stdout.take().expect("it was piped");
        let (orders, queue) = mpsc::channel();
        thread::spawn(move || write(stdin, &queue));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || read(BufReader::new(stdout), &sender));
        Ok(Self { program: shown, child, orders: Some(orders), lines, is_gone: false })
    }

    /// Sends a line. That nobody reads it any more shows at the child's stdout, after what it still said.
    fn say(&self, line: &Json) {
        if let Some(orders) = &self.orders {
            orders.send(line.to_string()).ok();
        }
    }

    fn signal(&self, signal: Signal) {
        // Its number is not another's before it is waited for, which happens at the very end.
        kill_process_group(Pid::from_child(&self.child), signal).ok();
    }

    /// Waits until nobody holds its stdout any more; says whether that came to be.
    fn drain(&mut self, patience: Duration) -> bool {
        let begin = Instant::now();
        while !self.is_gone {
            let left = patience.saturating_sub(begin.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => self.is_gone = true,
            }
        }
        true
    }
}

impl Transport for Bridge {
    fn run(&mut self, order: &Order) -> Result<(), Error> {
        self.say(&json!({
            "op": "run", "group": order.group.json(), "key": order.key, "needs": order.needs,
            "near": order.near, "avoid": order.avoid, "priority": order.priority,
        }));
        Ok(())
    }

    fn cancel(&mut self, key: &str) -> Result<(), Error> {
        self.say(&json!({ "op": "cancel", "key": key }));
        Ok(())
    }

    fn receive(&mut self, patience: Duration) -> Result<Option<Message>, Error> {
        match self.lines.recv_timeout(patience) {
            Ok(Ok(message)) => Ok(Some(message)),
            Ok(Err(message)) => Err(Error::Babble { program: self.program.clone(), message }),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.is_gone = true;
                Err(Error::Gone { program: self.program.clone() })
            }
        }
    }

    fn end(&mut self) {
        if self.orders.is_none() {
            return;
        }
        self.say(&json!({ "op": "end" }));
        self.orders = None;
        if !self.drain(PATIENCE) {
            self.signal(Signal::TERM);
            self.drain(GRACE);
        }
        // What still runs of its group holds nothing that matters.
        self.signal(Signal::KILL);
        self.child.wait().ok();
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.end();
    }
}

fn write(mut stdin: ChildStdin, queue: &Receiver<String>) {
    for line in queue {
        let sent = stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
        if sent.and_then(|()| stdin.flush()).is_err() {
            // That it is gone shows at its stdout.
            return;
        }
    }
}

fn read(mut stdout: impl std::io::BufRead, sender: &Sender<Result<Message, String>>) {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut stdout).take(LONGEST).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&bytes);
        if line.trim().is_empty() {
            continue;
        }
        if let Some(message) = message(line.trim()).transpose()
            && sender.send(message).is_err()
        {
            return;
        }
    }
}

/// Reads a line of a transport; nothing where it is of a kind that only later versions know.
pub fn message(line: &str) -> Result<Option<Message>, String> {
    let begins = || line.chars().take(80).collect::<String>();
    let json: Json =
        serde_json::from_str(line).map_err(|error| format!("{error} in `{}`", begins()))?;
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let Some(event) = text("event") else { return Err(format!("no `event` in `{}`", begins())) };
    let key = || text("key").ok_or_else(|| format!("no `key` in `{}`", begins()));
    let reason = || text("reason").unwrap_or_else(|| "no reason was given".to_owned());
    Ok(Some(match event.as_str() {
        "slots" => match json["count"].as_u64() {
            Some(count) => Message::Slots(count as usize),
            None => return Err(format!("no `count` in `{}`", begins())),
        },
        "accepted" => Message::Accepted(key()?),
        "exit" => match json["code"].as_i64().and_then(|code| i32::try_from(code).ok()) {
            Some(code) => Message::Exit(key()?, code),
            None => return Err(format!("no `code` in `{}`", begins())),
        },
        "lost" => Message::Lost(key()?, reason()),
        "refused" => Message::Refused { key: text("key"), reason: reason(), host: text("host") },
        "start" | "case" | "alive" | "end" => match serde_json::from_value::<Event>(json.clone()) {
            Ok(event) => Message::Worker(key()?, event),
            Err(error) => return Err(format!("{error} in `{}`", begins())),
        },
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::remote::group::tests::group;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Bridge {
        Bridge::start("sh", "/bin/sh", &["-c".into(), script.into()]).unwrap()
    }

    fn order() -> Order {
        let group = group(1);
        let (key, needs) = (group.key(), group.needs.clone());
        Order { key, group, needs, priority: 0, near: Vec::new(), avoid: Vec::new() }
    }

    #[test]
    fn lines_of_the_protocol_are_read() {
        let read = |line: &str| message(line).unwrap();
        assert_eq!(read(r#"{"event":"slots","count":4}"#), Some(Message::Slots(4)));
        assert_eq!(
            read(r#"{"event":"exit","key":"k","code":-9}"#),
            Some(Message::Exit("k".to_owned(), -9))
        );
        assert_eq!(
            read(r#"{"event":"alive","key":"k","done":1,"of":2}"#),
            Some(Message::Worker("k".to_owned(), Event::Alive { done: 1, of: 2 }))
        );
        assert_eq!(read(r#"{"event":"weather","key":"k"}"#), None);
        for bad in [
            "hello",
            "{}",
            r#"{"event":"slots"}"#,
            r#"{"event":"exit","code":1}"#,
            r#"{"event":"case","key":"k"}"#,
        ] {
            assert!(message(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_child_gets_orders_and_its_lines_come_back() {
        let mut bridge = shell(
            "echo '{\"event\":\"slots\",\"count\":1}'; read line; case $line in *'\"op\":\"run\"'*) \
             echo '{\"event\":\"accepted\",\"key\":\"k\"}';; esac; read line; echo nonsense",
        );
        assert_eq!(bridge.receive(LONG).unwrap(), Some(Message::Slots(1)));
        assert_eq!(bridge.receive(Duration::from_millis(1)).unwrap(), None);
        bridge.run(&order()).unwrap();
        assert_eq!(bridge.receive(LONG).unwrap(), Some(Message::Accepted("k".to_owned())));
        bridge.cancel("k").unwrap();
        assert!(matches!(bridge.receive(LONG), Err(Error::Babble { .. })));
        assert!(matches!(bridge.receive(LONG), Err(Error::Gone { .. })));
        bridge.end();
        assert!(Bridge::start("none", "/none", &[]).is_err());
    }

    #[test]
    fn a_child_that_does_not_listen_is_ended_with_all_that_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("trap '' TERM; sleep 600 & echo $! > {}; wait", file.display());
        let mut bridge = shell(&script);
        let begin = Instant::now();
        let pid = loop {
            assert!(begin.elapsed() < LONG);
            match std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()) {
                Some(pid) => break Pid::from_raw(pid).unwrap(),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        bridge.end();
        // Whoever inherits it may be slow to take note of its death.
        let stat = format!("/proc/{}/stat", pid.as_raw_pid());
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(begin.elapsed() < LONG, "it is still there");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
