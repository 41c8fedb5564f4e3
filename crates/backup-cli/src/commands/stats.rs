use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::open_one;
use crate::screen::{bytes, count, table};
use backup_core::Catalogue;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;

/// Show how much the repository holds
#[derive(Debug, Args)]
pub(crate) struct Stats {}

impl Stats {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        Ok(Exit::Done)
    }
}
