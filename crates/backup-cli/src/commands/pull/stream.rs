use crate::commands::cat::copy;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::listing::Listing;
use crate::paths::is_inside;
use backup_core::{Backup, Component, Selection, TreePath};

/// Writes the one file or stream that was chosen to standard output.
pub(super) async fn run(
    context: &Context,
    backup: &dyn Backup,
    components: &[(usize, &Component)],
    selection: &Selection,
) -> Result<Exit> {
    let mut exit = Exit::Done;
    let mut found: Option<(usize, TreePath)> = None;
    for (number, _) in components {
        let mut listing = Listing::open(context.screen(), backup, *number, selection).await?;
        while let Some(entry) = listing.entry() {
            if entry.has_content() && is_inside(&entry.path, selection) {
                if let Some((_, first)) = &found {
                    return Err(Failure::usage(format!(
                        "only one file fits into -, but {first} and {} were chosen",
                        entry.path
                    ))
                    .hint("name one PATH, or restore into a directory"));
                }
                found = Some((*number, entry.path.clone()));
            }
            listing.advance().await?;
        }
        exit = exit.and(listing.exit());
    }
    let Some((number, path)) = found else {
        return Err(Failure::new(Exit::NotFound.and(exit), "the snapshot has no such file"));
    };
    let mut listing = Listing::open(context.screen(), backup, number, &Selection { paths: vec![path.clone()] }).await?;
    while listing.entry().is_some_and(|entry| entry.path != path) {
        listing.advance().await?;
    }
    copy(listing.supply().stream(listing.number()).await?, context).await?;
    Ok(exit)
}
