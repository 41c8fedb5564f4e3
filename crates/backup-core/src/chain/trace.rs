use std::fmt;

/// A letter of the grammar of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Letter {
    /// S: opening the hop.
    Setup,
    /// P: the bytes at this hop.
    Pass,
    /// R: all that runs in the hops inside this one.
    Nested,
    /// E: the action in place.
    Execute,
    /// C: closing the hop.
    Clean,
}

impl Letter {
    /// The letter itself.
    pub fn as_char(self) -> char {
        match self {
            Letter::Setup => 'S',
            Letter::Pass => 'P',
            Letter::Nested => 'R',
            Letter::Execute => 'E',
            Letter::Clean => 'C',
        }
    }
}

/// How a letter ended.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterOutcome {
    /// It has begun and not ended. No finished run holds one.
    Running,
    /// Well.
    Done,
    /// With an error, in one line.
    Failed(String),
    /// Somebody asked to stop.
    Cancelled,
    /// Its code panicked.
    Panicked,
}

/// One letter of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStep {
    /// How many hops lie outside this one.
    pub depth: usize,
    /// The hop, as it describes itself.
    pub hop: String,
    /// The letter.
    pub letter: Letter,
    /// How it ended.
    pub outcome: LetterOutcome,
}

/// The letters of a run in the order in which they began.
///
/// Displays as the grammar is written, `!` behind a letter that failed: `S R[ S! ] C`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(Vec<TraceStep>);

impl Trace {
    /// The letters.
    pub fn steps(&self) -> &[TraceStep] {
        &self.0
    }

    pub(crate) fn begin(&mut self, depth: usize, hop: String, letter: Letter) -> usize {
        self.0.push(TraceStep { depth, hop, letter, outcome: LetterOutcome::Running });
        self.0.len() - 1
    }

    pub(crate) fn end(&mut self, step: usize, outcome: LetterOutcome) {
        if let Some(step) = self.0.get_mut(step) {
            step.outcome = outcome;
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut depth = 0;
        for (i, step) in self.0.iter().enumerate() {
            for _ in step.depth..depth {
                f.write_str(" ]")?;
            }
            depth = step.depth;
            let space = if i == 0 { "" } else { " " };
            let failed = !matches!(step.outcome, LetterOutcome::Done | LetterOutcome::Running);
            write!(
                f,
                "{space}{}{}",
                step.letter.as_char(),
                if failed && step.letter != Letter::Nested { "!" } else { "" }
            )?;
            if step.letter == Letter::Nested {
                f.write_str("[")?;
                depth += 1;
            }
        }
        Ok(())
    }
}
