//! The acceptance facts of the second reference, by their numbers; where the design rules otherwise it
//! says so. Facts about single operators (16 to 18) are held by the conformance set, those about its
//! own store (20) have no counterpart.

use std::fs;

use crate::desk::{Desk, image};

/// Runs a program in a folder with a ramp of 3 x 3 x 3 voxels, 1 to 27.
fn run(program: &str) -> crate::desk::Said {
    let desk = Desk::new();
    desk.write("ramp.nii", image([3, 3, 3], |x, y, z| (1 + x + 3 * y + 9 * z) as f32));
    for case in 0..8 {
        desk.write(&format!("d/case_{case}.txt"), "");
    }
    desk.write("p.imgql", program);
    desk.vox("run p.imgql --no-store")
}

/// Insists on the value of the goal `v`.
#[track_caller]
fn gives(program: &str, value: &str) {
    assert_eq!(run(program).ok().out, format!("v={value}\n"), "{program}");
}

#[track_caller]
fn value(expression: &str, expected: &str) {
    gives(&format!("print \"v\" {expression}"), expected);
}

/// Insists on a code, which is an exit code too.
#[track_caller]
fn refuses(program: &str, exit: i32, says: &str) {
    run(program).code_is(exit).says(says);
}

#[test]
fn facts_1_and_2_names() {
    gives("let v = let x = 1 in let x = x + 10 in x + 5 print \"v\" v", "16.0");
    gives("outer = 5 r = let x = outer + 1 in x + 2 print \"v\" outer + r", "13.0");
    refuses("r = let q = 1 in q print \"v\" q", 3, "E0201");
    value("default.addition(2,3)", "5.0");
    value("vox1.num_add(2,3)", "5.0");
    gives("import \"vox1\" print \"v\" 2 .+. 3", "5.0");
}

#[test]
fn facts_3_to_5_loops_and_slices() {
    gives("inc(x) = x + 1 print \"v\" for x in range(0,5) do inc(x)", "[1.0, 2.0, 3.0, 4.0, 5.0]");
    value("for i in range(0,3) do +(i, 1)", "[1.0, 2.0, 3.0]");
    value("for i in range(0,5) do multiplication(i,i)", "[0.0, 1.0, 4.0, 9.0, 16.0]");
    let desk = Desk::new();
    desk.write("p.imgql", "save \"o.json\" for x in range(0,3) do x + 1");
    desk.vox("run p.imgql").ok();
    let saved: Vec<f64> = serde_json::from_slice(&desk.read("o.json")).unwrap();
    assert_eq!(saved, [1.0, 2.0, 3.0]);
    value("[0,1,2,3,4][1:4]", "[1.0, 2.0, 3.0]");
    value("[0,1,2,3,4][:2]", "[0.0, 1.0]");
    value("[0,1,2,3,4][3:]", "[3.0, 4.0]");
    value("[0,1,2,3,4][:]", "[0.0, 1.0, 2.0, 3.0, 4.0]");
    value("[0,1,2,3,4][2]", "2.0");
    value("for i in range(1,3) do [0,1,2,3][i:]", "[[1.0, 2.0, 3.0], [2.0, 3.0]]");
    value("[[1,2],[3]][0][1]", "2.0");
}

#[test]
fn facts_6_and_7_filters_and_folds() {
    value("filter x in range(0,10) do x > 5", "[6.0, 7.0, 8.0, 9.0]");
    value("fold + range(0,5)", "10.0");
    value("fold * [2,3,4]", "24.0");
    value("fold max [0,1,2,7,3]", "7.0");
    value("fold && [true,false]", "false");
    value("fold || [true,false]", "true");
    refuses("print \"v\" fold near [1]", 3, "E0209");
    refuses("print \"v\" fold max []", 3, "E0211");
    refuses("print \"v\" fold min []", 3, "E0211");
    let mean = |s: &str| format!("s = {s} print \"v\" /(fold + 0 s, fold + 0 (for x in s do 1))");
    gives(&mean("range(0,5)"), "2.0");
    gives(&mean("range(0,10)[2:7]"), "4.0");
    gives(&mean("subsequence(range(0,10),2,7)"), "4.0");
}

#[test]
fn facts_8_to_11_functions() {
    gives(
        "s = subsequence(dir(\"d\",\"*.txt\",false,false),1,4) print \"v\" [s[0], s[2]]",
        "[\"case_1.txt\", \"case_3.txt\"]",
    );
    value("argmax([3,9,4,9,1])", "1.0");
    refuses("print \"v\" argmax([])", 1, "argmax");
    value("[index([5,6],1), index([5,6],1.0), index([5,6],\"1\")]", "[6.0, 6.0, 6.0]");
    refuses("print \"v\" index([5,6],\"x\")", 1, "index");
    value("range(4)", "[0.0, 1.0, 2.0, 3.0]");
    value("range(2,5)", "[2.0, 3.0, 4.0]");
    value("range(5,2)", "[]");
    refuses("print \"v\" range(1.2)", 1, "range");
    value("concat(\"a\",\"_\",7)", "a_7.0");
    value("format_string(\"x_{:03.0f}\",7)", "x_007");
    value("format_string(\"{}-{}\",\"a\",\"b\")", "a-b");
}

#[test]
fn facts_12_and_13_operators() {
    gives("SUM(a,b) = a + b print \"v\" SUM(4,5)", "9.0");
    gives("INC(a) = a + 1 print \"v\" map(INC, [1,2])", "[2.0, 3.0]");
    refuses("SUM(a,b) = a + b print \"v\" 4 SUM 5", 3, "E0101");
    refuses("NEG(a) = 0 - a print \"v\" NEG 11", 3, "E0101");
    gives("+?(a,b) = a*b+1 print \"v\" 5 +? 8", "41.0");
    for (text, truth) in [
        ("3 > 2", true),
        ("3 < 2", false),
        ("3 == 3", true),
        ("3 != 4", true),
        ("true && false", false),
        ("true || false", true),
    ] {
        value(text, if truth { "true" } else { "false" });
    }
}

