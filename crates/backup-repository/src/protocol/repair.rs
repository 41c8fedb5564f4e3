use super::names::SessionName;
use super::object::ListedSession;
use super::rules::{Rule, Rules};
use super::stop::Stop;
use super::writer::{Writer, WriterTask};
use crate::format::ids::SessionId;

/// A session of an owner that publishes packs of anybody that stand in no run, and commits nothing: `repair index`.
///
/// start → list condemned → wait for the sessions that are open → list index → list packs → runs → end.
///
/// Nobody else makes packs of abandoned sessions count that stand in no run, so nobody else has to care for this: a pack
/// was deleted, its record was removed, its writer wakes and puts it once more, and a pass of prune that has
/// seen the record is still about to delete it. That pass started before the record was removed, so before this
/// session listed `condemned/` without it: once all sessions that were open then are over, what is there stays.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Repair<S = SessionId> {
    writer: Writer<S>,
    /// The sessions it waits for; none before they were listed for the first time.
    waits: Option<Vec<S>>,
}

/// What a repair wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RepairTask<S = SessionId> {
    /// Do it, and tell [`Repair::writer`].
    Write(WriterTask<S>),
    /// List `sessions/` and give it to [`Repair::sessions`]. Asked for again while one that was open is not over: wait a
    /// while between two listings, and fence what has lapsed.
    ListSessions,
}

impl<S: SessionName> Repair<S> {
    /// A repair.
    pub fn new(session: S) -> Self {
        Repair::with(session, Rules::default())
    }

    #[doc(hidden)]
    pub fn with(session: S, rules: Rules) -> Self {
        let waits = if rules.keeps(Rule::RepairWaits) { None } else { Some(Vec::new()) };
        Repair { writer: Writer::repair(session, rules), waits }
    }

    /// What to do now.
    ///
    /// # Errors
    /// [`Stop::Fenced`] once it was fenced.
    pub fn next(&self) -> Result<RepairTask<S>, Stop> {
        Ok(match self.writer.next()? {
            WriterTask::ListIndex if self.is_waiting() => RepairTask::ListSessions,
            task => RepairTask::Write(task),
        })
    }

    /// A listing of `sessions/`.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn sessions(&mut self, sessions: impl IntoIterator<Item = ListedSession<S>>) -> Result<(), Stop> {
        if self.next()? != RepairTask::ListSessions {
            return Err(Stop::Misuse("a repair did not ask for sessions"));
        }
        let open = sessions.into_iter().filter(|listed| !listed.has_ended).map(|listed| listed.session);
        let mut open: Vec<S> = open.filter(|session| *session != self.writer.session()).collect();
        if let Some(waits) = &self.waits {
            open.retain(|session| waits.contains(session));
        }
        open.sort_unstable();
        self.waits = Some(open);
        Ok(())
    }

    /// The sessions it waits for, ascending.
    pub fn waits_for(&self) -> &[S] {
        self.waits.as_deref().unwrap_or_default()
    }

    /// Ends the session where it is: what it has published stays, and the packs that it has not come to are nobody's, as
    /// before. Of two repairs at once, which wait for each other, one does so.
    ///
    /// # Errors
    /// [`Stop::Misuse`] before it has started and while a run is being written: nobody knows whether that arrives, and once
    /// the session is over its packs may go. A [`Fence`](super::Fence) of the session takes the run's name first.
    pub fn give_up(&mut self) -> Result<(), Stop> {
        self.writer.end()
    }

    /// Who does the rest.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while it waits for sessions.
    pub fn writer(&mut self) -> Result<&mut Writer<S>, Stop> {
        match self.next() {
            Ok(RepairTask::ListSessions) => Err(Stop::Misuse("a repair goes on before the others are over")),
            _ => Ok(&mut self.writer),
        }
    }

    fn is_waiting(&self) -> bool {
        self.waits.as_ref().is_none_or(|waits| !waits.is_empty())
    }
}
