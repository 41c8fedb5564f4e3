//! Driving the protocol's machines on a storage.

mod adopt;
mod alive;
mod clock;
mod failure;
mod fences;
mod forget;
mod id;
mod listed;
mod live;
mod objects;
mod records;
mod renew;
mod runs;
mod upkeep;

pub(crate) use adopt::Adopted;
pub(crate) use clock::Awake;
pub(crate) use failure::Failure;
pub(crate) use fences::{end_dead, end_lapsed, fence};
pub(crate) use forget::forget;
pub(crate) use id::ahead;
#[cfg(test)]
pub(crate) use id::new_id;
pub(crate) use listed::{session_of, sessions};
pub(crate) use live::{LiveSession, Names, outcome_of, voided};
#[cfg(feature = "fuzzing")]
pub(crate) use objects::{SessionInfo, Sessions};
pub(crate) use objects::{create, create_record, discard, is_valid, key_of, occupant, read_signed, session_of_void};
pub(crate) use records::condemned;
#[cfg(test)]
pub(crate) use records::record_of;
pub(crate) use runs::{blocking, write_run};
pub(crate) use upkeep::Upkeep;
