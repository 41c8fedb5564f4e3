use crate::exit::Exit;
use crate::failure::{Failure, Result};
use backup_drivers::FileJournal;
use etcetera::BaseStrategy;
use std::path::{Path, PathBuf};

/// The folders of this user, by the XDG rules.
#[derive(Debug)]
pub(crate) struct Home(etcetera::base_strategy::Xdg);

impl Home {
    pub(crate) fn find() -> Result<Self> {
        let found = etcetera::base_strategy::Xdg::new().map(Home);
        found.map_err(|error| Failure::new(Exit::Failed, "this user has no home directory").cause(&error))
    }

    /// The default repository.
    pub(crate) fn repository(&self) -> PathBuf {
        ours(&self.0.data_dir()).join("repository")
    }

    /// The default identity file.
    pub(crate) fn identity(&self) -> PathBuf {
        ours(&self.0.config_dir()).join("identity.txt")
    }

    /// Where side effects are written down that are still to be taken back.
    pub(crate) fn journal(&self) -> PathBuf {
        let state = self.0.state_dir().unwrap_or_else(|| self.0.data_dir());
        ours(&state).join("journal")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        ours(&self.0.cache_dir())
    }
}

fn ours(base: &Path) -> PathBuf {
    base.join("backup")
}

/// The journal of this user.
pub(crate) fn journal() -> Result<FileJournal> {
    Ok(FileJournal::new(Home::find()?.journal()))
}
