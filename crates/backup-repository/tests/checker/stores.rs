//! What lies on the storage before anybody takes a step.

use crate::store::{Chunks, IndexObject, RecordObjects, Rows, Sid, SnapshotObject, Store};
use backup_repository::protocol::{Condemned, PackId, RunId, Tombstone};

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
    delete_orphan(&mut store);
    store
}

/// The same, of a session that another had adopted, which ended without a commit.
pub fn adopted_orphan_deleted() -> Store {
    let mut store = fenced();
    store.sessions.insert(Sid::old(3), true);
    store.snapshots.insert(Sid::old(1), SnapshotObject::Tombstone(Tombstone { by: Some(Sid::old(3)) }));
    delete_orphan(&mut store);
    store
}

fn delete_orphan(store: &mut Store) {
    let (pass, names) =
        (Sid::old(2), Condemned { packs: vec![PackId { session: Sid::old(1), number: 0 }], runs: vec![] });
    store.sessions.insert(pass, true);
    let record = RecordObjects { names: Some(names), waits: Some(vec![pass]), gone: Some(vec![pass]) };
    store.condemned.insert(pass, record);
}

fn fenced() -> Store {
    let (session, mut store) = (Sid::old(1), Store::default());
    store.sessions.insert(session, true);
    store.index.insert(RunId { session, number: 0 }, IndexObject::Tombstone);
    store.snapshots.insert(session, SnapshotObject::Tombstone(Tombstone { by: None }));
    store
}

/// A fenced session's pack that nobody refers to, in its run.
pub fn garbage_of_a_fenced() -> Store {
    let mut store = Store::default();
    old(&mut store, 1, 0b1, false);
    store.index.insert(RunId { session: Sid::old(1), number: 1 }, IndexObject::Tombstone);
    store.snapshots.insert(Sid::old(1), SnapshotObject::Tombstone(Tombstone { by: None }));
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
