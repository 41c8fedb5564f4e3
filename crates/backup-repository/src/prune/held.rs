use crate::format::ids::{PackName, RunName};
use crate::protocol::{Outcome, PackId, Prune};
use crate::session::Names;
use backup_core::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The machine of a pass, and the names that it gives to whoever writes packs and runs for it.
#[derive(Clone)]
pub(super) struct Held(Arc<Mutex<Prune>>);

impl Held {
    pub(super) fn new(machine: Prune) -> Self {
        Held(Arc::new(Mutex::new(machine)))
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Prune> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of the next run of copies, which lists exactly these packs.
    pub(super) fn begin_run_of(&self, packs: &[PackName]) -> Result<RunName> {
        let packs: Vec<PackId> = packs.iter().map(|pack| (*pack).into()).collect();
        Ok(self.machine().begin_run_of(&packs)?.into())
    }

    pub(super) fn begin_merged_run(&self) -> Result<RunName> {
        Ok(self.machine().begin_merged_run()?.into())
    }

    pub(super) fn run_stored(&self, outcome: Outcome) -> Result<()> {
        Ok(self.machine().run_stored(outcome)?)
    }
}

impl Names for Held {
    fn begin_pack(&self) -> Result<PackName> {
        Ok(self.machine().begin_pack()?.into())
    }

    fn pack_stored(&self, pack: PackName, outcome: Outcome) -> Result<()> {
        Ok(self.machine().pack_stored(pack.into(), outcome)?)
    }
}
