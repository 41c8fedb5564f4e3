//! What happened, for people. A line is what one client does before another has its turn.

use crate::model::{Act, Scenario, World};
use crate::store::{Chunks, IndexObject, Sid, SnapshotObject, Store};
use backup_repository::protocol::{Condemned, Object, PackId, Removal, RunId};
use stateright::{Model as _, Path};
use std::fmt::{Debug, Write as _};

/// The width of a line.
const WIDTH: usize = 118;
/// The width of the column that says who.
const WHO: usize = 9;

fn list(names: impl Iterator<Item = impl Into<String>>) -> String {
    let names: Vec<String> = names.map(Into::into).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn debug<'a>(names: &'a [impl Debug + 'a]) -> impl Iterator<Item = String> + 'a {
    names.iter().map(|name| format!("{name:?}"))
}

/// Chunks by letters.
fn chunks(chunks: Chunks) -> String {
    let letters = (0_u8..8).filter(|bit| chunks & (1 << bit) != 0);
    list(letters.map(|bit| char::from(b'a' + bit)))
}

fn pack_name(pack: &PackId<Sid>) -> String {
    format!("{:?}-{}", pack.session, pack.number)
}

fn run_name(run: RunId<Sid>) -> String {
    format!("index/{:?}-{}", run.session, run.number)
}

fn condemned(names: &Condemned<Sid>) -> String {
    let packs = names.packs.iter().map(|pack| format!("pack {}", pack_name(pack)));
    list(packs.chain(names.runs.iter().map(|run| run_name(*run))))
}

pub fn pack(pack: &PackId<Sid>, content: Chunks) -> String {
    format!("put pack {} ({})", pack_name(pack), chunks(content))
}

pub fn copy<'a>(pack: &PackId<Sid>, from: impl Iterator<Item = &'a PackId<Sid>>) -> String {
    format!("copy from {} to pack {}", list(from.map(pack_name)), pack_name(pack))
}

pub fn run<'a>(run: RunId<Sid>, packs: impl Iterator<Item = &'a PackId<Sid>>) -> String {
    format!("publish {}: {}", run_name(run), list(packs.map(pack_name)))
}

pub fn list_runs(session: Sid) -> String {
    format!("list index/{session:?}-")
}

/// The creation of an object by this session, or by somebody without one.
pub fn object(by: Option<Sid>, object: &Object<Sid>) -> String {
    match object {
        Object::Start { session, .. } if by == Some(*session) => "start".to_owned(),
        Object::Start { session, .. } => format!("sessions/{session:?}/0"),
        Object::Renewal { session, number } => format!("sessions/{session:?}/{number}"),
        Object::End(session) if by == Some(*session) => "end".to_owned(),
        Object::End(session) => format!("sessions/{session:?}/end"),
        Object::Run { run: name, packs } => run(*name, packs.iter()),
        Object::RunTombstone(run) => format!("tombstone {}", run_name(*run)),
        Object::Void(session) => format!("create index/{session:?}.void"),
        Object::Commit(session) => format!("commit snapshots/{session:?}"),
        Object::SnapshotTombstone { session, .. } => format!("tombstone snapshots/{session:?}"),
        Object::Condemned { record, names } => format!("create condemned/{record:?}: {}", condemned(names)),
        Object::Waits { record, sessions } => format!("{record:?}.waits: {}", list(debug(sessions))),
        Object::Gone { record, sessions } => format!("{record:?}.gone: {}", list(debug(sessions))),
        Object::Forgotten(snapshot) => format!("note that {snapshot:?} is forgotten"),
    }
}

pub fn removal(removal: Removal<Sid>) -> String {
    match removal {
        Removal::Pack(pack) => format!("delete pack {}", pack_name(&pack)),
        Removal::Index(run) => format!("delete {}", run_name(run)),
        Removal::Void(session) => format!("delete index/{session:?}.void"),
        Removal::Snapshot(session) => format!("delete snapshots/{session:?}"),
        Removal::Gone(record) => format!("delete {record:?}.gone"),
        Removal::Waits(record) => format!("delete {record:?}.waits"),
        Removal::Record(record) => format!("delete condemned/{record:?}"),
        Removal::Session(session) => format!("delete sessions/{session:?}"),
    }
}

