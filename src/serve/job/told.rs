//! A job as it is told.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobKind)]
pub enum Kind {
    /// A program runs.
    Run,
    /// The store's files are checked.
    Verify,
    /// Results are removed, or it is told which would be.
    Gc,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobStatus)]
pub enum Status {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It ended, and all is well.
    Done,
    /// It ended otherwise: `detail` says why.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl Status {
    /// Says whether nothing more becomes of it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A job as it is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct Told {
    /// Its name.
    pub id: String,
    /// What is done.
    pub kind: Kind,
    /// How far it is.
    pub status: Status,
    /// When it was asked for, in milliseconds since 1970.
    pub created: u64,
    /// When it began.
    pub started: Option<u64>,
    /// When it ended.
    pub ended: Option<u64>,
    /// The exit code of its process.
    pub exit: Option<i32>,
    /// Why it failed.
    pub detail: Option<String>,
    /// How many events it has had.
    pub events: u64,
    /// The mistakes and warnings of its program, as `vox check --message-format json` tells them.
    #[schema(value_type = Vec<Object>)]
    pub mistakes: Vec<Json>,
    /// What it gave, once it ended: for a run its goals and counts.
    #[schema(value_type = Option<Object>)]
    pub answer: Option<Json>,
}
