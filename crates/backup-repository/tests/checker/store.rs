//! The storage of the model: a set of objects with create-only puts, deletes, and listings by prefix.

use backup_repository::protocol::{
    Condemned, ListedSession, ListedSnapshot, ListedTombstone, Object, Occupant, Outcome, PackId, Record, Removal,
    RunId, Tombstone,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A session. The tens say whose it is, so that traces read well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(u8);

impl Sid {
    pub const fn old(number: u8) -> Self {
        Sid(number - 1)
    }

    pub const fn push(number: u8) -> Self {
        Sid(10 + number - 1)
    }

    /// Pass `pass` of the first or the other prune.
    pub fn prune(is_other: bool, pass: u8) -> Self {
        Sid(if is_other { 30 } else { 20 } + pass - 1)
    }

    pub fn drain(pass: u8) -> Self {
        Sid(40 + pass - 1)
    }

    pub fn repair() -> Self {
        Sid(50)
    }

    pub fn is_push(self) -> bool {
        self.0 / 10 == 1
    }

    pub fn is_prune(self) -> bool {
        matches!(self.0 / 10, 2 | 3)
    }

    pub fn is_drain(self) -> bool {
        self.0 / 10 == 4
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = ["old", "push", "prune", "other", "drain", "repair"].get(usize::from(self.0 / 10)).unwrap_or(&"?");
        write!(f, "{owner}{}", self.0 % 10 + 1)
    }
}

/// A set of chunks, one bit each.
pub type Chunks = u8;

/// The rows of a run, by pack: which chunks it finds there.
pub type Rows = BTreeMap<PackId<Sid>, Chunks>;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum IndexObject {
    Run(Rows),
    Tombstone,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SnapshotObject {
    Commit(Chunks),
    Tombstone(Tombstone<Sid>),
}

/// The up to three objects of a record.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct RecordObjects {
    pub names: Option<Condemned<Sid>>,
    pub waits: Option<Vec<Sid>>,
    pub gone: Option<Vec<Sid>>,
}

#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Store {
    /// Whether the session has ended.
    pub sessions: BTreeMap<Sid, bool>,
    pub packs: BTreeMap<PackId<Sid>, Chunks>,
    pub index: BTreeMap<RunId<Sid>, IndexObject>,
    pub void: BTreeSet<Sid>,
    pub snapshots: BTreeMap<Sid, SnapshotObject>,
    pub forgotten: BTreeSet<Sid>,
    pub condemned: BTreeMap<Sid, RecordObjects>,
}

impl Store {
    /// Creates an object whose content the protocol knows.
    pub fn create(&mut self, object: &Object<Sid>) -> Outcome<Sid> {
        match object {
            Object::Start { session, .. } => {
                self.sessions.entry(*session).or_insert(false);
                Outcome::Created
            }
            Object::Renewal { .. } => Outcome::Created,
            Object::End(session) => {
                self.sessions.insert(*session, true);
                Outcome::Created
            }
            Object::RunTombstone(run) => self.create_index(*run, IndexObject::Tombstone),
            Object::Void(session) => {
                self.void.insert(*session);
                Outcome::Created
            }
            Object::SnapshotTombstone { session, tombstone } => {
                self.create_snapshot(*session, SnapshotObject::Tombstone(*tombstone))
            }
            Object::Condemned { record, names } => {
                let names = names.clone();
                create(&mut self.condemned.entry(*record).or_default().names, names)
            }
            Object::Waits { record, sessions } => {
                create(&mut self.condemned.entry(*record).or_default().waits, sessions.clone())
            }
            Object::Gone { record, sessions } => {
                create(&mut self.condemned.entry(*record).or_default().gone, sessions.clone())
            }
            Object::Forgotten(snapshot) => {
                self.forgotten.insert(*snapshot);
                Outcome::Created
            }
            Object::Run { .. } | Object::Commit(_) => panic!("this object needs a content"),
        }
    }

    pub fn create_pack(&mut self, pack: PackId<Sid>, chunks: Chunks) -> Outcome<Sid> {
        // Nobody else writes under this name, and its writer writes the same bytes again.
        self.packs.insert(pack, chunks);
        Outcome::Created
    }

    pub fn create_run(&mut self, run: RunId<Sid>, rows: Rows) -> Outcome<Sid> {
        self.create_index(run, IndexObject::Run(rows))
    }

    fn create_index(&mut self, run: RunId<Sid>, object: IndexObject) -> Outcome<Sid> {
        match self.index.entry(run).or_insert_with(|| object.clone()) {
            there if *there == object => Outcome::Created,
            IndexObject::Run(_) => Outcome::Taken(Occupant::Run),
            IndexObject::Tombstone => Outcome::Taken(Occupant::RunTombstone),
        }
    }

    pub fn create_snapshot(&mut self, session: Sid, object: SnapshotObject) -> Outcome<Sid> {
        match self.snapshots.entry(session).or_insert(object) {
            there if *there == object => Outcome::Created,
            SnapshotObject::Commit(_) => Outcome::Taken(Occupant::Commit),
            SnapshotObject::Tombstone(tombstone) => Outcome::Taken(Occupant::SnapshotTombstone(*tombstone)),
        }
    }

