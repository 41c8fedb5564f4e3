use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::{Created, Location, create};
use clap::Args;
use serde_json::json;

/// Make a repository
///
/// Whoever holds one of its keys can open it: the passphrase of --passphrase-file, the identities behind the
/// recipients, the identity file of --identity, or, when none of them is given, the default identity. An identity file
/// that is not there is made; one that is there is never changed.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// An age recipient (age1…) or an SSH public key that shall open the repository; may be given several times
    #[arg(long, value_name = "RECIPIENT")]
    recipient: Vec<String>,
}

impl Init {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let location = match context.settings.only_repository()? {
            Some(named) => Location::parse(named)?,
            None => Location::by_default()?,
        };
        let created = create(&context.settings, &location, &self.recipient).await?;
        let screen = context.screen();
        if screen.is_json() {
            screen.json(&json!({
                "repository": created.repository.id().to_string(),
                "location": created.repository.location(),
                "identity": created.identity.as_ref().map(|identity| identity.file.display().to_string()),
                "identity_is_new": created.identity.as_ref().is_some_and(|identity| identity.is_new),
            }))?;
        } else {
            announce(context, &created);
        }
        Ok(Exit::Done)
    }
}

/// Says what was made, and what to do about it.
pub(crate) fn announce(context: &Context, created: &Created) {
    let screen = context.screen();
    screen.note(format_args!("made the repository {} in {}", created.repository.id(), created.repository.location()));
    match &created.identity {
        Some(identity) if identity.is_new => {
            // Said even to those who want to hear nothing: it is the one thing that cannot be made good later.
            screen.warn(format_args!(
                "made the identity {}: keep a copy of it on another machine. Without it nobody can read the backups",
                identity.file.display()
            ));
        }
        Some(identity) => screen.note(format_args!("the identity {} opens it", identity.file.display())),
        None => {}
    }
}
