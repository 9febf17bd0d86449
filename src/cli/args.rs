//! The command line.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]
#![allow(clippy::struct_excessive_bools, reason = "flags are booleans")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::app::config::{Config, Flags};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::cli::far_args::{Far, Worker};
use crate::cli::language_args::{Check, Explain, Fmt, Ops, Plan, Program};
use crate::cli::share_args::Pull;
use crate::cli::store_args::{Gc, Index, Init, Pin, StoreOnly, Unpin, Verify};
use crate::serve::bind::Bind;

/// Runs image analyses written in imgQL and keeps every result, so that nothing is computed twice.
#[derive(Parser, Debug)]
#[command(
    name = "vox",
    version = VERSION,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "\
New here? `vox demo` writes three small cases, runs a method over them and says
what to try next. `vox COMMAND --help` tells all of a command."
)]
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
    /// Look for mistakes in a program without running it
    Check(Check),
    /// Show what a run would do: nodes, keys, what the store has
    Plan(Plan),
    /// Put programs into canonical form
    Fmt(Fmt),
    /// Tell what a program can call: operators, definitions, forms
    Ops(Ops),
    /// Tell what the code of a mistake means, such as E0203
    Explain(Explain),
    /// Write a small cohort, run a method over it and show what came out
    Demo(Demo),
    /// Make a store in a folder, for yourself or for a group
    Init(Init),
    /// Say how large the store is and what would be removed
    Status(StoreOnly),
    /// Remove results that can be computed again, so that the store stays small
    Gc(Gc),
    /// Keep a result whatever else goes
    Pin(Pin),
    /// No longer keep a result
    Unpin(Unpin),
    /// List what is pinned
    Pins(StoreOnly),
    /// Check every file of the store: names, frames, canonical form, chains
    Verify(Verify),
    /// Fetch what another store has: a server's, or one in a folder
    Pull(Pull),
    /// Work on the index, a cache that can always be made again
    Index(Index),
    /// Serve the store over HTTP
    Serve(Serve),
    /// Run groups of cases for a `vox run --engine` elsewhere
    Worker(Worker),
    /// Show the settings in force and where each came from
    Config(StoreOnly),
}

/// What most commands take.
#[derive(Args, Debug, Default)]
pub struct Common {
    /// The store [default: $VOX_STORE, else the nearest `.vox` upwards, else the user's cache]
    #[arg(long, value_name = "DIR", help_heading = "Common options")]
    pub store: Option<PathBuf>,
    /// Say only errors
    #[arg(short, long, help_heading = "Common options")]
    pub quiet: bool,
    /// Tell notes too
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Common options")]
    pub verbose: u8,
    /// Use colours: auto (on a terminal), always or never
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "Common options"
    )]
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

In a cohort each subfolder of DIR is a case, and {case} its name. The file of an
input NAME is what `--in NAME=PATTERN` says, {case}_NAME.nii.gz or NAME.nii.gz
(or .nii), or what the program names: the first that is in the case's folder.

What the program prints goes to stdout, everything else to stderr. The last line
counts nodes: computed for the first time, redone (known, but the value was not
kept), reused from the store.

Exit codes:
  0  all is well
  1  an operator refused, a file could not be written, or a case failed
  2  wrong usage, or something would be written over
  3  the program has mistakes
  4  an input is missing, unreadable, changing, or on another grid
  5  the store is damaged, refused, read-only or full")]
