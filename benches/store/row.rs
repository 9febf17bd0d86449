//! Rows of the table.

use std::time::Instant;

/// Shows one row.
pub(crate) fn show(name: &str, value: f64, unit: &str, limit: Option<f64>) {
    let (limit, part) = match limit {
        Some(limit) => (format!("{limit:.2} {unit}"), format!("{:.2}", value / limit)),
        None => Default::default(),
    };
    println!("{name:52} {:>12} {limit:>12} {part:>6}", format!("{value:.2} {unit}"));
}

/// Shows the median of some runs, in milliseconds, and returns it; `run` is told which run it is.
pub(crate) fn median(
    name: &str,
    runs: usize,
    limit: Option<f64>,
    run: &mut dyn FnMut(usize),
) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|at| {
            let start = Instant::now();
            run(at);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let median = times[runs / 2];
    show(name, median, "ms", limit);
    median
}

/// Shows what each of `count` things of one run costs, in microseconds, and returns it.
pub(crate) fn each(name: &str, count: u64, limit: Option<f64>, run: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    run();
    let us = start.elapsed().as_secs_f64() * 1e6 / count as f64;
    show(name, us, "us", limit);
    us
}

/// Makes a new folder.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("vox-bench-").tempdir();
    folder.expect("a temporary folder can be made")
}
