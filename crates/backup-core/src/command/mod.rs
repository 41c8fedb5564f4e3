//! The commands: push, pull and execute as builders with named slots, and the pipelines behind them.

mod execute;
mod execution;
mod failure;
mod plan;
mod pull;
mod push;
mod slot;
mod supervise;
mod target;
mod undo;

pub use execute::{Execute, ExecuteReport};
pub use execution::ExecutionReport;
pub use failure::{Failed, Failure};
pub use plan::{Plan, PlannedStep};
pub use pull::{Pull, PullReport, PulledComponent};
pub use push::{ComponentReport, DestinationReport, Push, PushReport, Source};
pub use slot::{Missing, Set};
pub use target::{OpenDestination, Target};
pub use undo::{UndoReport, undo_pending};
