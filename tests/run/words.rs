//! What a person reads: versions, help, settings, progress; and odd places to run in.

use std::fs;
use std::fs::File;
use std::process::{Command, Stdio};

use crate::desk::{CASE, Desk, Said};

#[test]
fn the_version_names_the_formats() {
    let said = Desk::new().vox("--version").ok();
    assert_eq!(
        said.out,
        format!("vox {} (key format 1, store format 1)\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn help_is_narrow_and_names_all_commands() {
    let desk = Desk::new();
    let help = desk.vox("--help").ok().out;
    for command in
        ["run", "check", "plan", "fmt", "ops", "explain", "demo", "verify", "index", "config"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let own = desk.vox(&format!("{command} --help")).ok().out;
        assert_eq!(own, desk.vox(&format!("{command} -h")).ok().out, "one help, not two");
        for line in own.lines().chain(help.lines()) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
    let run = desk.vox("run --help").ok().out;
    for word in ["Examples:", "Exit codes:", "--cases", "{case}", "redone"] {
        assert!(run.contains(word), "no {word} in {run}");
    }
}

#[test]
fn config_says_where_each_setting_is_from() {
    let desk = Desk::new();
    let config = |words: &str, variables: &[(&str, &str)]| {
        let mut command = desk.command(words);
        command.env_remove("VOX_STORE").envs(variables.iter().copied());
        Said::from(command.output().unwrap()).ok().out
    };
    let row = |out: &str, name: &str| {
        let line =
            out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{out}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let plain = config("config", &[]);
    assert!(row(&plain, "store").contains(".cache/vox"), "{plain}");
    assert!(row(&plain, "threads").ends_with("(default)"), "{plain}");
    desk.write("vox.toml", "keep = \"goals\"\nthreads = 3\nmemory = \"2G\"\n");
    desk.write(".config/vox/config.toml", "keep = \"all\"\nthreads = 5\n");
    fs::create_dir_all(desk.path(".vox/objects")).unwrap();
    let set = config("config", &[("VOX_MEMORY", "1G")]);
    assert!(row(&set, "store").contains("found upwards"), "{set}");
    assert!(row(&set, "keep").contains("goals") && row(&set, "keep").contains("vox.toml"), "{set}");
    assert!(row(&set, "memory").contains("$VOX_MEMORY"), "{set}");
    assert!(row(&config("config --store s", &[]), "store").contains("--store"), "{set}");
    let json: serde_json::Value = serde_json::from_str(&config("config --json", &[])).unwrap();
    assert_eq!(json["settings"]["threads"]["value"], "3");
}

#[test]
fn odd_places_are_no_reason_to_panic() {
    let desk = Desk::demo(1);
    let right = desk.vox(CASE).ok().out;
    let shell = |line: &str| {
        let mut shell = Command::new("sh");
        desk.around(shell.args(["-c", line]));
        Said::from(shell.env("VOX", env!("CARGO_BIN_EXE_vox")).env("RUN", CASE).output().unwrap())
    };
    // Streams that are closed, full, or that nobody reads.
    assert_eq!(shell("$VOX $RUN 2>&-").code_is(0).out, right);
    shell("$VOX $RUN >&-").code_is(0);
    shell("$VOX $RUN >&- 2>&- <&-").code_is(0);
    shell("$VOX $RUN >/dev/full").code_is(1).says("stdout");
    let piped = shell("($VOX $RUN; echo code $? >&2) | true").code_is(0).says("code 0");
    assert_eq!(piped.err.lines().count(), 2, "{}", piped.err);
    shell("($VOX run --help; echo code $? >&2) | true").says("code 0");
    // A program from a pipe; an image from a pipe, which can be read once only.
    assert_eq!(shell("echo 'print \"a\" 1 + 2' | $VOX run /dev/stdin").code_is(0).out, "a=3.0\n");
    shell("mkfifo pipe; $VOX $RUN --in-x 2>/dev/null; $VOX run lesion.imgql --in flair=pipe --in seg=pipe")
        .code_is(4)
        .says("pipe or device");
    // No home; a home that is not there; a working directory that is gone.
    desk.rename(".vox", "kept");
    let storeless = "env -u HOME -u VOX_STORE $VOX";
    shell(&format!("{storeless} $RUN")).code_is(5).says("--store");
    let kept = shell(&format!("{storeless} $RUN --store kept")).code_is(0).nothing_ran();
    assert_eq!(kept.out, right);
    let config = shell(&format!("{storeless} config")).code_is(0).out;
    assert!(config.contains("store") && config.contains("--store"), "{config}");
    let gone = shell(
        "F=$PWD/cases/case-1/case-1_flair.nii.gz; P=$PWD/lesion.imgql; S=$PWD/kept; \
                      mkdir gone; cd gone; rmdir ../gone; \
                      $VOX run $P --in flair=$F --in seg=$F --store $S; echo code $? >&2",
    );
    assert!(gone.err.contains("code 1") && !gone.err.contains("panicked"), "{}", gone.err);
    // An empty program has nothing to do.
    desk.write("empty.imgql", "");
    desk.vox("run empty.imgql").ok().nothing_ran();
}

#[test]
fn a_folder_that_may_not_be_written_to_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::getuid().is_root() {
        // The superuser may write everywhere.
        return;
    }
    let desk = Desk::demo(1);
    let right = desk.vox(CASE).ok().out;
    fs::create_dir(desk.path("closed")).unwrap();
    fs::set_permissions(desk.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    let said = desk.vox(&CASE.replace("-o out", "-o closed/x")).code_is(1).says("closed/x");
    assert_eq!(said.out, right);
    desk.vox(&format!("{CASE} --store closed/store")).code_is(5).says("closed/store");
}

#[test]
fn a_terminal_shows_progress_and_is_left_tidy() {
    // util-linux's `script` makes the terminal; without it nothing is shown here.
    let there = Command::new("script").arg("--version").stdout(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return;
    }
    let desk = Desk::demo(3);
    let mut script = Command::new("script");
    let line = format!(
        "{} run lesion.imgql --cases cases -o out --table dice.csv --threads 1",
        env!("CARGO_BIN_EXE_vox")
    );
    desk.around(
        script.args(["-qec", &line, "typescript"]).stdout(Stdio::null()).env("TERM", "xterm"),
    );
    assert!(script.stderr(File::create(desk.path("err")).unwrap()).status().unwrap().success());
    let shown = desk.text("typescript");
    assert!(shown.contains("/3 cases"), "{shown:?}");
    // What is left on the screen: lines of goals and the last line, no piece of a bar.
    let screen = screen(&shown);
    let left: Vec<&str> =
        screen.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()).collect();
    let junk: Vec<_> = left
        .iter()
        .filter(|line| {
            !line.starts_with("case-") && !line.starts_with("vox: ") && !line.starts_with("Script ")
        })
        .collect();
    assert!(junk.is_empty(), "{junk:?}");
    let goals = left.iter().filter(|line| line.starts_with("case-") && line.contains("\tdice"));
    assert_eq!(goals.count(), 12, "{left:?}");
}

/// Plays what was sent to a terminal: carriage returns, line feeds, cursor up and erasing.
fn screen(sent: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut chars = sent.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                let mut number = String::new();
                let letter = loop {
                    match chars.next() {
                        Some(c) if c.is_ascii_alphabetic() => break c,
                        Some(c) => number.push(c),
                        None => return Vec::new(),
                    }
                };
                let count: usize = number.parse().unwrap_or(1);
                match letter {
                    'A' => row = row.saturating_sub(count),
                    'B' => row = (row + count).min(lines.len() - 1),
                    'K' if number == "2" => lines[row].clear(),
                    'K' => lines[row].truncate(column),
                    'J' => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    _ => {}
                }
            }
            next => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = next;
                column += 1;
            }
        }
    }
    lines.into_iter().map(|line| line.into_iter().collect()).collect()
}
