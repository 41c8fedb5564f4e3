use crate::chain::Direction;
use crate::{Chain, Target};
use std::fmt;

/// What a command will do, resolved, before it does anything. Displays a line per step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The command and what it is about, in one line.
    pub title: String,
    /// The steps in order.
    pub steps: Vec<PlannedStep>,
    /// Where the bytes go, for a push.
    pub destinations: Vec<PlannedStep>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// What is done (`capture`, `execute`, `undo`, `restore`, `store`).
    pub verb: &'static str,
    /// To what.
    pub what: String,
    /// The connections on the way there, outermost first.
    pub chain: Vec<String>,
    /// The letters of its run.
    pub letters: String,
}

impl PlannedStep {
    pub(crate) fn new(verb: &'static str, what: String, chain: Option<&Chain>, direction: Direction) -> Self {
        let chain = chain.map(Chain::describe).unwrap_or_default();
        PlannedStep { verb, what, letters: direction.grammar(chain.len()), chain }
    }

    pub(crate) fn store(target: &Target) -> Self {
        PlannedStep::new("store", target.label().to_owned(), target.chain(), Direction::Inward)
    }
}

impl fmt::Display for PlannedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.what)?;
        if !self.chain.is_empty() {
            write!(f, " at {}", self.chain.join(" → "))?;
        }
        if self.letters.is_empty() { Ok(()) } else { write!(f, " · {}", self.letters) }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        for (number, step) in (1..).zip(&self.steps) {
            write!(f, "\n{number:>3}. {step}")?;
        }
        self.destinations.iter().try_for_each(|destination| write!(f, "\n  => {destination}"))
    }
}
