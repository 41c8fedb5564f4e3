//! The model: clients that take turns on one storage, in every order.

use crate::drain::Drains;
use crate::prune::Pruner;
use crate::push::Push;
use crate::scenarios::Part;
use crate::store::{Sid, SnapshotObject, Store};
use backup_repository::protocol::{Fence, FenceTask, Forget, ForgetTask, PruneTask, Rules, Stop, WriterTask};
use stateright::{Model, Property};

/// Who takes part, and what may happen.
pub struct Scenario {
    pub name: &'static str,
    pub store: Store,
    pub parts: Vec<Part>,
    pub rules: Rules,
    /// Answers to creates may be lost, and the client tries again.
    pub loses_answers: bool,
    /// A listing takes time: what is put or deleted meanwhile may or may not show.
    pub tears_listings: bool,
    /// A prune may die in the middle of a pass; its next pass is another process.
    pub kills_prunes: bool,
    /// Every open session has lapsed.
    pub all_lapsed: bool,
    /// Prunes merge whatever runs they may, not only those that they must.
    pub merges: bool,
    /// Look for loss only: do not drain.
    pub only_loss: bool,
    pub drains: Drains,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Client {
    /// A push, which begins once these sessions have begun.
    Push(Push),
    /// The same, not begun: it resumes the session named, which must be there.
    Resume(Push, Sid),
    Prune(Pruner),
    /// An owner who fences sessions that are open, this many more.
    Owner(Option<Fence<Sid>>, u8),
    /// An owner who forgets these snapshots, the last first.
    Forgetter(Option<Forget<Sid>>, Vec<Sid>, Rules),
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
    End(usize, u8),
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
                world.listings[client] = Some(world.store.clone());
                return;
            }
            Act::End(client, shows) => {
                let before = world.listings[client].take().expect("a listing ends that has not begun");
                (client, false, Some(torn(&before, &world.store, shows).0))
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
            Client::Forgetter(None, targets, rules) => {
                let target = targets.pop().expect("nothing is left to forget");
                *self = Client::Forgetter(Some(Forget::with(target, *rules)), std::mem::take(targets), *rules);
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
            _ => Err(Stop::Misuse("a client that is done takes a step")),
        }
    }

    /// What follows by itself.
    fn settle(&mut self) {
        *self = match std::mem::replace(self, Client::Done) {
            Client::Push(push) | Client::Resume(push, _) if push.task() == Ok(WriterTask::Done) => Client::Done,
            Client::Resume(push, _) => Client::Push(push),
            Client::Prune(pruner) if pruner.is_done() => pruner.next_pass().map_or(Client::Done, Client::Prune),
            Client::Owner(Some(fence), left) if matches!(fence.next(), FenceTask::Done(_)) => {
                if left == 0 {
                    Client::Done
                } else {
                    Client::Owner(None, left)
                }
            }
            Client::Forgetter(Some(forget), targets, rules) if forget.next() == ForgetTask::Done => {
                if targets.is_empty() { Client::Done } else { Client::Forgetter(None, targets, rules) }
            }
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
            _ => None,
        }
    }

    /// Whether the next operation is a listing.
    fn lists(&self) -> bool {
        match self {
            Client::Push(push) | Client::Resume(push, _) => matches!(
                push.task(),
                Ok(WriterTask::ListRuns(_)
                    | WriterTask::ListCondemned
                    | WriterTask::ListIndex
                    | WriterTask::ListPacks(_))
            ),
            Client::Prune(pruner) => matches!(
                pruner.task(),
                Ok(PruneTask::ListCondemned
                    | PruneTask::ListSessions
                    | PruneTask::ListSnapshots
                    | PruneTask::ListIndex
                    | PruneTask::ListPacks)
            ),
            Client::Owner(Some(fence), _) => matches!(fence.next(), FenceTask::ListRuns(_)),
            _ => false,
        }
    }

