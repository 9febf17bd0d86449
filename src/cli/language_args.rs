//! The arguments of commands that read programs without running them.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::args::{Common, DialectWord};

/// Which program, with which inputs.
#[derive(Args, Debug)]
pub struct Program {
    /// The program, a text file in imgQL; `-` reads stdin
    pub program: PathBuf,
    /// Take PATH for what the program loads as NAME
    #[arg(long = "in", value_name = "NAME=PATH")]
    pub inputs: Vec<String>,
    /// Replace the value of a top-level NAME of the program, or give `$NAME` a value
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// Read the program as VoxLogicA 1 or 2 does [default: 2, or what its first line says]
    #[arg(long, value_name = "N", hide_possible_values = true)]
    pub dialect: Option<DialectWord>,
    /// Let the program see files below DIR only, without following links, and count its paths from
    /// there; several are tried in turn
    #[arg(long, value_name = "DIR", help_heading = "What it may do")]
    pub read_root: Vec<PathBuf>,
    /// Of files below --read-root, let it see those up to SIZE only [default: 4G]
    #[arg(long, value_name = "SIZE", requires = "read_root", help_heading = "What it may do")]
    pub read_limit: Option<String>,
    /// Write the syntax tree to FILE: as JSON if it ends in .json, else as text
    #[arg(long, value_name = "FILE", help_heading = "What is told")]
    pub save_syntax: Option<PathBuf>,
    /// Tell mistakes as `text`, or as `json`: one object a line, with byte and line/column ranges
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "What is told"
    )]
    pub message_format: MessageFormat,
}

/// How mistakes are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum MessageFormat {
    /// With the lines they are about
    #[default]
    Text,
    /// One object a line
    Json,
}

/// `vox check`.
#[derive(Args, Debug)]
#[command(after_help = "\
Names, arities, kinds, files, grids and goals are checked; nothing is run and no
store is opened. With --message-format json mistakes go to stdout.

Examples:
  vox check lesion.imgql --in flair=scan.nii.gz --in seg=truth.nii.gz
  vox check lesion.imgql --message-format json --save-syntax tree.json

Exit codes: 0 no mistake, 3 a mistake of the program, 4 of an input, 2 of usage.
`vox explain E0201` says what a code means.")]
pub struct Check {
    /// Which program.
    #[command(flatten)]
    pub program: Program,
    /// Check it on each subfolder of DIR that holds an input, as `vox run --cases` would run it
    #[arg(long, value_name = "DIR")]
    pub cases: Option<PathBuf>,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox plan`.
#[derive(Args, Debug)]
#[command(after_help = "\
Each node is told with its key (a result's name in the store) and a word:
  stored  the store answers it
  run     it would run: it is new, or its value was not kept and is needed
  skip    it is not in the store, and nothing that would run needs it
Less may run than is told: where a changed step gives what it gave before, what
follows is not computed again.

Input files are read and hashed, the store is only read, nothing is run.

Examples:
  vox plan lesion.imgql --in flair=scan.nii.gz --in seg=truth.nii.gz
  vox plan lesion.imgql --format dot | dot -Tsvg > plan.svg
  vox plan lesion.imgql --check || vox run lesion.imgql")]
pub struct Plan {
    /// Which program.
    #[command(flatten)]
    pub program: Program,
    /// Write the plan as `text`, `json`, `dot` (Graphviz) or `mermaid`
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub format: PlanFormat,
    /// Write nothing; exit with 6 if a run would compute or write anything
    #[arg(long)]
    pub check: bool,
    /// Save below DIR, as `vox run -o` does [default: here]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// How a plan is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum PlanFormat {
    /// One node a line
    #[default]
    Text,
    /// One JSON object
    Json,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
}

/// `vox fmt`.
#[derive(Args, Debug)]
#[command(after_help = "\
One command a line; comments and single blank lines stay. Chains of different
operators get the parentheses that they were read with. The program means the
same afterwards; one that has mistakes is left alone.

Examples:
  vox fmt *.imgql
  vox fmt --check *.imgql
  vox fmt - < draft.imgql")]
pub struct Fmt {
    /// The programs; `-` reads stdin and writes stdout
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write nothing; name what is not in form, and exit with 6 if anything is not
    #[arg(long)]
    pub check: bool,
    /// Read the programs as VoxLogicA 1 or 2 does [default: 2, or what their first line says]
    #[arg(long, value_name = "N", hide_possible_values = true)]
    pub dialect: Option<DialectWord>,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox ops`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vox ops               all of them, one a line
  vox ops touch         a definition of the library
  vox ops '>.'          an operator by how it is written")]
pub struct Ops {
    /// What to tell about: a name, with or without namespace, or an operator [default: all]
    #[arg(value_name = "NAME", allow_hyphen_values = true)]
    pub name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// A code, such as E0203 [default: all, one a line]
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}
