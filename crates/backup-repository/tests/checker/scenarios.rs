//! Who meets whom, and where.

use crate::drain::Drains;
use crate::model::{Client, Scenario};
use crate::prune::{Habits, Merges, Pruner};
use crate::push::Push;
use crate::repair::Repairer;
use crate::store::{Chunks, IndexObject, RecordObjects, Rows, Sid, SnapshotObject, Store};
use backup_repository::protocol::{Condemned, PackId, Rules, RunId, Tombstone};

/// One who takes part. Pushes and old snapshots are counted from 1.
#[derive(Clone, Debug)]
pub enum Part {
    /// A push of a snapshot of these chunks.
    Push(u8, Chunks),
    /// A push that puts each chunk into a pack and a run of its own.
    PushInParts(u8, Chunks),
    /// A push by the writer of an earlier one, which it resumes, whether that is dead or not.
    Resume(u8, u8, Chunks),
    /// A repair of the index, by an owner.
    Repair,
    /// The writer of a fenced session that puts this pack once more: it never got the answer.
    Repeat(PackId<Sid>, Chunks),
    /// A prune of so many passes.
    Prune(u8),
    /// A prune that merges whatever runs it may, not only those that it must.
    MergingPrune(u8),
    /// A prune that merges the first run that it may, and leaves the others.
    ChoosyPrune(u8),
    /// An owner who fences open sessions, so many, lapsed or not.
    Owner(u8),
    /// An owner who forgets this snapshot, once it is there.
    Forget(Sid),
}

impl Part {
    /// The passes of a prune; none for others.
    pub fn passes(&self) -> u8 {
        match self {
            Part::Prune(passes) | Part::MergingPrune(passes) | Part::ChoosyPrune(passes) => *passes,
            _ => 0,
        }
    }
}

/// What may go wrong besides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An answer to a create of a push is lost, and it creates once more.
    PushLosesAnswers,
    /// The same of a prune.
    PruneLosesAnswers,
    /// A listing takes time: what is put or deleted meanwhile may or may not show.
    TornListings,
    /// A prune dies in the middle of a pass; its next pass is another process.
    PruneDies,
    /// Every open session looks lapsed.
    AllLapsed,
}

#[allow(dead_code, reason = "not every set of scenarios uses every knob")]
impl Scenario {
    pub fn new(name: &'static str, store: Store, parts: &[Part]) -> Self {
        Scenario {
            name,
            store,
            parts: parts.to_vec(),
            faults: Vec::new(),
            rules: Rules::default(),
            drains: Some(Drains::default()),
        }
    }

    #[must_use]
    pub fn with(mut self, faults: &[Fault]) -> Self {
        self.faults.extend(faults);
        self
    }

    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    #[must_use]
    pub fn not_drained(mut self) -> Self {
        self.drains = None;
        self
    }

    pub fn clients(&self) -> Vec<Client> {
        let is_alone = self.parts.iter().filter(|part| part.passes() > 0).count() == 1;
        let mut prunes = 0;
        let mut client = |part: &Part| match part {
            Part::Push(number, want) => Client::Push(Push::new(Sid::push(*number), &[], *want, false, self.rules)),
            Part::PushInParts(number, want) => {
                Client::Push(Push::new(Sid::push(*number), &[], *want, true, self.rules))
            }
            Part::Resume(number, of, want) => {
                let push = Push::new(Sid::push(*number), &[Sid::push(*of)], *want, false, self.rules);
                Client::Resume(push, Sid::push(*of))
            }
            Part::Prune(passes) | Part::MergingPrune(passes) | Part::ChoosyPrune(passes) => {
                let sessions: Vec<Sid> = (1..=*passes).map(|pass| Sid::prune(prunes > 0, pass)).collect();
                let habits = Habits {
                    rules: self.rules,
                    // Two that agree on the holder of a chunk would be too kind.
                    prefers_last: prunes > 0,
                    merges: match part {
                        Part::MergingPrune(_) => Merges::All,
                        Part::ChoosyPrune(_) => Merges::First,
                        _ => Merges::Needed,
                    },
                    is_a_year_later: false,
                    all_lapsed: self.faults.contains(&Fault::AllLapsed),
                    is_alone,
                };
                prunes += 1;
                Client::Prune(Pruner::new(&sessions, habits))
            }
            Part::Repair => Client::Repair(Repairer::new(self.rules)),
            Part::Repeat(pack, chunks) => Client::Repeater(*pack, *chunks),
            Part::Owner(fences) => Client::Owner(None, *fences),
            Part::Forget(snapshot) => Client::Forgetter(None, *snapshot, self.rules),
        };
        self.parts.iter().map(&mut client).collect()
    }
}

/// A session of long ago: one pack, one run, and perhaps a snapshot of all of it.
fn old(store: &mut Store, number: u8, chunks: Chunks, has_snapshot: bool) {
    let session = Sid::old(number);
    let pack = PackId { session, number: 0 };
    store.sessions.insert(session, true);
    store.packs.insert(pack, chunks);
    store.index.insert(RunId { session, number: 0 }, IndexObject::Run(Rows::from([(pack, chunks)])));
    if has_snapshot {
        store.snapshots.insert(session, SnapshotObject::Commit(chunks));
    }
}

/// Nothing at all.
pub fn empty() -> Store {
    Store::default()
}

/// A pack that nobody refers to.
pub fn garbage() -> Store {
    let mut store = Store::default();
    old(&mut store, 1, 0b1, false);
    store
}

/// A pack that nobody refers to, and another in use.
pub fn garbage_and_more() -> Store {
    let mut store = garbage();
    old(&mut store, 2, 0b10, true);
    store
}

/// A pack that stands in no run: its session was fenced.
pub fn orphan() -> Store {
    let mut store = fenced();
    store.packs.insert(PackId { session: Sid::old(1), number: 0 }, 0b1);
    store
}

/// The same, deleted, and the record about it not done with yet.
pub fn orphan_deleted() -> Store {
    let mut store = fenced();
    let (pass, names) =
        (Sid::old(2), Condemned { packs: vec![PackId { session: Sid::old(1), number: 0 }], runs: vec![] });
    store.sessions.insert(pass, true);
    let record = RecordObjects { names: Some(names), waits: Some(vec![pass]), gone: Some(vec![pass]) };
    store.condemned.insert(pass, record);
    store
}

fn fenced() -> Store {
    let (session, mut store) = (Sid::old(1), Store::default());
    store.sessions.insert(session, true);
    store.index.insert(RunId { session, number: 0 }, IndexObject::Tombstone);
    store.snapshots.insert(session, SnapshotObject::Tombstone(Tombstone { by: None }));
    store
}

/// One chunk, referred to, in two packs.
pub fn two_holders() -> Store {
    let mut store = Store::default();
    old(&mut store, 1, 0b1, true);
    old(&mut store, 2, 0b1, false);
    store
}

/// A pack of two chunks of which one is referred to.
pub fn half_used() -> Store {
    let mut store = Store::default();
    old(&mut store, 1, 0b11, false);
    store.snapshots.insert(Sid::old(1), SnapshotObject::Commit(0b1));
    store
}
