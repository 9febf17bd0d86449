//! `vox worker`: one group. Its lines, its codes, and how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::cohort::{end, groups, lines, long, six, wait, words};
use crate::desk::{Desk, Said};

fn run(desk: &Desk, group: &Json) -> Said {
    desk.write("g.json", group.to_string());
    let mut command = desk.command("worker --group g.json");
    Said::from(command.env_remove("VOX_STORE").output().unwrap())
}

#[test]
fn a_group_is_run_and_told() {
    let desk = six();
    let group = groups(&desk, &words("a"), 4, 2).remove(0);
    let ids = |lines: &[Json]| {
        let cases = lines.iter().filter(|line| line["event"] == "case");
        cases.map(|line| line["case"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let said = run(&desk, &group).ok();
    let told = lines(&said.out);
    assert_eq!(ids(&told), ["case-0", "case-1", "case-2", "case-3"]);
    assert_eq!(told[0]["event"], "start");
    assert_eq!(told[0]["cases"], 4);
    assert_eq!(told[1]["status"], "done");
    assert_eq!(told[1]["goals"][1]["print"], "max");
    assert_eq!(told[1]["goals"][1]["value"], 18.0);
    assert_eq!(told[1]["goals"][3]["save"], "body.nii.gz");
    assert!(told[1]["counts"]["computed"].as_u64().unwrap() > 0);
    assert_eq!(told.last().unwrap()["code"], 0);
    assert!(!desk.path("body.nii.gz").exists() && !desk.path("case-0").exists(), "a worker saves nothing");
    // Again, from stdin, by a host that has neither the import nor the program.
    fs::remove_file(desk.path("lib.imgql")).unwrap();
    fs::remove_file(desk.path("p.imgql")).unwrap();
    let mut command = desk.command("worker --group - --store store-a");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string_pretty(&group).unwrap().as_bytes()).unwrap();
    let told = lines(&end(child).ok().out);
    assert!(told[1..5].iter().all(|line| line["status"] == "hit"), "{told:?}");
    desk.vox("verify --store store-a").ok();
}

#[test]
fn codes_say_what_is_wrong_and_where() {
    let desk = six();
    let group = groups(&desk, &words("a"), 6, 1).remove(0);
    let with = |change: &dyn Fn(&mut Json)| {
        let mut group = group.clone();
        change(&mut group);
        run(&desk, &group)
    };
    let error = |said: &Said| lines(&said.out).last().unwrap()["error"].as_str().unwrap().to_owned();
    let said = with(&|group| group["vox"] = "0.0.1".into()).code_is(8);
    assert!(error(&said).contains("the group is of vox 0.0.1"), "{}", said.out);
    let said = with(&|group| group["kernels"] = "00".into()).code_is(8);
    assert!(error(&said).contains("install the same build"));
    let said = with(&|group| group["store"]["id"] = "00".into()).code_is(5);
    assert!(error(&said).contains("another store than the run's"), "{}", said.out);
    let said = with(&|group| group["store"]["path"] = "/nowhere/at/all".into()).code_is(5);
    assert!(error(&said).contains("is not on this host"));
    with(&|group| group["format"] = 7.into()).code_is(2).says("format 7");
    with(&|group| group["program"]["text"] = "print".into()).code_is(2).says("program.blob");
    desk.write("g.json", "{");
    desk.vox("worker --group g.json").code_is(2).says("is no group of cases");
    desk.vox("worker --group absent.json").code_is(2).says("could not read `absent.json`");
    desk.vox("worker").code_is(2);
    // An input that is not here: the others are done, and that one is told by nobody.
    fs::remove_file(desk.path("cases/case-2/f.nii")).unwrap();
    let said = with(&|_| {}).code_is(4);
    assert!(error(&said).contains("case-2"));
    assert_eq!(said.out.matches("\"event\":\"case\"").count(), 5);
    // One that cannot be read is a result.
    desk.write("cases/case-2/f.nii", "no image");
    let said = with(&|_| {}).code_is(1);
    let told = lines(&said.out);
    let failed: Vec<&Json> = told.iter().filter(|line| line["status"] == "failed").collect();
    assert!(failed.len() == 1 || told.iter().any(|line| line["status"] == "refused"), "{}", said.out);
    assert!(error_of(&told, "case-2").is_some_and(|error| !error.is_empty()));
}

fn error_of(told: &[Json], case: &str) -> Option<String> {
    let line = told.iter().find(|line| line["case"] == case)?;
    Some(line["error"].as_str()?.to_owned())
}

/// Starts a worker on a case that takes long, and waits until it has begun.
fn slow(desk: &Desk, change: &dyn Fn(&mut Json)) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut group = groups(desk, "run p.imgql --cases cases --store s", 1, 1).remove(0);
    change(&mut group);
    desk.write("g.json", group.to_string());
    let mut command = desk.command("worker --group g.json");
    let mut child = command
        .env_remove("VOX_STORE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("\"start\""), "{line}");
    (child, out)
}

#[test]
fn who_is_asked_to_end_seals_and_ends() {
    let desk = long();
    let (child, _out) = slow(&desk, &|_| {});
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    end(child).code_is(143);
    desk.vox("verify --store s").ok();
}

#[test]
fn the_end_of_stdin_is_the_end_of_a_worker() {
    let desk = long();
    let (mut child, _out) = slow(&desk, &|_| {});
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdin.take());
    end(child).code_is(143);
    desk.vox("verify --store s").ok();
    // A file, or nothing to read from, is nobody's end.
    let desk = six();
    let group = groups(&desk, &words("a"), 6, 1).remove(0);
    run(&desk, &group).ok();
}

#[test]
fn limits_are_kept() {
    let desk = long();
    let (child, mut out) = slow(&desk, &|group| group["limits"]["seconds"] = json!(1));
    end(child).code_is(124);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("longer than it may"), "{line}");
    let (child, _out) = slow(&desk, &|group| group["limits"]["memory"] = json!(1_000_000_000));
    let limits = format!("/proc/{}/limits", child.id());
    let text = wait(|| fs::read_to_string(&limits).ok());
    let line = text.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert!(line.contains("2036870912"), "half as much again, and 512 MiB: {line}");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    end_of(child);
}

fn end_of(mut child: Child) {
    child.wait().unwrap();
}
