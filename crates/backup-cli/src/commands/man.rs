use crate::args::Cli;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

/// Print the manual page of this program or of one of its commands
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Of which command
    command: Option<String>,
}

impl Man {
    pub(crate) fn run(self, context: &Context) -> Result<Exit> {
        let mut program = Cli::command();
        // Fills in what subcommands inherit.
        program.build();
        let command = match &self.command {
            None => program,
            Some(name) => match program.find_subcommand(name) {
                Some(command) => command.clone(),
                None => return Err(Failure::usage(format!("there is no command {name:?}"))),
            },
        };
        let mut page = Vec::new();
        Page::new(command).render(&mut page).map_err(Failure::output)?;
        let mut out = context.screen().out();
        out.bytes(&page)?;
        out.done()?;
        Ok(Exit::Done)
    }
}
