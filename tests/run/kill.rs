//! `kill -9` at any moment: what was acknowledged is there, and the next run goes on.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::desk::{CASE, Desk, Said};

/// Moments to kill at, in microseconds: spread over what a run takes, the same in every test run.
fn moments(count: u64, longest_us: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(move |at| Duration::from_micros(longest_us * ((at * 7919 + 13) % 100 + 1) / 100))
}

fn clean(desk: &Desk, store: &str) {
    desk.vox(&format!("verify --store {store}")).ok();
}

#[test]
fn one_of_two_is_killed_and_the_other_completes() {
    let desk = Desk::demo(1);
    let begin = Instant::now();
    let right = desk.vox(&format!("{CASE} --keep all --store right")).ok();
    let took = begin.elapsed().as_micros() as u64;
    let masks = desk.digests("out");
    for (round, moment) in moments(12, took * 3 / 2).enumerate() {
        let store = format!("store-{round}");
        let words = format!("{CASE} --keep all --store {store}");
        let start = || {
            let mut command = desk.command(&words);
            command.env("VOX_CLAIM_US", "0");
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        };
        let (mut one, two) = (start(), start());
        sleep(moment);
        one.kill().unwrap();
        one.wait().unwrap();
        let two = Said::from(two.wait_with_output().unwrap()).ok();
        assert_eq!(two.out, right.out, "round {round}");
        clean(&desk, &store);
        let next = desk.vox(&words).ok().nothing_ran();
        assert_eq!(next.out, right.out);
        assert_eq!(desk.digests("out"), masks, "nothing torn lies among the masks");
        fs::remove_dir_all(desk.path(&store)).unwrap();
    }
}

#[test]
fn a_killed_run_leaves_nothing_to_remove_by_hand() {
    let desk = Desk::demo(1);
    let begin = Instant::now();
    let right = desk.vox(&format!("{CASE} --keep all --store right")).ok();
    let took = begin.elapsed().as_micros() as u64;
    // Again and again into one store, until there is nothing left to do.
    let words = format!("{CASE} --keep all");
    for moment in moments(15, took) {
        let mut child = desk.start(&words);
        sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        if desk.path(".vox/vox-store.toml").exists() {
            clean(&desk, ".vox");
        }
    }
    assert_eq!(desk.vox(&words).ok().out, right.out);
    desk.vox(&words).ok().nothing_ran();
    clean(&desk, ".vox");
}

#[test]
fn a_killed_cohort_goes_on_where_it_was() {
    let desk = Desk::demo(3);
    let run = "run lesion.imgql --cases cases -o out --table dice.csv --threads 1";
    let mut child = desk.start(run);
    let begin = Instant::now();
    // The table is written as cases finish: with its first row the first case is done.
    let rows =
        || fs::read_to_string(desk.path("dice.csv")).map_or(0, |table| table.lines().count());
    while rows() < 2 && child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(120));
        sleep(Duration::from_micros(300));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let table = desk.text("dice.csv");
    assert!(
        table.ends_with("\r\n") && !table.contains("n/a"),
        "a whole table of whole rows: {table}"
    );
    let rest = desk.vox(run).ok().counts();
    let whole = desk.vox(&format!("{run} --store fresh")).ok().counts();
    assert!(rest.computed < whole.computed, "{rest:?} {whole:?}");
    assert_eq!(desk.text("dice.csv").lines().count(), 4);
    desk.vox(run).ok().nothing_ran();
    clean(&desk, ".vox");
}

#[test]
fn a_signal_stops_and_keeps_what_was_acknowledged() {
    let desk = Desk::demo(3);
    let run = "run lesion.imgql --cases cases -o out --threads 1";
    for (signal, code) in
        [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)]
    {
        let child = desk.start(run);
        let begin = Instant::now();
        while !desk.path(".vox/local/writer").exists() && begin.elapsed() < Duration::from_secs(60)
        {
            sleep(Duration::from_millis(1));
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let said = Said::from(child.wait_with_output().unwrap());
        // It may have been done before the signal came.
        if said.code != Some(0) {
            said.code_is(code).says("stopped");
        }
        clean(&desk, ".vox");
        fs::remove_dir_all(desk.path(".vox")).unwrap();
    }
}