pub struct Run {
    /// Which program.
    #[command(flatten)]
    pub program: Program,
    /// Run over each subfolder of DIR that holds an input
    #[arg(long, value_name = "DIR")]
    pub cases: Option<PathBuf>,
    /// Save below DIR; in a cohort each case has its own folder there [default: here]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Write what the cases print as a table: one row a case; .csv, .tsv or, where vox has the feature, .parquet
    #[arg(long, value_name = "FILE", requires = "cases")]
    pub table: Option<PathBuf>,
    /// Use N threads [default: all cores]
    #[arg(long, value_name = "N", help_heading = "How it runs")]
    pub threads: Option<String>,
    /// Hold values up to SIZE in memory, as in 500M or 8G [default: half of the machine's]
    #[arg(long, value_name = "SIZE", help_heading = "How it runs")]
    pub memory: Option<String>,
    /// Keep `goals` only, `all` nodes, or `auto`: also what costs more to compute than to store
    #[arg(long, value_name = "WHAT", hide_possible_values = true, help_heading = "How it runs")]
    pub keep: Option<KeepWord>,
    /// Let results go after SPAN, as in 30d or 12h: the next `vox gc` removes them
    #[arg(long, value_name = "SPAN", help_heading = "How it runs")]
    pub ttl: Option<String>,
    /// Pin what each goal gives as NAME/LABEL, in a cohort NAME/CASE/LABEL
    #[arg(long, value_name = "NAME", conflicts_with_all = ["no_store", "read_only"], help_heading = "How it runs")]
    pub pin: Option<String>,
    /// Compute again what an operator refused before
    #[arg(long, help_heading = "How it runs")]
    pub retry_failed: bool,
    /// Hash the input files again, although they look unchanged
    #[arg(long, help_heading = "How it runs")]
    pub rehash: bool,
    /// Do not wait for another process that computes the same node
    #[arg(long, help_heading = "How it runs")]
    pub no_wait: bool,
    /// Write no files: what goals save is computed and told only
    #[arg(long, conflicts_with_all = ["output", "table", "report"], help_heading = "What it may do")]
    pub no_save: bool,
    /// Use no store: results are gone when the run ends
    #[arg(long, conflicts_with_all = ["read_only", "store"], help_heading = "How it runs")]
    pub no_store: bool,
    /// Read the store but write nothing into it
    #[arg(long, help_heading = "How it runs")]
    pub read_only: bool,
    /// Ask a peer (a configured NAME, a URL or a folder) before computing what is not here
    #[arg(long, value_name = "NAME", conflicts_with_all = ["no_store", "read_only"], help_heading = "How it runs")]
    pub remote: Option<String>,
    /// Where it runs.
    #[command(flatten)]
    pub far: Far,
    /// Print one JSON object instead of lines
    #[arg(long, help_heading = "What is told")]
    pub json: bool,
    /// Print a line of JSON for each event while running; with --json the last one holds the answer
    #[arg(long, help_heading = "What is told")]
    pub events: bool,
    /// Write a JSON object with all nodes that ran
    #[arg(long, value_name = "FILE", help_heading = "What is told")]
    pub report: Option<PathBuf>,
    /// Say where the time and the memory went: for each operator, and besides
    #[arg(long, help_heading = "What is told")]
    pub profile: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox demo`.
#[derive(Args, Debug)]
#[command(after_help = "\
The heads are computed, so their lesions are known and nothing is fetched. The
store is DIR/.vox, unless --store or $VOX_STORE says otherwise.

Examples:
  vox demo
  vox demo big --size 240x240x155 --cases 1")]
pub struct Demo {
    /// The folder to write; it must be empty, or not be there yet
    #[arg(default_value = "vox-demo")]
    pub dir: PathBuf,
    /// Write N cases
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub cases: u16,
    /// Make heads of so many voxels of 1 mm
    #[arg(long, value_name = "XxYxZ", default_value = "96x96x64")]
    pub size: String,
    /// Write the cohort and the program, but do not run it
    #[arg(long)]
    pub no_run: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox serve`.
#[derive(Args, Debug)]
#[command(after_help = "\
Without --token-file a token is made at each start, and a URL with it printed once.
A token file has lines `SCOPE TOKEN`, with the scopes read, run and admin, each of
which holds those before it; only its owner may be able to read it. A socket in the
file system can be opened by its owner alone, and needs no token.

Examples:
  vox serve
  vox serve --bind unix:vox.socket --allow-run --read-root cases
  vox serve --bind 0.0.0.0:8731 --token-file tokens --host images.lab.example")]
pub struct Serve {
    /// Listen on ADDRESS:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8731")]
    pub bind: Bind,
    /// Let in who shows a token of FILE [default: $VOX_TOKEN_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "no_auth")]
    pub token_file: Option<PathBuf>,
    /// Let every user of this host in, to read and, with --allow-run, to run
    #[arg(long)]
    pub no_auth: bool,
    /// Let those with scope run, run programs
    #[arg(long)]
    pub allow_run: bool,
    /// Let those with scope admin, put values
    #[arg(long)]
    pub allow_put: bool,
    /// Let those with scope admin, remove results
    #[arg(long)]
    pub allow_gc: bool,
    /// Let programs read files below DIR; may be given again
    #[arg(long = "read-root", value_name = "DIR")]
    pub read_roots: Vec<PathBuf>,
    /// Run N jobs at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Let up to N jobs wait
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub queue: u16,
    /// Let a job take up to SIZE of memory
    #[arg(long, value_name = "SIZE", default_value = "4G")]
    pub job_memory: String,
    /// End a job after SPAN
    #[arg(long, value_name = "SPAN", default_value = "1h")]
    pub job_time: String,
    /// Answer to NAME too, besides addresses and localhost; may be given again
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Add a line of JSON for each request to FILE [default: stderr, unless --quiet]
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

impl Common {
    /// Gathers the settings of a command that has only these flags.
    pub fn settings(&self, environment: &Environment) -> Result<Config, Error> {
        let flags = Flags { store: self.store.clone(), ..Flags::default() };
        Ok(Config::gather(&flags, environment)?)
    }
}
