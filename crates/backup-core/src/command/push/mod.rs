mod builder;
mod capture;
mod lane;
mod report;
mod run;
mod source;
mod step;
mod tee;
#[cfg(test)]
mod tests;

pub use builder::Push;
pub use report::{ComponentReport, DestinationReport, PushReport};
pub use source::Source;
