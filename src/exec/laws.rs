//! What every run keeps, whatever the engine, the memory and what is kept.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::exec::error::Error;
use crate::exec::inputs::Content;
use crate::exec::keep::Keep;
use crate::exec::local::{Inline, Local};
use crate::exec::report::Report;
use crate::exec::toys::{
    ABOVE, ADD, Bench, CLAMP, DT, FILL, Fusing, LIST, LT, PANIC, PLUS, Program, REFUSE, SIGN, SUM,
    Shown, index, n, operand, plainly, shown, words,
};
use crate::exec::why::Why;
use crate::id::Digest;
use crate::plan::goal::{Action, Goal};
use crate::plan::graph::{Arg, Operand, Origin, Plan};
use crate::plan::template::{Expand, Fault, Template};
use crate::store::open::{Options as StoreOptions, Store};
use crate::store::place::Place;
use crate::value::data::Value;

fn memory() -> Bench {
    Bench::new(Store::memory().unwrap(), Arc::new(Inline))
}

fn counts(report: &Report) -> (usize, usize, usize) {
    (report.computed, report.redone, report.reused)
}

/// Two images, their sum, its sum, and something on top of that.
fn images(top: f64) -> Program {
    let mut program = Program::new();
    let a = program.node(FILL, &[n(5000.0), n(1.0)]);
    let b = program.node(FILL, &[n(5000.0), n(2.0)]);
    let both = program.node(PLUS, &[a, b]);
    let sum = program.node(SUM, &[both]);
    let last = program.node(ADD, &[sum, n(top)]);
    program.print(&last);
    program
}

#[test]
fn a_second_run_computes_nothing() {
    let bench = memory();
    let first = bench.run(&mut images(1.0));
    assert_eq!(counts(&first), (5, 0, 0));
    let again = bench.run(&mut images(1.0));
    assert_eq!(counts(&again), (0, 0, 5));
    assert_eq!(words(&first), words(&again));
}

#[test]
fn an_edit_runs_what_hangs_on_it_only() {
    let bench = memory();
    bench.run(&mut images(1.0));
    let edited = bench.run(&mut images(2.0));
    assert_eq!(counts(&edited), (1, 0, 4));
    assert_eq!(edited.nodes[0].why, Why::Never);
}

#[test]
fn what_was_not_kept_is_redone_and_all_is_kept_when_asked() {
    let mut bench = memory();
    bench.options.keep = Keep::Goals;
    bench.run(&mut images(1.0));
    let mut program = images(1.0);
    let both = Arg::Node(crate::plan::graph::NodeIndex(2));
    let clamp = program.node(CLAMP, &[both, n(3.0)]);
    let sum = program.node(SUM, &[clamp]);
    program.print(&sum);
    let edited = bench.run(&mut program);
    assert_eq!(counts(&edited), (2, 3, 2));
    assert!(edited.nodes.iter().any(|ran| ran.why == Why::Evicted));
    bench.options.keep = Keep::All;
    let bench = Bench { options: bench.options, ..memory() };
    bench.run(&mut images(1.0));
    let edited = bench.run(&mut program);
    assert_eq!(counts(&edited), (2, 0, 5));
}

/// A sign over a sum that an edit below it does not change.
fn signs(below: f64) -> Program {
    let mut program = Program::new();
    let a = program.node(FILL, &[n(2000.0), n(below)]);
    let sum = program.node(SUM, &[a]);
    let sign = program.node(SIGN, &[sum]);
    let one = program.node(ADD, &[sign.clone(), n(1.0)]);
    let two = program.node(ADD, &[one, sign]);
    program.print(&two);
    program
}

#[test]
fn an_edit_that_changes_nothing_stops_there() {
    let bench = memory();
    let first = bench.run(&mut signs(1.0));
    let edited = bench.run(&mut signs(2.0));
    assert_eq!(words(&first), words(&edited));
    assert_eq!(counts(&edited), (3, 0, 2), "fill, sum and sign ran");
    assert_eq!(edited.nodes[1].why, Why::Argument(0));
    let again = bench.run(&mut signs(2.0));
    assert_eq!(counts(&again), (0, 0, 5), "what was cut off is found by itself");
}

