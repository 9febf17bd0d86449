//! The command line.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]
#![allow(clippy::struct_excessive_bools, reason = "flags are booleans")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs image analyses written in imgQL and keeps every result, so that nothing is computed twice.
#[derive(Parser, Debug)]
#[command(name = "vox", version = VERSION, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The version with the format of keys and store, because these decide whether results are found.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (key format 1, store format 1)");

/// What vox does.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a program over one case or a cohort
    Run(Box<Run>),
    /// Write a small cohort, run a method over it and show what came out
    Demo(Demo),
    /// Check every file of the store: names, frames, canonical form, chains
    Verify(StoreOnly),
    /// Work on the index, a cache that can always be made again
    Index(Index),
    /// Show the settings in force and where each came from
    Config(StoreOnly),
}

/// What most commands take.
#[derive(Args, Debug, Default)]
pub struct Common {
    /// The store [default: $VOX_STORE, else `.vox` upwards, else the user's cache]
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Say only errors
    #[arg(short, long)]
    pub quiet: bool,
    /// Say more; twice, say all
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

/// When to do something that depends on the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Also into files and pipes
    Always,
    /// Not at all
    Never,
}

/// How much of the store's results are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum KeepWord {
    /// What costs more to compute again than to store
    Auto,
    /// Every node
    All,
    /// Only what the program prints and saves
    Goals,
}

/// How programs are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum DialectWord {
    /// VoxLogicA 1
    #[value(name = "1")]
    One,
    /// VoxLogicA 2, made whole
    #[value(name = "2")]
    Two,
}

/// `vox run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vox run lesion.imgql --in flair=scan.nii.gz --in seg=truth.nii.gz -o out
  vox run lesion.imgql --cases cases -o out --table dice.csv
  vox run lesion.imgql --cases cases -o out --set warm=0.87

The goals go to stdout, everything else to stderr.
Exit codes: 0 ok, 1 an operator refused or a case failed, 2 usage, 3 program error, 4 input missing,
unreadable, changing or on another grid, 5 store damaged, refused, read-only or full.")]
pub struct Run {
    /// The program
    pub program: PathBuf,
    /// The file of an input that the program loads; with --cases a pattern below the case's folder
    #[arg(long = "in", value_name = "NAME=PATH")]
    pub inputs: Vec<String>,
    /// Another right-hand side for a top-level name of the program, or a value for `$NAME`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// Run over each subfolder of DIR that holds an input
    #[arg(long, value_name = "DIR")]
    pub cases: Option<PathBuf>,
    /// Where relative `save` paths go; with --cases each case has its own folder there
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Write what the cases print as a table (.csv or .tsv), one row a case
    #[arg(long, value_name = "FILE", requires = "cases")]
    pub table: Option<PathBuf>,
    /// How the program is read [default: 2, or what its first line says]
    #[arg(long, value_name = "N")]
    pub dialect: Option<DialectWord>,
    /// Which results that are no goals are kept [default: auto]
    #[arg(long, value_name = "WHAT")]
    pub keep: Option<KeepWord>,
    /// Threads that compute [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Memory that values may take, as 500M or 8G [default: half of the machine's]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Compute refused nodes again
    #[arg(long)]
    pub retry_failed: bool,
    /// Hash all input files again, whatever the memo says
    #[arg(long)]
    pub rehash: bool,
    /// Do not wait for another process that computes the same node
    #[arg(long)]
    pub no_wait: bool,
    /// Keep nothing: results live in memory while the run lasts
    #[arg(long)]
    pub no_store: bool,
    /// Read the store but never write into it
    #[arg(long)]
    pub read_only: bool,
    /// Write one JSON object that tells all nodes that ran
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Say where the time went: for each operator, and besides
    #[arg(long)]
    pub profile: bool,
    /// Print one JSON object instead of lines
    #[arg(long, conflicts_with = "events")]
    pub json: bool,
    /// Print events as lines of JSON while running, instead of the goals' lines
    #[arg(long)]
    pub events: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// The folder to write; it must not exist, or be empty
    #[arg(default_value = "vox-demo")]
    pub dir: PathBuf,
    /// How many cases
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub cases: u16,
    /// Voxels of each head, of 1 mm
    #[arg(long, value_name = "XxYxZ", default_value = "96x96x64")]
    pub size: String,
    /// Only write the cohort and the program
    #[arg(long)]
    pub no_run: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// Commands that take nothing but what most take.
#[derive(Args, Debug)]
pub struct StoreOnly {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox index`.
#[derive(Args, Debug)]
pub struct Index {
    /// What to do with it.
    #[command(subcommand)]
    pub action: IndexAction,
}

/// What `vox index` does.
#[derive(Subcommand, Debug)]
pub enum IndexAction {
    /// Make the index again from the log
    Rebuild(StoreOnly),
}
