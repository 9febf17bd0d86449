//! Two processes on one store: each expensive node is computed by one of them, and none waits for ever.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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

/// The images of tests are too small to be worth a claim by their estimated time: here all are.
fn claiming(desk: &Desk, words: &str) -> Command {
    let mut command = desk.command(words);
    command.env("VOX_CLAIM_US", "0").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
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
            claiming(&desk, &words).spawn().unwrap()
        };
        let (one, two) = (start("one"), start("two"));
        let (one, two) = (end(one).ok(), end(two).ok());
        assert_eq!(one.out, two.out);
        assert_eq!(desk.digests("out-one"), desk.digests("out-two"));
        let claimed = |name: &str| -> BTreeSet<String> {
            let nodes = desk.nodes(name).into_iter();
            nodes.filter(|(_, (_, claimed))| *claimed).map(|(node, _)| node).collect()
        };
        let (one, two) = (claimed("one.json"), claimed("two.json"));
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
         print \"alike\" volume(crossCorrelation(2, f, f, f >. 0, min(f), max(f), 10) >. 0.4)\n",
    );
    // The first is stopped while it holds a claim by the program's own estimate.
    let lock = |desk: &Desk| {
        let claims = fs::read_dir(desk.path(".vox/local/claims")).into_iter().flatten();
        claims.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "lock"))
    };
    let first = desk.start("run p.imgql --keep all");
    let begin = Instant::now();
    while !lock(&desk) {
        assert!(begin.elapsed() < LIMIT, "nothing was claimed");
        sleep(Duration::from_micros(200));
    }
    let pid = rustix::process::Pid::from_child(&first);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let mut second = desk.start("run p.imgql --keep all");
    // Somebody else who does not want to wait computes it here.
    desk.vox("run p.imgql --keep all --no-wait").ok();
    let mut word = [0; 1];
    let mut errors = second.stderr.take().unwrap();
    errors.read_exact(&mut word).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let mut said = String::from_utf8(word.to_vec()).unwrap();
    errors.read_to_string(&mut said).unwrap();
    let second = end(second);
    let pid = format!("process {} on ", first.id());
    let first = end(first).ok();
    assert_eq!((second.code, second.out), (Some(0), first.out));
    assert!(said.contains("waiting for `vox1.crossCorrelation`") && said.contains(&pid), "{said}");
    desk.vox("verify").ok();
}

/// 64 jobs over the same nodes, each of several others' results, one way or the other.
fn jobs(reverse: bool) -> String {
    let mut order: Vec<usize> = (0..64).collect();
    if reverse {
        order.reverse();
    }
    let mut text = "load f = \"f.nii\"\nk = 0\n".to_owned();
    text += "d(n) = dt(f >. (k .+. n))\n";
    for n in order {
        writeln!(text, "print \"job{n}\" volume((d({n}) + d({})) <. 2)", (n + 13) % 64).unwrap();
    }
    text
}

#[test]
fn opposite_orders_never_lock_each_other_out() {
    let desk = Desk::new();
    desk.write("f.nii", image([9, 8, 7], |x, y, z| ((x * 7 + y * 5 + z * 11) % 67) as f32));
    desk.write("there.imgql", jobs(false));
    desk.write("back.imgql", jobs(true));
    for round in 0..100 {
        let start = |program: &str| {
            let words = format!(
                "run {program} --threads 2 --keep all --set k={}",
                f64::from(round) / 128.0
            );
            claiming(&desk, &words).spawn().unwrap()
        };
        let (one, two) = (start("there.imgql"), start("back.imgql"));
        let (one, two) = (end(one).ok(), end(two).ok());
        let sorted = |said: &Said| said.out.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&one), sorted(&two), "round {round}");
        assert_eq!(sorted(&one).len(), 64);
    }
    desk.vox("verify").ok();
}
