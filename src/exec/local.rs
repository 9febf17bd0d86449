//! Engines of this process: a pool of threads, and none.

use std::sync::mpsc::Sender;

use thiserror::Error;

use crate::exec::engine::Engine;
use crate::exec::job::{Done, Job};

/// A pool of rayon's threads. Kernels are parallel inside it.
pub struct Local {
    pool: rayon::ThreadPool,
}

/// The system gave no threads.
#[derive(Debug, Error)]
#[error("could not start {threads} threads")]
pub struct NoThreads {
    /// How many were asked for.
    pub threads: usize,
    source: rayon::ThreadPoolBuildError,
}

impl Local {
    /// Starts so many threads.
    pub fn new(threads: usize) -> Result<Self, NoThreads> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|at| format!("vox-{at}"))
            .build()
            .map_err(|source| NoThreads { threads, source })?;
        Ok(Self { pool })
    }

    /// Runs something inside the pool, so that what is parallel in it uses these threads.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}

impl Engine for Local {
    fn width(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn start(&self, job: Job, done: Sender<Done>) {
        self.pool.spawn_fifo(move || {
            // A driver that gave up listens no more.
            done.send(job.run()).ok();
        });
    }
}

/// Runs each job at once, where the driver runs: for tests, and to see an order.
pub struct Inline;

impl Engine for Inline {
    fn width(&self) -> usize {
        1
    }

    fn start(&self, job: Job, done: Sender<Done>) {
        done.send(job.run()).ok();
    }
}
