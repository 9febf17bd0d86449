//! Programs that see some folders only and write nothing, as `vox serve` runs them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::desk::{Desk, image};

/// A folder that may be read, and a secret beside it.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("open/deep")).unwrap();
    fs::create_dir_all(desk.path("shut")).unwrap();
    let made = |add: f32| image([6, 5, 4], move |x, y, z| (x + y + z) as f32 + add);
    desk.write("open/f.nii", made(0.0));
    desk.write("open/deep/f.nii", made(1.0));
    desk.write("shut/f.nii", made(2.0));
    desk.write("shut/_part.imgql", "secret = 42\n");
    desk.write("open/_part.imgql", "known = 7\n");
    symlink(desk.path("shut/f.nii"), desk.path("open/link.nii")).unwrap();
    symlink(desk.path("shut"), desk.path("open/out")).unwrap();
    let detached = "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_FLOAT\n\
                    ElementDataFile = ../shut/f.nii\nHeaderSize = 352\n";
    desk.write("open/away.mhd", detached);
    desk
}

const CONFINED: &str = "--read-root open --no-save";

#[test]
fn a_confined_program_sees_its_folders_and_writes_nothing() {
    let desk = desk();
    let root = desk.path("open").to_str().unwrap().to_owned();
    desk.write(
        "p.imgql",
        "import \"_part.imgql\"\nload f = \"f.nii\"\nload g = \"/deep/f.nii\"\nprint \"f\" max(f)\n\
         print \"g\" max(g)\nprint \"k\" known\nprint \"cwd\" \"$cwd\"\nsave \"s.nii\" f\n",
    );
    let said = desk.vox(&format!("run p.imgql {CONFINED}")).ok();
    assert_eq!(said.out, "f=12.0\ng=13.0\nk=7.0\ncwd=/\n");
    assert!(!desk.path("s.nii").exists() && !desk.path("open/s.nii").exists());
    assert!(!said.err.contains(&root), "{}", said.err);
    desk.vox("check p.imgql --read-root open").ok();
    desk.vox(&format!("plan p.imgql --read-root {root}")).ok();
    // The same node as without walls: what is computed is found by everybody.
    desk.write("q.imgql", "load f = \"open/f.nii\"\nprint \"f\" max(f)\n");
    desk.vox("run q.imgql").ok().says("0 computed");
}

#[test]
fn everything_else_is_not_there_in_the_same_words() {
    let desk = desk();
    let shut = desk.path("shut/f.nii").to_str().unwrap().to_owned();
    let answer = |path: &str| {
        desk.write("p.imgql", format!("load f = \"{path}\"\nprint \"f\" max(f)\n"));
        let said = desk.vox(&format!("run p.imgql {CONFINED}")).code_is(4);
        assert_eq!(said.out, "");
        said.err.replace(path, "PATH")
    };
    let missing = answer("none.nii").replace(|c: char| "-^".contains(c), "");
    for path in [&*shut, "../shut/f.nii", "link.nii", "out/f.nii", "/etc/passwd", "/dev/zero"] {
        let told = answer(path).replace(|c: char| "-^".contains(c), "");
        assert_eq!(told, missing, "{path}");
    }
    // What a header names lies behind the same door.
    let said = answer("away.mhd");
    assert!(said.contains("is not there"), "{said}");
    for (program, words) in [
        ("import \"../shut/_part.imgql\"\nprint \"s\" secret", "not there"),
        ("print \"d\" dir(\"../shut\", \"*\", false, false)", "not there"),
        ("print \"d\" dir(\"out\", \"*\", false, false)", "not there"),
        ("load j = \"/proc/self/environ\"\nprint \"j\" j", "not there"),
    ] {
        desk.write("p.imgql", program);
        let said = desk.vox(&format!("run p.imgql {CONFINED}"));
        assert!(said.code != Some(0) && !said.out.contains("f.nii"), "{program}: {}", said.err);
        assert!(said.err.contains(words) || said.err.contains("E02"), "{program}: {}", said.err);
    }
    desk.write("p.imgql", "print \"d\" dir(\"\", \"*\", true, false)\n");
    let said = desk.vox(&format!("run p.imgql {CONFINED}")).ok();
    assert!(!said.out.contains("link") && said.out.contains("deep/f.nii"), "{}", said.out);
}

#[test]
fn a_cohort_is_confined_too() {
    let desk = desk();
    for case in ["a", "b"] {
        fs::create_dir_all(desk.path(&format!("open/cases/{case}"))).unwrap();
        desk.write(&format!("open/cases/{case}/f.nii"), image([4, 4, 4], |x, _, _| x as f32));
    }
    fs::create_dir_all(desk.path("shut/cases/c")).unwrap();
    symlink(desk.path("shut/cases/c"), desk.path("open/cases/c")).unwrap();
    desk.write("p.imgql", "load f\nprint \"m\" max(f)\nsave \"m.nii\" f\n");
    let said = desk.vox(&format!("run p.imgql {CONFINED} --cases cases")).ok();
    assert_eq!(said.out, "a\tm=3.0\nb\tm=3.0\n");
    assert!(!desk.path("a").exists() && !desk.path("open/cases/a/m.nii").exists());
    desk.vox(&format!("run p.imgql {CONFINED} --cases ../shut/cases")).code_is(4);
}

#[test]
fn a_program_comes_through_stdin_and_its_answer_is_the_last_event() {
    let desk = desk();
    let words = format!("run - {CONFINED} --json --events --message-format json");
    let ask = |program: &str| {
        let mut command = desk.command(&words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let done = ask("load f = \"f.nii\"\nprint \"f\" max(f)\n");
    assert!(done.status.success());
    let out = String::from_utf8(done.stdout).unwrap();
    let last: Json = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "end");
    assert_eq!(last["answer"]["goals"][0]["value"], 12.0);
    let done = ask("print \"f\" maxx(f)\n");
    assert_eq!(done.status.code(), Some(3));
    let err = String::from_utf8(done.stderr).unwrap();
    let told: Json = serde_json::from_str(err.lines().next().unwrap()).unwrap();
    assert_eq!((&told["code"], &told["places"][0]["file"]), (&"E0201".into(), &"-".into()));
    // What is wrong besides the program comes in the same shape.
    let said = desk.vox("run p.imgql --read-root none --message-format json").code_is(4);
    let told: Json = serde_json::from_str(said.err.lines().next().unwrap()).unwrap();
    assert_eq!(told["severity"], "error");
}
