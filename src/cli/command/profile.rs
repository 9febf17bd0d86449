//! `vox run --profile`: where the time of a run went.

use std::collections::BTreeMap;

use crate::app::run::Answer;
use crate::cli::out;
use crate::pool;

/// What the nodes of one operator took together.
#[derive(Default)]
struct Sum {
    count: usize,
    us: u64,
    bytes: u64,
}

/// Says for each operator how often it ran, how long, and what was kept; then what was no kernel.
///
/// Kernels run beside each other, and share threads: their times are of the wall, and add up to more.
pub(super) fn tell(answer: &Answer) {
    let report = &answer.report;
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for ran in &report.nodes {
        let sum = sums.entry(ran.op).or_default();
        sum.count += 1;
        sum.us += ran.us;
        sum.bytes += ran.bytes;
    }
    let mut sums: Vec<(&str, Sum)> = sums.into_iter().collect();
    sums.sort_by_key(|(op, sum)| (std::cmp::Reverse(sum.us), *op));
    out::say(&format!("{:32} {:>7} {:>10} {:>10}", "operator", "nodes", "ms", "MB kept"));
    let ms = |us: u64| us as f64 / 1e3;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    for (op, sum) in &sums {
        let (ms, mb) = (ms(sum.us), mb(sum.bytes));
        out::say(&format!("{op:32} {:7} {ms:10.1} {mb:10.1}", sum.count));
    }
    let kernels = sums.iter().map(|(_, sum)| sum.us).sum();
    for (what, ms) in [
        ("all kernels", ms(kernels)),
        ("naming and encoding values", ms(report.naming_us)),
        ("planning, reading, hashing files", answer.planning.as_secs_f64() * 1e3),
        ("waiting for the store at the end", report.storing.as_secs_f64() * 1e3),
        ("the run without planning", report.wall.as_secs_f64() * 1e3),
    ] {
        out::say(&format!("{what:32} {:7} {ms:10.1}", ""));
    }
    let peak = mb(pool::usage().1 as u64);
    out::say(&format!("{:32} {:7} {:>10} {peak:10.1}", "most memory of values, MB", "", ""));
}