#[test]
fn a_refusal_is_an_answer_unless_it_is_to_be_tried_again() {
    let program = || {
        let mut program = Program::new();
        let bad = program.node(REFUSE, &[n(1.0)]);
        let above = program.node(ADD, &[bad, n(1.0)]);
        let good = program.node(ADD, &[n(1.0), n(2.0)]);
        program.print(&above);
        program.print(&good);
        program
    };
    let mut bench = memory();
    let first = bench.run(&mut program());
    assert_eq!((first.computed, first.failed), (2, 1));
    assert!(words(&first)[0].contains("`toy.refuse` refuses"));
    assert_eq!(words(&first)[1], shown(&Value::Number(3.0)));
    let again = bench.run(&mut program());
    assert_eq!((again.computed, again.redone, again.failed), (0, 0, 1));
    assert_eq!(words(&first), words(&again));
    bench.options.retry_failed = true;
    let tried = bench.run(&mut program());
    assert_eq!((tried.computed, tried.redone, tried.failed), (0, 1, 1));
    assert_eq!(tried.nodes[0].why, Why::Forced);
}

#[test]
fn a_panic_is_lost_and_leaves_no_receipt() {
    let program = || {
        let mut program = Program::new();
        let bad = program.node(PANIC, &[]);
        let sum = program.node(SUM, &[bad]);
        program.print(&sum);
        program
    };
    let bench = memory();
    for _ in 0..2 {
        let report = bench.run(&mut program());
        assert_eq!((report.computed, report.failed), (0, 1));
        assert!(words(&report)[0].contains("toys break"));
    }
}

#[test]
fn a_group_runs_as_one_and_counts_as_many() {
    let program = || {
        let mut program = Program::new();
        let a = program.node(FILL, &[n(3000.0), n(0.0)]);
        let mask = program.node(ABOVE, &[a, n(2990.0)]);
        let dt = program.node(DT, &[mask]);
        let near = program.node(LT, &[dt, n(5.0)]);
        program.print(&near);
        program
    };
    let plain = memory().run(&mut program());
    let fusing = Arc::new(Fusing::default());
    let mut bench = memory();
    bench.context.fusions = fusing.clone();
    let fused = bench.run(&mut program());
    assert_eq!(words(&plain), words(&fused));
    assert_eq!(counts(&plain), counts(&fused));
    assert_eq!(fusing.0.load(Ordering::Relaxed), 1);
    assert_eq!(counts(&bench.run(&mut program())), (0, 0, 4));
    let mut wider = program();
    let distance = wider.plan.indices().nth(2).unwrap();
    wider.print(&Arg::Node(distance));
    let wider = bench.run(&mut wider);
    assert_eq!(wider.failed, 0);
    assert_eq!(wider.nodes.last().unwrap().was(), "redone", "it left a definition");
}

#[test]
fn a_group_that_refuses_is_taken_apart() {
    let mut program = Program::new();
    let a = program.node(FILL, &[n(3000.0), n(0.0)]);
    let mask = program.node(ABOVE, &[a, n(1e6)]);
    let dt = program.node(DT, &[mask]);
    let near = program.node(LT, &[dt, n(5.0)]);
    program.print(&near);
    let mut bench = memory();
    bench.context.fusions = Arc::new(Fusing::default());
    let report = bench.run(&mut program);
    assert!(words(&report)[0].starts_with("`vox1.dt` refuses"), "{:?}", words(&report));
}

#[test]
fn inputs_are_read_hashed_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    let program = |content: &[u8]| {
        let mut program = Program::new();
        let read = program.read(&path, content);
        let sum = program.node(SUM, &[read]);
        program.print(&sum);
        program
    };
    let bench = memory();
    let missing = bench.run(&mut program(b"abc"));
    assert!(words(&missing)[0].starts_with("could not read the input"));
    std::fs::write(&path, b"abc").unwrap();
    let read = bench.run(&mut program(b"abc"));
    assert_eq!((read.computed, read.failed), (2, 0));
    let changed = bench.try_run(&mut program(b"xyz")).unwrap_err();
    assert!(matches!(changed, Error::InputChanged { path: of } if of == path));
    // What planning read is not read again.
    std::fs::write(&path, b"def").unwrap();
    let content = Content::open(&path).unwrap();
    bench.files.inputs.put(Digest::of(b"def"), content);
    std::fs::remove_file(&path).unwrap();
    let cached = bench.run(&mut program(b"def"));
    assert_eq!((cached.computed, cached.failed), (2, 0));
    assert!(bench.files.inputs.get(Digest::of(b"def")).is_none(), "the last reader let go");
}

