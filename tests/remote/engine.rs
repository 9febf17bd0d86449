//! Every engine gives what a local run gives; what is lost is tried again, or named.

use std::fs;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::cohort::{end, is_gone, left, long, over, six, transport, wait, words};
use crate::desk::{Desk, Said};

fn worker(desk: &Desk, words: &str) -> Child {
    let mut command = desk.command(&format!("worker {words}"));
    command.env_remove("VOX_STORE").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn every_engine_leaves_what_a_local_run_leaves() {
    let desk = six();
    let local = desk.vox(&words("local")).ok();
    let right = left(&desk, "local", &local);
    assert!(right.out.contains("case-3\tname=case-3 at 0.5\n"), "{}", right.out);
    // Through a directory, by two workers that begin before and while groups are handed out.
    let driver = desk.start(&format!("{} --engine spool:groups --group 2", words("spool")));
    let (one, two) =
        (worker(&desk, "--spool groups --wait 60s"), worker(&desk, "--spool groups --wait 60s"));
    let said = end(driver).ok();
    assert_eq!(left(&desk, "spool", &said), right);
    assert_eq!(said.counts(), local.counts(), "what workers did is what was done");
    for worker in [one, two] {
        end(worker).ok();
    }
    assert_eq!(
        fs::read_dir(desk.path("groups/done")).unwrap().count(),
        6,
        "three groups, and what was said"
    );
    desk.vox(&words("spool")).ok().nothing_ran();
    desk.vox("verify --store store-spool").ok();
    // Through a child process.
    let Some(engine) = transport() else { return };
    let said = end(over(&desk, &words("cmd"), &engine).spawn().unwrap()).ok();
    assert_eq!(left(&desk, "cmd", &said), right);
    assert_eq!(said.counts(), local.counts());
    desk.vox(&words("cmd")).ok().nothing_ran();
    // A second pass is all hits, and writes no object.
    let again = end(over(&desk, &words("cmd"), &engine).spawn().unwrap()).ok().nothing_ran();
    assert_eq!(left(&desk, "cmd", &again), right);
    desk.vox("verify --store store-cmd").ok();
}

#[test]
fn a_second_pass_over_a_directory_is_all_hits() {
    let desk = six();
    let run = format!("{} --engine spool:groups --group 3", words("a"));
    let driver = desk.start(&run);
    end(worker(&desk, "--spool groups --wait 60s")).ok();
    end(driver).ok();
    // By hand, without a run that hands groups out.
    for entry in fs::read_dir(desk.path("groups/done")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".json") {
            desk.rename(&format!("groups/done/{name}"), &format!("groups/todo/{name}"));
        }
    }
    let said = end(worker(&desk, "--spool groups")).ok().says("2 groups done");
    assert_eq!(said.out.matches("\"status\":\"hit\"").count(), 6, "{}", said.out);
    assert_eq!(said.out.matches("\"computed\":0").count(), 6);
}

#[test]
fn a_worker_that_is_killed_is_tried_again() {
    let Some(engine) = transport() else { return };
    let desk = six();
    let right = desk.vox(&words("local")).ok();
    let kill = desk.write("kill", "");
    let mut command = over(&desk, &format!("{} --group 3", words("cmd")), &engine);
    let said = end(command.env("KILL", &kill).spawn().unwrap()).ok();
    said.says("out again: it was killed");
    assert!(!kill.exists());
    let table = [desk.text("cmd.csv"), desk.text("local.csv")];
    assert_eq!(table[0], table[1]);
    assert_eq!(desk.digests("out-cmd"), desk.digests("out-local"));
    assert_eq!(right.counts().failed, 0);
    desk.vox("verify --store store-cmd").ok();
}

#[test]
fn the_case_that_ends_its_process_is_named_and_the_rest_finish() {
    let Some(engine) = transport() else { return };
    let desk = six();
    for size in ["", " --group 6"] {
        let mut command = over(&desk, &format!("{}{size}", words("cmd")), &engine);
        let said = end(command.env("POISON", "case-3").spawn().unwrap()).code_is(1);
        let said = said.says("vox: case case-3 failed").says("lost: its worker was lost 3 times");
        assert_eq!(said.err.matches(" failed\n").count(), 1, "{}", said.err);
        let table = desk.text("cmd.csv");
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), 7, "{table}");
        assert!(rows[4].starts_with("case-3,n/a"), "{table}");
        assert_eq!(table.matches("n/a").count(), 3, "{table}");
        assert!(said.out.contains("case-5\tmax=") && !said.out.contains("case-3"));
    }
}

