//! The program as its users see it: the real binary, an empty home, real files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "these are tests"
)]

mod archives;
mod changes;
mod disks;
mod docs;
mod excludes;
mod exit_codes;
mod first_run;
mod interrupts;
mod json;
mod key;
mod keys;
mod killed;
mod looking;
mod names;
mod noted;
mod programs;
mod prunes;
mod pulls;
mod terminal;
mod trees;
mod unreadable;
mod world;
