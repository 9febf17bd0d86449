//! `vox run --cases`: one row a case, and nothing that one case does stops another.

use std::fs;

use crate::desk::Desk;

const RUN: &str = "run lesion.imgql --cases cases -o out --table dice.csv";

#[test]
fn a_row_a_case_in_the_order_of_their_names() {
    let desk = Desk::demo(3);
    fs::create_dir(desk.path("cases/.hidden")).unwrap();
    desk.write("cases/notes/readme.txt", "no case");
    desk.rename("cases/case-2", "cases/10");
    desk.rename("cases/10/case-2_flair.nii.gz", "cases/10/flair.nii.gz");
    desk.rename("cases/10/case-2_seg.nii.gz", "cases/10/10_seg.nii.gz");
    let said = desk.vox(RUN).ok().says("notes holds none of the inputs");
    let table = desk.text("dice.csv");
    let rows: Vec<&str> = table.split_terminator("\r\n").collect();
    let names: Vec<&str> = rows.iter().map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(names, ["case", "10", "case-1", "case-3"]);
    assert_eq!(rows[0], "case,dice_core,dice_bright,dice_grown,dice");
    // stdout says the same, a line a value.
    let lines: Vec<String> = rows[1..]
        .iter()
        .flat_map(|row| {
            let (case, cells) = row.split_once(',').unwrap();
            let labels = rows[0].split(',').skip(1);
            let lines = labels.zip(cells.split(','));
            lines.map(|(label, cell)| format!("{case}\t{label}={cell}")).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), lines);
    assert!(
        desk.path("out/10/lesion.nii.gz").exists() && desk.path("out/case-3/grown.nii.gz").exists()
    );
    // A case alone has the nodes of the case in the cohort.
    desk.vox(
        "run lesion.imgql --in flair=cases/10/flair.nii.gz --in seg=cases/10/10_seg.nii.gz -o one",
    )
    .ok()
    .nothing_ran();
    let before = desk.digests("out");
    let again = desk.vox(RUN).ok().nothing_ran();
    assert_eq!((again.out, desk.text("dice.csv"), desk.digests("out")), (said.out, table, before));
}

#[test]
fn a_profile_adds_up_all_cases() {
    let desk = Desk::demo(2);
    let said = desk.vox("run lesion.imgql --cases cases -o out --profile").ok();
    let row = |op: &str| {
        let line = said.err.lines().find(|line| line.starts_with(op)).unwrap();
        line[34..].split_whitespace().map(|word| word.parse().unwrap()).collect::<Vec<f64>>()
    };
    let [nodes, ms, each, made, kept] = row("vox1.crossCorrelation")[..] else { panic!("five") };
    assert!(nodes == 2.0 && ms > 0.0 && each > 0.0, "{}", said.err);
    assert!((made - 2.0 * each).abs() < 0.2 && kept <= made, "{}", said.err);
    assert_eq!(row("cases"), [2.0]);
    let alone = "run lesion.imgql --in flair=cases/case-1/case-1_flair.nii.gz \
        --in seg=cases/case-1/case-1_seg.nii.gz -o one --profile";
    let said = desk.vox(alone).ok().says("most memory of values at once");
    assert!(!said.err.contains("vox1."), "nothing ran: {}", said.err);
}

#[test]
fn tables_are_of_the_form_that_their_suffix_says() {
    let desk = Desk::demo(2);
    desk.write("p.imgql", "load flair\nprint \"a,b\" max(flair)\nprint \"say \\\"x\\\"\" \"one, \\\"two\\\"\"\nprint \"t\" \"a\tb\"\n");
    desk.vox("run p.imgql --cases cases --table t.csv").ok();
    let first = desk.vox("run p.imgql --cases cases --table t.tsv").ok();
    let max = first.out.lines().next().unwrap().split('=').nth(1).unwrap();
    let table = desk.text("t.csv");
    assert!(table.starts_with("case,\"a,b\",\"say \"\"x\"\"\",t\r\n"), "{table}");
    assert!(table.contains(&format!("\r\ncase-1,{max},\"one, \"\"two\"\"\",a\tb\r\n")), "{table}");
    let table = desk.text("t.tsv");
    assert!(table.starts_with("case\ta,b\tsay \"x\"\tt\n"), "{table}");
    assert!(table.contains(&format!("\ncase-1\t{max}\tone, \"two\"\ta b\n")), "{table}");
    desk.vox("run p.imgql --cases cases --table t.xlsx").code_is(2).says(".csv or .tsv");
    desk.vox("run p.imgql --table t.csv").code_is(2).says("--cases");
    // A table is replaced, never torn, and its folder is made.
    desk.vox("run p.imgql --cases cases --table new/folder/t.csv").ok();
    assert_eq!(desk.text("new/folder/t.csv"), desk.text("t.csv"));
}

