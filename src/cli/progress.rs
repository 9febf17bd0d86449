//! How far a cohort is: a bar on a terminal, else a line each ten seconds.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::out;

/// How often a line is said where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// How often the bar is drawn while no case ends.
const TICK: Duration = Duration::from_millis(250);

/// The progress of a cohort.
pub struct Progress {
    bar: Option<ProgressBar>,
    silent: bool,
    total: usize,
    done: usize,
    last: Instant,
}

impl Progress {
    /// Begins for `total` cases; `live` draws a bar, `silent` says nothing.
    pub fn new(total: usize, live: bool, silent: bool) -> Self {
        let bar = (live && !silent).then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let style =
                ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {eta} left; {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message("the first cases are under way");
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, silent, total, done: 0, last: Instant::now() }
    }

    /// Takes note of a case; `computed` and `reused` are counts of nodes so far.
    pub fn case(&mut self, computed: usize, reused: usize) {
        self.done += 1;
        let message = format!("{computed} nodes computed, {reused} reused");
        if let Some(bar) = &self.bar {
            bar.set_message(message);
            bar.inc(1);
        } else if !self.silent && self.last.elapsed() >= PAUSE {
            out::say(&format!("vox: {} of {} cases; {message}", self.done, self.total));
            self.last = Instant::now();
        }
    }

    /// Says something beside the bar.
    pub fn aside(&self, say: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
