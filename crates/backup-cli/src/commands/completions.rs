use crate::args::Cli;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print what makes a shell complete commands and options
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// For which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &Context) -> Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "backup", &mut script);
        let mut out = context.screen().out();
        out.bytes(&script)?;
        out.done()?;
        Ok(Exit::Done)
    }
}
