use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use backup_repository::FORMAT;
use clap::Args;
use serde_json::json;

/// Say which version this is
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(self, context: &Context) -> Result<Exit> {
        let version = env!("CARGO_PKG_VERSION");
        let screen = context.screen();
        if screen.is_json() {
            screen.json(&json!({ "version": version, "repository_format": FORMAT }))?;
        } else {
            let mut out = screen.out();
            out.line(format_args!("backup {version}, repository format {FORMAT}"))?;
            out.done()?;
        }
        Ok(Exit::Done)
    }
}
