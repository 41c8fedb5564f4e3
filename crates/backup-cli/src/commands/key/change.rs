use super::only;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::{chosen, new_passphrase, open};
use crate::screen::counted;
use backup_core::ErrorKind;
use backup_repository::OwnerRecipient;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Let somebody else open the repository, as an owner
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Add {
    /// A file whose content, without one newline at its end, is the new owner's passphrase
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,

    /// The new owner's age recipient (age1…) or SSH public key
    #[arg(long, value_name = "RECIPIENT")]
    recipient: Option<String>,
}

impl Add {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let owner = match (self.recipient, self.new_passphrase_file) {
            (Some(recipient), _) => OwnerRecipient::PublicKey(recipient),
            (None, Some(file)) => OwnerRecipient::Passphrase(new_passphrase(&file)?),
            (None, None) => return Err(Failure::usage("give --recipient or --new-passphrase-file")),
        };
        let id = open(&context.settings, &chosen(context)?).await?.add_owner(&owner).await?;
        let screen = context.screen();
        if screen.is_json() {
            screen.json(&json!({ "owner": id }))?;
        } else {
            screen.note(format_args!("added the owner {id}"));
        }
        Ok(Exit::Done)
    }
}

/// Remove an owner, or revoke a writer
///
/// A removed owner may have kept what it has seen: rotate, to keep new data from it. What a revoked writer has
/// backed up stays; nothing that it signs from now on counts. Also take their access to the storage away.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The beginning of an id that `backup key list` shows
    id: String,
}

impl Remove {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let repository = open(&context.settings, &chosen(context)?).await?;
        let keys = repository.keys().await?;
        let writers: Vec<_> = keys.writers.iter().map(|writer| (writer.id.to_string(), writer)).collect();
        let owners = keys.owners.iter().map(|owner| owner.id.as_str());
        let id = only(&self.id, owners.chain(writers.iter().map(|(id, _)| id.as_str())))?;
        let screen = context.screen();
        match writers.iter().find(|(writer, _)| writer == id) {
            Some((_, writer)) => {
                let kept = repository.revoke_writer(&writer.id).await?;
                if screen.is_json() {
                    screen.json(&json!({ "writer": id, "snapshots_kept": kept }))?;
                } else {
                    let kept = counted(kept as u64, "snapshots");
                    screen.note(format_args!(
                        "revoked the writer {id}; what it has backed up stays ({kept}): forget what you do not trust"
                    ));
                }
            }
            None => {
                repository.remove_owner(id).await?;
                if screen.is_json() {
                    screen.json(&json!({ "owner": id }))?;
                } else {
                    screen.note(format_args!(
                        "removed the owner {id}: `backup key rotate` keeps new data from whoever has kept its keys"
                    ));
                }
            }
        }
        Ok(Exit::Done)
    }
}

/// Make a new identity, for all that is written from now on
///
/// All owners go on reading old and new data, with what they have. Who has only the identities before it, as an owner
/// that was removed may have, cannot read what is written from now on.
#[derive(Debug, Args)]
pub(crate) struct Rotate {}

impl Rotate {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let rotated = open(&context.settings, &chosen(context)?).await?.rotate().await.map_err(|error| {
            let raced = matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Unavailable);
            let failure = Failure::from(error);
            if raced { failure.hint("run it again") } else { failure }
        })?;
        let screen = context.screen();
        for owner in &rotated.left_out {
            screen.warn(format_args!(
                "the owner {owner} was added at the same moment and cannot read new data: remove and add it again"
            ));
        }
        if screen.is_json() {
            screen.json(
                &json!({ "identity": rotated.identity, "owners": rotated.owners, "left_out": rotated.left_out }),
            )?;
        } else {
            screen.note(format_args!(
                "new data can be read by {} from now on: {}",
                counted(rotated.owners.len() as u64, "owners"),
                rotated.owners.join(" ")
            ));
        }
        Ok(Exit::Done)
    }
}
