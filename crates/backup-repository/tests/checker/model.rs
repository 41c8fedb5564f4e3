//! The model: clients that take turns on one storage, in every order.

use crate::client::Client;
use crate::drain::Drains;
use crate::scenarios::{Fault, Part};
use crate::store::{IndexObject, Sid, SnapshotObject, Store};
use crate::torn::{torn, under};
use backup_repository::protocol::{Fence, Rules, RunId, Stop};
use stateright::{Model, Property};
use std::sync::atomic::{AtomicBool, Ordering};

/// Who takes part, and what may happen.
pub struct Scenario {
    pub name: &'static str,
    pub store: Store,
    pub parts: Vec<Part>,
    pub faults: Vec<Fault>,
    pub rules: Rules,
    /// The storages drained so far: each that is reached is. None to look for losses only.
    pub drains: Option<Drains>,
    /// Whether a loss was found: the first counts, which breadth first is the shortest way to one.
    pub has_lost: AtomicBool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct World {
    pub store: Store,
    pub clients: Vec<Client>,
    /// What a listing in progress saw at its beginning, by client.
    pub listings: Vec<Option<Store>>,
    /// What no machine should ever report.
    pub wrong: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    /// The client's next operation.
    Step(usize),
    /// The same, but its answer is lost.
    Lose(usize),
    /// The client's listing begins.
    Begin(usize),
    /// The client's listing ends; each bit says whether a change made meanwhile shows.
    End(usize, u32),
    /// The client dies.
    Kill(usize),
    /// The owner turns to this session.
    Fence(usize, Sid),
}

impl Act {
    /// Whose it is.
    pub fn client(self) -> usize {
        let (Act::Step(client)
        | Act::Lose(client)
        | Act::Begin(client)
        | Act::End(client, _)
        | Act::Kill(client)
        | Act::Fence(client, _)) = self;
        client
    }
}

impl Scenario {
    fn act(&self, world: &mut World, act: Act) {
        let (client, is_lost, listing) = match act {
            Act::Step(client) => (client, false, None),
            Act::Lose(client) => (client, true, None),
            Act::Begin(client) => {
                let prefix = world.clients[client].lists().expect("a listing");
                world.listings[client] = Some(under(prefix, &world.store));
                return;
            }
            Act::End(client, shows) => {
                let prefix = world.clients[client].lists().expect("a listing");
                let before = world.listings[client].take().expect("a listing ends that has not begun");
                (client, false, Some(torn(&before, &under(prefix, &world.store), shows).0))
            }
            Act::Kill(client) => {
                if let Client::Prune(pruner) = &world.clients[client] {
                    world.clients[client] = pruner.clone().next_pass().map_or(Client::Done, Client::Prune);
                    world.listings[client] = None;
                }
                return;
            }
            Act::Fence(client, target) => {
                if let Client::Owner(fence, left) = &mut world.clients[client] {
                    *fence = Some(Fence::with(target, None, self.rules));
                    *left -= 1;
                }
                (client, false, None)
            }
        };
        let World { store, clients, wrong, .. } = world;
        let client = &mut clients[client];
        let result = client.step(store, listing.as_ref(), is_lost);
        let session = client.session();
        match result {
            Ok(()) => {}
            Err(Stop::Fenced) if session.is_some_and(|session| store.is_fenced(session)) => client.stop(),
            Err(Stop::Fenced) => *wrong = Some("a session was stopped that nobody fenced"),
            Err(Stop::Misuse(what)) => *wrong = Some(what),
            Err(_) => *wrong = Some("an unknown stop"),
        }
        client.settle();
    }

