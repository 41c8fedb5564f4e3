//! A file for each command: what it takes, what it does, what it says.

pub(crate) mod cat;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod find;
pub(crate) mod forget;
pub(crate) mod hold;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod release;
pub(crate) mod repair;
pub(crate) mod stats;
pub(crate) mod tag;
pub(crate) mod undo;
pub(crate) mod version;

use crate::args::Command;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;

/// Runs a command. A failure is still to be shown; everything else has been.
pub(crate) async fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Init(init) => init.run(context).await,
        Command::Push(push) => push.run(context).await,
        Command::Pull(pull) => pull.run(context).await,
        Command::List(list) => list.run(context).await,
        Command::Ls(ls) => ls.run(context).await,
        Command::Find(find) => find.run(context).await,
        Command::Diff(diff) => diff.run(context).await,
        Command::Cat(cat) => cat.run(context).await,
        Command::Tag(tag) => tag.run(context).await,
        Command::Hold(hold) => hold.run(context).await,
        Command::Release(release) => release.run(context).await,
        Command::Forget(forget) => forget.run(context).await,
        Command::Prune(prune) => prune.run(context).await,
        Command::Repair(repair) => repair.run(context).await,
        Command::Check(check) => check.run(context).await,
        Command::Key(key) => key.run(context).await,
        Command::Undo(undo) => undo.run(context).await,
        Command::Stats(stats) => stats.run(context).await,
        Command::Version(version) => version.run(context),
        Command::Completions(completions) => completions.run(context),
        Command::Man(man) => man.run(context),
    }
}
