//! The command line of what concerns other machines.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::far::engine::{Engine, Place};
use crate::cli::args::Common;
use crate::remote::group::Limits;

/// Where a cohort runs.
#[derive(Args, Debug, Default)]
pub struct Far {
    /// Run the cases on ENGINE: `local`, `spool:DIR` (groups in a directory, for `vox worker`),
    /// `dask`, or `cmd:PROGRAM` (a transport of your own)
    #[arg(long, value_name = "ENGINE", requires = "cases", conflicts_with_all = ["no_store", "read_only", "read_root", "remote"], help_heading = "On many machines")]
    pub engine: Option<String>,
    /// With `--engine dask`: the scheduler's ADDRESS, or `local` to begin one on this machine
    #[arg(long, value_name = "ADDRESS", requires = "engine", help_heading = "On many machines")]
    pub scheduler: Option<String>,
    /// Send N cases at a time [default: what takes 1 to 10 s by what cases took so far]
    #[arg(long, value_name = "N", requires = "engine", value_parser = clap::value_parser!(u32).range(1..), help_heading = "On many machines")]
    pub group: Option<u32>,
    /// End a group that takes longer than N seconds; a case that does so alone is named as lost
    #[arg(long, value_name = "N", requires = "engine", value_parser = clap::value_parser!(u64).range(1..), help_heading = "On many machines")]
    pub seconds: Option<u64>,
    /// Prefer hosts that have begun a case when it is tried again
    #[arg(long, requires = "engine", help_heading = "On many machines")]
    pub near: bool,
    /// Workers have stores of their own, which this run reads as they tell; with PEER, an address or a
    /// folder that they can reach, they ask it for what theirs have not
    #[arg(long, value_name = "PEER", requires = "engine", num_args = 0..=1, require_equals = true, default_missing_value = "", help_heading = "On many machines")]
    pub own_stores: Option<String>,
    /// Use hosts only that have so much of NAME, as in GPU=1; may be given again
    #[arg(long, value_name = "NAME=N", requires = "engine", help_heading = "On many machines")]
    pub needs: Vec<String>,
}

impl Far {
    /// Reads the engine; nothing, where cases run in this process.
    pub fn engine(
        &self,
        cases: &Path,
        limits: Limits,
        report: bool,
        environment: &Environment,
    ) -> Result<Option<Engine>, Error> {
        let Some(word) = &self.engine else { return Ok(None) };
        if self.scheduler.is_some() && word != "dask" {
            return Err(Error::Usage(format!("--scheduler: the engine `{word}` has none")));
        }
        let place = match word.split_once(':') {
            _ if word == "local" => return Ok(None),
            Some(("spool", dir)) if !dir.is_empty() => Place::Spool(dir.into()),
            Some(("cmd", program)) if !program.is_empty() => Place::Child {
                name: program.to_owned(),
                program: "/bin/sh".to_owned(),
                args: vec!["-c".into(), program.into()],
            },
            _ if word == "dask" => {
                let Some(scheduler) = &self.scheduler else {
                    return Err(Error::Usage(
                        "--engine dask: say with --scheduler where it is, as in tcp://host:8786, or \
                         `--scheduler local`"
                            .to_owned(),
                    ));
                };
                let args = ["-m", "vox.engine.dask", "--scheduler", scheduler];
                Place::Child {
                    name: "vox.engine.dask".to_owned(),
                    program: environment.vox("python").unwrap_or("python3").to_owned(),
                    args: args.map(Into::into).to_vec(),
                }
            }
            _ => {
                return Err(Error::Usage(format!(
                    "--engine {word}: write local, spool:DIR, dask or cmd:PROGRAM"
                )));
            }
        };
        let mut needs = BTreeMap::new();
        for need in &self.needs {
            let found = need.split_once('=').and_then(|(name, count)| {
                let count: u64 = count.parse().ok()?;
                (!name.is_empty()).then(|| (name.to_owned(), count))
            });
            let Some((name, count)) = found else {
                return Err(Error::Usage(format!("--needs {need}: write --needs NAME=N")));
            };
            needs.insert(name, count);
        }
        let group = self.group.map(|count| count as usize);
        let cases = cases.to_owned();
        let limits = Limits { seconds: self.seconds, ..limits };
        let (near, from) = (self.near, self.own_stores.clone());
        Ok(Some(Engine { place, cases, group, near, needs, limits, from, report }))
    }
}

/// `vox worker`.
#[derive(Args, Debug)]
#[command(after_help = "\
Engines start this; by hand it works through a directory of groups:

  vox run lesion.imgql --cases cases -o out --engine spool:groups &
  vox worker --spool groups --wait 1m  # here, and on every machine that sees both

A line of JSON on stdout says when a case is done, which means that its results are
durable. Where stdin is a pipe or a socket, its end ends the worker: who began it is
gone. From a shell loop write `vox worker ... < /dev/null`.

Exit codes:
  0  all cases are done
  1  a case was refused or failed
  2  the group makes no sense
  3  the program has mistakes
  4  an input is not on this host
  5  the store cannot be used on this host, or is another one
  8  the group is of another version of vox or of its operators
  124  it took longer than --seconds
  143  it was asked to end (SIGTERM), and what was done is kept")]
pub struct Worker {
    /// Run the group in FILE; `-` reads it from stdin
    #[arg(long, value_name = "FILE", required_unless_present = "spool", conflicts_with = "spool")]
    pub group: Option<PathBuf>,
    /// Take groups from DIR until there are none, and as long as a run hands some out
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// With --spool: wait up to SPAN, as in 5m, for a run to begin [default: not at all]
    #[arg(long, value_name = "SPAN", requires = "spool")]
    pub wait: Option<String>,
    /// Where the run reads this worker's own store (an address, or a folder that it sees) when stores are not
    /// shared [default: $VOX_OFFER, else the store's folder]
    #[arg(long, value_name = "PEER")]
    pub offer: Option<String>,
    /// Use N threads [default: what the group says, else all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<String>,
    /// Hold values up to SIZE in memory, and take not much more [default: what the group says]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// End a group after N seconds [default: what the group says, else never]
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}
