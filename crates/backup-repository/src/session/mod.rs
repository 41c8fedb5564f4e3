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
pub(crate) use forget::forget;
pub(crate) use live::{LiveSession, Names, new_id, outcome_of, renew};
pub(crate) use objects::{SessionInfo, create, create_record, is_valid, key_of, occupant};
pub(crate) use records::condemned;
pub(crate) use runs::{blocking, write_run};
