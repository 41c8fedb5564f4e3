//! Trees of files of this host.
//!
//! **Capture.** Entries carry the absolute path of what they stand for; the directories above a root are entries
//! too. A listing costs one `stat` for each regular file and nothing else: its extended attributes come with its
//! content, from [`backup_core::FileReader::finish`], so a file whose fingerprint is not known must be fetched even
//! when it is empty. All other entries are complete when they are listed.
//!
//! **Restore.** Works below one open directory, one component at a time, and follows no symbolic link.

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
