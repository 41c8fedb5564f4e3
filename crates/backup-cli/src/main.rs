//! The command line of the backup framework: parse, call the builders, render.

mod args;
mod commands;
mod context;
mod describe;
mod drivers;
mod exit;
mod failure;
mod interrupt;
mod listing;
mod paths;
mod place;
mod process;
mod screen;
mod settings;
mod snapshots;

use args::Cli;
use clap::Parser;
use clap::error::ErrorKind as ClapError;
use context::Context;
use exit::Exit;
use failure::{Failure, Result};
use interrupt::Interrupt;
use screen::{Form, Screen, Volume};
use settings::Settings;
use std::process::ExitCode;

/// Reading, hashing and compressing happen on the engine's own threads; these only move messages and packs.
const RUNTIME_THREADS: usize = 2;

fn main() -> ExitCode {
    process::protect();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(refuse(&error).code()),
    };
    let settings = Settings::new(cli.global);
    let screen = settings.screen.clone();
    let exit = start(settings, cli.command).unwrap_or_else(|failure| {
        screen.error(&failure);
        failure.exit
    });
    ExitCode::from(exit.code())
}

fn start(settings: Settings, command: args::Command) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(&error))?;
    runtime.block_on(async {
        let interrupt = Interrupt::watch(settings.screen.clone())
            .map_err(|error| Failure::new(Exit::Failed, "cannot watch for signals").cause(&error))?;
        commands::run(&Context { settings, interrupt }, command).await
    })
}

/// Help and version are results; everything else is an error in the form that was asked for.
fn refuse(error: &clap::Error) -> Exit {
    if matches!(error.kind(), ClapError::DisplayHelp | ClapError::DisplayVersion) {
        // A reader that went away has seen enough.
        error.print().ok();
        return Exit::Done;
    }
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if json && error.kind() != ClapError::DisplayHelpOnMissingArgumentOrSubcommand {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Screen::new(Form::Json, Volume::Normal).error(&Failure::usage(message));
    } else {
        error.print().ok();
    }
    Exit::Usage
}
