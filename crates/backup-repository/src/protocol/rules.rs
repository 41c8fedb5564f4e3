/// A rule of the protocol that can be left out, to see that the model checker notices.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// The sessions of `.waits` are over before the mark of a delete pass begins.
    OverBeforeMark,
    /// A delete pass marks again, and copies what it finds referenced.
    SecondMark,
    /// A condemned object never comes back to life: what is referenced is copied, not kept.
    RescueByCopy,
    /// A session is over when it was ended or fenced, not when its lease has lapsed.
    FenceLapsed,
    /// A fence takes the session's next index run, not only its snapshot.
    FenceIndex,
    /// A writer lists condemned before it lists index.
    CondemnedBeforeIndex,
    /// A record stays until the sessions of `.gone` are over.
    GoneSessionsOver,
    /// A record stays while a run has rows of its packs.
    NoRowsLeft,
    /// Prune holds a session.
    PruneSession,
    /// The sessions of `.waits` and `.gone` are listed after the record was created.
    RecordBeforeSessions,
    /// The runs of a fenced session are void before the first of them is deleted.
    VoidRuns,
    /// A session of which a run counts is not made void.
    VoidWhole,
    /// A repair waits for the sessions that were open when it listed condemned.
    RepairWaits,
    /// A snapshot is noted as forgotten before it is deleted.
    NoteForgotten,
}

/// The rules a machine keeps. All of them, outside the model checker.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rules {
    broken: u16,
}

impl Rules {
    /// All rules but one.
    #[must_use]
    pub fn without(mut self, rule: Rule) -> Self {
        self.broken |= 1 << rule as u16;
        self
    }

    pub(super) fn keeps(self, rule: Rule) -> bool {
        self.broken & (1 << rule as u16) == 0
    }
}
