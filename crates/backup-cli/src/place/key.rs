//! What opens a repository.

use super::Home;
use super::identity::{read, read_secret};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::screen::Screen;
use crate::settings::{Key, Settings};
use backup_core::Secret;
use backup_repository::{OwnerIdentity, WriterCredential};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// How to open a repository, the way to try first in front.
pub(super) enum Way {
    /// With this, which came from this file.
    Identity(OwnerIdentity, PathBuf),
    /// With this credential, which only writes.
    Writer(WriterCredential),
    Passphrase(OwnerIdentity),
    /// Asks a person.
    Ask,
}

/// What was named, and nothing else; without anything named, the default identity if there is one, and then a
/// question, if there is somebody to answer it.
pub(super) fn ways(settings: &Settings) -> Result<Vec<Way>> {
    if let Some(key) = &settings.key {
        return Ok(vec![match key {
            Key::Identity(file) => identity(file, &settings.screen)?,
            _ => Way::Passphrase(OwnerIdentity::Passphrase(named_passphrase(key)?)),
        }]);
    }
    let mut ways = Vec::new();
    let file = Home::find()?.identity();
    if file.exists() {
        ways.push(identity(&file, &settings.screen)?);
    }
    if io::stdin().is_terminal() {
        ways.push(Way::Ask);
    }
    if ways.is_empty() {
        return Err(Failure::new(Exit::NoAccess, "nothing is there to open the repository with").hint(HINT));
    }
    Ok(ways)
}

pub(super) const HINT: &str = "give the identity with --identity FILE or the passphrase with --passphrase-file FILE";

fn identity(file: &Path, screen: &Screen) -> Result<Way> {
    let secret = read(file, screen)?;
    if WriterCredential::is_one(&secret) {
        return Ok(Way::Writer(WriterCredential::parse(&secret).map_err(|e| e.context("file", file.display()))?));
    }
    Ok(Way::Identity(OwnerIdentity::Key(secret), file.to_owned()))
}

/// The passphrase that was named, without one newline at its end.
pub(super) fn named_passphrase(key: &Key) -> Result<Secret> {
    let secret = match key {
        Key::PassphraseFile(file) => read_secret(file, "passphrase file")?,
        Key::Passphrase(secret) => secret.clone(),
        Key::Identity(_) => return Err(Failure::usage("an identity file is no passphrase")),
    };
    let bare = secret.expose().strip_suffix(b"\n").unwrap_or(secret.expose());
    let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
    if bare.is_empty() {
        return Err(Failure::usage("the passphrase is empty"));
    }
    Ok(Secret::new(bare))
}

/// The passphrase of an owner to come.
pub(crate) fn new_passphrase(file: &Path) -> Result<Secret> {
    named_passphrase(&Key::PassphraseFile(file.to_owned()))
}

/// Asks on the terminal, without echo.
pub(super) fn ask(question: &str) -> Result<Secret> {
    let answer = rpassword::prompt_password(question)
        .map_err(|error| Failure::new(Exit::Failed, "cannot ask for the passphrase").cause(&error))?;
    if answer.is_empty() {
        Err(Failure::new(Exit::NoAccess, "no passphrase was given"))
    } else {
        Ok(Secret::new(answer))
    }
}
