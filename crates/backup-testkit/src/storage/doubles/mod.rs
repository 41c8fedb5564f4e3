mod call;
mod counting;
mod crashing;
mod faulty;
mod lying;
mod modest;
mod slow;

pub use call::{Call, Method};
pub use counting::{Counting, Tally};
pub use crashing::Crashing;
pub use faulty::{FaultPlan, Faulty, Moment};
pub use lying::{Lie, Lying};
pub use modest::Modest;
pub use slow::{Pace, Slow};
