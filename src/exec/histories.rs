//! Random plans and histories of edits, judged by the operators' definitions alone.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;

use crate::exec::budget::Budget;
use crate::exec::engine::Engine;
use crate::exec::keep::Keep;
use crate::exec::local::{Inline, Local};
use crate::exec::toys::{
    ADD, Bench, CLAMP, FILL, LIST, PLUS, Program, REFUSE, SIGN, SUM, n, plainly, shown, words,
};
use crate::plan::goal::Goal;
use crate::plan::graph::{Arg, Operand};
use crate::store::open::Store;

/// A node of a random plan: which operator, and how far below its arguments lie.
type Step = (u8, usize, usize);

fn random(steps: &[Step], goals: &[usize], shift: f64) -> Program {
    let mut program = Program::new();
    let mut numbers = vec![n(shift), n(2.0)];
    let mut volumes = vec![program.node(FILL, &[n(1500.0), n(shift)])];
    for (op, a, b) in steps {
        let number = |at: &usize| numbers[numbers.len() - 1 - at % numbers.len()].clone();
        let image = |at: &usize| volumes[volumes.len() - 1 - at % volumes.len()].clone();
        match op {
            0 => numbers.push(program.node(ADD, &[number(a), number(b)])),
            1 => numbers.push(program.node(SIGN, &[number(a)])),
            2 => numbers.push(program.node(SUM, &[image(a)])),
            3 => volumes.push(program.node(PLUS, &[image(a), image(b)])),
            4 => volumes.push(program.node(CLAMP, &[image(a), number(b)])),
            5 => volumes.push(program.node(FILL, &[n(1500.0), number(a)])),
            6 => drop(program.node(LIST, &[image(a), number(b)])),
            _ => drop(program.node(REFUSE, &[number(a)])),
        }
    }
    let all: Vec<_> = program.plan.indices().collect();
    for goal in goals {
        program.print(&Arg::Node(all[goal % all.len()]));
    }
    program
}

fn expected(program: &Program) -> Vec<String> {
    let goal = |goal: &Goal| {
        let Operand::Node(node) = goal.value else { return String::new() };
        match plainly(&program.plan, node) {
            Ok(value) => shown(&value),
            Err(refusal) => format!("`toy.refuse` refuses: {refusal}"),
        }
    };
    program.plan.goals.iter().map(goal).collect()
}

fn engine(width: usize) -> Arc<dyn Engine> {
    match width {
        0 => Arc::new(Inline),
        width => Arc::new(Local::new(width).unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever the threads, the memory, what is kept and what earlier runs left: the goals are what
    /// the operators' definitions say. Histories of edits make cut-offs, evictions and redoing.
    #[test]
    fn goals_are_what_the_definitions_say(
        steps in prop::collection::vec((0u8..8, 0usize..5, 0usize..5), 1..40),
        goals in prop::collection::vec(0usize..64, 1..6),
        more in prop::collection::vec(0usize..64, 1..6),
        keep in prop::sample::select(vec![Keep::Auto, Keep::All, Keep::Goals]),
        width in prop::sample::select(vec![0usize, 1, 2, 5]),
        memory in prop::sample::select(vec![1u64, 20_000, 1 << 30]),
    ) {
        let mut bench = Bench::new(Store::memory().unwrap(), engine(width));
        bench.options.keep = keep;
        bench.context.budget = Budget::new(memory);
        for (shift, goals) in [(1.0, &goals), (1.0, &more), (3.0, &goals), (1.0, &goals)] {
            let mut program = random(&steps, goals, shift);
            let expected = expected(&program);
            let report = bench.run(&mut program);
            prop_assert_eq!(words(&report), expected);
        }
        prop_assert_eq!(bench.context.budget.taken_bytes(), 0);
        let mut last = random(&steps, &goals, 1.0);
        let report = bench.run(&mut last);
        prop_assert_eq!((report.computed, report.redone), (0, 0));
    }
}
