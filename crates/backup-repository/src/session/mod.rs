//! Driving the protocol's machines on a storage.

mod live;
mod objects;
mod records;

pub(crate) use live::{LiveSession, Names, outcome_of};
pub(crate) use objects::occupant;
