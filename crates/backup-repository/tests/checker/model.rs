//! The model: clients that take turns on one storage, in every order.

use crate::drain::Drains;
use crate::prune::Pruner;
use crate::push::Push;
use crate::repair::Repairer;
use crate::scenarios::{Fault, Part};
use crate::store::{Chunks, IndexObject, Sid, SnapshotObject, Store};
use crate::torn::{Prefix, torn, under};
use backup_repository::protocol::{
    Fence, FenceTask, Forget, ForgetTask, PackId, PruneTask, RepairTask, Rules, RunId, Stop, WriterTask,
};
use stateright::{Model, Property};

/// Who takes part, and what may happen.
pub struct Scenario {
    pub name: &'static str,
    pub store: Store,
    pub parts: Vec<Part>,
    pub faults: Vec<Fault>,
    pub rules: Rules,
    /// Whether every storage reached is drained, too.
    pub drains: Option<Drains>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are a handful")]
pub enum Client {
    /// A push, which begins once these sessions have begun.
    Push(Push),
    /// The same, not begun: it resumes the session named, which must be there.
    Resume(Push, Sid),
    Prune(Pruner),
    /// An owner who fences sessions that are open, this many more.
    Owner(Option<Fence<Sid>>, u8),
    /// An owner who forgets this snapshot.
    Forgetter(Option<Forget<Sid>>, Sid, Rules),
    Repair(Repairer),
    /// The writer of a session that is over, who puts a pack once more.
    Repeater(PackId<Sid>, Chunks),
    /// It is done, or was stopped.
    Done,
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

    pub fn describe(&self, world: &World, act: Act) -> String {
        let step = |client: usize| world.clients[client].describe(&world.store);
        match act {
            Act::Step(client) => step(client),
            Act::Lose(client) => format!("{}; the answer is lost", step(client)),
            Act::Begin(client) => format!("{} begins", step(client)),
            Act::End(client, shows) => format!("{} ends (changes shown: {shows:#b})", step(client)),
            Act::Kill(client) => format!("{:?} dies", world.clients[client].session().expect("a session dies")),
            Act::Fence(_, target) => format!("owner: create tombstone snapshots/{target:?}"),
        }
    }
}

impl Client {
    fn step(&mut self, store: &mut Store, listing: Option<&Store>, is_lost: bool) -> Result<(), Stop> {
        match self {
            Client::Push(push) | Client::Resume(push, _) => push.step(store, listing, is_lost),
            Client::Prune(pruner) => pruner.step(store, listing, is_lost),
            Client::Owner(Some(fence), _) => match fence.next() {
                FenceTask::Create(object) => fence.created(store.create(&object)),
                FenceTask::ListRuns(session) => fence.runs(listing.unwrap_or(store).index_names(session)),
                FenceTask::Done(_) => Ok(()),
            },
            Client::Forgetter(None, target, rules) => {
                *self = Client::Forgetter(Some(Forget::with(*target, *rules)), *target, *rules);
                self.step(store, listing, is_lost)
            }
            Client::Forgetter(Some(forget), ..) => match forget.next() {
                ForgetTask::Create(object) => forget.created(store.create(&object)),
                ForgetTask::Delete(removal) => {
                    store.delete(removal);
                    forget.deleted()
                }
                ForgetTask::Done => Ok(()),
            },
            Client::Repair(repairer) => repairer.step(store, listing, is_lost),
            Client::Repeater(pack, chunks) => {
                store.create_pack(*pack, *chunks);
                *self = Client::Done;
                Ok(())
            }
            _ => Err(Stop::Misuse("a client that is done takes a step")),
        }
    }

    /// What follows by itself.
    fn settle(&mut self) {
        *self = match std::mem::replace(self, Client::Done) {
            Client::Push(push) | Client::Resume(push, _) if push.task() == Ok(WriterTask::Done) => Client::Done,
            Client::Resume(push, _) => Client::Push(push),
            Client::Repair(repairer) if repairer.task() == Ok(RepairTask::Write(WriterTask::Done)) => Client::Done,
            Client::Prune(pruner) if pruner.is_done() => pruner.next_pass().map_or(Client::Done, Client::Prune),
            Client::Owner(Some(fence), left) if matches!(fence.next(), FenceTask::Done(_)) => {
                if left == 0 {
                    Client::Done
                } else {
                    Client::Owner(None, left)
                }
            }
            Client::Forgetter(Some(forget), ..) if forget.next() == ForgetTask::Done => Client::Done,
            other => other,
        };
    }

