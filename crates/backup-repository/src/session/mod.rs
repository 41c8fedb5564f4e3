//! Driving the protocol's machines on a storage.

mod adopt;
mod alive;
mod forget;
mod live;
mod objects;
mod records;

pub(crate) use adopt::Adopted;
pub(crate) use forget::{forget, forgotten};
pub(crate) use live::{LiveSession, Names, outcome_of};
pub(crate) use objects::occupant;