/// Everything on a storage.
fn store(store: &Store) -> String {
    let mut text = String::new();
    let sessions = store.sessions.iter().map(|(s, ended)| format!("{s:?}{}", if *ended { " (over)" } else { "" }));
    let packs = store.packs.iter().map(|(pack, content)| format!("{} ({})", pack_name(pack), chunks(*content)));
    let index = store.index.iter().map(|(run, object)| match object {
        IndexObject::Run(rows) => format!("{:?}-{}: {}", run.session, run.number, list(rows.keys().map(pack_name))),
        IndexObject::Tombstone => format!("{:?}-{} †", run.session, run.number),
    });
    let void = store.void.iter().map(|s| format!("{s:?}.void"));
    let snapshots = store.snapshots.iter().map(|(s, object)| match object {
        SnapshotObject::Commit(_) if store.forgotten.contains(s) => format!("{s:?} (forgotten)"),
        SnapshotObject::Commit(content) => format!("{s:?} ({})", chunks(*content)),
        SnapshotObject::Tombstone(_) => format!("{s:?} †"),
    });
    let records = store.condemned.iter().map(|(s, record)| {
        let named = record.names.as_ref().map_or("no names".to_owned(), condemned);
        let sessions = |part: &Option<Vec<Sid>>| part.as_ref().map_or("-".to_owned(), |part| list(debug(part)));
        format!("{s:?} ({named}; waits {}; gone {})", sessions(&record.waits), sessions(&record.gone))
    });
    let mut line = |what: &str, items: Vec<String>| {
        let _ = writeln!(text, "  {what}: {}", if items.is_empty() { "none".to_owned() } else { items.join(" · ") });
    };
    line("sessions", sessions.collect());
    line("packs", packs.collect());
    line("index", index.chain(void).collect());
    line("snapshots", snapshots.collect());
    line("condemned", records.collect());
    text
}

/// The steps of a path, and what went wrong at its end.
pub fn path(scenario: &Scenario, path: Path<World, Act>) -> String {
    let turns = fewer_turns(scenario, path.into_actions());
    let mut text = String::new();
    let mut world = scenario.init_states().remove(0);
    for turn in turns {
        let (mut line, mut whose) = (String::new(), String::new());
        for act in turn {
            let (who, what) = scenario.describe(&world, act);
            if who != whose {
                // A turn may go over several passes.
                let _ = write!(text, "{line}{}", if line.is_empty() { "" } else { "\n" });
                line = format!("{who:WHO$}{what}");
                whose = who;
            } else if line.chars().count() + what.chars().count() + 3 > WIDTH {
                let _ = writeln!(text, "{line}");
                line = format!("{:WHO$}{what}", "");
            } else {
                let _ = write!(line, " · {what}");
            }
            world = scenario.next_state(&world, act).expect("a step that changes nothing");
        }
        let _ = writeln!(text, "{line}");
    }
    if let Some(wrong) = world.wrong {
        let _ = writeln!(text, "→ wrong: {wrong}");
    }
    for (session, lost) in world.store.lost_by_snapshot() {
        let what = if lost.count_ones() == 1 { "chunk" } else { "chunks" };
        let _ = writeln!(text, "→ lost: {what} {} of snapshot {session:?}", chunks(lost));
    }
    text
}

/// The same steps in an order that ends in the same state, with as few turns as joining two of one client can bring.
fn fewer_turns(scenario: &Scenario, acts: Vec<Act>) -> Vec<Vec<Act>> {
    let end = replay(scenario, &acts);
    let mut turns: Vec<Vec<Act>> = acts.chunk_by(|a, b| a.client() == b.client()).map(<[Act]>::to_vec).collect();
    let mut later = 1;
    while later < turns.len() {
        let client = turns[later][0].client();
        let earlier = turns[..later].iter().rposition(|turn| turn[0].client() == client);
        let joined = earlier.into_iter().flat_map(|earlier| {
            [(later, earlier), (earlier, later)].map(|(from, to)| {
                let (mut joined, moved) = (turns.clone(), turns[from].clone());
                let place = if from > to { joined[to].len() } else { 0 };
                joined[to].splice(place..place, moved);
                joined.remove(from);
                joined
            })
        });
        match joined.into_iter().find(|joined| replay(scenario, &joined.concat()) == end) {
            Some(joined) => {
                // Neighbours of what went away may be of one client now.
                let acts = joined.concat();
                turns = acts.chunk_by(|a, b| a.client() == b.client()).map(<[Act]>::to_vec).collect();
                later = 1;
            }
            None => later += 1,
        }
    }
    turns
}

/// The state after these steps; none if one cannot be taken.
fn replay(scenario: &Scenario, acts: &[Act]) -> Option<World> {
    let mut world = scenario.init_states().remove(0);
    for act in acts {
        let mut possible = Vec::new();
        scenario.actions(&world, &mut possible);
        world = possible.contains(act).then(|| scenario.next_state(&world, *act))??;
    }
    Some(world)
}

/// The same, with everything on the storage at its end.
pub fn whole_path(scenario: &Scenario, steps: Path<World, Act>) -> String {
    let end = store(&steps.last_state().store);
    path(scenario, steps) + &end
}
