use crate::context::Context;
use crate::describe::kind;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::listing::{Listing, components};
use crate::paths::parse;
use crate::snapshots::Snapshots;
use backup_core::{Entry, Error, Reader, Selection};
use clap::Args;
use std::ffi::OsString;
use tokio::io::AsyncReadExt;

/// Write one file of a snapshot to standard output
#[derive(Debug, Args)]
pub(crate) struct Cat {
    /// Which snapshot
    snapshot: String,

    /// Which file, as `ls` prints it
    path: OsString,

    /// Of which component, where several have the path
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
}

impl Cat {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let path = parse(&self.path)?;
        let snapshots = Snapshots::open(context).await?;
        let backup = snapshots.backup(&self.snapshot).await?;
        let selection = Selection { paths: vec![path.clone()] };
        let mut damage = Exit::Done;
        for (number, _) in components(&*backup, self.component.as_deref())? {
            let mut listing = Listing::open(context.screen(), &*backup, number, &selection).await?;
            while let Some(entry) = listing.entry() {
                if entry.path == path {
                    refuse_without_content(entry)?;
                    copy(listing.supply().stream(listing.number()).await?, context).await?;
                    return Ok(Exit::Done);
                }
                listing.advance().await?;
            }
            damage = damage.and(listing.exit());
        }
        match damage {
            Exit::Damage => Err(Failure::new(Exit::Damage, "the path may be in the damaged part of the listing")),
            _ => Err(Failure::new(Exit::NotFound, format!("the snapshot has no {path}"))),
        }
    }
}

fn refuse_without_content(entry: &Entry) -> Result<()> {
    if entry.has_content() {
        return Ok(());
    }
    Err(Failure::usage(format!("{} is no file but a {}", entry.path, kind(&entry.kind).replace('_', " ")))
        .hint("`backup pull` brings back entries of all kinds"))
}

/// Copies verified content to standard output. When it turns out to be damaged, what was written before is right, and
/// incomplete.
pub(crate) async fn copy(mut content: Reader, context: &Context) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    let mut out = context.screen().out();
    loop {
        let read = content.read(&mut buffer).await.map_err(|e| Error::io("cannot read the content", e))?;
        match buffer.get(..read) {
            Some([]) | None => return out.done(),
            Some(bytes) => out.bytes(bytes)?,
        }
    }
}
