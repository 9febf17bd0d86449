//! `vox demo`: a first look, offline.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::app::demo::cohort::{self, Demo};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::cli::args::{self, Cli, Command};
use crate::cli::command::run;
use crate::cli::out;
use crate::cli::words::Voice;

/// Writes the cohort, runs the method over it as `vox run` would, and says what to try next.
pub fn run(args: &args::Demo, environment: Environment, voice: Voice) -> Result<ExitCode, Error> {
    let demo = Demo {
        dir: args.dir.clone(),
        cases: usize::from(args.cases),
        size: cohort::size(&args.size)?,
    };
    demo.check()?;
    if !voice.quiet {
        let [x, y, z] = demo.size;
        let heads = if demo.cases == 1 { "head" } else { "heads" };
        out::say(&format!(
            "vox: writing {} computed {heads} of {x}x{y}x{z} voxels into `{}`",
            demo.cases,
            demo.dir.display()
        ));
    }
    demo.write()?;
    let shown = |path: &Path| word(&path.display().to_string());
    let store = match (&args.common.store, environment.vox("store")) {
        (Some(store), _) => store.clone(),
        (None, Some(store)) => store.into(),
        (None, None) => demo.dir.join(".vox"),
    };
    let vox = shown(&environment.program());
    let table = demo.dir.join("dice.csv");
    let command = format!(
        "{vox} run {} --cases {} -o {} --store {}",
        shown(&demo.program()),
        shown(&demo.root()),
        shown(&demo.output()),
        shown(&store)
    );
    if args.no_run {
        if !voice.quiet {
            out::say(&format!("vox: run it with\n  {command}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let words = [
        "vox".into(),
        "run".into(),
        demo.program().into_os_string(),
        "--cases".into(),
        demo.root().into_os_string(),
        "-o".into(),
        demo.output().into_os_string(),
        "--store".into(),
        store.clone().into_os_string(),
        "--table".into(),
        table.clone().into_os_string(),
    ];
    let cli = Cli::try_parse_from(words).map_err(|error| Error::Usage(error.to_string()))?;
    let Command::Run(mut run_args) = cli.command else {
        return Err(Error::Usage("the demo runs `vox run`".to_owned()));
    };
    run_args.common.quiet = args.common.quiet;
    let code = run::run(&run_args, environment, voice)?;
    let preview = demo.preview()?;
    if !voice.quiet {
        out::say(&format!("\n{}", aligned(&fs::read_to_string(&table).unwrap_or_default())));
        out::say(&format!(
            "\
             masks    {out}/*/lesion.nii.gz\n\
             table    {table}\n\
             picture  {preview}  (found: orange, true: blue)\n\
             store    {store}\n\
             \n\
             Try next:\n\
             \x20 # another threshold: only what depends on it is computed\n\
             \x20 {command} --set hot=0.93\n\
             \x20 # the same as above again: nothing is computed\n\
             \x20 {command}\n\
             \x20 # what the store holds, every file of it checked\n\
             \x20 {vox} verify --store {quoted}",
            out = demo.output().display(),
            table = table.display(),
            preview = preview.display(),
            store = store.display(),
            quoted = shown(&store),
        ));
    }
    Ok(code)
}

/// Sets the columns of a table of numbers for the eye, four digits behind the point.
fn aligned(csv: &str) -> String {
    let rows: Vec<Vec<String>> = csv
        .lines()
        .map(|line| {
            let cell = |cell: &str| match cell.parse::<f64>() {
                Ok(number) => format!("{number:.4}"),
                Err(_) => cell.to_owned(),
            };
            line.split(',').map(cell).collect()
        })
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(String::len).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Returns a word as a shell reads it.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let text = aligned("case,dice\ncase-10,0.96123\na,n/a\n");
        assert_eq!(text, "case     dice\ncase-10  0.9612\na        n/a\n");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(word("a/b-1.gz"), "a/b-1.gz");
        assert_eq!(word("it's here"), "'it'\\''s here'");
    }
}
