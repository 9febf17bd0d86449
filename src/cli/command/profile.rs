//! `vox run --profile`: where the time and the memory of a run went.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::run::Answer;
use crate::cli::out;
use crate::pool;

/// What the nodes of one operator took together.
#[derive(Default)]
struct Sum {
    count: usize,
    us: u64,
    largest: u64,
    made: u64,
    kept: u64,
}

/// What some cases took together.
#[derive(Default)]
pub(super) struct Profile {
    cases: usize,
    operators: BTreeMap<&'static str, Sum>,
    naming_us: u64,
    reading: Duration,
    planning: Duration,
    storing: Duration,
    wall: Duration,
}

impl Profile {
    /// Adds one case.
    pub(super) fn add(&mut self, answer: &Answer) {
        let report = &answer.report;
        for ran in &report.nodes {
            let sum = self.operators.entry(ran.op).or_default();
            sum.count += 1;
            sum.us += ran.us;
            sum.largest = sum.largest.max(ran.made);
            sum.made += ran.made;
            sum.kept += ran.bytes;
        }
        self.cases += 1;
        self.naming_us += report.naming_us;
        self.reading += answer.reading;
        self.planning += answer.planning;
        self.storing += report.storing;
        self.wall += report.wall;
    }

    /// Says for each operator how often it ran, how long, how much memory its values took and how
    /// much of that was kept; then what was no kernel.
    ///
    /// Kernels run beside each other, and share threads, and cases do: times are of the wall, and add
    /// up to more.
    pub(super) fn tell(&self) {
        let mut sums: Vec<(&str, &Sum)> =
            self.operators.iter().map(|(op, sum)| (*op, sum)).collect();
        sums.sort_by_key(|(op, sum)| (std::cmp::Reverse(sum.us), *op));
        let head = ["nodes", "ms", "MB each", "MB made", "MB kept"];
        let [nodes, time, largest, made, kept] = head;
        out::say(&format!(
            "{:34} {nodes:>7} {time:>10} {largest:>9} {made:>9} {kept:>9}",
            "operator"
        ));
        let mb = |bytes: u64| bytes as f64 / 1e6;
        for (op, sum) in &sums {
            let (time, largest) = (sum.us as f64 / 1e3, mb(sum.largest));
            let (made, kept) = (mb(sum.made), mb(sum.kept));
            out::say(&format!(
                "{op:34} {:7} {time:10.1} {largest:9.1} {made:9.1} {kept:9.1}",
                sum.count
            ));
        }
        let kernels = Duration::from_micros(sums.iter().map(|(_, sum)| sum.us).sum());
        for (what, took) in [
            ("all kernels", kernels),
            ("naming and encoding values", Duration::from_micros(self.naming_us)),
            ("reading and hashing input files", self.reading),
            ("planning without that", self.planning.saturating_sub(self.reading)),
            ("waiting for the store at the end", self.storing),
            ("the run without planning", self.wall),
        ] {
            out::say(&format!("{what:34} {:7} {:10.1}", "", took.as_secs_f64() * 1e3));
        }
        let peak = mb(pool::usage().1 as u64);
        out::say(&format!("{:34} {:7} {:>10} {peak:9.1}", "most memory of values at once", "", ""));
        if self.cases > 1 {
            out::say(&format!("{:34} {:7}", "cases", self.cases));
        }
    }
}
