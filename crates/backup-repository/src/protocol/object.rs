use super::names::{PackId, RunId};
use crate::format::ids::SessionId;
use serde::{Deserialize, Serialize};

/// An object that a machine wants created, create-only. The engine encodes, seals and signs it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Object<S = SessionId> {
    /// `sessions/<s>/0`.
    Start {
        /// The session that begins.
        session: S,
        /// The sessions of the same writer that it means to take over, newest first.
        adopts: Vec<S>,
    },
    /// `sessions/<s>/<k>`, k ≥ 1: the session is alive.
    Renewal {
        /// The session.
        session: S,
        /// Counted from 1.
        number: u32,
    },
    /// `sessions/<s>/end`: the session is over. Written by itself, or by whoever fenced it.
    End(S),
    /// `index/<s>-<k>` with all rows of these packs, which are stored.
    Run {
        /// The name of the run.
        run: RunId<S>,
        /// The packs that it lists, in ascending order.
        packs: Vec<PackId<S>>,
    },
    /// `index/<s>-<k>` that is no run: the session publishes nothing any more.
    RunTombstone(RunId<S>),
    /// `index/<s>.void`: no run of this fenced session counts any more, should its writer create one once more.
    Void(S),
    /// `snapshots/<s>`: the snapshot of a session.
    Commit(S),
    /// `snapshots/<s>` that is no snapshot: the session commits nothing any more.
    SnapshotTombstone {
        /// The session that is fenced.
        session: S,
        /// Who fenced it.
        tombstone: Tombstone<S>,
    },
    /// `condemned/<s>`: what the pass of session s wants deleted.
    Condemned {
        /// The pass, whose id is the record's name.
        record: S,
        /// What is condemned.
        names: Condemned<S>,
    },
    /// `condemned/<s>.waits`: the sessions that must be over before anything named in the record is deleted.
    Waits {
        /// The record.
        record: S,
        /// Ascending.
        sessions: Vec<S>,
    },
    /// `condemned/<s>.gone`: all that the record names is deleted. It stays until these sessions are over.
    Gone {
        /// The record.
        record: S,
        /// Ascending.
        sessions: Vec<S>,
    },
    /// The note that a snapshot is forgotten: from now on it does not count, whatever stands under `snapshots/<s>`.
    Forgotten(S),
}

/// The content of a `snapshots/<s>` that is no snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Tombstone<S = SessionId> {
    /// The session that adopted the fenced one and owns its packs; none when an owner fenced it.
    pub by: Option<S>,
}

/// The content of `condemned/<s>`: what never counts again.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "PackId<S>: Serialize, RunId<S>: Serialize",
    deserialize = "PackId<S>: Deserialize<'de>, RunId<S>: Deserialize<'de>"
))]
pub struct Condemned<S = SessionId> {
    /// Ascending.
    pub packs: Vec<PackId<S>>,
    /// Ascending.
    pub runs: Vec<RunId<S>>,
}

impl<S> Default for Condemned<S> {
    fn default() -> Self {
        Condemned { packs: Vec::new(), runs: Vec::new() }
    }
}

impl<S> Condemned<S> {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.runs.is_empty()
    }
}

/// A record as a listing of `condemned/` showed it, its three objects read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Record<S = SessionId> {
    /// Its name: the session of the pass that made it.
    pub name: S,
    /// What `condemned/<s>` names; none if only other parts are left of the record.
    pub names: Option<Condemned<S>>,
    /// `<s>.waits`, if it is there.
    pub waits: Option<Vec<S>>,
    /// `<s>.gone`, if it is there.
    pub gone: Option<Vec<S>>,
    /// Whether the grace since `condemned/<s>` has passed, by the storage's time.
    pub is_graced: bool,
}

/// A session as a listing of `sessions/` showed it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListedSession<S = SessionId> {
    /// The session.
    pub session: S,
    /// Whether its `end` was there.
    pub has_ended: bool,
    /// Whether its lease has lapsed, by the storage's time. It decides who may be fenced, never who is over.
    pub has_lapsed: bool,
}

/// An object, or a group of them, that a machine wants deleted. To delete what is not there succeeds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Removal<S = SessionId> {
    /// `packs/xx/<s>-<n>`.
    Pack(PackId<S>),
    /// `index/<s>-<k>`, run or tombstone.
    Index(RunId<S>),
    /// `index/<s>.void`.
    Void(S),
    /// `snapshots/<s>`, snapshot or tombstone.
    Snapshot(S),
    /// `condemned/<s>.gone`.
    Gone(S),
    /// `condemned/<s>.waits`.
    Waits(S),
    /// `condemned/<s>`.
    Record(S),
    /// Everything under `sessions/<s>/`, `end` last.
    Session(S),
}

/// What came of creating an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome<S = SessionId> {
    /// It stands there now: created, or found with the very same bytes (an answer was lost).
    Created,
    /// Another object has the name.
    Taken(Occupant<S>),
}

/// Which other object has the name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Occupant<S = SessionId> {
    /// A snapshot.
    Commit,
    /// A tombstone under `snapshots/`.
    SnapshotTombstone(Tombstone<S>),
    /// An index run.
    Run,
    /// A tombstone under `index/`.
    RunTombstone,
    /// Anything else.
    Other,
}
