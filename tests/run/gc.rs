//! Keeping the store small: what goes comes back by itself, and what somebody keeps stays.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value as Json;

use crate::desk::{CASE, Desk, files};

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn objects(desk: &Desk) -> BTreeSet<PathBuf> {
    let all = files(&desk.path(".vox/objects")).into_iter();
    all.filter(|path| path.parent().unwrap().file_name().unwrap().len() == 2).collect()
}

/// What `du` says of a folder.
fn disk_usage(desk: &Desk, folder: &str) -> u64 {
    let all = walkdir::WalkDir::new(desk.path(folder)).into_iter();
    all.map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512).sum()
}

fn collect(desk: &Desk, words: &str) -> Json {
    json(&desk.vox(&format!("gc --json {words}")).ok().out)
}

/// The receipts of all records, by writer and number.
fn receipts(desk: &Desk) -> BTreeSet<Vec<u8>> {
    use vox::store::log::record::{Body, Record};
    use vox::store::log::{list, reader::SegmentReader};
    let layout = vox::store::object::layout::Layout::new(&desk.path(".vox"));
    let mut all = BTreeSet::new();
    for found in list::all(&layout).unwrap() {
        let reader = SegmentReader::open(&found.path, false).unwrap().unwrap();
        let segment = reader.verified(found.writer, &found.name).unwrap();
        for (_, bytes) in segment.records() {
            if let Body::Run(run) = Record::read(bytes).unwrap().body {
                all.insert(run.receipt);
            }
        }
    }
    all
}

#[test]
fn what_was_evicted_is_redone_and_nothing_else() {
    let (desk, other) = (Desk::demo(1), Desk::demo(1));
    let all = desk.vox(&format!("{CASE} --keep all")).ok().counts();
    other.vox(&format!("{CASE} --keep all")).ok();
    let before = receipts(&desk);
    let report = collect(&desk, "--max-size 1");
    assert!(objects(&desk).is_empty() && report["removed"].as_array().unwrap().len() > 10);
    // Nothing that is asked for is gone: numbers ride in receipts, files lie where they were saved.
    desk.vox(CASE).ok().nothing_ran();
    fs::remove_dir_all(desk.path("out")).unwrap();
    fs::remove_dir_all(other.path("out")).unwrap();
    let again = desk.vox(CASE).ok();
    let right = other.vox(CASE).ok();
    assert_eq!(again.out, right.out);
    assert_eq!(desk.digests("out"), other.digests("out"));
    let (again, right) = (again.counts(), right.counts());
    assert_eq!((again.computed, right.computed + right.redone), (0, 0));
    assert!(again.redone > 0 && again.redone < all.computed, "{again:?} of {all:?}");
    assert_eq!(receipts(&desk), before, "a result that comes back says what it said");
    // An edit needs some of what is gone: that is redone, and the same comes out.
    let edit = format!("{CASE} --set hot=0.93 --keep all");
    collect(&desk, "--max-size 1");
    let (said, right) = (desk.vox(&edit).ok(), other.vox(&edit).ok());
    assert_eq!((said.out.clone(), desk.digests("out")), (right.out.clone(), other.digests("out")));
    // Which nodes leave a receipt depends on what was at hand; what a receipt says does not.
    let node = |bytes: &Vec<u8>| vox::store::log::receipt::Receipt::read(bytes).unwrap().node;
    let (ours, theirs) = (receipts(&desk), receipts(&other));
    let known: BTreeSet<_> = theirs.iter().map(node).collect();
    assert!(ours.iter().all(|one| theirs.contains(one) || !known.contains(&node(one))));
    desk.vox("verify").ok();
}

