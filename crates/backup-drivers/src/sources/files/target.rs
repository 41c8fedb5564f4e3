use backup_core::Selection;
use std::path::PathBuf;

/// Where a restore of files goes, and what it may do there.
#[derive(Clone, Debug)]
pub struct FilesTarget {
    pub(crate) into: PathBuf,
    pub(crate) strip_components: usize,
    pub(crate) overwrite: Overwrite,
    pub(crate) ownership: Ownership,
    pub(crate) delete: Option<Selection>,
    pub(crate) dry_run: bool,
}

impl FilesTarget {
    /// A restore below this directory, which is created when it is missing.
    pub fn new(into: impl Into<PathBuf>) -> Self {
        FilesTarget {
            into: into.into(),
            strip_components: 0,
            overwrite: Overwrite::default(),
            ownership: Ownership::default(),
            delete: None,
            dry_run: false,
        }
    }

    /// Leaves out so many leading components of each path. What has no more is skipped; the directory that has just
    /// as many becomes the target itself.
    #[must_use]
    pub fn with_strip_components(mut self, count: usize) -> Self {
        self.strip_components = count;
        self
    }

    /// Says what happens to what is there already.
    #[must_use]
    pub fn with_overwrite(mut self, overwrite: Overwrite) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Says whom restored files belong to.
    #[must_use]
    pub fn with_ownership(mut self, ownership: Ownership) -> Self {
        self.ownership = ownership;
        self
    }

    /// After everything else, deletes names that the snapshot does not have, in directories that it has whole: below
    /// its roots and below what `selection` (the one that the entries were chosen with) takes. What the capture left
    /// out on purpose or could not read stays.
    #[must_use]
    pub fn with_delete(mut self, selection: Selection) -> Self {
        self.delete = Some(selection);
        self
    }

    /// Changes nothing; decides and counts as if it did.
    #[must_use]
    pub fn with_dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// What a restore does where something of that name is there already.
///
/// A directory that is there is gone into, whatever the policy; to something that is no directory it gives way only
/// when it is empty. Where a directory is needed and something else stands, the policy decides; if that stays,
/// everything below fails. Symbolic links are never followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Leaves it.
    Never,
    /// Replaces it when its modification time is before that of the entry.
    IfNewer,
    /// Replaces it unless it is of the same kind with the same size and modification time (or link text, or device);
    /// the rest of its metadata is set anyhow.
    #[default]
    IfChanged,
    /// Replaces it.
    Always,
}

/// Whom restored files belong to. A user who may not give files away restores them as their own, without setuid
/// and setgid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// The numbers of the entry.
    #[default]
    Numbers,
    /// The users and groups of this host that have the entry's names; its numbers where there are none.
    Names,
    /// Whoever restores.
    Restorer,
}
