//! `vox worker --spool`: takes groups from a directory, each into a process of its own.
//!
//! A case that ends its process then ends that one only, and what became of it is written down.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::quantity;
use crate::cli::far_args::Worker;
use crate::cli::lifeline;
use crate::cli::out;
use crate::cli::signal;
use crate::cli::words::Voice;
use crate::remote::spool::{Spool, Taken};

/// How often it is looked whether to end, or for new groups.
const TICK: Duration = Duration::from_millis(50);

/// Works through a directory until nothing is left, and as long as a run hands groups out.
pub(super) fn run(
    args: &Worker,
    dir: &Path,
    environment: &Environment,
    voice: Voice,
) -> Result<ExitCode, Error> {
    let spool = Spool::at(dir)?;
    let stop = Arc::new(AtomicBool::new(false));
    signal::listen(&stop)?;
    lifeline::watch(Duration::ZERO, {
        let stop = Arc::clone(&stop);
        move || stop.store(true, Ordering::SeqCst)
    });
    let patience = match &args.wait {
        None => Duration::ZERO,
        Some(text) => quantity::span(text)
            .ok_or_else(|| Error::Usage(format!("--wait {text}: write for example 30s or 5m")))?,
    };
    let (begin, mut was_driven) = (Instant::now(), false);
    let mut worst = 0;
    let mut count = 0usize;
    while !stop.load(Ordering::SeqCst) {
        let Some(taken) = spool.take()? else {
            if spool.put_back()? > 0 {
                continue;
            }
            let is_driven = spool.is_driven()?;
            if !is_driven && (was_driven || begin.elapsed() >= patience) {
                break;
            }
            was_driven |= is_driven;
            thread::sleep(TICK);
            continue;
        };
        count += 1;
        let code = one(taken, args, environment, &stop)?;
        match code {
            0 | 1 => worst = worst.max(code),
            // This host is not fit for them: others may be.
            5 | 8 => return Ok(ExitCode::from(code as u8)),
            _ => worst = 1,
        }
    }
    if stop.load(Ordering::SeqCst) {
        return Ok(ExitCode::from(signal::came().map_or(143, |signal| 128 + signal)));
    }
    if !voice.quiet {
        out::say(&format!("vox: {count} groups done, none left in `{}`", dir.display()));
    }
    Ok(ExitCode::from(worst as u8))
}

/// Runs a group in a child; returns its exit code, or 128 and the signal that it died of.
fn one(
    mut taken: Taken,
    args: &Worker,
    environment: &Environment,
    stop: &AtomicBool,
) -> Result<i32, Error> {
    let started = start(&taken, args, environment);
    let mut child =
        started.map_err(|source| Error::Machine(format!("could not start a worker: {source}")))?;
    let stdout = child.stdout.take().expect("it was piped");
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut is_asked = false;
    let mut written = Ok(());
    loop {
        match lines.recv_timeout(TICK) {
            Ok(line) => {
                written = written.and_then(|()| taken.line(&line));
                out::line(&line);
                out::flush();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if !is_asked && (stop.load(Ordering::SeqCst) || taken.is_cancelled() || written.is_err()) {
            is_asked = true;
            kill_process(Pid::from_child(&child), Signal::TERM).ok();
        }
    }
    let status = child.wait();
    let status = status
        .map_err(|source| Error::Machine(format!("could not wait for a worker: {source}")))?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    written?;
    taken.end(code)?;
    Ok(code)
}

fn start(taken: &Taken, args: &Worker, environment: &Environment) -> std::io::Result<Child> {
    let binary = environment.file.clone().unwrap_or_else(|| "vox".into());
    let mut command = Command::new(binary);
    command.arg("worker").arg("--group").arg(taken.path());
    if let Some(store) = &args.common.store {
        command.arg("--store").arg(store);
    }
    if let Some(threads) = &args.threads {
        command.arg("--threads").arg(threads);
    }
    if let Some(memory) = &args.memory {
        command.arg("--memory").arg(memory);
    }
    if let Some(seconds) = args.seconds {
        command.arg("--seconds").arg(seconds.to_string());
    }
    if let Some(offer) = &args.offer {
        command.arg("--offer").arg(offer);
    }
    if args.common.quiet {
        command.arg("--quiet");
    }
    // Its stdin stays open as long as this process is there.
    command
        .env("VOX_PARENT", std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}
