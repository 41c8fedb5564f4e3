//! What happened, for people.

use crate::model::{Act, Scenario, World};
use crate::store::{Chunks, IndexObject, Sid, SnapshotObject, Store};
use backup_repository::protocol::{Condemned, Object, PackId, Removal, RunId};
use stateright::Path;
use std::fmt::Write as _;

/// The width of a printed trace.
const WIDTH: usize = 110;

pub fn pack(pack: &PackId<Sid>) -> String {
    format!("{:?}-{}", pack.session, pack.number)
}

pub fn packs<'a>(all: impl Iterator<Item = &'a PackId<Sid>>) -> String {
    all.map(pack).collect::<Vec<_>>().join(", ")
}

pub fn run(run: &RunId<Sid>) -> String {
    format!("{:?}-{}", run.session, run.number)
}

/// Chunks by letters.
pub fn chunks(chunks: Chunks) -> String {
    (0..Chunks::BITS).filter(|bit| chunks >> bit & 1 == 1).map(|bit| char::from(b'a' + bit as u8)).collect()
}

fn sessions(sessions: &[Sid]) -> String {
    if sessions.is_empty() {
        "nobody".to_owned()
    } else {
        sessions.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ")
    }
}

fn condemned(names: &Condemned<Sid>) -> String {
    let packs = names.packs.iter().map(|name| format!("pack {}", pack(name)));
    packs.chain(names.runs.iter().map(|name| format!("run {}", run(name)))).collect::<Vec<_>>().join(", ")
}

pub fn object(object: &Object<Sid>) -> String {
    match object {
        Object::Start { .. } => "start".to_owned(),
        Object::Renewal { .. } => "renew".to_owned(),
        Object::End(session) => format!("sessions/{session:?}/end"),
        Object::Run { run: name, .. } => format!("publish run {}", run(name)),
        Object::RunTombstone(name) => format!("tombstone index/{}", run(name)),
        Object::Void(session) => format!("create index/{session:?}.void"),
        Object::Commit(session) => format!("commit snapshots/{session:?}"),
        Object::SnapshotTombstone { session, tombstone } => match tombstone.by {
            Some(by) => format!("tombstone snapshots/{session:?} by {by:?}"),
            None => format!("tombstone snapshots/{session:?}"),
        },
        Object::Condemned { record, names } => format!("create condemned/{record:?}: {}", condemned(names)),
        Object::Waits { record, sessions: open } => format!("{record:?}.waits: {}", sessions(open)),
        Object::Gone { record, sessions: open } => format!("{record:?}.gone: {}", sessions(open)),
        Object::Forgotten(snapshot) => format!("note that {snapshot:?} is forgotten"),
    }
}

pub fn removal(removal: Removal<Sid>) -> String {
    match removal {
        Removal::Pack(name) => format!("delete pack {}", pack(&name)),
        Removal::Index(name) => format!("delete index/{}", run(&name)),
        Removal::Void(session) => format!("delete index/{session:?}.void"),
        Removal::Snapshot(session) => format!("delete snapshots/{session:?}"),
        Removal::Gone(record) => format!("delete {record:?}.gone"),
        Removal::Waits(record) => format!("delete {record:?}.waits"),
        Removal::Record(record) => format!("delete condemned/{record:?}"),
        Removal::Session(session) => format!("delete sessions/{session:?}"),
    }
}

/// All objects, a kind a line.
pub fn store(store: &Store) -> String {
    let mut text = String::new();
    let open = store.sessions.iter().map(|(s, ended)| format!("{s:?}{}", if *ended { " (over)" } else { "" }));
    let all_packs = store.packs.iter().map(|(name, content)| format!("{} ({})", pack(name), chunks(*content)));
    let index = store.index.iter().map(|(name, object)| match object {
        IndexObject::Run(rows) => format!("{} ({})", run(name), packs(rows.keys())),
        IndexObject::Tombstone => format!("{} (tombstone)", run(name)),
    });
    let void = store.void.iter().map(|session| format!("{session:?}.void"));
    let snapshots = store.snapshots.iter().map(|(session, object)| match object {
        SnapshotObject::Commit(_) if store.forgotten.contains(session) => format!("{session:?} (forgotten)"),
        SnapshotObject::Commit(content) => format!("{session:?} ({})", chunks(*content)),
        SnapshotObject::Tombstone(_) => format!("{session:?} (tombstone)"),
    });
    let records = store.condemned.iter().map(|(name, record)| {
        let names = record.names.as_ref().map(condemned).unwrap_or_default();
        format!("{name:?} ({names}; waits {:?}; gone {:?})", record.waits, record.gone)
    });
    let mut line = |what: &str, items: Vec<String>| {
        let items = if items.is_empty() { "none".to_owned() } else { items.join(" · ") };
        let _ = writeln!(text, "{what:<10} {items}");
    };
    line("sessions", open.collect());
    line("packs", all_packs.collect());
    line("index", index.chain(void).collect());
    line("snapshots", snapshots.collect());
    line("condemned", records.collect());
    text
}

/// The steps of a path: a line for what one client does before another has its turn.
pub fn steps(scenario: &Scenario, path: &Path<World, Act>) -> String {
    let mut text = String::new();
    let (mut last, mut width) = (String::new(), 0);
    for (world, act) in path.clone().into_vec() {
        let Some(act) = act else { continue };
        let (who, what) = scenario.describe(&world, act);
        let is_same = who == last;
        if is_same && width + what.chars().count() + 3 <= WIDTH {
            let _ = write!(text, " · {what}");
            width += what.chars().count() + 3;
        } else {
            let begin = if is_same { String::new() } else { who.clone() };
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = write!(text, "{gap}{begin:<7} {what}");
            width = 8 + what.chars().count();
        }
        last = who;
    }
    text.push('\n');
    text
}

/// What is wrong at the end of a path.
pub fn end(path: &Path<World, Act>) -> String {
    let world = path.last_state();
    let lost = world.store.lost();
    let mut text = String::new();
    if let Some(wrong) = world.wrong {
        let _ = writeln!(text, "→ {wrong}");
    }
    for (session, object) in &world.store.snapshots {
        if let SnapshotObject::Commit(content) = object
            && content & lost != 0
            && !world.store.forgotten.contains(session)
        {
            let _ = writeln!(text, "→ lost: chunk {} of snapshot {session:?}", chunks(content & lost));
        }
    }
    text
}
