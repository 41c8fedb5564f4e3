//! What happened, for people.

use crate::model::{Act, Scenario, World};
use crate::push::{name, names};
use crate::store::{IndexObject, Sid, SnapshotObject, Store};
use backup_repository::protocol::{Object, Removal};
use stateright::Path;
use std::fmt::Write as _;

pub fn object(object: &Object<Sid>) -> String {
    match object {
        Object::Start { session, .. } => format!("create sessions/{session:?}/0"),
        Object::Renewal { session, number } => format!("create sessions/{session:?}/{number}"),
        Object::End(session) => format!("create sessions/{session:?}/end"),
        Object::Run { run, packs } => {
            format!("publish run {:?}-{} of {}", run.session, run.number, names(packs.iter()))
        }
        Object::RunTombstone(run) => format!("create tombstone index/{:?}-{}", run.session, run.number),
        Object::Void(session) => format!("create index/{session:?}.void"),
        Object::Commit(session) => format!("commit snapshots/{session:?}"),
        Object::SnapshotTombstone { session, tombstone } => match tombstone.by {
            Some(by) => format!("create tombstone snapshots/{session:?} by {by:?}"),
            None => format!("create tombstone snapshots/{session:?}"),
        },
        Object::Condemned { record, names: condemned } => {
            let runs = condemned.runs.iter().map(|run| format!("run {:?}-{}", run.session, run.number));
            let packs = condemned.packs.iter().map(|pack| format!("pack {}", name(pack)));
            format!("create condemned/{record:?} naming {}", packs.chain(runs).collect::<Vec<_>>().join(", "))
        }
        Object::Waits { record, sessions } => format!("create condemned/{record:?}.waits for {sessions:?}"),
        Object::Gone { record, sessions } => format!("create condemned/{record:?}.gone with {sessions:?}"),
        Object::Forgotten(snapshot) => format!("note that snapshot {snapshot:?} is forgotten"),
    }
}

pub fn removal(removal: Removal<Sid>) -> String {
    match removal {
        Removal::Pack(pack) => format!("delete pack {}", name(&pack)),
        Removal::Index(run) => format!("delete index/{:?}-{}", run.session, run.number),
        Removal::Void(session) => format!("delete index/{session:?}.void"),
        Removal::Snapshot(session) => format!("delete snapshots/{session:?}"),
        Removal::Gone(record) => format!("delete condemned/{record:?}.gone"),
        Removal::Waits(record) => format!("delete condemned/{record:?}.waits"),
        Removal::Record(record) => format!("delete condemned/{record:?}"),
        Removal::Session(session) => format!("delete sessions/{session:?}"),
    }
}

pub fn store(store: &Store) -> String {
    let mut text = String::new();
    let sessions = store.sessions.iter().map(|(s, ended)| format!("{s:?}{}", if *ended { " (over)" } else { "" }));
    let packs = store.packs.iter().map(|(pack, chunks)| format!("{} {chunks:#b}", name(pack)));
    let index = store.index.iter().map(|(run, object)| match object {
        IndexObject::Run(rows) => format!("{:?}-{} → {}", run.session, run.number, names(rows.keys())),
        IndexObject::Tombstone => format!("{:?}-{} †", run.session, run.number),
    });
    let void = store.void.iter().map(|s| format!("{s:?}.void"));
    let snapshots = store.snapshots.iter().map(|(s, object)| match object {
        SnapshotObject::Commit(_) if store.forgotten.contains(s) => format!("{s:?} forgotten"),
        SnapshotObject::Commit(chunks) => format!("{s:?} {chunks:#b}"),
        SnapshotObject::Tombstone(_) => format!("{s:?} †"),
    });
    let condemned = store.condemned.iter().map(|(s, record)| {
        let named = record.names.iter().flat_map(|names| {
            let packs = names.packs.iter().map(|pack| format!("pack {}", name(pack)));
            packs.chain(names.runs.iter().map(|run| format!("run {:?}-{}", run.session, run.number)))
        });
        let named = named.collect::<Vec<_>>().join(", ");
        format!("{s:?} ({named}; waits {:?}, gone {:?})", record.waits, record.gone)
    });
    let mut line = |what: &str, items: Vec<String>| {
        let _ =
            writeln!(text, "       {what}: {}", if items.is_empty() { "none".to_owned() } else { items.join(" · ") });
    };
    line("sessions", sessions.collect());
    line("packs", packs.collect());
    line("index", index.chain(void).collect());
    line("snapshots", snapshots.collect());
    line("condemned", condemned.collect());
    text
}

/// The steps of a path, one a line, and the storage at its end.
pub fn path(scenario: &Scenario, path: Path<World, Act>) -> String {
    let mut text = String::new();
    let mut steps = path.into_vec();
    let (last, _) = steps.pop().expect("a path without a state");
    for (number, (world, act)) in steps.iter().enumerate() {
        let act = act.expect("a step without an action");
        let _ = writeln!(text, "  {:>3}  {}", number + 1, scenario.describe(world, act));
    }
    if let Some(wrong) = last.wrong {
        let _ = writeln!(text, "       wrong: {wrong}");
    }
    let _ = write!(text, "{}", store(&last.store));
    if last.store.lost() != 0 {
        let _ = writeln!(text, "       lost: chunks {:#b}", last.store.lost());
    }
    text
}
