//! Who takes part: each drives a machine of the protocol, one operation on the storage at a step.

use crate::prune::Pruner;
use crate::push::Push;
use crate::repair::Repairer;
use crate::store::{Chunks, Rows, Sid, Store};
use crate::torn::Prefix;
use crate::trace;
use backup_repository::protocol::{
    Fence, FenceTask, Forget, ForgetTask, PackId, PruneTask, RepairTask, Rules, RunId, Stop, WriterTask,
};

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
    /// The writer of a session that is over, who does a create once more.
    Repeater(Late),
    /// It is done, or was stopped.
    Done,
}

/// A create of long ago whose answer never came.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Late {
    Pack(PackId<Sid>, Chunks),
    Run(RunId<Sid>, Rows),
}

impl Late {
    fn session(&self) -> Sid {
        match self {
            Late::Pack(pack, _) => pack.session,
            Late::Run(run, _) => run.session,
        }
    }

    fn create(&self, store: &mut Store) {
        match self {
            Late::Pack(pack, chunks) => store.create_pack(*pack, *chunks),
            Late::Run(run, rows) => store.create_run(*run, rows.clone()),
        };
    }

    fn describe(&self) -> String {
        match self {
            Late::Pack(pack, chunks) => format!("{} once more", trace::pack(pack, *chunks)),
            Late::Run(run, rows) => format!("{} once more", trace::run(*run, rows.keys())),
        }
    }
}

impl Client {
    pub fn step(&mut self, store: &mut Store, listing: Option<&Store>, is_lost: bool) -> Result<(), Stop> {
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
            Client::Repeater(late) => {
                late.create(store);
                *self = Client::Done;
                Ok(())
            }
            _ => Err(Stop::Misuse("a client that is done takes a step")),
        }
    }

    /// What follows by itself.
    pub fn settle(&mut self) {
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

    pub fn stop(&mut self) {
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
    pub fn lists(&self) -> Option<Prefix> {
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
    pub fn creates(&self) -> bool {
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

    /// Who takes the next step, for people.
    pub fn who(&self) -> String {
        match self {
            Client::Owner(..) => "owner".to_owned(),
            Client::Forgetter(..) => "forget".to_owned(),
            Client::Repeater(late) => format!("{:?}", late.session()),
            _ => self.session().map_or("nobody".to_owned(), |session| format!("{session:?}")),
        }
    }

    /// What it does.
    pub fn describe(&self, store: &Store) -> String {
        match self {
            Client::Push(push) | Client::Resume(push, _) => push.describe(),
            Client::Prune(pruner) => pruner.describe(store),
            Client::Repair(repairer) => repairer.describe(),
            Client::Owner(Some(fence), _) => match fence.next() {
                FenceTask::Create(created) => trace::object(None, &created),
                FenceTask::ListRuns(session) => trace::list_runs(session),
                FenceTask::Done(_) => "done".to_owned(),
            },
            Client::Forgetter(None, target, rules) => {
                Client::Forgetter(Some(Forget::with(*target, *rules)), *target, *rules).describe(store)
            }
            Client::Forgetter(Some(forget), ..) => match forget.next() {
                ForgetTask::Create(created) => trace::object(None, &created),
                ForgetTask::Delete(removal) => trace::removal(removal),
                ForgetTask::Done => "done".to_owned(),
            },
            Client::Repeater(late) => late.describe(),
            Client::Owner(None, _) | Client::Done => "nothing".to_owned(),
        }
    }
}
