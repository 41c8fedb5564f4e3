use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::screen::Screen;
use backup_core::{Backup, Batch, Component, Entries, Entry, ErrorKind, Selection, Supply};
use std::sync::Arc;

/// The components of a snapshot with their numbers: all, or the one of this name.
pub(crate) fn components<'a>(backup: &'a dyn Backup, only: Option<&str>) -> Result<Vec<(usize, &'a Component)>> {
    let chosen: Vec<_> = backup
        .components()
        .iter()
        .enumerate()
        .filter(|(_, component)| only.is_none_or(|name| component.spec.name == name))
        .collect();
    match only {
        Some(name) if chosen.is_empty() => {
            Err(Failure::new(Exit::NotFound, format!("the snapshot has no component {name:?}"))
                .hint(format!("it has {}", backup.summary().components.join(", "))))
        }
        _ => Ok(chosen),
    }
}

/// A walk over the entries of one component, one after the other. Damaged parts of the listing are told and passed
/// over.
pub(crate) struct Listing {
    screen: Screen,
    entries: Box<dyn Entries>,
    batch: Arc<Batch>,
    at: usize,
    damaged: bool,
}

impl Listing {
    pub(crate) async fn open(
        screen: &Screen,
        backup: &dyn Backup,
        component: usize,
        selection: &Selection,
    ) -> Result<Self> {
        let entries = backup.entries(component, selection)?;
        let mut listing = Listing { screen: screen.clone(), entries, batch: Arc::default(), at: 0, damaged: false };
        listing.fill().await?;
        Ok(listing)
    }

    /// The entry that the walk stands at; none at the end.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.batch.entries.get(self.at)
    }

    /// The number of that entry.
    pub(crate) fn number(&self) -> u64 {
        self.batch.first + self.at as u64
    }

    /// Goes one entry further.
    pub(crate) async fn advance(&mut self) -> Result<()> {
        self.at += 1;
        self.fill().await
    }

    /// The contents of the entries around the one that the walk stands at.
    pub(crate) fn supply(&self) -> &dyn Supply {
        self.entries.supply()
    }

    /// How the walk ended: whether the listing was all there.
    pub(crate) fn exit(&self) -> Exit {
        if self.damaged { Exit::Damage } else { Exit::Done }
    }

    async fn fill(&mut self) -> Result<()> {
        while self.at >= self.batch.entries.len() {
            match self.entries.next().await {
                Ok(Some(batch)) => (self.batch, self.at) = (batch, 0),
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Damaged => {
                    self.damaged = true;
                    self.screen
                        .warn(format_args!("a part of the listing is damaged and left out: {}", Failure::from(error)));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Exit {
    /// The exit of a run whose parts ended like this and like that: damage counts most.
    pub(crate) fn and(self, other: Exit) -> Exit {
        match (self, other) {
            (Exit::Damage, _) | (_, Exit::Damage) => Exit::Damage,
            (Exit::Done, other) => other,
            (this, _) => this,
        }
    }
}
