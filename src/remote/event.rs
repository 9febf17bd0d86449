//! What a worker says while it runs a group: one JSON object a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One line of a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// It begins.
    Start {
        /// The name of the group.
        group: String,
        /// How often its cases were tried before.
        attempt: u32,
        /// Which host.
        host: String,
        /// Which process.
        pid: u32,
        /// Its version.
        vox: String,
        /// The digest of its operators and their versions.
        kernels: String,
        /// The store that it writes.
        store: String,
        /// Where that store can be read, if it is one of its own: an address or a folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offer: Option<String>,
        /// How many cases it has.
        cases: usize,
    },
    /// A case is done, and its receipts are durable.
    Case(Box<Told>),
    /// It goes on; each ten seconds.
    Alive {
        /// Cases that are done.
        done: usize,
        /// All that it has.
        of: usize,
    },
    /// It ends, with this exit code.
    End {
        /// The code.
        code: i32,
        /// Cases that are done.
        done: usize,
        /// Why it does not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

/// What a worker tells of a case.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Which.
    pub case: String,
    /// What became of it.
    pub status: Status,
    /// Its goals: labels, ids and small values.
    #[serde(default)]
    pub goals: serde_json::Value,
    /// What ran.
    #[serde(default)]
    pub counts: Counts,
    /// What it took.
    #[serde(default)]
    pub ms: u64,
    /// Was it lost, by a fault of vox or for want of memory? Then nobody tries it in his own process.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The input files that it hashed: who sees the same files need not hash them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Seen>,
    /// The nodes that ran, where the group asks for a report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Ran>,
}

/// A file, its digest, and how it looked when it was hashed: path, digest, inode, size, mtime and ctime in
/// nanoseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seen(pub PathBuf, pub String, pub u64, pub u64, pub i64, pub i64);

/// A node that ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ran {
    /// Its id.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// What it took, in microseconds.
    pub us: u64,
    /// About how many bytes of it are kept.
    #[serde(default)]
    pub bytes: u64,
    /// How many bytes it took in memory.
    #[serde(default)]
    pub made: u64,
    /// Was it claimed?
    #[serde(default)]
    pub claimed: bool,
    /// Had it been recorded before?
    #[serde(default)]
    pub again: bool,
}

/// What became of a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All of it was in the store.
    Hit,
    /// Some of it was computed.
    Done,
    /// An operator refused: a result, which was kept.
    Refused,
    /// It has no result: an input that cannot be read, a fault.
    Failed,
}

/// What ran for a case.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Nodes that ran for the first time.
    pub computed: usize,
    /// Nodes that ran again.
    pub redone: usize,
    /// Nodes that did not need to run.
    pub reused: usize,
    /// Goals without a value.
    pub failed: usize,
    /// What the reused nodes once took, in microseconds.
    pub saved_us: u64,
    /// Results that could not be stored.
    pub unstored: u64,
}

impl Event {
    /// Reads a line; nothing where it is of another kind, which is for later versions to say.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// Returns the line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("an event has text keys only")
    }
}

/// What the exit code of a worker means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// All cases were told.
    Told,
    /// It would be so on every host: the run stops.
    Permanent,
    /// An input is missing on this host.
    Missing,
    /// The store cannot be used on this host.
    Store,
    /// Another version of vox or of its operators.
    Version,
    /// Somebody asked it to end: nobody is to blame.
    Asked,
    /// It was lost.
    Lost,
}

impl End {
    /// Sorts an exit code; negative numbers are signals, as some engines tell them.
    pub fn of(code: i32) -> Self {
        match code {
            0 | 1 => Self::Told,
            2 | 3 => Self::Permanent,
            4 => Self::Missing,
            5 => Self::Store,
            8 => Self::Version,
            130 | 143 | -2 | -15 => Self::Asked,
            _ => Self::Lost,
        }
    }
}

/// Returns the words for the exit code of a worker that was lost.
pub fn death(code: i32) -> String {
    if End::of(code) == End::Asked {
        return "it was asked to end".to_owned();
    }
    let signal = match code {
        124 => return "it took longer than it may".to_owned(),
        129..=159 => code - 128,
        -31..=-1 => -code,
        _ => return format!("it ended with exit code {code}"),
    };
    match signal {
        6 => "it aborted".to_owned(),
        9 => "it was killed, most often for want of memory".to_owned(),
        11 => "it crashed (signal 11)".to_owned(),
        other => format!("it died of signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written_and_later_kinds_are_passed_over() {
        let events = [
            Event::Case(Box::new(Told {
                case: "a".to_owned(),
                status: Status::Refused,
                goals: serde_json::json!([{"print": "x", "error": "no"}]),
                counts: Counts { computed: 3, failed: 1, ..Counts::default() },
                ms: 12,
                lost: true,
                error: Some("no".to_owned()),
                files: vec![Seen("/data/a/f.nii".into(), "00".to_owned(), 7, 352, -1, 5)],
                nodes: vec![Ran {
                    node: "01".to_owned(),
                    op: "vox1.max".to_owned(),
                    us: 9,
                    bytes: 0,
                    made: 8,
                    claimed: false,
                    again: true,
                }],
            })),
            Event::Alive { done: 1, of: 2 },
            Event::End { code: 1, done: 2, error: None },
        ];
        for event in events {
            assert_eq!(Event::parse(&event.line()), Some(event));
        }
        let short = r#"{"event":"case","key":"vox-1","case":"a","status":"hit"}"#;
        assert!(
            matches!(Event::parse(short), Some(Event::Case(told)) if told.status == Status::Hit)
        );
        assert_eq!(Event::parse(r#"{"event":"weather"}"#), None);
    }

    #[test]
    fn codes_mean_what_the_interface_says() {
        let sorted = [0, 1, 2, 3, 4, 5, 8, 143, -15, 137, 134, 101, -9].map(End::of);
        use End::{Asked, Lost, Missing, Permanent, Store, Told, Version};
        let right = [Told, Told, Permanent, Permanent, Missing, Store, Version, Asked, Asked];
        assert_eq!(sorted[..9], right);
        assert!(sorted[9..].iter().all(|end| *end == Lost));
        assert_eq!(death(-6), death(134));
        assert_eq!(death(101), "it ended with exit code 101");
    }
}
