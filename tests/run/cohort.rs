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
    if cfg!(not(feature = "parquet")) {
        desk.vox("run p.imgql --cases cases --table t.parquet").code_is(2).says("vox.table");
    }
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
fn a_case_that_cannot_be_run_is_told_to_programs_too() {
    let desk = Desk::demo(3);
    fs::remove_file(desk.path("cases/case-2/case-2_seg.nii.gz")).unwrap();
    // On another grid than the other input.
    desk.vox("demo d --no-run --cases 1 --size 52x48x48").ok();
    let (small, flair) = ("d/cases/case-1/case-1_flair.nii.gz", "cases/case-3/case-3_flair.nii.gz");
    desk.write(flair, desk.read(small));
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let said = desk.vox(&format!("{RUN} --json --report r.json")).code_is(1);
    let answer = json(&said.out);
    for told in [&answer, &json(&desk.text("r.json"))] {
        let cases = told["cases"].as_array().unwrap();
        let names: Vec<_> = cases.iter().map(|case| case["case"].as_str().unwrap()).collect();
        assert_eq!(names, ["case-1", "case-2", "case-3"]);
        assert_eq!(cases[0].get("error"), None);
        assert_eq!(cases[0]["goals"].as_array().unwrap().len(), 6);
        let missing = &cases[1]["error"];
        assert_eq!((&missing["whose"], &missing["code"]), (&"input".into(), &().into()));
        assert!(missing["message"].as_str().unwrap().contains("`seg` is missing"), "{missing}");
        assert_eq!(cases[1]["goals"], serde_json::json!([]));
        let other = &cases[2]["error"];
        assert_eq!((&other["whose"], &other["code"]), (&"input".into(), &"E0250".into()));
        assert_eq!(other["places"][0]["file"], "lesion.imgql");
        assert_eq!(other["mistakes"][0]["code"], "E0250");
        let failed = |told: &serde_json::Value| told["counts"]["failed"].as_u64().unwrap();
        assert_eq!(failed(told), cases.iter().map(failed).sum::<u64>());
        assert_eq!(failed(told), 2);
        assert_eq!(told["schema"], 1);
    }
    let events = desk.vox(&format!("{RUN} --json --events")).code_is(1);
    let events: Vec<_> = events.out.lines().map(json).collect();
    let cases: Vec<_> = events.iter().filter(|event| event["event"] == "case").collect();
    assert_eq!(cases.len(), 3);
    assert_eq!(
        (&cases[1]["case"], &cases[1]["error"]["whose"]),
        (&"case-2".into(), &"input".into())
    );
    assert!(cases[1].get("answer").is_none() && cases[0]["answer"]["goals"].is_array());
    let end = events.last().unwrap();
    assert_eq!(end["event"], "end");
    assert_eq!(end["answer"]["cases"][2]["error"]["code"], "E0250");
    assert_eq!(end["counts"]["failed"], 2);
    // Nobody asked for the answer.
    let events = desk.vox(&format!("{RUN} --events")).code_is(1);
    let end = json(events.out.lines().last().unwrap());
    assert!(end["event"] == "end" && end.get("answer").is_none(), "{end}");
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_table_has_what_the_csv_has_with_types() {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;
    let desk = Desk::demo(3);
    fs::remove_file(desk.path("cases/case-2/case-2_seg.nii.gz")).unwrap();
    let labels = "print \"big\" volume(seg) .>. 4000\nprint \"who\" \"head\"\n\
        print \"three\" [volume(seg), 1]\nprint \"a,b\" volume(flair >. 0)\n";
    desk.write("p.imgql", format!("load flair\nload seg\n{labels}"));
    desk.vox("run p.imgql --cases cases --table t.csv").code_is(1);
    desk.vox("run p.imgql --cases cases --table new/t.parquet").code_is(1);
    let bytes = desk.read("new/t.parquet");
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes.clone())).unwrap();
    assert!(reader.metadata().row_group(0).column(4).statistics().is_some());
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    let table = desk.text("t.csv");
    assert_eq!(rows.len(), 3);
    for (row, line) in rows.iter().zip(table.lines().skip(1)) {
        let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let Field::Str(case) = fields[0] else { panic!("a name") };
        assert!(line.starts_with(&format!("{case},")), "{line}");
        if case == "case-2" {
            assert!(fields[1..].iter().all(|field| **field == Field::Null));
            continue;
        }
        assert!(matches!(fields[1], Field::Bool(_)) && *fields[2] == Field::Str("head".to_owned()));
        let Field::Str(json) = fields[3] else { panic!("JSON") };
        let json: Vec<f64> = serde_json::from_str(json).unwrap();
        assert!(json[0] > 0.0 && json[1] == 1.0);
        let Field::Double(last) = fields[4] else { panic!("a number") };
        assert!(line.ends_with(&format!(",{last:?}")), "{line} {last:?}");
    }
    let names: Vec<&str> = rows[0].get_column_iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["case", "big", "who", "three", "a,b"]);
    // Again, from the store: the same bytes.
    desk.vox("run p.imgql --cases cases --table new/t.parquet").code_is(1);
    assert_eq!(desk.read("new/t.parquet"), bytes);
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