    /// Deletes an object; whether it was there.
    pub fn delete(&mut self, removal: Removal<Sid>) -> bool {
        match removal {
            Removal::Pack(pack) => self.packs.remove(&pack).is_some(),
            Removal::Index(run) => self.index.remove(&run).is_some(),
            Removal::Void(session) => self.void.remove(&session),
            Removal::Snapshot(session) => self.snapshots.remove(&session).is_some(),
            Removal::Session(session) => self.sessions.remove(&session).is_some(),
            Removal::Gone(record) => self.delete_part(record, |record| record.gone.take().is_some()),
            Removal::Waits(record) => self.delete_part(record, |record| record.waits.take().is_some()),
            Removal::Record(record) => self.delete_part(record, |record| record.names.take().is_some()),
        }
    }

    fn delete_part(&mut self, name: Sid, take: impl Fn(&mut RecordObjects) -> bool) -> bool {
        let Some(record) = self.condemned.get_mut(&name) else { return false };
        let was_there = take(record);
        if *record == RecordObjects::default() {
            self.condemned.remove(&name);
        }
        was_there
    }

    pub fn list_sessions(&self, has_lapsed: bool) -> Vec<ListedSession<Sid>> {
        let listed = |(session, has_ended): (&Sid, &bool)| ListedSession {
            session: *session,
            has_ended: *has_ended,
            has_lapsed: has_lapsed && !has_ended,
        };
        self.sessions.iter().map(listed).collect()
    }

    pub fn list_records(&self) -> Vec<Record<Sid>> {
        let read = |(name, record): (&Sid, &RecordObjects)| {
            let RecordObjects { names, waits, gone } = record.clone();
            Record { name: *name, names, waits, gone, is_graced: true }
        };
        self.condemned.iter().map(read).collect()
    }

    pub fn list_snapshots(&self, is_expired: bool) -> Vec<ListedSnapshot<Sid>> {
        let listed = |(session, object): (&Sid, &SnapshotObject)| ListedSnapshot {
            session: *session,
            tombstone: match object {
                SnapshotObject::Commit(_) => None,
                SnapshotObject::Tombstone(tombstone) => Some(*tombstone),
            },
            is_forgotten: self.forgotten.contains(session),
            is_expired,
        };
        self.snapshots.iter().map(listed).collect()
    }

    pub fn list_run_tombstones(&self, is_expired: bool) -> Vec<ListedTombstone<Sid>> {
        let tombstones = self.index.iter().filter(|(_, object)| **object == IndexObject::Tombstone);
        let tombstones = tombstones.map(|(run, _)| (run.session, Some(run.number)));
        let marks = tombstones.chain(self.void.iter().map(|session| (*session, None)));
        marks.map(|(session, number)| ListedTombstone { session, number, is_expired }).collect()
    }

    pub fn list_runs(&self) -> BTreeMap<RunId<Sid>, Rows> {
        let run = |(run, object): (&RunId<Sid>, &IndexObject)| match object {
            IndexObject::Run(rows) => Some((*run, rows.clone())),
            IndexObject::Tombstone => None,
        };
        self.index.iter().filter_map(run).collect()
    }

    pub fn index_names(&self, session: Sid) -> Vec<RunId<Sid>> {
        self.index.keys().filter(|run| run.session == session).copied().collect()
    }

    /// What the snapshots that count refer to.
    pub fn referenced(&self) -> Chunks {
        let counting = self.snapshots.iter().filter(|(session, _)| !self.forgotten.contains(session));
        counting.fold(0, |chunks, (_, object)| match object {
            SnapshotObject::Commit(more) => chunks | more,
            SnapshotObject::Tombstone(_) => chunks,
        })
    }

    /// What can be found through a run in a pack that is there.
    pub fn readable(&self) -> Chunks {
        let runs = self.index.iter().filter_map(|(run, object)| match object {
            IndexObject::Run(rows) if !self.void.contains(&run.session) => Some(rows),
            _ => None,
        });
        runs.flatten().filter(|(pack, _)| self.packs.contains_key(pack)).fold(0, |chunks, (_, more)| chunks | more)
    }

    /// What snapshots refer to and nobody finds.
    pub fn lost(&self) -> Chunks {
        self.referenced() & !self.readable()
    }

    /// The same by snapshot, where something is lost.
    pub fn lost_by_snapshot(&self) -> Vec<(Sid, Chunks)> {
        let lost = self.lost();
        let counting = self.snapshots.iter().filter(|(session, _)| !self.forgotten.contains(session));
        let by_snapshot = counting.map(|(session, object)| match object {
            SnapshotObject::Commit(chunks) => (*session, chunks & lost),
            SnapshotObject::Tombstone(_) => (*session, 0),
        });
        by_snapshot.filter(|(_, chunks)| *chunks != 0).collect()
    }

    pub fn is_fenced(&self, session: Sid) -> bool {
        matches!(self.snapshots.get(&session), Some(SnapshotObject::Tombstone(_)))
            || self.index.iter().any(|(run, object)| run.session == session && *object == IndexObject::Tombstone)
    }
}

fn create<T: PartialEq>(place: &mut Option<T>, content: T) -> Outcome<Sid> {
    match place {
        Some(there) if *there != content => Outcome::Taken(Occupant::Other),
        Some(_) => Outcome::Created,
        None => {
            *place = Some(content);
            Outcome::Created
        }
    }
}
