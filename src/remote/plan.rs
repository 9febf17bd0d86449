//! Pure: which cases go together, and what becomes of a group that does not end well.
//!
//! A group takes 1 to 10 seconds by what cases were measured to take, and is never more than total / (4 slots), so
//! that the last ones end together. A group that is lost is halved until the case that ends its process is alone;
//! after three tries alone it is named, and the rest go on. A group that takes three times as long as others of its
//! size is sent once more while slots are free. Nothing here has threads, files or clocks: times are handed in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::remote::event::{self, End};

/// What a group is meant to take.
const AIM_S: f64 = 4.0;
/// The longest that a group may take by what is measured.
const LONGEST_S: f64 = 10.0;
/// A case is tried so often alone before it is given up.
const ALONE: u32 = 3;
/// A group that was asked to end is sent so often again before it counts as lost.
const ASKED: u32 = 20;
/// A group may be so many times as long as the median before it is sent once more.
const LATE: f64 = 3.0;
/// Below this nothing is late.
const PROMPT_S: f64 = 2.0;
/// So many measurements are remembered.
const MEASURED: usize = 101;

/// How cases are handed out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// So many cases a group, whatever they take.
    pub group: Option<usize>,
    /// Is everything handed out at once? Else as much as keeps the slots busy.
    pub at_once: bool,
}

/// A group to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Which; no two have one number.
    pub number: u64,
    /// Its cases, by their places in the cohort.
    pub cases: Vec<usize>,
    /// How often they were tried before.
    pub attempt: u32,
    /// Is it a copy of one that is late?
    pub is_copy: bool,
    /// Hosts that began some of it: they may have results of it.
    pub near: BTreeSet<String>,
    /// Hosts that could not.
    pub avoid: BTreeSet<String>,
}

/// What is to be said or done about the end of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A case has no result, and will have none.
    Lost {
        /// Which.
        case: usize,
        /// Why.
        reason: String,
    },
    /// Groups of so many cases go out again.
    Again(usize),
    /// The run stops: it would be so everywhere.
    Stop {
        /// What was the matter.
        end: End,
        /// On which host, if it was said.
        host: Option<String>,
    },
}

/// How a group ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Its worker had this exit code.
    Exit(i32),
    /// Nobody knows any more.
    Lost(String),
}

/// Who does what, and what is left.
#[derive(Debug)]
pub struct Plan {
    options: Options,
    slots: usize,
    total: usize,
    /// Cases that were never sent.
    fresh: VecDeque<usize>,
    /// Groups that go out again.
    waiting: VecDeque<Waiting>,
    flying: BTreeMap<u64, Flying>,
    /// Cases that are done or given up.
    settled: BTreeSet<usize>,
    /// How often a case was lost while alone.
    alone: BTreeMap<usize, u32>,
    /// Seconds a case, of groups that ended.
    costs: VecDeque<f64>,
    next: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    cases: Vec<usize>,
    tries: Tries,
    near: BTreeSet<String>,
    avoid: BTreeSet<String>,
}

/// What happened to these cases before, by kind.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    all: u32,
    asked: u32,
    missing: u32,
    store: u32,
}

#[derive(Debug)]
struct Flying {
    cases: Vec<usize>,
    tries: Tries,
    near: BTreeSet<String>,
    avoid: BTreeSet<String>,
    began: Option<Duration>,
    host: Option<String>,
    is_copy: bool,
    has_copy: bool,
}

impl Plan {
    /// Begins with cases that nobody has tried.
    pub fn new(cases: impl IntoIterator<Item = usize>, options: Options) -> Self {
        let fresh: VecDeque<usize> = cases.into_iter().collect();
        Self {
            options,
            slots: 1,
            total: fresh.len(),
            fresh,
            waiting: VecDeque::new(),
            flying: BTreeMap::new(),
            settled: BTreeSet::new(),
            alone: BTreeMap::new(),
            costs: VecDeque::new(),
            next: 0,
        }
    }

    /// Takes in that so many groups can run at once.
    pub fn slots(&mut self, count: usize) {
        self.slots = count.max(1);
    }

    /// Says whether every case is done or given up.
    pub fn is_done(&self) -> bool {
        self.settled.len() == self.total
    }

    /// Returns how many groups are out.
    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// Returns the next group to be sent, while there should be more.
    pub fn next(&mut self) -> Option<Batch> {
        // One that waits behind each that runs: a slot is not idle while word travels.
        if !self.options.at_once && self.flying.len() >= 2 * self.slots {
            return None;
        }
        while let Some(mut waiting) = self.waiting.pop_front() {
            waiting.cases.retain(|case| !self.settled.contains(case));
            if !waiting.cases.is_empty() {
                return Some(self.send(waiting, false));
            }
        }
        let count = self.size().min(self.fresh.len());
        if count == 0 {
            return None;
        }
        let cases = self.fresh.drain(..count).collect();
        Some(self.send(Waiting { cases, ..Waiting::default() }, false))
    }