#[test]
fn facts_14_and_15_mistakes_and_nodes() {
    let said = run("x = 1\ny = )").code_is(3);
    assert!(said.err.contains("p.imgql:2:5") && said.err.contains('^'), "{}", said.err);
    refuses("let $stem = 3", 3, "E0110");
    refuses("f(x) = x + gone g(x) = f(x) print \"v\" g(1)", 3, "E0201");
    let said =
        run("load r = \"ramp.nii\" f(x) = max(x, true) g(x) = f(x) print \"v\" g(1)").code_is(3);
    for words in ["E0203", "in this call of `f`", "in this call of `g`"] {
        assert!(said.err.contains(words), "{}", said.err);
    }
    refuses("load r = \"ramp.nii\" print \"v\" near(r, 1)", 3, "E0202");
    refuses("q = q + 1", 3, "E0207");
    let desk = Desk::new();
    desk.write("ramp.nii", image([3, 3, 3], |x, _, _| x as f32));
    desk.write("p.imgql", "load r = \"ramp.nii\" unused = near(r) print \"v\" 1");
    let said = desk.vox("run p.imgql").ok();
    assert_eq!((said.out.as_str(), said.counts().computed), ("v=1.0\n", 0));
    let mut names: Vec<_> =
        fs::read_dir(desk.path(".")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".vox", "p.imgql", "ramp.nii"]);
    desk.write(
        "p.imgql",
        "load r = \"ramp.nii\" a = near(r) b = near(r) print \"v\" volume(a) print \"w\" volume(b)",
    );
    assert_eq!(desk.vox("run p.imgql").ok().counts().computed, 3);
}

#[test]
fn facts_16_and_17_dotted_forms_are_the_plain_ones() {
    let same = |a: &str, b: &str| {
        let count = format!("load a = \"ramp.nii\" print \"v\" max(abs(({a}) - ({b})))");
        gives(&count, "0.0");
    };
    for (a, b) in [
        ("a +. 2", "a + 2"),
        ("2 .+ a", "2 + a"),
        ("a -. 2", "a - 2"),
        ("2 .- a", "2 - a"),
        ("a *. 2", "a * 2"),
        ("2 .* a", "2 * a"),
        ("(a +. 1) /. 2", "(a + 1) / 2"),
        ("2 ./ (a +. 1)", "2 / (a + 1)"),
        ("a > 13", "13 < a"),
        ("a >= 13", "13 <= a"),
        ("a == 13", "13 == a"),
        ("a != 13", "13 != a"),
    ] {
        same(a, b);
    }
}

#[test]
fn fact_19_figures() {
    // Four voxels 0, 10, 20, 30.
    let four = "extract(10 * (ReadImage(\"ramp.nii\") - 1), [3,1,1], [0,0,0])";
    gives(
        &format!("s = Statistics({four}) print \"v\" [s[0], s[1], s[2], s[6]]"),
        "[0.0, 20.0, 10.0, 3.0]",
    );
    gives("b = blank(32,48,5) print \"v\" [max(b), volume(b)]", "[5.0, 1536.0]");
    gives("print \"v\" volume(circle(blank(9,9),4,4,2,5))", "13.0");
    gives(
        "b = blank(9,9) c = circle(b,4,4,2,5) print \"v\" [max(c), min(c), max(b)]",
        "[5.0, 0.0, 0.0]",
    );
    gives(
        "p = regular_polygon(blank(41,41),20,20,10,4,150) print \"v\" [max(p), min(p)]",
        "[150.0, 0.0]",
    );
}

/// Records as rows: by name, whatever the order; numbers alone are a column.
#[test]
fn rows_are_tables() {
    let desk = Desk::new();
    desk.write("ramp.nii", image([3, 3, 3], |x, y, z| (1 + x + 3 * y + 9 * z) as f32));
    desk.write(
        "p.imgql",
        "load r = \"ramp.nii\"\nrow(t) = {t: t, name: \"a,$stem\", n: volume(r > t)}\n\
         rows = for t in [5, 20] do row(t)\nsave \"t.csv\" rows\nsave \"t.tsv\" rows\n\
         save \"t.json\" rows\nsave \"n.csv\" for q in rows do q.n\nsave \"n.tsv\" [1, 2.5]\n\
         save \"n.json\" [1, 2.5]\nprint \"v\" rows[1].n\n",
    );
    assert_eq!(desk.vox("run p.imgql").ok().out, "v=7.0\n");
    let csv = desk.text("t.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("n,name,t"), "{csv}");
    assert_eq!(lines.next(), Some("22.0,\"a,p\",5.0"), "{csv}");
    let tsv = desk.text("t.tsv");
    assert_eq!(tsv, "n\tname\tt\n22.0\ta,p\t5.0\n7.0\ta,p\t20.0\n");
    let json: serde_json::Value = serde_json::from_slice(&desk.read("t.json")).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{"n": 22.0, "name": "a,p", "t": 5.0}, {"n": 7.0, "name": "a,p", "t": 20.0}])
    );
    let lines = |name: &str| desk.text(name).lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines("n.csv"), ["22.0", "7.0"]);
    assert_eq!(lines("n.tsv"), ["1.0", "2.5"]);
    let numbers: Vec<f64> = serde_json::from_slice(&desk.read("n.json")).unwrap();
    assert_eq!(numbers, [1.0, 2.5]);
}
