mod builder;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod watch;

pub use builder::Pull;
pub use report::{PullReport, PulledComponent};
