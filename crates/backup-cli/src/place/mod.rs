//! Where things are: repositories, identities, passphrases, caches.

mod archives;
mod cache;
mod create;
mod home;
mod identity;
mod key;
mod location;
mod open;

pub(crate) use archives::{Opened, create_archives, open_any};
pub(crate) use cache::path as cache_path;
pub(crate) use create::{Created, create};
pub(crate) use home::journal;
pub(crate) use identity::MadeIdentity;
pub(crate) use key::new_passphrase;
pub(crate) use location::{Location, not_built_in, url};
pub(crate) use open::{chosen, open, open_or_create};

use home::Home;
