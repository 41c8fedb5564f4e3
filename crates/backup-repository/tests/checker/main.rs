//! The protocol, explored: every order in which clients can take turns on one storage.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod client;
mod docs;
mod drain;
mod explore;
mod model;
mod mutants;
mod prune;
mod push;
mod repair;
mod scenarios;
mod store;
mod stores;
mod torn;
mod trace;
