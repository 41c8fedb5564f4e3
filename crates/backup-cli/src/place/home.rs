use crate::exit::Exit;
use crate::failure::{Failure, Result};
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

    pub(crate) fn cache(&self) -> PathBuf {
        ours(&self.0.cache_dir())
    }
}

fn ours(base: &Path) -> PathBuf {
    base.join("backup")
}
