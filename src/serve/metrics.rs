//! Counters, as Prometheus reads them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::serve::job::jobs::Jobs;

/// What is counted while the server runs.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, String, u16), Seen>>,
    /// Blobs, values and receipts that were asked for and are here.
    pub hits: AtomicU64,
    /// Those that are not.
    pub misses: AtomicU64,
    /// What the receipts cost that were handed out, in microseconds: saved, if they are believed.
    pub saved_us: AtomicU64,
    /// Bytes that were put.
    pub put_bytes: AtomicU64,
    /// Connections that are open.
    pub connections: AtomicI64,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    count: u64,
    bytes: u64,
    us: u64,
}

/// A name, what it means, and how it is had.
type Counter = (&'static str, &'static str, fn(&Seen) -> f64);

impl Metrics {
    /// Counts a request.
    pub fn request(
        &self,
        method: &'static str,
        route: &str,
        status: u16,
        bytes: u64,
        took: Duration,
    ) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = requests.entry((method, route.to_owned(), status)).or_default();
        seen.count += 1;
        seen.bytes += bytes;
        seen.us += took.as_micros() as u64;
    }

    /// Counts an answer that is here, or is not.
    pub fn found(&self, is_here: bool) {
        let counter = if is_here { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the text that Prometheus reads, with what jobs do and did, and how many lines of the access log
    /// found no room.
    pub fn text(&self, jobs: &Jobs, dropped: u64) -> String {
        let (queued, running) = *jobs.load.borrow();
        let tally = &jobs.tally;
        let mut out = String::new();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tables: [Counter; 3] = [
            ("vox_http_requests_total", "Requests answered.", |seen| seen.count as f64),
            ("vox_http_response_bytes_total", "Bytes of bodies sent.", |seen| seen.bytes as f64),
            ("vox_http_seconds_total", "Time until answers began.", |seen| seen.us as f64 / 1e6),
        ];
        for (name, help, of) in tables {
            head(&mut out, name, help, "counter");
            for ((method, route, status), seen) in &requests {
                let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
                writeln!(out, "{name}{{{labels}}} {}", of(seen)).ok();
            }
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let counters = [
            ("vox_hits_total", "Blobs, values and receipts asked for and here.", count(&self.hits)),
            ("vox_misses_total", "Those asked for and not here.", count(&self.misses)),
            (
                "vox_saved_seconds_total",
                "Computing time that receipts handed out stand for.",
                count(&self.saved_us) / 1e6,
            ),
            ("vox_put_bytes_total", "Bytes of values that were put.", count(&self.put_bytes)),
            ("vox_jobs_total", "Jobs that ended.", count(&tally.ended)),
            ("vox_gc_runs_total", "Collections.", count(&tally.collections)),
            ("vox_gc_objects_total", "Objects that collections removed.", count(&tally.objects)),
            ("vox_gc_bytes_total", "Bytes that collections freed.", count(&tally.bytes)),
            ("vox_access_lines_dropped_total", "Lines of the access log lost.", dropped as f64),
        ];
        for (name, help, value) in counters {
            head(&mut out, name, help, "counter");
            writeln!(out, "{name} {value}").ok();
        }
        let connections = self.connections.load(Ordering::Relaxed);
        let gauges = [
            ("vox_jobs_queued", "Jobs that wait.", queued as i64),
            ("vox_jobs_running", "Jobs that run.", running as i64),
            ("vox_connections", "Connections that are open.", connections),
        ];
        for (name, help, value) in gauges {
            head(&mut out, name, help, "gauge");
            writeln!(out, "{name} {value}").ok();
        }
        out
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
}