#[test]
fn saving_writes_once_and_makes_bytes_again_as_an_effect() {
    let program = || {
        let mut program = Program::new();
        let a = program.node(FILL, &[n(2000.0), n(7.0)]);
        let clamp = program.node(CLAMP, &[a, n(9.0)]);
        program.save("out/a.nii", &clamp);
        program.save("out/b.nii", &clamp);
        program
    };
    let outputs = Arc::new(Shown::default());
    let mut bench = memory();
    bench.files.outputs = outputs.clone();
    let first = bench.run(&mut program());
    assert_eq!(counts(&first), (3, 0, 0));
    assert_eq!(words(&first), ["out/a.nii true", "out/b.nii true"]);
    let again = bench.run(&mut program());
    assert_eq!(counts(&again), (0, 0, 3));
    assert_eq!(words(&again), ["out/a.nii false", "out/b.nii false"]);
    let before = outputs.0.lock().unwrap().remove(std::path::Path::new("out/b.nii"));
    let third = bench.run(&mut program());
    assert_eq!(counts(&third), (0, 0, 3), "the encoder's argument was kept with its goal");
    assert_eq!(words(&third), ["out/a.nii false", "out/b.nii true"]);
    assert_eq!(outputs.0.lock().unwrap().get(std::path::Path::new("out/b.nii")), before.as_ref());
}

/// Expands to the sum of what it waits for and of so many more.
struct Summing(usize);

impl Expand for Summing {
    fn expand(&self, values: &[(Operand, Value)], plan: &mut Plan) -> Result<Operand, Fault> {
        let mut program = Program { plan: std::mem::take(plan) };
        let mut args: Vec<Arg> = Vec::new();
        for (operand, _) in values {
            args.push(match operand {
                Operand::Node(node) => Arg::Node(*node),
                Operand::Literal(value) => Arg::Literal(value.clone()),
                Operand::Template(_) => panic!("a template is known by now"),
            });
        }
        args.extend((0..self.0).map(|at| n(at as f64)));
        let sum = program.node(ADD, &args);
        *plan = program.plan;
        if self.0 > 3 {
            let expand = Box::new(Summing(1));
            let waits = vec![operand(&sum)];
            let inner = plan.template(Template { waits, expand, origin: Origin::default() });
            return Ok(Operand::Template(inner));
        }
        Ok(operand(&sum))
    }
}

#[test]
fn templates_expand_when_what_they_wait_for_is_known() {
    let program = || {
        let mut program = images(1.0);
        let last = operand(&Arg::Node(crate::plan::graph::NodeIndex(4)));
        let origin = Origin::default();
        let below = program.plan.template(Template {
            waits: vec![last.clone()],
            expand: Box::new(Summing(5)),
            origin,
        });
        let above = program.plan.template(Template {
            waits: vec![Operand::Template(below), last],
            expand: Box::new(Summing(2)),
            origin,
        });
        for value in [below, above] {
            let action = Action::Print { label: "t".to_owned() };
            program.plan.goals.push(Goal { action, value: Operand::Template(value), origin });
        }
        program
    };
    let bench = memory();
    let mut first = program();
    let report = bench.run(&mut first);
    let sum = 2.0 * (0..5000).map(f64::from).sum::<f64>() + 3.0 * 5000.0 + 1.0;
    let below = sum + 10.0;
    assert_eq!(words(&report)[1], shown(&Value::Number(below)));
    assert_eq!(words(&report)[2], shown(&Value::Number(below + sum + 1.0)));
    assert_eq!(counts(&report), (8, 0, 0));
    let again = bench.run(&mut program());
    assert_eq!(counts(&again), (0, 0, 8));
    assert_eq!(words(&again), words(&report));
}

