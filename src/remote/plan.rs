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
/// Where all are handed out at once, more than this are in no group.
const FILED: usize = 50;
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
    /// Are all cases added?
    is_closed: bool,
    /// Cases that were never sent.
    fresh: VecDeque<usize>,
    /// Groups that go out again.
    waiting: VecDeque<Waiting>,
    flying: BTreeMap<u64, Flying>,
    /// Those of them that are copies or have one.
    twice: Vec<u64>,
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
    /// Since when nobody begins it although slots are free.
    idle: Option<Duration>,
    host: Option<String>,
    is_copy: bool,
    has_copy: bool,
}

impl Plan {
    /// Begins without cases.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            slots: 1,
            total: 0,
            is_closed: false,
            fresh: VecDeque::new(),
            waiting: VecDeque::new(),
            flying: BTreeMap::new(),
            twice: Vec::new(),
            settled: BTreeSet::new(),
            alone: BTreeMap::new(),
            costs: VecDeque::new(),
            next: 0,
        }
    }

    /// Takes in a case that nobody has tried.
    pub fn add(&mut self, case: usize) {
        self.fresh.push_back(case);
        self.total += 1;
    }

    /// Takes in that no more cases will be added.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Takes in that so many groups can run at once.
    pub fn slots(&mut self, count: usize) {
        self.slots = count.max(1);
    }

    /// Says whether every case is done or given up.
    pub fn is_done(&self) -> bool {
        self.settled.len() == self.total
    }

    /// Says whether a case waits to be sent.
    pub fn has_more(&self) -> bool {
        !self.fresh.is_empty() || !self.waiting.is_empty()
    }

    /// Returns how many groups are out.
    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// Returns the next group to be sent, while there should be more.
    pub fn batch(&mut self) -> Option<Batch> {
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
        let size = self.size();
        // Not whatever is known just now: who asks for the same cases asks for the same groups, which run once.
        if !self.is_closed && self.fresh.len() < size {
            return None;
        }
        let count = size.min(self.fresh.len());
        if count == 0 {
            return None;
        }
        let cases = self.fresh.drain(..count).collect();
        Some(self.send(Waiting { cases, ..Waiting::default() }, false))
    }

    /// Returns a copy of a group that is late, while slots are free.
    ///
    /// One that nobody begins is late, too: engines hand groups to workers ahead of time, and a worker that
    /// hangs keeps what it has not begun.
    pub fn late(&mut self, now: Duration) -> Option<Batch> {
        if !self.fresh.is_empty() || !self.waiting.is_empty() || self.flying.len() >= self.slots {
            return None;
        }
        let cost = self.median()?;
        let is_late = |flying: &Flying| {
            let usual = (cost * flying.cases.len() as f64).max(PROMPT_S / LATE);
            let since = flying.began.or(flying.idle);
            let took = since.map(|since| now.saturating_sub(since).as_secs_f64());
            !flying.is_copy && !flying.has_copy && took.is_some_and(|took| took > LATE * usual)
        };
        for flying in self.flying.values_mut().filter(|flying| flying.began.is_none()) {
            flying.idle.get_or_insert(now);
        }
        // Hosts that hang: of one that was not begun it is not known who has it.
        let is_hung = |flying: &&Flying| flying.has_copy || is_late(flying);
        let hung: Vec<String> =
            self.flying.values().filter(is_hung).filter_map(|flying| flying.host.clone()).collect();
        let (number, late) = self.flying.iter_mut().find(|(_, flying)| is_late(flying))?;
        late.has_copy = true;
        self.twice.push(*number);
        let mut avoid = late.avoid.clone();
        avoid.extend(hung);
        let settled = &self.settled;
        let cases = late.cases.iter().copied().filter(|case| !settled.contains(case)).collect();
        let near = BTreeSet::new();
        let tries = late.tries;
        let copy = self.send(Waiting { cases, tries, near, avoid }, true);
        self.twice.push(copy.number);
        Some(copy)
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
        let is_needless = |flying: &Flying| flying.cases.iter().all(|case| settled.contains(case));
        let is_over = |number: &u64| self.flying.get(number).is_none_or(is_needless);
        let (mut over, twice): (Vec<u64>, Vec<u64>) =
            self.twice.iter().partition(|number| is_over(number));
        self.twice = twice;
        over.retain(|number| self.flying.remove(number).is_some());
        over
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
        let flying = Flying {
            cases,
            tries,
            near,
            avoid,
            began: None,
            idle: None,
            host: None,
            is_copy,
            has_copy: false,
        };
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
            // What they take is never known in time where all are handed out at once.
            None if self.options.at_once => FILED,
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
