//! The protocol, explored: every order in which clients can take turns on one storage.

mod drain;
mod model;
mod mutants;
mod prune;
mod push;
mod scenarios;
mod store;
mod trace;
