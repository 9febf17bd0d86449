//! The two streams. A reader that has gone is no error: what is written to it is dropped.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

/// What went wrong with stdout first.
static WRONG: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line of data to stdout.
pub fn line(text: &str) {
    let mut stdout = io::stdout().lock();
    note(stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")));
}

/// Writes text to stdout as it is.
pub fn text(text: &str) {
    note(io::stdout().lock().write_all(text.as_bytes()));
}

/// Sends what was written on its way.
pub fn flush() {
    note(io::stdout().lock().flush());
}

fn note(done: io::Result<()>) {
    match done {
        // A pipe that nobody reads any more is silent, as for every tool of a pipeline.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            WRONG.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        _ => {}
    }
}

/// Returns why not all data reached stdout, if that is so; once.
pub fn wrong() -> Option<io::Error> {
    WRONG.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Writes a line of words to stderr.
pub fn say(text: &str) {
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.write_all(b"\n")).ok();
}

/// Says whether stderr is a terminal.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}
