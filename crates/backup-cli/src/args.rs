//! The command line as clap sees it. What a command takes stands beside what it does, in `commands/`.

use crate::commands;
use crate::exit::Exit;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

const ENVIRONMENT: &str = "\
Environment:
  BACKUP_REPOSITORY       the repository, where no --repo is given
  BACKUP_IDENTITY         the identity file, where neither --identity nor --passphrase-file is given
  BACKUP_PASSPHRASE_FILE  the same for the file with the passphrase
  BACKUP_PASSPHRASE       the passphrase itself, where none of the above is given
  BACKUP_CACHE_DIR        the folder for caches
  NO_COLOR                no colours";

const SNAPSHOTS: &str = "\
Snapshots:
  A SNAPSHOT is the beginning of an id that `backup list` shows, `latest`, or `latest:NAME` for
  the latest one of a name. `latest` alone works as long as all snapshots have the same name.
  Incomplete snapshots are never the latest.";

/// Backs up directories and programs' output, encrypted and deduplicated, and gives them back.
#[derive(Debug, Parser)]
#[command(name = "backup", version, max_term_width = 100, propagate_version = false)]
#[command(after_long_help = after_help(), after_help = after_help(), subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn after_help() -> String {
    format!("{SNAPSHOTS}\n\n{ENVIRONMENT}\n\n{}", Exit::table())
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The repository: a path (push takes several) [default: below XDG_DATA_HOME]
    #[arg(long, short = 'r', global = true, value_name = "URL|PATH")]
    pub(crate) repo: Vec<OsString>,

    /// What opens the repository: an age identity file, an SSH private key, or a writer's credential [default: below
    /// XDG_CONFIG_HOME]
    #[arg(long, short = 'i', global = true, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(crate) identity: Option<PathBuf>,

    /// A file whose content, without one newline at its end, is the passphrase
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// Where caches are kept [default: below XDG_CACHE_HOME]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,

    /// Speak JSON: results on standard output; progress, warnings and errors on standard error, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say only what went wrong
    #[arg(long, short = 'q', global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say more
    #[arg(long, short = 'v', global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(commands::init::Init),
    Push(commands::push::Push),
    #[command(visible_alias = "restore")]
    Pull(commands::pull::Pull),
    #[command(visible_alias = "snapshots")]
    List(commands::list::List),
    Ls(commands::ls::Ls),
    Find(commands::find::Find),
    Diff(commands::diff::Diff),
    #[command(visible_alias = "dump")]
    Cat(commands::cat::Cat),
    Tag(commands::tag::Tag),
    Hold(commands::hold::Hold),
    Release(commands::release::Release),
    #[command(visible_alias = "delete")]
    Forget(commands::forget::Forget),
    Prune(commands::prune::Prune),
    Check(commands::check::Check),
    Repair(commands::repair::Repair),
    Key(commands::key::Key),
    Undo(commands::undo::Undo),
    Stats(commands::stats::Stats),
    Version(commands::version::Version),
    Completions(commands::completions::Completions),
    Man(commands::man::Man),
}