#[test]
fn what_fails_in_one_case_stops_no_other() {
    let desk = Desk::demo(3);
    let flair = "cases/case-2/case-2_flair.nii.gz";
    let whole = desk.read(flair);
    desk.write(flair, &whole[..whole.len() / 2]);
    desk.write("cases/alone/alone_flair.nii.gz", desk.read("cases/case-1/case-1_flair.nii.gz"));
    let said = desk.vox(RUN).code_is(1);
    let table = desk.text("dice.csv");
    let rows: Vec<&str> = table.split_terminator("\r\n").skip(1).collect();
    assert_eq!(rows.len(), 4, "{table}");
    assert_eq!(rows[0], "alone,n/a,n/a,n/a,n/a");
    assert_eq!(rows[2], "case-2,n/a,n/a,n/a,n/a");
    assert!(!rows[1].contains("n/a") && !rows[3].contains("n/a"), "{table}");
    // Each is named with what is wrong, and with the file or the places that were tried.
    let of_case = |case: &str, word: &str| {
        assert!(
            said.err.lines().any(|line| line.contains(case) && line.contains(word)),
            "no {case} with {word} in\n{}",
            said.err
        );
    };
    of_case("case-2", "case-2_flair.nii.gz");
    of_case("case-2", "cut short");
    of_case("alone", "seg");
    assert!(said.err.contains("cases/alone/alone_seg.nii.gz"), "{}", said.err);
    assert!(said.counts().failed > 0);
    // Mended, only they run.
    desk.write(flair, &whole);
    desk.write("cases/alone/alone_seg.nii.gz", desk.read("cases/case-1/case-1_seg.nii.gz"));
    let mended = desk.vox(RUN).ok();
    assert!(mended.counts().computed > 0);
    assert!(!desk.text("dice.csv").contains("n/a"));
    desk.vox(RUN).ok().nothing_ran();
}

#[test]
fn mistakes_of_the_program_are_told_once() {
    let desk = Desk::demo(3);
    desk.write("p.imgql", "load flair\nprint \"v\" volume(flar >. 3)\n");
    let said = desk.vox("run p.imgql --cases cases -o out").code_is(3).says("p.imgql:2");
    assert_eq!(said.err.matches("E0201").count(), 1, "{}", said.err);
    assert_eq!(said.out, "");
}

#[test]
fn inputs_of_all_cases_can_be_one_file_or_a_pattern() {
    let desk = Desk::demo(2);
    let atlas = desk.write("atlas.nii.gz", desk.read("cases/case-1/case-1_seg.nii.gz"));
    let run = "run lesion.imgql --cases cases -o out --in flair={case}_flair.nii.gz";
    let said = desk.vox(&format!("{run} --in seg={}", atlas.display())).ok();
    assert_eq!(said.out.lines().count(), 8);
    desk.vox(&format!("{run} --in seg={{case}}-mask.nii.gz")).code_is(1).says("case-1-mask.nii.gz");
    desk.vox(&format!("{run} --in sag=x")).code_is(2).says("did you mean `seg`?");
    desk.vox("run lesion.imgql --cases none -o out").code_is(4).says("none");
    fs::create_dir(desk.path("empty")).unwrap();
    desk.vox("run lesion.imgql --cases empty -o out").code_is(2).says("--cases empty");
    desk.vox("run lesion.imgql --cases cases").code_is(2).says("-o DIR");
}

#[test]
fn reports_tell_every_case() {
    let desk = Desk::demo(2);
    let said = desk.vox(&format!("{RUN} --report r.json")).ok();
    let report: serde_json::Value = serde_json::from_slice(&desk.read("r.json")).unwrap();
    assert_eq!(report["cases"].as_array().unwrap().len(), 2);
    assert_eq!(report["cases"][1]["case"], "case-2");
    assert_eq!(report["counts"]["computed"], said.counts().computed);
    let ran = report["cases"].as_array().unwrap().iter();
    let ran: usize = ran.map(|case| case["nodes"].as_array().unwrap().len()).sum();
    let counts = said.counts();
    assert_eq!(ran, counts.computed + counts.redone);
    let json = desk.vox(&format!("{RUN} --json")).ok();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["cases"][0]["goals"][3]["print"], "dice");
}
