use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::{Created, Location, MadeIdentity, create, create_archives};
use backup_archive::{ArchiveSettings, Compression, Encryption, WhenTaken};
use backup_core::NameTemplate;
use clap::Args;
use jiff::tz::TimeZone;
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

    /// Make an archive folder instead: each backup becomes one file that age, zstd and tar open. As its name is made by
    /// default, there is one a day of each name
    #[arg(long)]
    archives: bool,

    /// How archives are named: {name} {source} {host} {tag} {seq} {date:%Y%m%d} [default: {name}_{date:%Y%m%d}]
    #[arg(long, value_name = "TEMPLATE", requires = "archives")]
    template: Option<NameTemplate>,

    /// How archives are compressed: zstd:LEVEL, gzip:LEVEL or none [default: zstd:3]
    #[arg(long, value_name = "HOW", requires = "archives")]
    compress: Option<Compression>,

    /// The time zone of the dates in names (Europe/Berlin) [default: that of this host]
    #[arg(long, value_name = "ZONE", requires = "archives")]
    time_zone: Option<String>,

    /// Put -2, -3, … behind a name that is taken, instead of refusing the backup
    #[arg(long, requires = "archives")]
    number_taken_names: bool,

    /// Do not encrypt archives
    #[arg(long, requires = "archives", conflicts_with = "recipient")]
    no_encryption: bool,
}

impl Init {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let location = match context.settings.only_repository()? {
            Some(named) => Location::parse(named)?,
            None if self.archives => {
                return Err(Failure::usage("an archive folder has no default place: name one with --repo"));
            }
            None => Location::by_default()?,
        };
        if self.archives {
            return self.archives(context, &location).await;
        }
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

    async fn archives(self, context: &Context, location: &Location) -> Result<Exit> {
        let zone = self.time_zone.or_else(|| TimeZone::system().iana_name().map(str::to_owned));
        let settings_for = |encryption| {
            let mut settings = ArchiveSettings::new(encryption);
            settings = self.template.iter().fold(settings, ArchiveSettings::with_template);
            settings = self.compress.into_iter().fold(settings, ArchiveSettings::with_compression);
            settings = zone.into_iter().fold(settings, ArchiveSettings::with_time_zone);
            if self.number_taken_names {
                settings = settings.with_when_taken(WhenTaken::Number);
            }
            Ok(settings)
        };
        let created =
            create_archives(&context.settings, location, &self.recipient, self.no_encryption, settings_for).await?;
        let screen = context.screen();
        if screen.is_json() {
            screen.json(&json!({
                "location": location.to_string(),
                "settings": created.folder.settings(),
                "identity": created.identity.as_ref().map(|identity| identity.file.display().to_string()),
                "identity_is_new": created.identity.as_ref().is_some_and(|identity| identity.is_new),
            }))?;
            return Ok(Exit::Done);
        }
        screen.note(format_args!("made an archive folder in {location}"));
        if *created.folder.settings().encryption() == Encryption::None {
            screen.warn("its archives are not encrypted: whoever reaches them can read them");
        }
        announce_identity(context, created.identity.as_ref());
        Ok(Exit::Done)
    }
}

/// Says what was made, and what to do about it.
pub(crate) fn announce(context: &Context, created: &Created) {
    let screen = context.screen();
    screen.note(format_args!("made the repository {} in {}", created.repository.id(), created.repository.location()));
    announce_identity(context, created.identity.as_ref());
}

fn announce_identity(context: &Context, identity: Option<&MadeIdentity>) {
    let screen = context.screen();
    match identity {
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