    /// Who does it, and what, for people.
    pub fn describe(&self, world: &World, act: Act) -> (String, String) {
        let client = &world.clients[act.client()];
        let what = client.describe(&world.store);
        let what = match act {
            Act::Step(_) => what,
            Act::Lose(_) => format!("{what} (no answer)"),
            Act::Begin(_) => format!("{what}: begins"),
            Act::End(_, shows) => format!("{what}: ends, changes shown: {shows:#b}"),
            Act::Kill(_) => "dies".to_owned(),
            Act::Fence(_, target) => format!("tombstone snapshots/{target:?}"),
        };
        (client.who(), what)
    }
}

impl Model for Scenario {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let listings = vec![None; self.parts.len()];
        vec![World { store: self.store.clone(), clients: self.clients(), listings, wrong: None }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Act>) {
        if world.wrong.is_some() {
            return;
        }
        for (number, client) in world.clients.iter().enumerate() {
            match client {
                Client::Done => continue,
                Client::Resume(_, previous) if !world.store.sessions.contains_key(previous) => continue,
                Client::Owner(None, _) => {
                    let open = world.store.sessions.iter().filter(|(_, ended)| !**ended);
                    actions.extend(open.map(|(session, _)| Act::Fence(number, *session)));
                    continue;
                }
                Client::Forgetter(None, target, _)
                    if !matches!(world.store.snapshots.get(target), Some(SnapshotObject::Commit(_))) =>
                {
                    continue;
                }
                _ => {}
            }
            if self.faults.contains(&Fault::TornListings)
                && let Some(prefix) = client.lists()
            {
                match &world.listings[number] {
                    None => actions.push(Act::Begin(number)),
                    Some(before) => {
                        let (_, changes) = torn(before, &under(prefix, &world.store), 0);
                        actions.extend((0..1_u32 << changes).map(|shows| Act::End(number, shows)));
                    }
                }
            } else {
                actions.push(Act::Step(number));
            }
            let loses = match client {
                Client::Prune(_) => Fault::PruneLosesAnswers,
                _ => Fault::PushLosesAnswers,
            };
            if self.faults.contains(&loses) && client.creates() {
                actions.push(Act::Lose(number));
            }
            if self.faults.contains(&Fault::PruneDies) && matches!(client, Client::Prune(_)) {
                actions.push(Act::Kill(number));
            }
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut next = world.clone();
        self.act(&mut next, act);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(NOTHING_LOST, |scenario: &Scenario, world: &World| {
                world.store.lost() == 0 || scenario.has_lost.swap(true, Ordering::Relaxed)
            }),
            Property::always(NOTHING_WRONG, |_, world: &World| world.wrong.is_none()),
        ];
        if self.drains.is_some() {
            properties.push(Property::always(NO_GARBAGE, |scenario: &Scenario, world: &World| {
                world.store.lost() != 0
                    || scenario.drains.as_ref().is_none_or(|drains| drains.leave_nothing(&world.store))
            }));
        }
        // What must be reachable, so that the others say something.
        let has = |what: fn(&Part) -> bool| self.parts.iter().any(what);
        if has(|part| matches!(part, Part::Push(..) | Part::PushInParts(..))) {
            properties.push(Property::sometimes("a push commits", |_, world: &World| {
                let is_commit = |object: &SnapshotObject| matches!(object, SnapshotObject::Commit(_));
                world.store.snapshots.iter().any(|(session, object)| session.is_push() && is_commit(object))
            }));
        }
        if has(|part| part.passes() >= 2) && !self.store.packs.is_empty() {
            properties.push(Property::sometimes(
                "a pack is condemned and deleted",
                |scenario: &Scenario, world: &World| {
                    scenario.store.packs.keys().any(|pack| !world.store.packs.contains_key(pack))
                },
            ));
            properties.push(Property::sometimes("a prune copies", |_, world: &World| {
                world.store.packs.keys().any(|pack| pack.session.is_prune())
            }));
        }
        if has(|part| matches!(part, Part::Owner(_))) {
            properties.push(Property::sometimes("a push is fenced", |_, world: &World| {
                let is_tombstone = |object: &SnapshotObject| matches!(object, SnapshotObject::Tombstone(_));
                world.store.snapshots.iter().any(|(session, object)| session.is_push() && is_tombstone(object))
            }));
        }
        if has(|part| matches!(part, Part::Resume(..))) {
            properties.push(Property::sometimes("a push publishes what it adopted", |_, world: &World| {
                let published = |(run, object): (&RunId<Sid>, &IndexObject)| match object {
                    IndexObject::Run(rows) => rows.keys().any(|p| p.session.is_push() && p.session != run.session),
                    IndexObject::Tombstone => false,
                };
                world.store.index.iter().any(published)
            }));
        }
        if has(|part| matches!(part, Part::Repair)) {
            properties.push(Property::sometimes("a repair publishes a pack", |_, world: &World| {
                world.store.index.keys().any(|run| run.session == Sid::repair())
            }));
        }
        properties
    }
}

pub const NOTHING_LOST: &str = "every chunk of every snapshot is in a pack that is there and in a run";
pub const NOTHING_WRONG: &str = "no session is stopped but by a fence";
pub const NO_GARBAGE: &str = "some prunes later there is no garbage and no record";
