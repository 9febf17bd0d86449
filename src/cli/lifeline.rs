//! A child that does not outlive the process that began it.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FileType;

use crate::app::environment::Environment;

/// Makes this process end with its parent, when the parent asked for that; says whether the parent is
/// still there.
///
/// `$VOX_PARENT` is the parent's number. What is under way when the parent dies is finished and sealed, as
/// after SIGTERM.
#[cfg(target_os = "linux")]
pub fn hold(environment: &Environment) -> bool {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    let Some(parent) = environment.vox("parent").and_then(|text| text.parse().ok()) else {
        return true;
    };
    set_parent_process_death_signal(Some(Signal::TERM)).ok();
    // It may have died before the system was asked.
    getppid() == Pid::from_raw(parent)
}

/// Elsewhere nothing tells a child of its parent's death.
#[cfg(not(target_os = "linux"))]
pub fn hold(_: &Environment) -> bool {
    true
}

/// Calls `gone` when stdin ends, where it is a pipe or a socket: whoever holds its other end is gone.
///
/// A file, a terminal or `/dev/null` tells nobody's end. One that ends within `soon` was only there to be read.
pub fn watch(soon: Duration, gone: impl FnOnce() + Send + 'static) {
    let stdin = io::stdin();
    let kind = rustix::fs::fstat(stdin.as_fd()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if !matches!(kind, Ok(FileType::Fifo | FileType::Socket)) {
        return;
    }
    let begin = Instant::now();
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut bytes = [0; 4096];
        while !matches!(stdin.read(&mut bytes), Ok(0) | Err(_)) {}
        if begin.elapsed() >= soon {
            gone();
        }
    });
}