    /// Returns a copy of a group that is late, while slots are free.
    pub fn late(&mut self, now: Duration) -> Option<Batch> {
        if !self.fresh.is_empty() || !self.waiting.is_empty() || self.flying.len() >= self.slots {
            return None;
        }
        let cost = self.median()?;
        let is_late = |flying: &Flying| {
            let usual = (cost * flying.cases.len() as f64).max(PROMPT_S / LATE);
            let took = flying.began.map(|began| now.saturating_sub(began).as_secs_f64());
            !flying.is_copy && !flying.has_copy && took.is_some_and(|took| took > LATE * usual)
        };
        let late = self.flying.values_mut().find(|flying| is_late(flying))?;
        late.has_copy = true;
        let mut avoid = late.avoid.clone();
        avoid.extend(late.host.clone());
        let settled = &self.settled;
        let cases = late.cases.iter().copied().filter(|case| !settled.contains(case)).collect();
        let near = BTreeSet::new();
        let tries = late.tries;
        Some(self.send(Waiting { cases, tries, near, avoid }, true))
    }

    /// Takes in that the worker of a group begins on a host.
    pub fn began(&mut self, number: u64, host: &str, now: Duration) {
        if let Some(flying) = self.flying.get_mut(&number) {
            flying.began = Some(now);
            flying.host = Some(host.to_owned());
            flying.near.insert(host.to_owned());
        }
    }

    /// Takes in that a case is done; false if that was known.
    pub fn told(&mut self, case: usize) -> bool {
        self.settled.insert(case)
    }

    /// Takes in that a group ended. What it did not do goes out again, or is given up.
    pub fn ended(&mut self, number: u64, how: &Ended, now: Duration) -> Vec<Verdict> {
        let Some(flying) = self.flying.remove(&number) else { return Vec::new() };
        // What a copy of it still does is not lost.
        let rest: Vec<usize> = flying
            .cases
            .iter()
            .copied()
            .filter(|case| !self.settled.contains(case))
            .filter(|case| !self.flying.values().any(|other| other.cases.contains(case)))
            .collect();
        let end = match how {
            Ended::Exit(code) => End::of(*code),
            Ended::Lost(_) => End::Lost,
        };
        if end == End::Told && rest.is_empty() {
            self.measure(&flying, now);
        }
        match end {
            End::Permanent | End::Version => {
                return vec![Verdict::Stop { end, host: flying.host }];
            }
            _ if rest.is_empty() => return Vec::new(),
            _ => {}
        }
        match end {
            End::Missing if flying.tries.missing > 0 => {
                let host =
                    flying.host.map_or_else(String::new, |host| format!(" (last on {host})"));
                let reason = format!("an input of it is missing on the hosts that tried{host}");
                let lost = |case| Verdict::Lost { case, reason: reason.clone() };
                self.settled.extend(&rest);
                rest.into_iter().map(lost).collect()
            }
            End::Store if flying.tries.store > 0 => vec![Verdict::Stop { end, host: flying.host }],
            End::Asked if flying.tries.asked < ASKED => self.again(flying, vec![rest], end),
            End::Missing | End::Store => self.again(flying, vec![rest], end),
            _ => self.lost(flying, rest, how),
        }
    }

    /// Returns groups of which every case is done elsewhere meanwhile; they are forgotten.
    pub fn needless(&mut self) -> Vec<u64> {
        let settled = &self.settled;
        let is_needless = |flying: &Flying| {
            (flying.is_copy || flying.has_copy)
                && flying.cases.iter().all(|case| settled.contains(case))
        };
        let all = self.flying.iter().filter(|(_, flying)| is_needless(flying));
        let numbers: Vec<u64> = all.map(|(number, _)| *number).collect();
        for number in &numbers {
            self.flying.remove(number);
        }
        numbers
    }

