//! Commands about programs: check, plan, fmt, ops, explain, and the syntax tree as a file.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::desk::{CASE, Desk, image};

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("f.nii", image([6, 5, 4], |x, y, z| (x + y + z) as f32));
    desk.write("wide.nii", image([8, 5, 4], |x, _, _| x as f32));
    desk
}

#[test]
fn check_tells_all_mistakes_and_leaves_nothing_behind() {
    let desk = desk();
    desk.write("_part.imgql", "part(m) = nera(m)\n");
    desk.write(
        "p.imgql",
        "import \"_part.imgql\"\nload f = \"f.nii\"\nload w = \"wide.nii\"\nprint \"a\" max(f + w)\n\
         print \"b\" volum(f)\nprint \"é\" dt(f, 1)\n",
    );
    // The first mistake decides about the exit code: it is an input's.
    let said = desk.vox("check p.imgql").code_is(4);
    for words in
        ["_part.imgql:1:11", "did you mean `near`?", "E0250", "8x5x4", "did you mean `volume`?"]
    {
        assert!(said.err.contains(words), "{}", said.err);
    }
    assert_eq!(said.out, "");
    assert!(!desk.path(".vox").exists());
    let said = desk.vox("check p.imgql --message-format json").code_is(4);
    assert_eq!(said.err, "");
    let lines: Vec<Json> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<&str> = lines.iter().map(|line| line["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["E0250", "E0201", "E0202", "E0201"]);
    let place = &lines[2]["places"][0];
    assert_eq!(place["file"], "p.imgql");
    assert_eq!((&place["start"]["line"], &place["start"]["column"]), (&6.into(), &11.into()));
    let text = desk.text("p.imgql");
    let range = place["bytes"].as_array().unwrap();
    let (from, to) = (range[0].as_u64().unwrap() as usize, range[1].as_u64().unwrap() as usize);
    assert!(text[from..to].starts_with("dt"), "{}", &text[from..to]);
    assert_eq!(lines[3]["places"][0]["file"], "_part.imgql");
    // The same of a run, beside its answers.
    let said = desk.vox("run p.imgql --message-format json").code_is(4);
    assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 4));
    desk.write("p.imgql", "load f = \"f.nii\"\nprint \"a\" max(f)\n");
    desk.vox("check p.imgql").ok().says("no mistakes; 1 goal, 2 nodes");
    desk.vox("check p.imgql --in f=wide.nii").ok();
    desk.vox("check p.imgql --in f=gone.nii").code_is(4).says("E0240");
    // Case by case, as a cohort would run.
    for case in ["good", "wide", "poor"] {
        fs::create_dir_all(desk.path(&format!("cases/{case}"))).unwrap();
        desk.write(&format!("cases/{case}/f.nii"), image([6, 5, 4], |x, _, _| x as f32));
    }
    desk.write("two.imgql", "load f\nload g\nprint \"a\" max(f + g)\n");
    desk.write("cases/good/g.nii", image([6, 5, 4], |x, _, _| x as f32));
    desk.write("cases/wide/g.nii", image([8, 5, 4], |x, _, _| x as f32));
    let said = desk.vox("check two.imgql --cases cases").code_is(4);
    for words in ["case wide cannot run", "E0250", "case poor cannot run", "`g` is missing"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(!said.err.contains("case good"), "{}", said.err);
    desk.write("two.imgql", "load f\nprint \"a\" max(f)\n");
    desk.vox("check two.imgql --cases cases").ok().says("1 goal, 2 nodes in each of 3 cases");
    desk.vox("check two.imgql --cases shut").code_is(4);
    desk.vox("check p.imgql --in g=f.nii").code_is(2).says("loads no `g`");
    desk.vox("check p.imgql --set least=3").code_is(2);
}

#[test]
fn plan_says_what_a_run_would_do() {
    let desk = Desk::demo(1);
    let plan = CASE.replacen("run", "plan", 1);
    let json = |words: &str| -> Json {
        serde_json::from_str(&desk.vox(&format!("{plan} --format json {words}")).ok().out).unwrap()
    };
    desk.vox(&format!("{plan} --check")).code_is(6);
    assert!(!desk.path(".vox").exists(), "a plan makes no store");
    let before = json("");
    assert_eq!(before["counts"]["stored"], 0);
    assert_eq!(before["counts"]["runs"], before["counts"]["nodes"]);
    let ran = desk.vox(CASE).ok().counts();
    assert_eq!(before["counts"]["runs"].as_u64().unwrap() as usize, ran.computed);
    desk.vox(&format!("{plan} --check")).ok();
    let after = json("");
    assert_eq!(after["counts"]["runs"], 0);
    assert_eq!(after["done"], true);
    let keys = |plan: &Json| -> Vec<String> {
        plan["nodes"].as_array().unwrap().iter().map(|node| node["node"].to_string()).collect()
    };
    assert_eq!(keys(&before), keys(&after));
    // Nothing runs that was not told; less may run, where a changed step gives what it gave before.
    let edited = json("--set warm=0.87");
    let told: Vec<&str> = edited["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["runs"] == true)
        .map(|node| node["node"].as_str().unwrap())
        .collect();
    assert!(!told.is_empty());
    desk.vox(&format!("{CASE} --set warm=0.87 --report r.json")).ok();
    let ran = desk.nodes("r.json");
    assert!(!ran.is_empty() && ran.keys().all(|node| told.contains(&node.as_str())));
    // A file that is not there must be written again.
    desk.vox(CASE).ok();
    let saved = desk.digests("out");
    fs::remove_file(desk.path("out").join(saved.keys().next().unwrap())).unwrap();
    desk.vox(&format!("{plan} --check")).code_is(6);
    for (format, begins) in [("dot", "digraph plan {\n"), ("mermaid", "flowchart BT\n")] {
        let out = desk.vox(&format!("{plan} --format {format} -q")).ok().out;
        assert!(out.starts_with(begins), "{out}");
        let nodes = after["nodes"].as_array().unwrap();
        assert!(nodes.iter().all(|node| out.contains(node["op"].as_str().unwrap())));
    }
    let text = desk.vox(&format!("{plan} -q")).ok().out;
    assert!(keys(&after).iter().all(|key| text.contains(&format!(" {} ", key.trim_matches('"')))));
}

#[test]
fn plan_expands_what_the_store_knows() {
    let desk = desk();
    desk.write(
        "p.imgql",
        "load f = \"f.nii\"\nprint \"v\" for i in range(0, max(f)) do volume(f > i)\n",
    );
    let said = desk.vox("plan p.imgql -q").ok();
    assert!(said.out.contains("print \"v\" ?"), "{}", said.out);
    desk.vox("run p.imgql").ok();
    let said = desk.vox("plan p.imgql -q").ok();
    assert_eq!(said.out.matches("vox1.volume").count(), 12, "{}", said.out);
    desk.vox("plan p.imgql --check").ok();
}

#[test]
fn fmt_writes_the_canonical_text_and_nothing_else() {
    let desk = desk();
    let odd = "load   f=\"f.nii\"// it\nx=f>.1&!near(f)\n\n\n// end\nprint\"v\"volume(x)";
    let form =
        "load f = \"f.nii\" // it\nx = (f >. 1) &! near(f)\n\n// end\nprint \"v\" volume(x)\n";
    desk.write("a.imgql", odd);
    desk.write("b.imgql", form);
    let said = desk.vox("fmt --check a.imgql b.imgql").code_is(6);
    assert_eq!((said.out.as_str(), desk.text("a.imgql").as_str()), ("a.imgql\n", odd));
    desk.vox("fmt a.imgql b.imgql").ok();
    assert_eq!(desk.text("a.imgql"), form);
    desk.vox("fmt --check a.imgql b.imgql").ok();
    desk.write("bad.imgql", "x = (1\ny = 2");
    desk.write("a.imgql", odd);
    desk.vox("fmt bad.imgql a.imgql").code_is(3).says("E0107");
    assert_eq!(desk.text("bad.imgql"), "x = (1\ny = 2");
    assert_eq!(desk.text("a.imgql"), form, "one that is bad stops no other");
    let mut child = desk.command("fmt -");
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(odd.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), form);
    desk.write("one.imgql", "let x=!a&b");
    desk.vox("fmt --dialect 1 one.imgql").ok();
    assert_eq!(desk.text("one.imgql"), "let x = !(a & b)\n");
}

#[test]
fn the_syntax_tree_is_a_file() {
    let desk = desk();
    desk.write("p.imgql", "load f = \"f.nii\"\nprint \"v\" volume(f > 3)\n");
    for command in ["check", "plan -q", "run -q"] {
        desk.vox(&format!("{command} p.imgql --save-syntax tree.json")).ok();
        let tree: Json = serde_json::from_slice(&desk.read("tree.json")).unwrap();
        assert_eq!(tree["commands"].as_array().unwrap().len(), 2);
        fs::remove_file(desk.path("tree.json")).unwrap();
    }
    desk.vox("check p.imgql --save-syntax tree.txt").ok();
    assert_eq!(desk.text("tree.txt"), "load f \"f.nii\"\nprint \"v\" (call volume (> f 3))\n");
}

#[test]
fn ops_and_explain_are_the_reference() {
    let desk = Desk::new();
    let touch = desk.vox("ops touch").ok().out;
    assert!(touch.contains("touch(a: mask, b: mask) -> mask"), "{touch}");
    assert!(touch.contains("touch(a, b) = through(near(b), a)"), "{touch}");
    assert!(desk.vox("ops -- -").ok().out.contains("vox1.neg"));
    desk.vox("ops volme").code_is(2).says("did you mean `volume`?");
    let json: Json = serde_json::from_str(&desk.vox("ops --json").ok().out).unwrap();
    assert!(json["entries"].as_array().unwrap().len() > 200);
    let list = desk.vox("explain").ok().out;
    assert!(list.lines().count() >= 50 && list.lines().all(|line| line.starts_with("E0")));
    let one = desk.vox("explain e0212").ok().out;
    assert!(one.starts_with("E0212: ") && one.contains("volume(tt)"), "{one}");
    desk.vox("explain E9999").code_is(2).says("vox explain");
}
