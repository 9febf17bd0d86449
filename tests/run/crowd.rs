//! Sixteen processes on one store, some of whose work is the same, with the collector among them.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::desk::{CASE, Desk, Said};

const CROWD: usize = 16;
/// Far more than a crowd takes.
const LIMIT: Duration = Duration::from_secs(240);

/// What process `at` is asked for: four different questions, most of whose nodes are the same.
fn question(at: usize) -> String {
    format!("--set warm=0.8{} --set alike=0.{}", at % 2, 5 + at / 2 % 2)
}

fn start(desk: &Desk, at: usize) -> Child {
    let words = CASE.replace("-o out", &format!("-o out{at}"));
    let words = format!("{words} {} --keep all --report {at}.json", question(at));
    let mut command = desk.command(&words);
    // The images of tests are too small to be worth a claim otherwise.
    command.env("VOX_CLAIM_US", "0").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Runs the crowd; returns how often each claimed node ran for the first time.
fn run(desk: &Desk) -> BTreeMap<String, usize> {
    let alone: Vec<Said> = (0..4)
        .map(|at| desk.vox(&format!("{CASE}-alone{at} {} --store alone{at}", question(at))).ok())
        .collect();
    let begin = Instant::now();
    let mut crowd: Vec<Child> = (0..CROWD).map(|at| start(desk, at)).collect();
    while crowd.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        assert!(begin.elapsed() < LIMIT, "somebody waits for ever");
        sleep(Duration::from_millis(2));
    }
    let mut computed: BTreeMap<String, usize> = BTreeMap::new();
    for (at, child) in crowd.into_iter().enumerate() {
        let said = Said::from(child.wait_with_output().unwrap()).ok();
        assert_eq!(said.out, alone[at % 4].out);
        assert_eq!(
            desk.digests(&format!("out{at}")),
            desk.digests(&format!("out-alone{}", at % 4))
        );
        for (node, (was, claimed)) in desk.nodes(&format!("{at}.json")) {
            if claimed && was == "computed" {
                *computed.entry(node).or_default() += 1;
            }
        }
    }
    computed
}

#[test]
fn sixteen_processes_compute_each_node_once() {
    let desk = Desk::demo(1);
    let computed = run(&desk);
    assert!(computed.len() > 20, "only {} nodes were claimed", computed.len());
    let twice: Vec<_> = computed.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    desk.vox("verify").ok();
}

/// Runs the crowd while somebody collects again and again; says how often claimed nodes ran.
fn beside_a_collector(desk: &Desk, how: &str) -> BTreeMap<String, usize> {
    desk.vox("init --store .vox").ok();
    let done = AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::SeqCst) || rounds == 0 {
                let more = ["", "--compact"][rounds % 2];
                desk.vox(&format!("gc {how} {more}")).ok();
                rounds += 1;
            }
        });
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(desk)));
        done.store(true, Ordering::SeqCst);
        collector.join().unwrap();
        ran.unwrap()
    });
    desk.vox("verify").ok();
    ran
}

#[test]
fn a_collector_of_what_is_old_makes_nobody_compute_again() {
    let computed = beside_a_collector(&Desk::demo(1), "--max-age 1h");
    assert!(computed.len() > 20, "only {} nodes were claimed", computed.len());
    let twice: Vec<_> = computed.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn a_collector_of_everything_changes_no_answer() {
    // Who finds gone what another one computed meanwhile computes it, too.
    beside_a_collector(&Desk::demo(1), "--max-size 1");
}
