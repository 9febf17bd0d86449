//! The access log: a line of JSON for each request.
//!
//! It tells the route, never the path: names of files in it are names of cases, and queries hold what
//! people look at. Of a path only digests are told. Lines go through a queue; when nobody takes them, they
//! are dropped and counted, for a full disk must not stop answers.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::Serialize;

/// Says a line to the person who started the server.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Lines that wait, at most.
const QUEUE: usize = 4096;

/// Where lines of the access log go.
pub enum Access {
    /// Nowhere.
    None,
    /// Through a queue to whoever writes them.
    Queue {
        /// The queue.
        lines: SyncSender<String>,
        /// How many found no room.
        dropped: AtomicU64,
    },
}

/// One request.
#[derive(Serialize)]
pub struct Line<'a> {
    /// When it was answered, in RFC 3339.
    pub time: String,
    /// The method.
    pub method: &'a str,
    /// The route, none when nothing is there.
    pub route: Option<&'a str>,
    /// The first digest of the path.
    pub id: Option<&'a str>,
    /// The status.
    pub status: u16,
    /// Bytes of the body.
    pub bytes: u64,
    /// How long the answer took to begin, in microseconds.
    pub us: u64,
    /// What the caller could do.
    pub scope: Option<&'a str>,
    /// Whence it came.
    pub peer: Option<String>,
    /// What went wrong in here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

impl Access {
    /// Tells lines to a person.
    pub fn to(say: Say) -> io::Result<Self> {
        Self::queue(move |lines| {
            for line in lines {
                say(&line);
            }
        })
    }

    /// Adds lines to a file that only its owner reads.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Self::queue(move |lines| write(&file, &lines))
    }

    fn queue(take: impl FnOnce(Receiver<String>) + Send + 'static) -> io::Result<Self> {
        let (lines, receiver) = sync_channel(QUEUE);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || take(receiver))?;
        Ok(Self::Queue { lines, dropped: AtomicU64::new(0) })
    }

    /// Says whether lines go anywhere.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::Queue { .. })
    }

    /// Hands a line over.
    pub fn tell(&self, line: &Line<'_>) {
        let Self::Queue { lines, dropped } = self else { return };
        let text = serde_json::to_string(line).unwrap_or_default();
        if lines.try_send(text).is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many lines found no room.
    pub fn dropped(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Queue { dropped, .. } => dropped.load(Ordering::Relaxed),
        }
    }
}

fn write(mut file: &File, lines: &Receiver<String>) {
    let mut text = String::new();
    while let Ok(line) = lines.recv() {
        text.clear();
        text.push_str(&line);
        text.push('\n');
        // All that wait go in one write.
        for line in lines.try_iter().take(256) {
            text.push_str(&line);
            text.push('\n');
        }
        file.write_all(text.as_bytes()).ok();
    }
}

/// Returns a time in milliseconds since 1970 as RFC 3339, in UTC.
pub fn rfc3339(ms: u64) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    // Days to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_agreed() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
    }
}
