mod change;
mod list;
mod writer;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use clap::{Args, Subcommand};

/// Who can read, and who can write
///
/// Owners open everything. A writer's credential, which --identity takes in place of an identity, backs up and lists
/// and can read nothing, not even what it wrote.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Add(change::Add),
    Remove(change::Remove),
    Rotate(change::Rotate),
    Writer(writer::Writer),
}

impl Key {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        match self.command {
            Command::List(list) => list.run(context).await,
            Command::Add(add) => add.run(context).await,
            Command::Remove(remove) => remove.run(context).await,
            Command::Rotate(rotate) => rotate.run(context).await,
            Command::Writer(writer) => writer.run(context).await,
        }
    }
}

/// The one of these ids that begins so.
fn only<'a>(beginning: &str, ids: impl Iterator<Item = &'a str>) -> Result<&'a str> {
    let found: Vec<&str> = ids.filter(|id| id.starts_with(beginning)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            Err(Failure::new(Exit::NotFound, format!("no key begins with {beginning}")).hint("see `backup key list`"))
        }
        _ => Err(Failure::usage(format!("several keys begin with {beginning}")).hint("give more of the id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_means_one_key() {
        let ids = ["abc1", "abd2"];
        assert_eq!(only("abd", ids.into_iter()).unwrap(), "abd2");
        assert_eq!(only("ab", ids.into_iter()).unwrap_err().exit, Exit::Usage);
        assert_eq!(only("x", ids.into_iter()).unwrap_err().exit, Exit::NotFound);
    }
}
