//! The two streams. A reader that has gone is no error: what is written to it is dropped.

use std::io::{self, IsTerminal as _, Write as _};

/// Writes a line of data to stdout.
pub fn line(text: &str) {
    let mut stdout = io::stdout().lock();
    // A pipe that nobody reads any more is silent, as for every tool of a pipeline.
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).ok();
}

/// Sends what was written on its way.
pub fn flush() {
    io::stdout().lock().flush().ok();
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
