//! The memory that jobs and values may take, shared by all runs of a process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that may be taken at once.
///
/// A promise of moderation, not of a limit: a job that is alone always gets what it asks for, since
/// holding it back would free nothing.
pub struct Budget {
    limit: u64,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    bytes: u64,
    jobs: u32,
}

/// Bytes taken for a job; dropped, they are given back.
#[must_use = "a dropped grant gives the memory back"]
pub struct Grant {
    budget: Arc<Budget>,
    bytes: u64,
    job: bool,
}

impl Budget {
    /// Makes a budget of so many bytes.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default() })
    }

    /// Takes memory for a job, unless others must give some back first.
    pub fn job(self: &Arc<Self>, bytes: u64) -> Option<Grant> {
        let mut taken = self.taken();
        if taken.jobs > 0 && taken.bytes.saturating_add(bytes) > self.limit {
            return None;
        }
        taken.jobs += 1;
        taken.bytes += bytes;
        Some(Grant { budget: self.clone(), bytes, job: true })
    }

    /// Notes memory that a value takes.
    pub fn value(self: &Arc<Self>, bytes: u64) -> Grant {
        self.taken().bytes += bytes;
        Grant { budget: self.clone(), bytes, job: false }
    }

    /// Returns the bytes that are taken.
    pub fn taken_bytes(&self) -> u64 {
        self.taken().bytes
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Counters are whole between any two statements, so a panic elsewhere leaves them right.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let mut taken = self.budget.taken();
        taken.bytes -= self.bytes;
        taken.jobs -= u32::from(self.job);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_job_is_held_back_until_others_give_back() {
        let budget = Budget::new(100);
        let first = budget.job(80).unwrap();
        assert!(budget.job(30).is_none());
        let small = budget.job(20).unwrap();
        drop(first);
        assert!(budget.job(80).is_some());
        drop(small);
        assert_eq!(budget.taken_bytes(), 0);
    }

    #[test]
    fn a_job_that_is_alone_always_runs() {
        let budget = Budget::new(100);
        let value = budget.value(1000);
        let job = budget.job(500).unwrap();
        assert!(budget.job(1).is_none());
        drop(job);
        drop(value);
        assert_eq!(budget.taken_bytes(), 0);
    }
}
