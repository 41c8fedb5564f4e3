//! Where things are: repositories, identities, passphrases, caches.

mod cache;
mod create;
mod home;
mod identity;
mod key;
mod location;
mod open;

pub(crate) use create::{Created, create};
pub(crate) use home::Home;
pub(crate) use identity::MadeIdentity;
pub(crate) use location::{Location, refuse_password};
pub(crate) use open::{open, open_one, options};