    fn stop(&mut self) {
        *self = match std::mem::replace(self, Client::Done) {
            Client::Prune(pruner) => pruner.next_pass().map_or(Client::Done, Client::Prune),
            _ => Client::Done,
        };
    }

    pub fn session(&self) -> Option<Sid> {
        match self {
            Client::Push(push) | Client::Resume(push, _) => Some(push.session()),
            Client::Prune(pruner) => Some(pruner.session()),
            Client::Repair(_) => Some(Sid::repair()),
            _ => None,
        }
    }

    /// What the next operation lists, if it is a listing.
    fn lists(&self) -> Option<Prefix> {
        match self {
            Client::Push(push) | Client::Resume(push, _) => match push.task().ok()? {
                WriterTask::ListCondemned => Some(Prefix::Condemned),
                WriterTask::ListRuns(_) | WriterTask::ListIndex => Some(Prefix::Index),
                WriterTask::ListPacks(_) => Some(Prefix::Packs),
                _ => None,
            },
            Client::Prune(pruner) => match pruner.task().ok()? {
                PruneTask::ListCondemned => Some(Prefix::Condemned),
                PruneTask::ListSessions => Some(Prefix::Sessions),
                PruneTask::ListSnapshots => Some(Prefix::Snapshots),
                PruneTask::ListIndex => Some(Prefix::Index),
                PruneTask::ListPacks => Some(Prefix::Packs),
                _ => None,
            },
            Client::Repair(repairer) => match repairer.task().ok()? {
                RepairTask::ListSessions => Some(Prefix::Sessions),
                RepairTask::Write(WriterTask::ListCondemned) => Some(Prefix::Condemned),
                RepairTask::Write(WriterTask::ListIndex) => Some(Prefix::Index),
                RepairTask::Write(WriterTask::ListAllPacks) => Some(Prefix::Packs),
                RepairTask::Write(_) => None,
            },
            Client::Owner(Some(fence), _) => match fence.next() {
                FenceTask::ListRuns(_) => Some(Prefix::Index),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the next operation creates something, whose answer may be lost.
    fn creates(&self) -> bool {
        match self {
            Client::Push(push) | Client::Resume(push, _) => {
                matches!(push.task(), Ok(WriterTask::Create(_) | WriterTask::Write))
            }
            Client::Repair(repairer) => {
                matches!(repairer.task(), Ok(RepairTask::Write(WriterTask::Create(_) | WriterTask::Write)))
            }
            Client::Prune(pruner) => {
                matches!(pruner.task(), Ok(PruneTask::Create(_) | PruneTask::Merge(_) | PruneTask::Copy { .. }))
            }
            _ => false,
        }
    }

    fn describe(&self, store: &Store) -> String {
        match self {
            Client::Push(push) | Client::Resume(push, _) => push.describe(),
            Client::Prune(pruner) => pruner.describe(store),
            Client::Owner(Some(fence), _) => match fence.next() {
                FenceTask::Create(object) => format!("owner: {}", crate::trace::object(&object)),
                task => format!("owner: {task:?}"),
            },
            Client::Forgetter(None, target, rules) => {
                Client::Forgetter(Some(Forget::with(*target, *rules)), *target, *rules).describe(store)
            }
            Client::Forgetter(Some(forget), ..) => match forget.next() {
                ForgetTask::Create(object) => format!("forget: {}", crate::trace::object(&object)),
                ForgetTask::Delete(removal) => format!("forget: {}", crate::trace::removal(removal)),
                ForgetTask::Done => "forget: done".to_owned(),
            },
            Client::Repair(repairer) => format!("{:?}: {}", Sid::repair(), repairer.describe()),
            Client::Repeater(pack, _) => {
                format!("{:?}: store pack {} once more", pack.session, crate::push::name(pack))
            }
            _ => "nobody".to_owned(),
        }
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
            Property::always(NOTHING_LOST, |_, world: &World| world.store.lost() == 0),
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