#[test]
fn evicted_values_are_made_again_and_the_rest_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { root: dir.path().join("store"), is_cache: false };
    let store = Store::open(&place, &StoreOptions::default()).unwrap();
    let mut bench = Bench::new(store, Arc::new(Local::new(2).unwrap()));
    bench.options.keep = Keep::All;
    let first = bench.run(&mut images(1.0));
    assert_eq!(counts(&first), (5, 0, 0));
    let objects = place.root.join("objects");
    for folder in std::fs::read_dir(&objects).unwrap().map(Result::unwrap) {
        if folder.file_name().len() == 2 {
            std::fs::remove_dir_all(folder.path()).unwrap();
        }
    }
    assert_eq!(counts(&bench.run(&mut images(1.0))), (0, 0, 5), "goals ride in receipts");
    let mut program = images(1.0);
    let both = Arg::Node(crate::plan::graph::NodeIndex(2));
    let clamp = program.node(CLAMP, &[both, n(3.0)]);
    let sum = program.node(SUM, &[clamp]);
    program.print(&sum);
    let report = bench.run(&mut program);
    assert_eq!(counts(&report), (2, 3, 2));
    assert_eq!(report.failed, 0);
}

#[test]
fn runs_side_by_side_agree_and_share_expensive_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { root: dir.path().join("store"), is_cache: false };
    let store = Store::open(&place, &StoreOptions::default()).unwrap();
    let mut bench = Bench::new(store, Arc::new(Local::new(2).unwrap()));
    bench.options.keep = Keep::All;
    let program = || {
        let mut program = Program::new();
        let a = program.node(FILL, &[n(300_000.0), n(1.0)]);
        let b = program.node(FILL, &[n(300_000.0), n(2.0)]);
        let mut last = program.node(PLUS, &[a, b.clone()]);
        for _ in 0..3 {
            last = program.node(PLUS, &[last, b.clone()]);
        }
        let sum = program.node(SUM, &[last]);
        program.print(&sum);
        program
    };
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| bench.run(&mut program()))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let ran = |report: &Report| {
        report.nodes.iter().filter(|ran| ran.op == "toy.plus").map(|ran| ran.node).collect()
    };
    let all: Vec<Vec<_>> = reports.iter().map(ran).collect();
    for report in &reports {
        assert_eq!(words(report), words(&reports[0]));
        assert_eq!(report.failed, 0);
    }
    assert_eq!(all.iter().flatten().count(), 4, "each expensive node ran once: {all:?}");
}

#[test]
fn a_stop_ends_the_run() {
    let bench = memory();
    bench.options.stop.store(true, Ordering::Relaxed);
    assert!(matches!(bench.try_run(&mut images(1.0)), Err(Error::Stopped)));
}

#[test]
fn a_goal_of_each_kind_keeps_its_place() {
    let mut program = images(1.0);
    program.print(&n(4.0));
    let image = Arg::Node(crate::plan::graph::NodeIndex(0));
    program.print(&image);
    let report = memory().run(&mut program);
    assert_eq!(words(&report)[1], shown(&Value::Number(4.0)));
    assert_eq!(words(&report)[2], shown(&plainly(&program.plan, index(&image)).unwrap()));
}

#[test]
fn long_literals_are_cut_off_by_their_bytes_and_the_log_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { root: dir.path().join("store"), is_cache: false };
    let store = Store::open(&place, &StoreOptions::default()).unwrap();
    let bench = Bench::new(store.clone(), Arc::new(Inline));
    let program = |start: f64, last: f64| {
        let mut program = Program::new();
        let mut numbers = vec![Value::Number(0.1); 1000];
        numbers.push(Value::Number(last));
        let sign = program.node(SIGN, &[n(start)]);
        let long = Arg::Literal(Value::sequence(numbers));
        let list = program.node(LIST, &[n(1.0), long, sign]);
        program.print(&list);
        program
    };
    assert_eq!(counts(&bench.run(&mut program(5.0, 1.0))), (2, 0, 0));
    // Another definition, the same arguments.
    assert_eq!(counts(&bench.run(&mut program(7.0, 1.0))), (1, 0, 1));
    assert_eq!(counts(&bench.run(&mut program(7.0, 1.0))), (0, 0, 2));
    assert_eq!(counts(&bench.run(&mut program(9.0, 2.0))), (2, 0, 0));
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(report.records >= 5);
}

#[test]
fn what_is_saved_is_what_all_reused_nodes_took() {
    let bench = memory();
    let first = bench.run(&mut images(1.0));
    let took: u64 = first.nodes.iter().map(|ran| ran.us).sum();
    let again = bench.run(&mut images(1.0));
    assert_eq!(again.saved_us, took, "also of those whose values were not kept");
}
