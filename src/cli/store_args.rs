//! The command line of what looks after a store.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]
#![allow(clippy::struct_excessive_bools, reason = "flags are booleans")]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::args::Common;

/// `vox verify`.
#[derive(Args, Debug)]
#[command(after_help = "\
What is damaged is named, with the nodes that gave it and what these need to be
computed again; the next run that wants it does so. Exit code 5 when something is
damaged, records differ, or a receipt is not true.

Examples:
  vox verify
  vox verify --deep --sample 100 --seconds 600
  vox verify --deep --writer 0f3c5e...")]
pub struct Verify {
    /// Also compute a sample of receipts again, and compare
    #[arg(long)]
    pub deep: bool,
    /// Only receipts of this writer: the name of its folder in `objects/log`
    #[arg(long, value_name = "WRITER", requires = "deep")]
    pub writer: Option<String>,
    /// Compute N receipts again; what took long is drawn rather than what took no time
    #[arg(long, value_name = "N", default_value_t = 20, requires = "deep")]
    pub sample: usize,
    /// Begin no receipt after S seconds
    #[arg(long, value_name = "S", default_value_t = 60, requires = "deep")]
    pub seconds: u64,
    /// Draw another sample for each N
    #[arg(long, value_name = "N", default_value_t = 0, requires = "deep")]
    pub seed: u64,
    /// Check only that what was stored of the nodes in FILE, one a line, is there and whole
    #[arg(long, value_name = "FILE", conflicts_with = "deep")]
    pub nodes: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox gc`.
#[derive(Args, Debug)]
#[command(after_help = "\
What goes is bytes, never knowledge: receipts stay, and a result that is asked for
again is computed again. First what is past its --ttl, then what was not used for
--max-age, then what gives up least: the greatest (time since last use x bytes /
cost), until the store is at 90 % of its limit. What is pinned, or a goal of a run
that is going on, stays. Sizes count whole blocks below objects/, as du does; the
log counts, and does not go unless --forget says so.

Examples:
  vox gc --max-size 5GB --dry-run
  vox gc --max-age 30d
  vox gc --compact --forget 180d")]
pub struct Gc {
    /// Bring the store down to SIZE, as in 500M or 5GB [default: `store.max_size`]
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<String>,
    /// Remove what was not used for SPAN, as in 30d or 12h
    #[arg(long, value_name = "SPAN")]
    pub max_age: Option<String>,
    /// Bring the store down to N files
    #[arg(long, value_name = "N")]
    pub max_files: Option<u64>,
    /// Merge small files of the log, and drop those that a bigger one covers
    #[arg(long)]
    pub compact: bool,
    /// Forget parts of the log that nobody read for SPAN: what they say is computed again
    #[arg(long, value_name = "SPAN")]
    pub forget: Option<String>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Nobody else writes: needed where others write over a network file system
    #[arg(long)]
    pub alone: bool,
    /// Print one JSON object, with everything that was removed
    #[arg(long)]
    pub json: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox pin`.
#[derive(Args, Debug)]
#[command(after_help = "\
Ids are what `vox run --json` and `--report` say of goals and nodes. `vox run --pin
NAME` pins all goals of a run.

Examples:
  vox pin b90149d27df0c55cc9cf066a018a82175a8a7b15e03d7cc868db4ee588ef5ae0 --as paper
  vox pin paper                        # again, after `vox unpin paper`")]
pub struct Pin {
    /// The id of a node or an object, 64 digits; or the name of an earlier pin
    #[arg(value_name = "ID|NAME")]
    pub what: String,
    /// Call it NAME [default: the id]
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// `vox unpin`.
#[derive(Args, Debug)]
pub struct Unpin {
    /// The names of pins
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Say what would no longer be kept, and change nothing
    #[arg(long)]
    pub dry_run: bool,
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

/// `vox init`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vox init study                      everything run below study/ keeps its results in study/.vox
  vox init --shared group /data/lab   the group of /data/lab/.vox reads, writes and cleans it together
The shared store has the group of /data/lab if that folder is set-group-id, else yours; before its first
use, `chgrp -R GROUP /data/lab/.vox` gives it another one. Others of the group name it with --store, or
list it in `safe_stores`: a store of another user that is only found by looking upwards is not used.")]
pub struct Init {
    /// The folder in which `.vox` is made [default: the working directory]
    #[arg(value_name = "DIR", conflicts_with = "store")]
    pub folder: Option<PathBuf>,
    /// Who else may write it
    #[arg(long, value_name = "WHO")]
    pub shared: Option<Sharing>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}

/// Who may write a store besides its maker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Sharing {
    /// The group of the folder
    Group,
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
