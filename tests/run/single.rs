//! `vox run` on one case: goals, masks, the last line, and what runs again after which edit.

use std::collections::BTreeSet;
use std::fs;

use crate::desk::{CASE, Desk};

#[test]
fn the_second_run_computes_nothing_and_leaves_the_files_alone() {
    let desk = Desk::demo(1);
    let first = desk.vox(CASE).ok();
    let labels: Vec<&str> = first.out.lines().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(labels, ["dice_core", "dice_bright", "dice_grown", "dice"]);
    let counts = first.counts();
    assert!(counts.computed > 40, "{counts:?}");
    assert_eq!((counts.redone, counts.failed), (0, 0));
    let masks = desk.digests("out");
    assert_eq!(masks.len(), 2);
    let time = |name: &str| fs::metadata(desk.path(name)).unwrap().modified().unwrap();
    let written = time("out/lesion.nii.gz");

    let second = desk.vox(CASE).ok().nothing_ran();
    assert_eq!(second.out, first.out);
    assert_eq!(second.counts().reused, counts.computed + counts.reused);
    assert_eq!(desk.digests("out"), masks);
    assert_eq!(time("out/lesion.nii.gz"), written, "what lies there is not written again");

    // Gone, changed, or asked for elsewhere: the file is written again, and nothing is computed.
    fs::remove_file(desk.path("out/lesion.nii.gz")).unwrap();
    desk.write("out/grown.nii.gz", "something else");
    desk.vox(CASE).ok().nothing_ran();
    assert_eq!(desk.digests("out"), masks);
    desk.vox(&CASE.replace("-o out", "-o else/where")).ok().nothing_ran();
    assert_eq!(desk.digests("else/where"), masks);
}

#[test]
fn an_edit_computes_only_what_depends_on_it() {
    let desk = Desk::demo(1);
    let nodes = |name: &str, which: &str| -> BTreeSet<String> {
        let nodes = desk.nodes(name);
        nodes.into_iter().filter(|(_, (was, _))| was == which).map(|(node, _)| node).collect()
    };
    desk.vox(&format!("{CASE} --keep all --report base.json")).ok();
    let base = nodes("base.json", "computed");
    desk.vox(&format!("{CASE} --keep all --set warm=0.87 --report warm.json")).ok();
    let warm = nodes("warm.json", "computed");
    // In another store all nodes of the edited program run: those that the first one has not depend
    // on the edit.
    desk.vox(&format!("{CASE} --keep all --set warm=0.87 --report all.json --store other")).ok();
    let all = nodes("all.json", "computed");
    let depends: BTreeSet<String> = all.difference(&base).cloned().collect();
    assert!(warm.len() > 5 && warm.is_subset(&depends), "{warm:?}");
    assert!(depends.len() < all.len() * 2 / 3, "{} of {}", depends.len(), all.len());
    assert_eq!(nodes("warm.json", "redone"), BTreeSet::new(), "all is kept");
    // Without keeping all, nothing counts as computed that ran in the first run.
    desk.vox(&format!("{CASE} --store third --report first.json")).ok();
    desk.vox(&format!("{CASE} --store third --set warm=0.87 --report second.json")).ok();
    let second = nodes("second.json", "computed");
    assert!(second.is_subset(&depends));
    assert!(nodes("second.json", "redone").is_subset(&nodes("first.json", "computed")));
}

#[test]
fn words_that_mean_the_same_compute_nothing() {
    let desk = Desk::demo(1);
    let first = desk.vox(CASE).ok();
    let program = desk.text("lesion.imgql");
    let renamed =
        program.replace("bright", "light").replace("print \"dice_light\"", "print \"dice_bright\"");
    let thresholds = "hot = 0.95  // share of the brain that is darker than a core\n";
    assert!(program.contains(thresholds));
    let moved =
        program.replace(thresholds, "").replace("load seg", &format!("{thresholds}load seg"));
    let last = moved
        .replace("f = intensity(flair)\n", "")
        .replace("rank =", "f = intensity(flair)\nrank =");
    let uses_f_late =
        last.replace("background = touch(f <.", "background = touch(intensity(flair) <.");
    for (what, text) in [
        ("a comment", format!("// another comment\n\n{program}// and one more")),
        ("a renamed variable", renamed),
        ("another order", moved),
        ("a definition written out", uses_f_late),
        ("blanks", program.replace('(', "( ").replace(',', " ,  ").replace(" = ", "=")),
    ] {
        assert_ne!(text, program);
        desk.write("lesion.imgql", &text);
        let said = desk.vox(CASE);
        assert_eq!(said.code, Some(0), "{what}: {}", said.err);
        assert_eq!(said.out, first.out, "{what}");
        let counts = said.counts();
        assert_eq!((counts.computed, counts.redone), (0, 0), "{what}");
    }
    // A setting that says what the program says already.
    desk.write("lesion.imgql", &program);
    desk.vox(&format!("{CASE} --set warm=0.86 --set hot=0.95")).ok().nothing_ran();
    // The other way round: another value is another node.
    assert!(desk.vox(&format!("{CASE} --set warm=0.8600001")).ok().counts().computed > 0);
}

#[test]
fn what_is_asked_for_on_the_side_says_the_same() {
    let desk = Desk::demo(1);
    let plain = desk.vox(CASE).ok();
    let json: serde_json::Value =
        serde_json::from_str(&desk.vox(&format!("{CASE} --json")).ok().out).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["goals"][3]["print"], "dice");
    assert_eq!(format!("{:?}", json["goals"][3]["value"].as_f64().unwrap()), plain.printed("dice"));
    let said = desk.vox(&format!("{CASE} --events --store fresh")).ok();
    let events: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((count("start"), count("goal"), count("end")), (1, 6, 1));
    assert!(count("stored") > 0);
    assert_eq!(count("node"), said.counts().computed);
    assert_eq!(events.last().unwrap()["event"], "end");
    // Quiet says nothing but the goals; without a store nothing is left behind.
    let quiet = desk.vox(&format!("{CASE} -q")).ok();
    assert_eq!((quiet.err.as_str(), &quiet.out), ("", &plain.out));
    fs::remove_dir_all(desk.path(".vox")).unwrap();
    let unstored = desk.vox(&format!("{CASE} --no-store")).ok();
    assert_eq!(unstored.out, plain.out);
    assert!(!desk.path(".vox").exists());
    // Threads change nothing.
    assert_eq!(desk.vox(&format!("{CASE} --no-store --threads 1")).ok().out, plain.out);
    assert_eq!(
        desk.vox(&format!("{CASE} --no-store --threads 7 --memory 50M")).ok().out,
        plain.out
    );
}

#[test]
fn a_store_that_is_only_read_is_left_as_it_was() {
    let desk = Desk::demo(1);
    desk.vox(&format!("{CASE} --read-only")).code_is(5).says("no store at");
    desk.vox(CASE).ok();
    let before = desk.digests(".vox");
    desk.vox(&format!("{CASE} --read-only")).ok().nothing_ran();
    let said = desk.vox(&format!("{CASE} --read-only --set hot=0.93")).ok();
    assert!(said.counts().computed > 0);
    assert_eq!(desk.digests(".vox"), before);
}
