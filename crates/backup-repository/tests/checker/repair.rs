//! An owner who repairs the index: it drives a [`Repair`] as the engine does, one operation on the storage at a step.

use crate::push::listing;
use crate::store::{Rows, Sid, Store};
use crate::trace;
use backup_repository::protocol::{Object, PackId, Repair, RepairTask, Rules, RunId, Stop, WriterTask};
use std::collections::BTreeSet;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Repairer {
    machine: Repair<Sid>,
    /// The packs that stand in a run, until the others are known.
    listed: BTreeSet<PackId<Sid>>,
    /// The run to be stored next.
    run: Option<(RunId<Sid>, Rows)>,
}

impl Repairer {
    pub fn new(rules: Rules) -> Self {
        Repairer { machine: Repair::with(Sid::repair(), rules), listed: BTreeSet::new(), run: None }
    }

    pub fn task(&self) -> Result<RepairTask<Sid>, Stop> {
        self.machine.next()
    }

    /// Does the next operation. With `is_lost` it is done, but its answer never comes.
    pub fn step(&mut self, store: &mut Store, listing: Option<&Store>, is_lost: bool) -> Result<(), Stop> {
        let task = match self.machine.next()? {
            RepairTask::Write(task) => task,
            RepairTask::ListSessions => {
                return self.machine.sessions(listing.unwrap_or(store).list_sessions(false));
            }
        };
        let outcome = match (&task, &self.run) {
            (WriterTask::Create(object), _) => Some(store.create(object)),
            (WriterTask::Write, Some((run, rows))) => Some(store.create_run(*run, rows.clone())),
            _ => None,
        };
        if is_lost {
            return Ok(());
        }
        let view = listing.unwrap_or(store);
        let writer = self.machine.writer()?;
        match (task, outcome) {
            (WriterTask::Create(_), Some(outcome)) => writer.created(outcome)?,
            (WriterTask::Write, Some(outcome)) => {
                self.run = None;
                writer.run_stored(outcome)?;
                writer.give_up()?;
            }
            (WriterTask::ListCondemned, _) => writer.condemned(&view.list_records())?,
            (WriterTask::ListIndex, _) => {
                writer.indexed(view.void.iter().copied())?;
                let of_use = view.list_runs().into_iter().filter(|(run, _)| writer.is_run_of_use(*run));
                self.listed = of_use.flat_map(|(_, rows)| rows.into_keys()).collect();
            }
            (WriterTask::ListAllPacks, _) => {
                let listed = std::mem::take(&mut self.listed);
                let orphans: Vec<_> = view.packs.keys().filter(|pack| !listed.contains(pack)).copied().collect();
                let taken = writer.adopted_packs(orphans)?;
                match writer.begin_run()? {
                    Some(Object::Run { run, .. }) => {
                        self.run = Some((run, taken.into_iter().map(|pack| (pack, view.packs[&pack])).collect()));
                    }
                    _ => writer.give_up()?,
                }
            }
            _ => return Err(Stop::Misuse("the model lost its place")),
        }
        Ok(())
    }

    /// What the next step does, for people.
    pub fn describe(&self) -> String {
        match (self.machine.next(), &self.run) {
            (Ok(RepairTask::Write(WriterTask::Write)), Some((run, rows))) => trace::run(*run, rows.keys()),
            (Ok(RepairTask::Write(WriterTask::Create(object))), _) => trace::object(Some(Sid::repair()), &object),
            (Ok(RepairTask::Write(task)), _) => listing(&task),
            (Ok(RepairTask::ListSessions), _) => "list sessions".to_owned(),
            (Err(stop), _) => stop.to_string(),
        }
    }
}
