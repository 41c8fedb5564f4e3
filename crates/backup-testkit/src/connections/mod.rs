//! What every connection must do, and connections that misbehave.
//!
//! The suite is a table of plain async functions ([`cases`]), so a test harness and a `doctor` command run the same
//! ones. Each opens the connection for itself, works in a folder of its own at the place, and removes it. The place
//! needs the standard tools of a POSIX system (`sh`, `cat`, `printf`, `ls`, `head`, `sleep`, `mkdir`, `rm`).
//!
//! ```
//! # async fn example(connection: std::sync::Arc<dyn backup_core::Connection>) {
//! use backup_testkit::connections::{Subject, Verdict, run_all};
//!
//! for (name, verdict) in run_all(&Subject::new(connection, "/tmp")).await {
//!     match verdict {
//!         Verdict::Passed => println!("{name} passed"),
//!         Verdict::NotApplicable(reason) => println!("{name} does not apply: {reason}"),
//!         Verdict::Failed(error) => println!("{name} failed: {error}"),
//!     }
//! }
//! # }
//! ```

mod case;
mod cases;
mod echo;
#[cfg(feature = "harness")]
pub mod harness;
mod lying;
mod place;
mod subject;

pub use crate::suite::{Verdict, run_all};
pub use case::Case;
pub use cases::cases;
pub use lying::{Lie, Lying};
pub use subject::Subject;
