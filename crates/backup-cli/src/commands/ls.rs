use crate::context::Context;
use crate::describe::{EntryJson, long};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::listing::{Listing, components};
use crate::paths::{is_inside, selection};
use crate::snapshots::Snapshots;
use clap::Args;
use std::ffi::OsString;

/// List what is in a snapshot
///
/// Prints the path of each entry, one a line, in the form in which `pull`, `ls`, `cat` and `diff` take paths: what is
/// not printable is escaped (\n, \xff), and a backslash is doubled. With --json, an object a line.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Which snapshot
    snapshot: String,

    /// Only what is at these paths and below
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,

    /// Also mode, owner, size and time
    #[arg(long, short = 'l')]
    long: bool,

    /// Only this component
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let selection = selection(&self.paths)?;
        let snapshots = Snapshots::open(context).await?;
        let backup = snapshots.backup(&self.snapshot).await?;
        let screen = context.screen();
        let mut out = screen.out();
        let mut exit = Exit::Done;
        let mut is_empty = true;
        for (number, component) in components(&*backup, self.component.as_deref())? {
            let mut listing = Listing::open(screen, &*backup, number, &selection).await?;
            while let Some(entry) = listing.entry() {
                if is_inside(&entry.path, &selection) {
                    is_empty = false;
                    match (screen.is_json(), self.long) {
                        (true, _) => out.json_line(&EntryJson::new(&component.spec.name, entry))?,
                        (false, true) => out.line(long(entry))?,
                        (false, false) => out.line(&entry.path)?,
                    }
                }
                listing.advance().await?;
            }
            exit = exit.and(listing.exit());
        }
        out.done()?;
        if is_empty && !selection.paths.is_empty() && exit == Exit::Done {
            return Err(Failure::new(Exit::NotFound, "the snapshot has no such path"));
        }
        Ok(exit)
    }
}