#[test]
fn a_dry_run_changes_no_file() {
    let desk = Desk::demo(1);
    desk.vox(&format!("{CASE} --keep all")).ok();
    let before = desk.digests(".vox/objects");
    let dry = collect(&desk, "--max-size 20k --max-files 3 --compact --forget 0s --dry-run");
    assert!(dry["freed"].as_u64().unwrap() > 0 && dry["dry_run"] == true);
    assert_eq!(desk.digests(".vox/objects"), before);
    let done = collect(&desk, "--max-size 20k --max-files 3");
    let ids = |report: &Json| -> Vec<String> {
        let removed = report["removed"].as_array().unwrap().iter();
        removed.map(|one| one["object"].to_string()).collect()
    };
    assert_eq!(ids(&done), ids(&dry));
    assert_eq!(before.len() - desk.digests(".vox/objects").len(), ids(&done).len());
}

#[test]
fn sizes_are_those_of_the_disk_and_the_limit_holds_without_being_asked() {
    let (desk, other) = (Desk::demo(3), Desk::demo(3));
    let cohort = "run lesion.imgql --cases cases -o out --keep all";
    let right = other.vox(cohort).ok();
    // Room for all but half of the objects.
    let size = json(&other.vox("status --json").ok().out)["size"].clone();
    let limit = size["bytes"].as_u64().unwrap() - size["object_bytes"].as_u64().unwrap() / 2;
    desk.write("vox.toml", format!("[store]\nmax_size = \"{limit}\"\n"));
    let said = desk.vox(cohort).ok().says("removed");
    assert_eq!(said.out, right.out);
    said.counts();
    let agree = || {
        let status = json(&desk.vox("status --json").ok().out);
        let bytes = status["size"]["bytes"].as_u64().unwrap();
        let whole = disk_usage(&desk, ".vox/objects");
        assert!(bytes.abs_diff(whole) * 50 <= whole, "{bytes} of {whole}");
        assert_eq!(status["limit"], limit);
        (bytes, status)
    };
    let (bytes, status) = agree();
    assert!(bytes <= limit, "{bytes}");
    assert_eq!(status["would_free"]["objects"], 0);
    assert_eq!(desk.vox(cohort).ok().out, right.out);
    agree();
    let said = desk.vox("gc --max-size 30k").ok().says("log alone").out;
    assert!(said.contains("removed") && said.contains("limit 30.0 kB"), "{said}");
    agree();
    // Nobody removes while others write where no lock reaches.
    desk.write(".vox/network", "");
    let before = objects(&desk);
    desk.vox(&format!("{cohort} --set hot=0.93")).ok();
    assert!(objects(&desk).len() > before.len());
    desk.vox("gc").code_is(5).says("--alone");
    desk.vox("gc --alone").ok();
    assert!(agree().0 <= limit);
}

#[test]
fn what_is_pinned_stays_until_it_is_let_go() {
    let desk = Desk::demo(1);
    let said = desk.vox(&format!("{CASE} --keep all --json")).ok();
    let goals = json(&said.out)["goals"].as_array().unwrap().clone();
    let saved = goals.iter().find(|goal| goal["save"] == "lesion.nii.gz").unwrap();
    let node = saved["node"].as_str().unwrap();
    desk.vox(&format!("pin {node} --as paper")).ok();
    let pins = json(&desk.vox("pins --json").ok().out);
    assert_eq!(
        (&pins["pins"][0]["name"], &pins["pins"][0]["objects"]),
        (&"paper".into(), &1.into())
    );
    let report = collect(&desk, "--max-size 1");
    assert_eq!(objects(&desk).len(), 1);
    assert_eq!(
        (&report["kept"][0]["name"], &report["kept"][0]["objects"]),
        (&"paper".into(), &1.into())
    );
    desk.vox("unpin paper --dry-run").ok().says("would");
    desk.vox("unpin papr").code_is(2).says("did you mean `paper`");
    desk.vox("unpin paper").ok();
    desk.vox("pin paper").ok();
    collect(&desk, "--max-size 1");
    assert_eq!(objects(&desk).len(), 1);
    desk.vox("unpin paper").ok();
    assert_eq!(desk.vox("pins").ok().out, "");
    collect(&desk, "--max-size 1");
    assert_eq!(objects(&desk).len(), 0);
    desk.vox(&format!("pin {}", "0".repeat(64))).code_is(2).says("knows no node");
    // All goals of a run, by their labels; what came back for them stays.
    desk.vox(&format!("{CASE} --set hot=0.93 --pin study")).ok();
    let pins = desk.vox("pins").ok().out;
    assert!(pins.contains("study/dice ") && pins.contains("study/lesion.nii.gz "), "{pins}");
    collect(&desk, "--max-size 1");
    assert!(!objects(&desk).is_empty());
}

