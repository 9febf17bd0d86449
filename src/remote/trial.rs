//! Plans on a simulated cluster: what is done, by whom, and how long it takes.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use crate::remote::event::End;
use crate::remote::plan::{Batch, Ended, Options, Plan, Verdict};

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

fn plan_of(cases: std::ops::Range<usize>, options: Options) -> Plan {
    let mut plan = Plan::new(options);
    cases.for_each(|case| plan.add(case));
    plan.close();
    plan
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
    let mut plan = plan_of(0..total, options);
    plan.slots(world.slots);
    let mut out =
        Outcome { lost: Vec::new(), sizes: Vec::new(), end: Duration::ZERO, ran: BTreeMap::new() };
    let mut queue: VecDeque<Batch> = VecDeque::new();
    // (when it ends, which, what of it is done, how it ends)
    let mut busy: Vec<(Duration, u64, Vec<usize>, Ended)> = Vec::new();
    let mut now = Duration::ZERO;
    let mut sent = 0;
    while !plan.is_done() {
        while let Some(batch) = plan.batch() {
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
    assert!(plan.batch().is_none());
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
fn a_fixed_size_and_all_at_once_are_kept_to() {
    let mut plan = plan_of(0..10, Options { group: Some(4), at_once: true });
    let sizes: Vec<usize> = std::iter::from_fn(|| plan.batch()).map(|b| b.cases.len()).collect();
    assert_eq!(sizes, [4, 4, 2]);
    let mut plan = plan_of(0..10, Options { group: Some(1), at_once: false });
    plan.slots(2);
    assert_eq!(std::iter::from_fn(|| plan.batch()).count(), 4, "two run, two lie ready");
}

#[test]
fn who_was_not_alone_is_not_to_blame() {
    let mut plan = plan_of(0..2, Options { group: Some(2), at_once: true });
    let batch = plan.batch().unwrap();
    plan.told(0);
    for attempt in 0..3 {
        let number = if attempt == 0 { batch.number } else { plan.batch().unwrap().number };
        let verdicts = plan.ended(number, &Ended::Exit(-9), Duration::ZERO);
        assert_eq!(verdicts, [Verdict::Again(1)]);
    }
    let batch = plan.batch().unwrap();
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
        let mut plan = plan_of(0..4, Options { group: Some(4), at_once: true });
        let batch = plan.batch().unwrap();
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
    let batch = plan.batch().unwrap();
    assert_eq!((batch.cases.len(), batch.avoid.contains("a"), batch.attempt), (3, true, 1));
    plan.began(batch.number, "b", Duration::ZERO);
    let verdicts = end(&mut plan, batch.number, 4);
    assert_eq!(verdicts.len(), 3);
    assert!(matches!(&verdicts[0], Verdict::Lost { reason, .. } if reason.contains("last on b")));
    assert!(plan.is_done());
    // The store: once elsewhere, then the run stops.
    let (mut plan, number) = one();
    assert_eq!(end(&mut plan, number, 5), [Verdict::Again(4)]);
    let batch = plan.batch().unwrap();
    assert!(matches!(end(&mut plan, batch.number, 5)[..], [Verdict::Stop { end: End::Store, .. }]));
    // Asked to end: whole again, many times, near the host that began it.
    let (mut plan, mut number) = one();
    for _ in 0..10 {
        assert_eq!(end(&mut plan, number, 143), [Verdict::Again(4)]);
        let batch = plan.batch().unwrap();
        assert!(batch.cases.len() == 4 && batch.near.contains("a"));
        number = batch.number;
    }
    // It says that all is well and has told nothing.
    let (mut plan, number) = one();
    assert_eq!(end(&mut plan, number, 0), [Verdict::Again(4)]);
    assert_eq!(plan.batch().unwrap().cases, [0, 1]);
}

#[test]
fn a_group_that_is_late_is_sent_once_more() {
    let mut plan = plan_of(0..9, Options { group: Some(3), at_once: false });
    plan.slots(3);
    let batches: Vec<Batch> = std::iter::from_fn(|| plan.batch()).collect();
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
    assert!(plan.ended(copy.number, &Ended::Exit(0), seconds(22.0)).is_empty() && plan.is_done());
}

#[test]
fn a_group_that_nobody_begins_is_sent_once_more() {
    let mut plan = plan_of(0..4, Options { group: Some(1), at_once: false });
    plan.slots(3);
    let batches: Vec<Batch> = std::iter::from_fn(|| plan.batch()).collect();
    // The host `a` hangs with what it has begun, and with what lies ready there.
    plan.began(batches[0].number, "a", Duration::ZERO);
    for batch in &batches[2..] {
        plan.began(batch.number, "b", Duration::ZERO);
        plan.told(batch.cases[0]);
        assert!(plan.ended(batch.number, &Ended::Exit(0), seconds(1.0)).is_empty());
    }
    assert_eq!(plan.late(seconds(2.0)), None, "slots are free since now");
    let first = plan.late(seconds(4.0)).unwrap();
    assert!(first.cases == [0] && first.avoid.contains("a"));
    // Another slot is free as soon as that is done.
    assert_eq!(plan.late(seconds(6.0)), None);
    plan.told(0);
    assert!(plan.ended(first.number, &Ended::Exit(0), seconds(7.0)).is_empty());
    let second = plan.late(seconds(7.0)).unwrap();
    assert!(second.cases == [1] && second.avoid.contains("a"), "{second:?}");
    plan.told(1);
    assert!(plan.is_done());
}

#[test]
fn a_group_waits_until_its_cases_are_known() {
    let mut plan = Plan::new(Options { group: Some(2), at_once: false });
    plan.slots(4);
    plan.add(0);
    assert!(plan.batch().is_none(), "alone it would be another group than that of who knows both");
    plan.add(1);
    plan.add(2);
    assert_eq!(plan.batch().unwrap().cases, [0, 1]);
    assert!(plan.batch().is_none());
    plan.close();
    assert_eq!(plan.batch().unwrap().cases, [2]);
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
