//! Two processes on one store: each expensive node is computed by one of them, and none waits for ever.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{CASE, Desk, Said, image};

/// Far more than any round takes.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits for a process, and fails when it does not end.
#[track_caller]
fn end(mut child: Child) -> Said {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("it does not end");
        }
        sleep(Duration::from_millis(2));
    }
    Said::from(child.wait_with_output().unwrap())
}

/// The images of tests are too small to be worth a claim: here what is estimated above `us` is.
fn claiming(desk: &Desk, words: &str, us: &str) -> Command {
    let mut command = desk.command(words);
    command.env("VOX_CLAIM_US", us).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Returns the nodes of a report that were claimed.
fn claimed(desk: &Desk, report: &str) -> BTreeSet<String> {
    let nodes = desk.nodes(report).into_iter();
    nodes.filter(|(_, (_, claimed))| *claimed).map(|(node, _)| node).collect()
}

#[test]
fn no_claimed_node_runs_in_both() {
    let desk = Desk::demo(1);
    let mut split = 0;
    for round in 0..20 {
        let store = format!("store-{round}");
        let start = |report: &str| {
            let words =
                format!("{CASE}-{report} --keep all --store {store} --report {report}.json");
            claiming(&desk, &words, "0").spawn().unwrap()
        };
        let (one, two) = (start("one"), start("two"));
        let (one, two) = (end(one).ok(), end(two).ok());
        assert_eq!(one.out, two.out);
        assert_eq!(desk.digests("out-one"), desk.digests("out-two"));
        let (one, two) = (claimed(&desk, "one.json"), claimed(&desk, "two.json"));
        let both: Vec<_> = one.intersection(&two).collect();
        assert!(both.is_empty(), "round {round}: {both:?}");
        assert!(one.len() + two.len() > 20, "round {round}: {} and {}", one.len(), two.len());
        split += usize::from(!one.is_empty() && !two.is_empty());
        fs::remove_dir_all(desk.path(&store)).unwrap();
    }
    assert!(split > 0, "in no round both had something to do");
}

#[test]
fn who_waits_says_for_whom() {
    let desk = Desk::new();
    desk.write("f.nii", image([120, 120, 120], |x, y, z| ((x * y + z * 7) % 97) as f32));
    desk.write(
        "p.imgql",
        "load f = \"f.nii\"\n\
         print \"alike\" volume(crossCorrelation(4, f, f, f >. 0, min(f), max(f), 10) >. 0.4)\n",
    );
    let lock = || {
        let claims = fs::read_dir(desk.path(".vox/local/claims")).into_iter().flatten();
        claims.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "lock"))
    };
    let signal = |child: &Child, signal: Signal| {
        kill_process(Pid::from_child(child), signal).unwrap();
    };
    let begin = Instant::now();
    // The first is stopped while it holds a claim, by the program's own estimate; begun anew where
    // it was not caught early in its work.
    let first = loop {
        assert!(begin.elapsed() < LIMIT, "nothing was claimed");
        let mut first = desk.start("run p.imgql --keep all");
        let mut alive = || first.try_wait().unwrap().is_none();
        while !lock() && alive() {
            sleep(Duration::from_micros(200));
        }
        let seen = Instant::now();
        if alive() {
            signal(&first, Signal::STOP);
            // The signal takes a moment on a busy machine; a thread that still runs may give back.
            let status = format!("/proc/{}/stat", first.id());
            let stands = || {
                let text = fs::read_to_string(&status).unwrap_or_default();
                text.rsplit(')').next().unwrap_or_default().trim_start().starts_with(['T', 'Z'])
            };
            while !stands() && begin.elapsed() < LIMIT {
                sleep(Duration::from_micros(100));
            }
            if lock() && seen.elapsed() < Duration::from_millis(20) {
                break first;
            }
            signal(&first, Signal::CONT);
        }
        end(first).ok();
        fs::remove_dir_all(desk.path(".vox")).unwrap();
    };
    let mut second = desk.start("run p.imgql --keep all");
    let mut word = [0; 1];
    let mut errors = second.stderr.take().unwrap();
    errors.read_exact(&mut word).unwrap();
    // Somebody who does not want to wait computes it, and that is what the second waited for.
    desk.vox("run p.imgql --keep all --no-wait").ok();
    let mut said = String::from_utf8(word.to_vec()).unwrap();
    errors.read_to_string(&mut said).unwrap();
    signal(&first, Signal::CONT);
    let second = end(second);
    let pid = format!("process {} on ", first.id());
    let first = end(first).ok();
    assert_eq!((second.code, second.out), (Some(0), first.out));
    assert!(said.contains("waiting for `vox1.crossCorrelation`") && said.contains(&pid), "{said}");
    desk.vox("verify").ok();
}

/// 64 jobs, each on two distances that others stand on too, in one order or the other.
fn jobs(reverse: bool) -> String {
    let mut order: Vec<usize> = (0..64).collect();
    if reverse {
        order.reverse();
    }
    let mut text = "load f = \"f.nii\"\nd(n) = dt(f >. n)\n".to_owned();
    for n in order {
        writeln!(text, "print \"job{n}\" volume((d({n}) + d({})) <. 2)", (n + 13) % 64).unwrap();
    }
    text
}

#[test]
fn opposite_orders_never_lock_each_other_out() {
    let desk = Desk::new();
    desk.write("there.imgql", jobs(false));
    desk.write("back.imgql", jobs(true));
    let (mut ran, mut twice) = (0, 0);
    for round in 0..100 {
        // Another image each round, so that all is to be computed.
        let at = |x, y, z| ((x * 7 + y * 5 + z * 11 + (x + y * z) * round) % 67) as f32;
        desk.write("f.nii", image([9, 8, 7], at));
        let start = |program: &str| {
            let words =
                format!("run {program}.imgql --threads 2 --keep all --report {program}.json");
            // Distances are claimed, what is quicker is not.
            claiming(&desk, &words, "1").spawn().unwrap()
        };
        let (one, two) = (start("there"), start("back"));
        let (one, two) = (end(one).ok(), end(two).ok());
        let sorted = |said: &Said| said.out.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&one), sorted(&two), "round {round}");
        assert_eq!(sorted(&one).len(), 64);
        let (one, two) = (claimed(&desk, "there.json"), claimed(&desk, "back.json"));
        ran += one.len() + two.len();
        twice += one.intersection(&two).count();
    }
    assert!(ran > 100 * 30, "only {ran} nodes were claimed");
    assert_eq!(twice, 0, "claimed nodes ran in both");
    desk.vox("verify").ok();
}