#[test]
fn a_case_that_fails_is_told_as_it_is_locally() {
    let Some(engine) = transport() else { return };
    let desk = six();
    let whole = desk.read("cases/case-1/f.nii");
    desk.write("cases/case-1/f.nii", &whole[..whole.len() / 2]);
    let local = desk.vox(&words("local")).code_is(1);
    let said = end(over(&desk, &words("cmd"), &engine).spawn().unwrap()).code_is(1);
    assert_eq!((&said.out, desk.text("cmd.csv")), (&local.out, desk.text("local.csv")));
    let of_case = |said: &Said| {
        let lines = said.err.lines().filter(|line| line.contains("case-1"));
        lines.map(|line| line.replace("-cmd", "-local")).collect::<Vec<_>>()
    };
    assert!(!of_case(&said).is_empty());
    assert_eq!(of_case(&said), of_case(&local));
}

#[test]
fn whoever_takes_a_group_and_dies_is_noticed() {
    let desk = six();
    let driver = desk.start(&format!("{} --engine spool:groups --group 6", words("a")));
    let mut first = worker(&desk, "--spool groups --wait 60s");
    wait(|| {
        let taken = fs::read_dir(desk.path("groups/taken")).ok()?;
        taken.flatten().find(|entry| entry.path().extension().is_some_and(|end| end == "ndjson"))
    });
    first.kill().unwrap();
    first.wait().unwrap();
    let second = worker(&desk, "--spool groups --wait 60s");
    end(driver).ok();
    end(second).ok();
    assert!(desk.text("a.csv").lines().count() == 7 && !desk.text("a.csv").contains("n/a"));
}

#[test]
fn ctrl_c_leaves_no_process() {
    let Some(engine) = transport() else { return };
    let desk = long();
    let pids = desk.path("pids");
    let mut command = over(&desk, "run p.imgql --cases cases --store s", &engine);
    let driver = command.env("PIDS", &pids).spawn().unwrap();
    let pid: u32 = wait(|| fs::read_to_string(&pids).ok()?.lines().next()?.parse().ok());
    kill_process(Pid::from_child(&driver), Signal::INT).unwrap();
    let said = end(driver).code_is(130);
    said.says("vox: stopped");
    wait(|| is_gone(pid).then_some(()));
    // The same when nobody can say goodbye.
    fs::remove_file(&pids).unwrap();
    let mut driver = command.spawn().unwrap();
    let pid: u32 = wait(|| fs::read_to_string(&pids).ok()?.lines().next()?.parse().ok());
    driver.kill().unwrap();
    driver.wait().unwrap();
    wait(|| is_gone(pid).then_some(()));
}

#[test]
fn engines_that_cannot_are_errors_with_words() {
    let desk = six();
    let run = |engine: &str| {
        let mut command = desk.command(&words("x"));
        command.arg("--engine").arg(engine);
        Said::from(command.output().unwrap())
    };
    run("cmd:exit 3").code_is(5).says("ended before all cases were done");
    run("cmd:echo hello; sleep 60").code_is(5).says("not of the protocol");
    run("cmd:echo '{\"event\":\"refused\",\"reason\":\"nobody has a GPU\",\"host\":\"a\"}'; read x; read x")
        .code_is(5)
        .says("the engine refuses: nobody has a GPU (on a)");
    // What was lost for want of memory is not tried here.
    let lost = run("cmd:for n in 0 1 2 3 4 5; do echo '{\"event\":\"case\",\"key\":\"k\",\"case\":\"case-'$n'\",\
        \"status\":\"failed\",\"lost\":true,\"error\":\"no memory\"}'; done; cat > x").code_is(1);
    assert_eq!(lost.err.matches("error: lost: no memory").count(), 6, "{}", lost.err);
    run("ray").code_is(2).says("write local, spool:DIR, dask or cmd:PROGRAM");
    run("dask").code_is(2).says("--scheduler");
    desk.vox(&format!("{} --engine local --scheduler x", words("x"))).code_is(2).says("has none");
    desk.vox(&format!("{} --engine spool:g --needs GPU", words("x"))).code_is(2).says("NAME=N");
    desk.vox("run p.imgql --engine spool:g").code_is(2).says("--cases");
    desk.vox(&format!("{} --engine local", words("x"))).ok();
    // Two runs do not hand out through one directory.
    let mut driver = desk.start(&format!("{} --engine spool:groups", words("y")));
    wait(|| desk.path("groups/todo").read_dir().ok()?.next()).unwrap();
    desk.vox(&format!("{} --engine spool:groups", words("z")))
        .code_is(5)
        .says("another run hands out groups");
    driver.kill().unwrap();
    driver.wait().unwrap();
}
