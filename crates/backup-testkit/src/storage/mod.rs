//! What every storage must do, and storages that misbehave.
//!
//! The suite is a table of plain async functions ([`cases`]), so a test harness and a `doctor` command run the same
//! ones. Each gets a storage and a prefix of its own, and cleans up behind itself.
//!
//! ```
//! # async fn example(storage: std::sync::Arc<dyn backup_core::StorageDriver>) {
//! use backup_testkit::storage::{Subject, Verdict, run_all};
//!
//! for (name, verdict) in run_all(&Subject::new(storage)).await {
//!     match verdict {
//!         Verdict::Passed => println!("{name} passed"),
//!         Verdict::NotApplicable(reason) => println!("{name} does not apply: {reason}"),
//!         Verdict::Failed(error) => println!("{name} failed: {error}"),
//!     }
//! }
//! # }
//! ```
//!
//! The doubles stand around another storage and can stand around each other:
//!
//! | double | what it does |
//! |---|---|
//! | [`Counting`] | counts calls and bytes, by method and key |
//! | [`Faulty`] | fails chosen calls, before or after their effect |
//! | [`Slow`] | makes calls and bytes take their time |
//! | [`Crashing`] | dies after some effects |
//! | [`Modest`] | promises less, or more, than it keeps |
//! | [`Lying`] | breaks one rule of the contract; the suite is tested with it |

mod case;
mod cases;
mod doubles;
#[cfg(feature = "harness")]
pub mod harness;
mod subject;

pub use crate::suite::{Verdict, run_all};
pub use case::Case;
pub use cases::cases;
pub use doubles::{Call, Counting, Crashing, FaultPlan, Faulty, Lie, Lying, Method, Modest, Moment, Pace, Slow, Tally};
pub use subject::Subject;
