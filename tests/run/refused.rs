//! What is refused, with which exit code, and what is said: before anything runs wherever that can be.

use std::fs;
use std::os::unix::fs::symlink;

use crate::desk::{Desk, image};

/// A desk with two images of one grid, one of another, and damaged ones.
fn desk() -> Desk {
    let desk = Desk::new();
    let scan = image([9, 8, 7], |x, y, z| (x * 5 + y * 3 + z) as f32);
    desk.write("f.nii", &scan);
    desk.write("g.nii", image([9, 8, 7], |x, _, _| x as f32));
    desk.write("wide.nii", image([12, 8, 7], |x, _, _| x as f32));
    desk.write("cut.nii", &scan[..900]);
    desk.write("header.nii", &scan[..200]);
    desk.write("empty.nii", "");
    desk.write("noise.nii", vec![0x5a; 4000]);
    desk.write("text.txt", "one\ntwo\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &scan).unwrap();
    let gzip = gzip.finish().unwrap();
    desk.write("cut.nii.gz", &gzip[..gzip.len() / 2]);
    let mut wrong = gzip.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 0xff;
    desk.write("wrong.nii.gz", &wrong);
    fs::create_dir(desk.path("folder")).unwrap();
    desk
}

/// Runs a program and insists on the code and on words; nothing may be written and nothing run.
#[track_caller]
fn refuses(desk: &Desk, program: &str, words: &str, code: i32, says: &[&str]) {
    desk.write("p.imgql", program);
    let mut said = desk.vox(&format!("run p.imgql {words}")).code_is(code);
    for word in says {
        said = said.says(word);
    }
    assert_eq!(said.out, "", "{}", said.err);
}

#[test]
fn nothing_is_written_over() {
    let desk = desk();
    symlink("f.nii", desk.path("soft.nii")).unwrap();
    fs::hard_link(desk.path("f.nii"), desk.path("hard.nii")).unwrap();
    symlink(".", desk.path("here")).unwrap();
    let before = desk.digests(".");
    let up = desk.path("").file_name().unwrap().to_str().unwrap().to_owned();
    for path in [
        "f.nii".to_owned(),
        "./f.nii".to_owned(),
        "folder/../f.nii".to_owned(),
        "soft.nii".to_owned(),
        "hard.nii".to_owned(),
        "here/f.nii".to_owned(),
        format!("../{up}/f.nii"),
        desk.path("f.nii").display().to_string(),
    ] {
        let program = format!("load f = \"f.nii\"\nprint \"n\" max(f)\nsave \"{path}\" f +. 1\n");
        refuses(&desk, &program, "", 2, &["E0222", "p.imgql:3", "input", "-o"]);
    }
    // The same with -o, with --in, and for files that are read by a computed path or imported.
    let save = "load f = \"f.nii\"\nsave \"f.nii\" f\n";
    refuses(&desk, save, "-o .", 2, &["E0222"]);
    refuses(&desk, save, "-o here", 2, &["E0222"]);
    refuses(&desk, "load f\nsave \"g.nii\" f\n", "--in f=g.nii", 2, &["E0222"]);
    let computed = "g = ReadImage(concat(\"g\", \".nii\"))\nsave \"g.nii\" g\n";
    refuses(&desk, computed, "", 2, &["E0222"]);
    // Two goals, one file.
    for other in ["a.nii", "./a.nii", "folder/../a.nii", "folder/b/../../a.nii"] {
        let program = format!("load f = \"f.nii\"\nsave \"a.nii\" f\nsave \"{other}\" f +. 1\n");
        refuses(&desk, &program, "", 2, &["E0221", "p.imgql:3", "the other one"]);
    }
    // Written through a link, one file has two names.
    symlink("a.nii", desk.path("b.nii")).unwrap();
    desk.write("a.nii", "there");
    let two = "load f = \"f.nii\"\nsave \"a.nii\" f\nsave \"b.nii\" f +. 1\n";
    refuses(&desk, two, "", 2, &["E0221"]);
    for name in ["a.nii", "b.nii", "p.imgql"] {
        fs::remove_file(desk.path(name)).unwrap();
    }
    let mut after = desk.digests(".");
    after.retain(|path, _| !path.starts_with(".vox"));
    assert_eq!(after, before);
    assert!(!desk.path(".vox/objects").exists() || desk.digests(".vox/objects").is_empty());
}

#[test]
fn cases_do_not_write_over_each_other() {
    let desk = Desk::demo(2);
    let save = "load flair\nprint \"n\" max(flair)\nsave \"m.nii.gz\" flair >. 3\n";
    for path in ["../m.nii.gz", "/tmp/m.nii.gz"] {
        let program = save.replace("m.nii.gz", path);
        refuses(&desk, &program, "--cases cases -o out", 2, &["E0223", "p.imgql:3"]);
    }
    refuses(&desk, save, "--cases cases", 2, &["-o DIR"]);
    // One folder under two names.
    fs::create_dir_all(desk.path("out/case-1")).unwrap();
    symlink("case-1", desk.path("out/case-2")).unwrap();
    refuses(&desk, save, "--cases cases -o out", 2, &["case-2", "case-1", "-o"]);
    // Over the input of another case.
    fs::create_dir_all(desk.path("two/case-1")).unwrap();
    symlink(desk.path("cases/case-2/case-2_flair.nii.gz"), desk.path("two/case-1/m.nii.gz"))
        .unwrap();
    refuses(&desk, save, "--cases cases -o two", 2, &["case-1", "`flair` of case-2"]);
    assert_eq!(desk.digests("out").len(), 0);
}

#[test]
fn wrong_programs_exit_with_3() {
    let desk = desk();
    let load = "load f = \"f.nii\"\n";
    for (program, says) in [
        ("print \"n\" max(flair)\n", &["E0201", "p.imgql:2", "flair"][..]),
        ("print \"n\" volme(f >. 1)\n", &["E0201", "did you mean `volume`?"]),
        ("print \"n\" volume(f, f)\n", &["E0202", "p.imgql:2"]),
        ("print \"n\" dt()\n", &["E0204", "write `dt(a)`"]),
        ("print \"n\" volume(f > \"x\")\n", &["E0203"]),
        ("print \"f\" f\n", &["E0218", "save"]),
        ("save \"f.jpg\" f\n", &["E0219", ".png"]),
        ("save \"f\" f\n", &["E0219"]),
        ("print \"n\" max(f\n", &["E01", "p.imgql"]),
        ("print \"n\" $thr\n", &["E0206", "thr"]),
        ("g(x) = g(x)\nprint \"n\" g(1)\n", &["E0207"]),
        ("import \"nowhere\"\nprint \"n\" 1\n", &["E0224", "nowhere"]),
    ] {
        refuses(&desk, &format!("{load}{program}"), "", 3, says);
    }
    refuses(&desk, "print \"n\" volume(border)\n", "", 3, &["E0212"]);
    // All mistakes in one go, each once.
    let program = format!(
        "{load}a = nope(f)\nb = a + 1\nprint \"n\" b\nprint \"m\" max(g)\nprint \"o\" dt(f, 2)\n"
    );
    desk.write("p.imgql", program);
    let said = desk.vox("run p.imgql").code_is(3);
    assert_eq!(said.err.matches("error[").count(), 3, "{}", said.err);
    assert!(said.err.contains("3 mistakes; nothing was run"), "{}", said.err);
}

#[test]
fn wrong_inputs_exit_with_4() {
    let desk = desk();
    let program = "load f = \"f.nii\"\nprint \"n\" max(f)\n";
    let given = |path: &str| format!("--in f={path}");
    refuses(&desk, program, &given("gone.nii"), 4, &["gone.nii", "is not there", "--in NAME=PATH"]);
    refuses(&desk, program, &given("folder"), 4, &["folder", "it is a folder"]);
    refuses(&desk, program, &given("/dev/null"), 4, &["/dev/null", "pipe or device"]);
    refuses(&desk, program, &given("f.nii/x"), 4, &["f.nii/x"]);
    refuses(
        &desk,
        program,
        &given("cut.nii"),
        4,
        &["`cut.nii` cannot be read", "900", "print \"n\"", "p.imgql:1"],
    );
    refuses(&desk, program, &given("cut.nii.gz"), 4, &["`cut.nii.gz` cannot be read"]);
    refuses(&desk, program, &given("wrong.nii.gz"), 4, &["`wrong.nii.gz`"]);
    for file in ["header.nii", "empty.nii", "noise.nii"] {
        refuses(&desk, program, &given(file), 4, &[&format!("`{file}`"), "p.imgql:1"]);
    }
    refuses(&desk, "load f\nprint \"n\" max(f)\n", "", 4, &["E0241", "--in f=PATH"]);
    let grids = "load f = \"f.nii\"\nload g = \"wide.nii\"\nprint \"n\" max(f + g)\n";
    refuses(&desk, grids, "", 4, &["f.nii", "wide.nii", "9x8x7", "12x8x7", "p.imgql:3"]);
    // A path that is known only while running.
    let later = "load t = \"text.txt\"\nprint \"n\" max(ReadImage(t[1]))\n";
    refuses(&desk, later, "", 4, &["two"]);
    desk.vox("run gone.imgql").code_is(4).says("gone.imgql");
    desk.vox("run folder").code_is(4).says("folder");
    desk.write("p.imgql", b"\xff\xfe");
    desk.vox("run p.imgql").code_is(4).says("p.imgql").says("UTF-8");
    // Rights count for nothing when the superuser asks.
    if !rustix::process::getuid().is_root() {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(desk.path("f.nii"), fs::Permissions::from_mode(0o000)).unwrap();
        refuses(&desk, program, "", 4, &["f.nii", "ermission"]);
    }
}

#[test]
fn wrong_commands_exit_with_2() {
    let desk = desk();
    desk.write("p.imgql", "load flair = \"f.nii\"\nhot = 3\nprint \"n\" volume(flair >. hot)\n");
    for (words, says) in [
        ("run p.imgql --in flar=f.nii", "did you mean `flair`?"),
        ("run p.imgql --in flair", "--in NAME=PATH"),
        ("run p.imgql --in =f.nii", "--in NAME=PATH"),
        ("run p.imgql --in flair=f.nii --in flair=g.nii", "given twice"),
        ("run p.imgql --set hit=3", "did you mean `hot`?"),
        ("run p.imgql --set hot", "--set NAME=VALUE"),
        ("run p.imgql --threads 0", "from 1 to 1024"),
        ("run p.imgql --threads x", "from 1 to 1024"),
        ("run p.imgql --threads 100000", "from 1 to 1024"),
        ("run p.imgql --memory 0", "500M or 8G"),
        ("run p.imgql --memory lots", "500M or 8G"),
        ("run p.imgql --keep some", "auto, all, goals"),
        ("run p.imgql --dialect 3", "--dialect"),
        ("run p.imgql --cases", "--cases"),
        ("run p.imgql --fast", "--fast"),
        ("run", "PROGRAM"),
        ("rum p.imgql", "run"),
        ("", "Usage"),
        ("demo x --cases 0", "1..=1000"),
    ] {
        desk.vox(words).code_is(2).says(says);
    }
    for (variable, value) in [("VOX_THREADS", "x"), ("VOX_MEMORY", "x"), ("VOX_KEEP", "x")] {
        let output = desk.command("run p.imgql").env(variable, value).output().unwrap();
        crate::desk::Said::from(output).code_is(2).says(variable);
    }
    desk.write("vox.toml", "theads = 3\n");
    desk.vox("run p.imgql").code_is(2).says("vox.toml").says("theads");
}

#[test]
fn refusals_exit_with_1_and_are_remembered() {
    let desk = desk();
    let program = "load f = \"f.nii\"\nprint \"first\" max(f)\nprint \"none\" avg(f, f >. 1000)\nprint \"last\" min(f)\n";
    desk.write("p.imgql", program);
    let said = desk.vox("run p.imgql").code_is(1);
    assert_eq!(said.out.lines().count(), 2, "the others are told: {}", said.out);
    let said = said.says("print \"none\"").says("p.imgql:3").says("f.nii").says("avg");
    assert_eq!(said.counts().failed, 1);
    let again = desk.vox("run p.imgql").code_is(1).says("print \"none\"");
    assert_eq!((again.counts().computed, again.counts().failed), (0, 1));
    let retried = desk.vox("run p.imgql --retry-failed").code_is(1);
    assert!(retried.counts().computed + retried.counts().redone > 0, "{}", retried.err);
    // The first failure in program order says the code.
    desk.write("p.imgql", program.replace("min(f)", "max(ReadImage(concat(\"go\", \"ne.nii\")))"));
    desk.vox("run p.imgql").code_is(4);
    // A file that cannot be written.
    desk.write("p.imgql", "load f = \"f.nii\"\nprint \"n\" max(f)\nsave \"a.nii\" f\n");
    let said = desk.vox("run p.imgql -o text.txt/x").code_is(1).says("save \"text.txt/x/a.nii\"");
    assert!(said.out.starts_with("n="), "{}", said.out);
}

#[test]
fn stores_that_cannot_be_used_exit_with_5() {
    let desk = desk();
    desk.write("p.imgql", "load f = \"f.nii\"\nprint \"n\" max(f)\n");
    desk.vox("run p.imgql --store f.nii").code_is(5).says("f.nii");
    desk.vox("run p.imgql --store f.nii/x").code_is(5).says("f.nii/x");
    desk.write("full/notes.txt", "mine");
    desk.vox("run p.imgql --store full").code_is(5).says("no store");
    desk.vox("verify --store gone").code_is(5).says("there is no store at `gone`");
    desk.vox("index rebuild --store gone").code_is(5).says("there is no store");
    assert!(!desk.path("gone").exists());
    desk.vox("run p.imgql --store newer").ok();
    let text = desk.text("newer/vox-store.toml").replace("format = 1", "format = 2");
    desk.write("newer/vox-store.toml", text);
    desk.vox("run p.imgql --store newer").code_is(5).says("format 2");
    desk.write("newer/vox-store.toml", "no toml at all [");
    desk.vox("run p.imgql --store newer").code_is(5).says("vox-store.toml");
}