    /// Whether the next operation creates something, whose answer may be lost.
    fn creates(&self) -> bool {
        match self {
            Client::Push(push) | Client::Resume(push, _) => {
                matches!(push.task(), Ok(WriterTask::Create(_) | WriterTask::Write))
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
            Client::Forgetter(None, targets, _) => format!("forget: turn to {:?}", targets.last()),
            Client::Forgetter(Some(forget), ..) => match forget.next() {
                ForgetTask::Create(object) => format!("forget: {}", crate::trace::object(&object)),
                ForgetTask::Delete(removal) => format!("forget: {}", crate::trace::removal(removal)),
                ForgetTask::Done => "forget: done".to_owned(),
            },
            _ => "nobody".to_owned(),
        }
    }
}

/// What a listing may show that took from `before` to `now`: of the things that changed meanwhile, the old or the new
/// state of each, as the bits say. Also how many changed.
fn torn(before: &Store, now: &Store, shows: u8) -> (Store, u32) {
    let mut seen = now.clone();
    let mut changes = 0;
    macro_rules! choose {
        ($field:ident) => {{
            let keys: std::collections::BTreeSet<_> = before.$field.keys().chain(now.$field.keys()).copied().collect();
            for key in keys {
                if before.$field.get(&key) != now.$field.get(&key) {
                    if shows & (1 << changes) == 0 {
                        match before.$field.get(&key) {
                            Some(old) => seen.$field.insert(key, old.clone()),
                            None => seen.$field.remove(&key),
                        };
                    }
                    changes += 1;
                }
            }
        }};
    }
    choose!(sessions);
    choose!(packs);
    choose!(index);
    choose!(snapshots);
    choose!(condemned);
    (seen, changes)
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
                Client::Forgetter(None, targets, _) => {
                    let snapshot = targets.last().and_then(|target| world.store.snapshots.get(target));
                    if !matches!(snapshot, Some(SnapshotObject::Commit(_))) {
                        continue;
                    }
                }
                _ => {}
            }
            if self.tears_listings && client.lists() {
                match &world.listings[number] {
                    None => actions.push(Act::Begin(number)),
                    Some(before) => {
                        let (_, changes) = torn(before, &world.store, 0);
                        actions.extend((0..1_u8 << changes).map(|shows| Act::End(number, shows)));
                    }
                }
            } else {
                actions.push(Act::Step(number));
            }
            if self.loses_answers && client.creates() {
                actions.push(Act::Lose(number));
            }
            if self.kills_prunes && matches!(client, Client::Prune(_)) {
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
        vec![
            Property::always(NOTHING_LOST, |_, world: &World| world.store.referenced() & !world.store.readable() == 0),
            Property::always(NOTHING_WRONG, |_, world: &World| world.wrong.is_none()),
            Property::always(NO_GARBAGE, |scenario: &Scenario, world: &World| {
                scenario.only_loss || world.store.referenced() & !world.store.readable() != 0 || scenario.drains.leave_nothing(&world.store)
            }),
            Property::sometimes("a push commits", |_, world: &World| {
                world.store.snapshots.iter().any(|(s, object)| s.0 >= 10 && matches!(object, SnapshotObject::Commit(_)))
            }),
            Property::sometimes("a prune rescues", |_, world: &World| {
                world.tasks().any(|task| matches!(task, PruneTask::Copy { rescue, .. } if !rescue.is_empty()))
            }),
            Property::sometimes("a prune deletes", |_, world: &World| {
                world.tasks().any(|task| matches!(task, PruneTask::Delete(_)))
            }),
        ]
    }
}

pub const NOTHING_LOST: &str = "every chunk of every snapshot is in a pack that is there and in a run";
pub const NOTHING_WRONG: &str = "no session is stopped but by a fence";
pub const NO_GARBAGE: &str = "some prunes later there is no garbage and no record";

impl World {
    fn tasks(&self) -> impl Iterator<Item = PruneTask<Sid>> + '_ {
        self.clients.iter().filter_map(|client| match client {
            Client::Prune(pruner) => pruner.task().ok(),
            _ => None,
        })
    }
}
