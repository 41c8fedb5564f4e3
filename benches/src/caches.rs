//! The state of the page cache before a measured step.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::measure::Program;

/// What the page cache holds when a step starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cache {
    /// The data set, the repository and the tool's own cache, as far as memory reaches.
    Warm,
    /// Nothing: written back and dropped just before.
    Cold,
}

impl Cache {
    /// Brings about this state. What earlier steps wrote is on disk then, so that no step pays for another.
    pub(crate) fn prepare(self, work: &Path) -> Result<()> {
        Program::new("sync").arg("--file-system").arg(work).output()?;
        match self {
            Self::Warm => Ok(()),
            Self::Cold => drop_caches(),
        }
    }
}

fn drop_caches() -> Result<()> {
    std::fs::write("/proc/sys/vm/drop_caches", "3").context("cannot drop the page cache")
}

/// Whether this process may drop the page cache, by doing it once.
pub(crate) fn may_drop() -> Result<()> {
    drop_caches()
}
