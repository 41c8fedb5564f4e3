//! Trees of files of this host.
//!
//! `walk` lists directories on several threads and emits entries in canonical order; `reader` opens and reads what is
//! wanted, on the engine's threads. `restore` writes below one directory. Both work with handles of directories
//! (`sys::dir`), one component at a time and never through a symbolic link that the user has not named, so paths may
//! be of any length and nobody can divert them.

mod caches;
mod capture;
mod config;
mod exclude;
mod groups;
mod holes;
mod reader;
mod report;
mod restore;
mod roots;
mod scratch;
mod sys;
mod target;
mod walk;

pub use config::Files;
pub use target::{FilesTarget, Overwrite, Ownership};