#[test]
fn results_with_a_time_to_live_go_when_it_is_over() {
    let desk = Desk::demo(1);
    desk.vox(&format!("{CASE} --keep all --ttl 0s")).ok();
    let count = objects(&desk).len();
    assert_eq!(json(&desk.vox("status --json").ok().out)["expired"], count);
    let report = collect(&desk, "");
    let removed = report["removed"].as_array().unwrap();
    assert!(removed.len() == count && removed.iter().all(|one| one["why"] == "expired"));
    desk.write("vox.toml", "[store]\nttl = \"30d\"\n");
    desk.vox(&format!("{CASE} --set hot=0.93 --keep all")).ok();
    assert!(!objects(&desk).is_empty());
    assert_eq!(collect(&desk, "")["removed"], Json::Array(Vec::new()));
    desk.vox(&format!("{CASE} --ttl soon")).code_is(2).says("30d");
    desk.vox("gc --max-age moon").code_is(2).says("30d");
}

#[test]
fn a_collector_beside_runs_harms_nobody() {
    let desk = Desk::demo(2);
    let right = Desk::demo(2);
    let cohort = |hot: &str, out: &str| {
        format!("run lesion.imgql --cases cases -o {out} --keep all --set hot={hot}")
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rounds = 0;
            while !desk.path(".vox/local/index.sqlite").exists() {
                sleep(Duration::from_millis(1));
            }
            while !done.load(Ordering::SeqCst) || rounds < 3 {
                let more = ["--compact", "", "--compact --forget 0s"][rounds % 3];
                desk.vox(&format!("gc --max-size 1 {more}")).ok();
                rounds += 1;
                sleep(Duration::from_millis(3));
            }
        });
        for round in 0..6 {
            let hot = format!("0.9{}", round % 3);
            let said = desk.vox(&cohort(&hot, "out")).ok();
            assert_eq!(said.out, right.vox(&cohort(&hot, "out")).ok().out);
            assert_eq!(desk.digests("out"), right.digests("out"));
        }
        done.store(true, Ordering::SeqCst);
    });
    desk.vox("verify").ok();
    assert_eq!(
        desk.vox(&cohort("0.91", "out")).ok().out,
        right.vox(&cohort("0.91", "out")).ok().out
    );
}

#[test]
fn compacting_keeps_every_answer() {
    let desk = Desk::demo(1);
    for hot in ["0.91", "0.92", "0.93"] {
        desk.vox(&format!("{CASE} --set hot={hot} --pin p{hot}")).ok();
    }
    let before = receipts(&desk);
    let report = collect(&desk, "--compact");
    assert_eq!(report["after"]["segments"], 1, "{report}");
    assert_eq!(receipts(&desk), before);
    for hot in ["0.91", "0.92", "0.93"] {
        desk.vox(&format!("{CASE} --set hot={hot}")).ok().nothing_ran();
    }
    assert_eq!(desk.vox("pins").ok().out.lines().count(), 18);
    desk.vox("verify").ok();
    // Another process, and an index made anew, see the same.
    fs::remove_dir_all(desk.path(".vox/local")).unwrap();
    desk.vox(&format!("{CASE} --set hot=0.92")).ok().nothing_ran();
    let copied =
        Command::new("cp").args(["-r", ".vox", "copy"]).current_dir(desk.path("")).status();
    assert!(copied.unwrap().success());
    desk.vox(&format!("{CASE} --set hot=0.92 --store copy")).ok().nothing_ran();
}

#[test]
fn a_store_that_is_not_there_is_said() {
    let desk = Desk::new();
    for words in ["gc", "status", "pins", "unpin x"] {
        desk.vox(words).code_is(5).says("no store");
        assert!(!desk.path(".vox").exists());
    }
}
