use crate::context::Context;
use crate::failure::Result;
use crate::place::{chosen, open};
use crate::reference::resolve;
use backup_core::{Backup, Catalogue, Summary};
use std::sync::Arc;

/// An id is never shown shorter, so that ids of different days look alike.
const SHORT_ID: usize = 12;

/// The snapshots of the one repository that a command works on.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(crate) catalogue: Arc<dyn Catalogue>,
    /// Oldest first.
    pub(crate) all: Vec<Summary>,
}

impl Snapshots {
    pub(crate) async fn open(context: &Context) -> Result<Self> {
        let catalogue: Arc<dyn Catalogue> = Arc::new(open(&context.settings, &chosen(context)?).await?);
        let all = catalogue.list().await?;
        Ok(Snapshots { catalogue, all })
    }

    /// The snapshot that a reference on the command line means.
    pub(crate) fn resolve(&self, reference: &str) -> Result<&Summary> {
        resolve(reference, &self.all)
    }

    /// The same, opened.
    pub(crate) async fn backup(&self, reference: &str) -> Result<Arc<dyn Backup>> {
        Ok(Arc::from(self.catalogue.open(&self.resolve(reference)?.id).await?))
    }

    /// As much of an id as tells it from all others.
    pub(crate) fn short<'a>(&self, snapshot: &'a Summary) -> &'a str {
        let id = snapshot.id.0.as_str();
        let others = || self.all.iter().filter(|other| other.id != snapshot.id);
        let shared = others().map(|other| common(id, &other.id.0) + 1).max().unwrap_or(0);
        id.get(..shared.max(SHORT_ID)).unwrap_or(id)
    }
}

fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
