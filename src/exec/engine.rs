//! Where jobs run.

use std::sync::mpsc::Sender;

use crate::exec::job::{Done, Job};

/// Runs jobs.
///
/// The driver decides what is ready; an engine decides where it runs. For whoever implements one:
/// each job is run once, its result is sent once, in any order; `start` does not fail. Several
/// drivers may use one engine at once.
pub trait Engine: Send + Sync {
    /// Returns how many jobs can make progress at once.
    fn width(&self) -> usize;

    /// Takes a job; what comes of it is sent to `done`.
    fn start(&self, job: Job, done: Sender<Done>);
}
