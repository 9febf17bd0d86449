//! The command line of what concerns other stores.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]
#![allow(clippy::struct_excessive_bools, reason = "flags are booleans")]

use clap::Args;

use crate::cli::args::Common;

/// `vox pull`.
#[derive(Args, Debug)]
#[command(after_help = "\
What is missing here is fetched: parts of logs, then the values that they name. All
of it is verified before it is seen; what has arrived stays, so that a pull that was
stopped goes on where it was. Pulling twice changes nothing.

That bytes are whole can be proved; that a receipt is true cannot. So receipts are
taken from servers only that the configuration names with trust = \"receipts\":

  [peer.lab]
  url = \"https://lab.example/vox\"
  trust = \"receipts\"
  token-file = \"lab.token\"

From any other server only objects are taken, by their ids. A folder is believed, as
if its files were copied: name only those of people whose results you would use.

Examples:
  vox pull lab
  vox pull /media/disk/study/.vox --dry-run
  vox pull lab --lazy                  # then: vox run ... --remote lab

Exit codes: 0 all came, 1 an id is not there, 5 the peer is not reached or lies.")]
pub struct Pull {
    /// A configured peer, the address of a server, or a folder with `objects/` in it
    #[arg(value_name = "NAME|URL|DIR")]
    pub peer: String,
    /// Only these objects; of a believed peer also nodes
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Fetch what is known, not the values: `vox run --remote` fetches those that it needs
    #[arg(long)]
    pub lazy: bool,
    /// Say what is missing here, and keep nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
}