    fn lost(&mut self, flying: Flying, rest: Vec<usize>, how: &Ended) -> Vec<Verdict> {
        if let [case] = rest[..] {
            let tries = self.alone.entry(case).or_default();
            // Whether it was to blame is known only when no other case was there.
            *tries += u32::from(flying.cases.len() == 1);
            if *tries >= ALONE {
                let words = match how {
                    Ended::Exit(code) if End::of(*code) == End::Told => {
                        "its worker ended without a word about it".to_owned()
                    }
                    Ended::Exit(code) => event::death(*code),
                    Ended::Lost(reason) => reason.clone(),
                };
                self.settled.insert(case);
                let reason =
                    format!("its worker was lost {tries} times while it ran alone: {words}");
                return vec![Verdict::Lost { case, reason }];
            }
            return self.again(flying, vec![rest], End::Lost);
        }
        let (one, other) = rest.split_at(rest.len().div_ceil(2));
        self.again(flying, vec![one.to_vec(), other.to_vec()], End::Lost)
    }

    fn again(&mut self, flying: Flying, parts: Vec<Vec<usize>>, end: End) -> Vec<Verdict> {
        let mut tries = flying.tries;
        tries.all += 1;
        let mut avoid = flying.avoid;
        match end {
            End::Asked => tries.asked += 1,
            End::Missing => tries.missing += 1,
            End::Store => tries.store += 1,
            _ => {}
        }
        if matches!(end, End::Missing | End::Store) {
            avoid.extend(flying.host);
        }
        let count = parts.iter().map(Vec::len).sum();
        // They go before what is new: they are known to be slow to settle.
        for cases in parts.into_iter().rev() {
            let (near, avoid) = (flying.near.clone(), avoid.clone());
            self.waiting.push_front(Waiting { cases, tries, near, avoid });
        }
        vec![Verdict::Again(count)]
    }

    fn send(&mut self, waiting: Waiting, is_copy: bool) -> Batch {
        let number = self.next;
        self.next += 1;
        let Waiting { cases, tries, near, avoid } = waiting;
        let batch = Batch {
            number,
            cases: cases.clone(),
            attempt: tries.all,
            is_copy,
            near: near.clone(),
            avoid: avoid.clone(),
        };
        let (began, host) = (None, None);
        let flying = Flying { cases, tries, near, avoid, began, host, is_copy, has_copy: false };
        self.flying.insert(number, flying);
        batch
    }

    fn measure(&mut self, flying: &Flying, now: Duration) {
        if let Some(began) = flying.began {
            let took = now.saturating_sub(began).as_secs_f64() / flying.cases.len() as f64;
            self.costs.push_back(took);
            if self.costs.len() > MEASURED {
                self.costs.pop_front();
            }
        }
    }

    fn median(&self) -> Option<f64> {
        let mut costs: Vec<f64> = self.costs.iter().copied().collect();
        costs.sort_by(f64::total_cmp);
        costs.get(costs.len() / 2).copied()
    }

