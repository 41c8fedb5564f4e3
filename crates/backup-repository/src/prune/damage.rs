use crate::format::ids::PackName;
use backup_core::{Error, ErrorKind, Event, Observer};
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Packs of which something that snapshots need cannot be read, found by all passes of one prune.
#[derive(Default)]
pub(super) struct Damage(Mutex<BTreeMap<PackName, String>>);

impl Damage {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PackName, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells it, once for each pack.
    pub(super) fn note(&self, pack: PackName, because: &Error, observer: &dyn Observer) {
        if self.has(&pack) {
            return;
        }
        let because = because.full_message();
        let text = format!(
            "pack {pack} is damaged and stays as it is, `backup check --read-data` tells which snapshots it affects: {because}"
        );
        observer.event(Event::Warning(text));
        self.lock().insert(pack, because);
    }

    pub(super) fn has(&self, pack: &PackName) -> bool {
        self.lock().contains_key(pack)
    }

    /// A line each: the pack, and what is amiss.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lock().iter().map(|(pack, because)| format!("pack {pack}: {because}")).collect()
    }
}

/// Whether an error comes from something that is not there: another prune may have deleted it.
pub(super) fn is_gone(error: &Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound) {
            return true;
        }
        next = error.source();
    }
    false
}
