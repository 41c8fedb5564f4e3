//! Driving the protocol's machines on a storage.

mod adopt;
mod alive;
mod forget;
mod live;
mod objects;
mod records;
mod runs;

pub(crate) use adopt::Adopted;
pub(crate) use alive::{SessionFile, dead};
pub(crate) use forget::{forget, forgotten};
pub(crate) use live::{LiveSession, Names, new_id, outcome_of, renew};
#[cfg(test)]
pub(crate) use objects::create_record;
pub(crate) use objects::{SessionInfo, create, is_valid, key_of, occupant};
pub(crate) use records::condemned;
pub(crate) use runs::{blocking, write_run};
