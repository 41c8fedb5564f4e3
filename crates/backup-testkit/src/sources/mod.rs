//! What every source must do, a destination in memory, and sources that misbehave.
//!
//! The suite is a table of plain async functions ([`cases`]), so a test harness and a `doctor` command run the same
//! ones. [`Captured`] is the other side of a source: it takes a capture into memory and gives it to a restore.
//!
//! ```
//! # async fn example(
//! #     local: std::sync::Arc<dyn backup_core::Connection>,
//! #     source: std::sync::Arc<dyn backup_core::SourceDriver>,
//! # ) {
//! use backup_testkit::sources::{Subject, Verdict, run_all};
//!
//! for (name, verdict) in run_all(&Subject::new(local, source)).await {
//!     match verdict {
//!         Verdict::Passed => println!("{name} passed"),
//!         Verdict::NotApplicable(reason) => println!("{name} does not apply: {reason}"),
//!         Verdict::Failed(error) => println!("{name} failed: {error}"),
//!     }
//! }
//! # }
//! ```

mod captured;
mod case;
mod cases;
mod collector;
#[cfg(feature = "harness")]
pub mod harness;
mod lying;
mod pieces;
mod subject;

pub use crate::suite::{Verdict, run_all};
pub use captured::Captured;
pub use case::Case;
pub use cases::cases;
pub use collector::Collector;
pub use lying::{Lie, Lying};
pub use pieces::Pieces;
pub use subject::{Subject, Target};
