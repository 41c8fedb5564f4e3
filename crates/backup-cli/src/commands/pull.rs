use clap::Args;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
/// x
#[derive(Debug, Args)]
pub(crate) struct Pull {}
impl Pull {
    pub(crate) async fn run(self, _context: &Context) -> Result<Exit> { Ok(Exit::Done) }
}
