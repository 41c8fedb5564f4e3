//! Driving the protocol's machines on a storage.

mod forget;
mod live;
mod objects;
mod records;

pub(crate) use forget::{forget, forgotten};
pub(crate) use live::{LiveSession, Names, outcome_of};
pub(crate) use objects::{is_valid, occupant};
#[cfg(test)]
pub(crate) use {
    live::new_id,
    objects::{create_record, key_of},
};