    /// Returns how many cases the next group has.
    fn size(&self) -> usize {
        if let Some(size) = self.options.group {
            return size.max(1);
        }
        let most = (self.total / (4 * self.slots)).max(1);
        let size = match self.median() {
            // One each, until it is known what they take.
            None => 1,
            Some(cost) => {
                let aimed = (AIM_S / cost.max(1e-6)).floor().max(1.0);
                // What is longer than the longest even alone stays alone.
                if aimed * cost > LONGEST_S { 1.0 } else { aimed.min(1e9) }.max(1.0) as usize
            }
        };
        size.min(most)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    /// What a simulated cluster does: cases of some cost, some of which end their process.
    struct World {
        cost_s: f64,
        deadly: BTreeSet<usize>,
        /// Every so manieth group is lost with its host, halfway.
        flaky: Option<u64>,
        slots: usize,
    }

    struct Outcome {
        lost: Vec<(usize, String)>,
        sizes: Vec<usize>,
        end: Duration,
        ran: BTreeMap<usize, usize>,
    }

    /// Runs a plan to its end on a world of slots; groups take the sum of their cases.
    fn simulate(total: usize, options: Options, world: &World) -> Outcome {
        let mut plan = Plan::new(0..total, options);
        plan.slots(world.slots);
        let mut out = Outcome {
            lost: Vec::new(),
            sizes: Vec::new(),
            end: Duration::ZERO,
            ran: BTreeMap::new(),
        };
        let mut queue: VecDeque<Batch> = VecDeque::new();
        // (when it ends, which, what of it is done, how it ends)
        let mut busy: Vec<(Duration, u64, Vec<usize>, Ended)> = Vec::new();
        let mut now = Duration::ZERO;
        let mut sent = 0;
        while !plan.is_done() {
            while let Some(batch) = plan.next() {
                out.sizes.push(batch.cases.len());
                queue.push_back(batch);
            }
            if let Some(copy) = plan.late(now) {
                queue.push_back(copy);
            }
            while busy.len() < world.slots {
                let Some(batch) = queue.pop_front() else { break };
                sent += 1;
                assert!(sent < 100_000, "it does not end");
                plan.began(batch.number, "host", now);
                let mut done = batch.cases.clone();
                let mut how = Ended::Exit(0);
                if let Some(at) = done.iter().position(|case| world.deadly.contains(case)) {
                    done.truncate(at);
                    how = Ended::Exit(-6);
                } else if world.flaky.is_some_and(|flaky| sent % flaky == 0) {
                    done.truncate(done.len() / 2);
                    how = Ended::Lost("its host is gone".to_owned());
                }
                for case in &done {
                    *out.ran.entry(*case).or_default() += 1;
                }
                let took = seconds(world.cost_s * (done.len() as f64).max(0.5));
                busy.push((now + took, batch.number, done, how));
            }
            let at = (0..busy.len()).min_by_key(|at| busy[*at].0).expect("somebody works");
            let (end, number, done, how) = busy.swap_remove(at);
            now = end;
            for case in done {
                plan.told(case);
            }
            for verdict in plan.ended(number, &how, now) {
                match verdict {
                    Verdict::Lost { case, reason } => out.lost.push((case, reason)),
                    Verdict::Again(_) => {}
                    Verdict::Stop { .. } => panic!("nothing here is permanent"),
                }
            }
        }
        assert!(plan.next().is_none());
        out.end = now;
        out
    }

    #[test]
    fn short_cases_go_together_and_the_last_groups_end_together() {
        let world = World { cost_s: 0.1, deadly: BTreeSet::new(), flaky: None, slots: 32 };
        let out = simulate(10_000, Options::default(), &world);
        let largest = *out.sizes.iter().max().unwrap();
        assert_eq!(largest, 40, "4 s of 0.1 s, and no more than 10,000 / (4 x 32)");
        let ideal = 10_000.0 * 0.1 / 32.0;
        assert!(out.end.as_secs_f64() < ideal * 1.15, "{:?}", out.end);
        assert!(out.sizes.len() < 600, "{}", out.sizes.len());
        // Few cases: each slot has four groups at least.
        let out = simulate(64, Options::default(), &World { slots: 4, ..world });
        assert_eq!(*out.sizes.iter().max().unwrap(), 4);
        let world = World { cost_s: 60.0, deadly: BTreeSet::new(), flaky: None, slots: 2 };
        let out = simulate(40, Options::default(), &world);
        assert!(out.sizes.iter().all(|size| *size == 1));
    }

    #[test]
    fn a_fixed_size_and_all_at_once_are_kept_to() {
        let mut plan = Plan::new(0..10, Options { group: Some(4), at_once: true });
        let sizes: Vec<usize> = std::iter::from_fn(|| plan.next()).map(|b| b.cases.len()).collect();
        assert_eq!(sizes, [4, 4, 2]);
        let mut plan = Plan::new(0..10, Options { group: Some(1), at_once: false });
        plan.slots(2);
        assert_eq!(std::iter::from_fn(|| plan.next()).count(), 4, "two run, two lie ready");
    }

    #[test]
    fn the_case_that_ends_its_process_is_named_and_the_rest_finish() {
        let deadly = BTreeSet::from([37]);
        let world = World { cost_s: 0.1, deadly, flaky: None, slots: 4 };
        for group in [None, Some(1), Some(50), Some(100)] {
            let out = simulate(100, Options { group, at_once: false }, &world);
            assert_eq!(out.lost.len(), 1);
            let (case, reason) = &out.lost[0];
            assert_eq!(*case, 37);
            assert_eq!(reason, "its worker was lost 3 times while it ran alone: it aborted");
            assert_eq!(out.ran.len(), 99);
            assert!(out.ran.values().all(|count| *count == 1), "what is done is not done again");
        }
    }

    #[test]
    fn who_was_not_alone_is_not_to_blame() {
        let mut plan = Plan::new(0..2, Options { group: Some(2), at_once: true });
        let batch = plan.next().unwrap();
        plan.told(0);
        for attempt in 0..3 {
            let number = if attempt == 0 { batch.number } else { plan.next().unwrap().number };
            let verdicts = plan.ended(number, &Ended::Exit(-9), Duration::ZERO);
            assert_eq!(verdicts, [Verdict::Again(1)]);
        }
        let batch = plan.next().unwrap();
        assert_eq!((batch.cases.as_slice(), batch.attempt), (&[1][..], 3));
        assert!(matches!(
            plan.ended(batch.number, &Ended::Exit(-9), Duration::ZERO)[..],
            [Verdict::Lost { case: 1, .. }]
        ));
        assert!(plan.is_done());
    }

    #[test]
    fn codes_decide_what_is_tried_again_and_where() {
        let one = || {
            let mut plan = Plan::new(0..4, Options { group: Some(4), at_once: true });
            let batch = plan.next().unwrap();
            plan.began(batch.number, "a", Duration::ZERO);
            (plan, batch.number)
        };
        let end =
            |plan: &mut Plan, number, code| plan.ended(number, &Ended::Exit(code), Duration::ZERO);
        for code in [2, 3, 8] {
            let (mut plan, number) = one();
            let host = Some("a".to_owned());
            assert_eq!(end(&mut plan, number, code), [Verdict::Stop { end: End::of(code), host }]);
        }
        // Once elsewhere, whole; then its cases have no result.
        let (mut plan, number) = one();
        plan.told(0);
        assert_eq!(end(&mut plan, number, 4), [Verdict::Again(3)]);
        let batch = plan.next().unwrap();
        assert_eq!((batch.cases.len(), batch.avoid.contains("a"), batch.attempt), (3, true, 1));
        plan.began(batch.number, "b", Duration::ZERO);
        let verdicts = end(&mut plan, batch.number, 4);
        assert_eq!(verdicts.len(), 3);
        assert!(
            matches!(&verdicts[0], Verdict::Lost { reason, .. } if reason.contains("last on b"))
        );
        assert!(plan.is_done());
        // The store: once elsewhere, then the run stops.
        let (mut plan, number) = one();
        assert_eq!(end(&mut plan, number, 5), [Verdict::Again(4)]);
        let batch = plan.next().unwrap();
        assert!(matches!(
            end(&mut plan, batch.number, 5)[..],
            [Verdict::Stop { end: End::Store, .. }]
        ));
        // Asked to end: whole again, many times, near the host that began it.
        let (mut plan, mut number) = one();
        for _ in 0..10 {
            assert_eq!(end(&mut plan, number, 143), [Verdict::Again(4)]);
            let batch = plan.next().unwrap();
            assert!(batch.cases.len() == 4 && batch.near.contains("a"));
            number = batch.number;
        }
        // It says that all is well and has told nothing.
        let (mut plan, number) = one();
        assert_eq!(end(&mut plan, number, 0), [Verdict::Again(4)]);
        assert_eq!(plan.next().unwrap().cases, [0, 1]);
    }

    #[test]
    fn a_group_that_is_late_is_sent_once_more() {
        let mut plan = Plan::new(0..9, Options { group: Some(3), at_once: false });
        plan.slots(3);
        let batches: Vec<Batch> = std::iter::from_fn(|| plan.next()).collect();
        for batch in &batches {
            plan.began(batch.number, "a", Duration::ZERO);
        }
        assert_eq!(plan.late(seconds(100.0)), None, "nothing is known yet of what groups take");
        for batch in &batches[..2] {
            for case in &batch.cases {
                plan.told(*case);
            }
            assert!(plan.ended(batch.number, &Ended::Exit(0), seconds(3.0)).is_empty());
        }
        plan.told(6);
        assert_eq!(plan.late(seconds(8.9)), None);
        let copy = plan.late(seconds(9.1)).unwrap();
        assert!(copy.is_copy && copy.cases == [7, 8] && copy.avoid.contains("a"));
        assert_eq!(plan.late(seconds(20.0)), None, "once");
        // One of the two is enough, and the loss of the other is none.
        assert!(plan.ended(batches[2].number, &Ended::Exit(-9), seconds(21.0)).is_empty());
        assert!(plan.told(7) && plan.told(8) && !plan.told(8));
        assert!(
            plan.ended(copy.number, &Ended::Exit(0), seconds(22.0)).is_empty() && plan.is_done()
        );
    }

    proptest! {
        #[test]
        fn every_case_is_done_or_named(
            total in 1usize..200,
            slots in 1usize..20,
            group in proptest::option::of(1usize..60),
            deadly in proptest::collection::btree_set(0usize..200, 0..4),
            flaky in proptest::option::of(3u64..9),
            at_once: bool,
        ) {
            let world = World { cost_s: 0.5, deadly: deadly.clone(), flaky, slots };
            let out = simulate(total, Options { group, at_once }, &world);
            let lost: BTreeSet<usize> = out.lost.iter().map(|(case, _)| *case).collect();
            prop_assert_eq!(lost.len(), out.lost.len(), "each is named once");
            for case in 0..total {
                let ran = out.ran.contains_key(&case);
                prop_assert!(ran != lost.contains(&case), "{}", case);
                prop_assert!(!(ran && deadly.contains(&case)));
            }
            if group.is_none() {
                prop_assert!(out.sizes.iter().all(|size| *size <= (total / (4 * slots)).max(1)));
            }
        }
    }
}
