//! Stores that are copied by rsync: while one is written, in pieces, in both directions.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::desk::{CASE, Desk};

const RUN: &str = "run lesion.imgql --cases cases -o out --keep all";

/// Is the copying program there?
fn is_there() -> bool {
    let is_there = Command::new("rsync").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        println!("skipped: rsync is not installed");
    }
    is_there
}

/// Copies `objects/` of one store into another; stopped after `limit`, when there is one.
fn rsync(desk: &Desk, from: &str, to: &str, more: &[&str], limit: Option<Duration>) {
    fs::create_dir_all(desk.path(to).join("objects")).unwrap();
    let mut command = Command::new("rsync");
    command.arg("-a").args(more).current_dir(desk.path(""));
    command.args([format!("{from}/objects/"), format!("{to}/objects/")]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    match limit {
        None => assert!(child.wait().unwrap().success()),
        Some(limit) => {
            sleep(limit);
            child.kill().ok();
            child.wait().unwrap();
        }
    }
}

#[test]
fn a_copy_taken_in_pieces_while_one_writes_is_whole_in_the_end() {
    if !is_there() {
        return;
    }
    let desk = Desk::demo(3);
    let right = desk.vox(&format!("{RUN} --store right")).ok();
    let mut writer = desk.start(&format!("{RUN} --store one"));
    let mut round = 0;
    while writer.try_wait().unwrap().is_none() || round < 6 {
        round += 1;
        if !desk.path("one/objects").exists() {
            sleep(Duration::from_millis(1));
            continue;
        }
        // A copying program may meet files that vanish, and be stopped anywhere.
        let more: &[&str] = if round % 2 == 0 { &["--ignore-existing"] } else { &[] };
        rsync(&desk, "one", "two", more, Some(Duration::from_millis(3 * (round % 7))));
        // Whatever has arrived is true, and what has not is computed.
        if round % 3 == 0 {
            let words = RUN.replace("-o out", "-o out2");
            assert_eq!(desk.vox(&format!("{words} --store two")).ok().out, right.out);
        }
    }
    assert!(writer.wait().unwrap().success());
    rsync(&desk, "one", "two", &[], None);
    assert_eq!(desk.vox(&format!("{RUN} --store two")).ok().nothing_ran().out, right.out);
    desk.vox("verify --store two").ok();
    // Back again, in parts and whole: what the other added is known here.
    let more = desk.vox(&format!("{RUN} --store two --set warm=0.8")).ok();
    rsync(&desk, "two", "one", &["--ignore-existing"], Some(Duration::from_millis(4)));
    rsync(&desk, "two", "one", &["--ignore-existing"], None);
    let words = format!("{RUN} --store one --set warm=0.8");
    assert_eq!(desk.vox(&words).ok().nothing_ran().out, more.out);
    desk.vox("verify --store one").ok();
}

#[test]
fn records_that_came_before_their_objects_are_not_here_yet() {
    if !is_there() {
        return;
    }
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --keep all --store one")).ok();
    fs::create_dir_all(desk.path("log/objects")).unwrap();
    rsync(&desk, "one", "log", &["--include=/log/***", "--exclude=*"], None);
    assert_eq!(desk.vox(&format!("{CASE} --store log")).ok().out, right.out);
    desk.vox("verify --store log").ok();
    // And objects without records: nothing is known of them, and nothing is wrong.
    rsync(&desk, "one", "bare", &["--exclude=/log/"], None);
    assert!(desk.vox(&format!("{CASE} --store bare")).ok().counts().computed > 0);
    rsync(&desk, "one", "bare", &[], None);
    desk.vox(&format!("{CASE} --store bare")).ok().nothing_ran();
    desk.vox("verify --store bare").ok();
}
