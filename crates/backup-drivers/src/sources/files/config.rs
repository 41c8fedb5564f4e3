use super::capture::FilesCapture;
use super::exclude::Patterns;
use super::report::Report;
use super::restore::FilesRestore;
use super::roots::{Plan, Root};
use super::scratch::Scratch;
use super::sys::blocking;
use super::sys::dir::Dir;
use super::target::FilesTarget;
use super::walk::Scope;
use async_trait::async_trait;
use backup_core::{
    Capture, Component, Error, ErrorKind, Observer, Reach, Restore, Result, Session, SourceDescription, SourceDriver,
};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files and directories of this host (Linux): a capture of some roots, or a restore into a directory.
///
/// A listing costs one `stat` for each regular file and nothing else: extended attributes come with the content. So a
/// regular file whose fingerprint is not known must be fetched, even when it is empty.
///
/// The outcome of a capture counts what was `excluded` (not what lies below it); that of a restore counts entries
/// `restored`, `unchanged`, `kept` (by [`Overwrite`](crate::Overwrite)), `deleted` (not what lay below them) and
/// `sockets_skipped`.
#[derive(Clone, Debug)]
pub struct Files {
    roots: Vec<Root>,
    patterns: Patterns,
    skip_caches: bool,
    one_file_system: bool,
    max_file_bytes: Option<u64>,
    scratch: Scratch,
    target: Option<FilesTarget>,
}

impl Files {
    /// A source of these files and directories. Relative paths count from the current directory; `.` and `..` are
    /// resolved as text. Equal and nested roots are merged. A root that is a symbolic link is captured as one, unless
    /// it is written with a slash at its end; links on the way to a root are taken for the directories they lead to.
    ///
    /// # Errors
    /// `InvalidInput` for an empty path or one with a zero byte.
    pub fn new(roots: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self> {
        let roots: Result<Vec<Root>> =
            roots.into_iter().map(|root| Root::new(root.as_ref(), std::env::current_dir)).collect();
        Ok(Files {
            roots: roots?,
            patterns: Patterns::default(),
            skip_caches: false,
            one_file_system: false,
            max_file_bytes: None,
            scratch: Scratch::default(),
            target: None,
        })
    }

    /// A directory to restore into. Components of any kind can be restored so: their streams become files.
    pub fn into_target(target: FilesTarget) -> Self {
        Files {
            roots: Vec::new(),
            patterns: Patterns::default(),
            skip_caches: false,
            one_file_system: false,
            max_file_bytes: None,
            scratch: Scratch::default(),
            target: Some(target),
        }
    }

    /// Leaves out what matches a pattern in gitignore syntax. A pattern with a slash inside counts from the root of the
    /// file system and from each root of the source; the last pattern that matches decides. Roots stay.
    ///
    /// # Errors
    /// `InvalidInput` when it is not a pattern.
    pub fn with_exclude(mut self, pattern: &str) -> Result<Self> {
        self.patterns.add(pattern)?;
        Ok(self)
    }

    /// Leaves out what matches a line of this file, which is read now.
    ///
    /// # Errors
    /// `NotFound`, `AccessDenied`; `InvalidInput` when a line is not a pattern.
    pub fn with_exclude_file(mut self, file: &Path) -> Result<Self> {
        self.patterns.add_file(file)?;
        Ok(self)
    }

    /// Of directories with a valid `CACHEDIR.TAG` takes the directory and the tag, not the rest. Roots stay whole.
    #[must_use]
    pub fn without_caches(mut self) -> Self {
        self.skip_caches = true;
        self
    }

    /// Does not enter directories of other file systems than their root's; the directories themselves stay.
    #[must_use]
    pub fn on_one_file_system(mut self) -> Self {
        self.one_file_system = true;
        self
    }

    /// Leaves out files of more bytes.
    #[must_use]
    pub fn with_max_file_size(mut self, size_bytes: u64) -> Self {
        self.max_file_bytes = Some(size_bytes);
        self
    }

    /// Keeps temporary files (the names of very large directories) in this folder, not in the system's.
    #[must_use]
    pub fn with_temporary_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = Scratch(Some(folder.into()));
        self
    }

    fn scope(&self) -> Result<Scope> {
        let roots: Vec<Vec<u8>> = self.roots.iter().map(slashed).collect();
        Ok(Scope {
            plan: Plan::new(&self.roots),
            excludes: self.patterns.matcher(&roots)?,
            skip_caches: self.skip_caches,
            one_file_system: self.one_file_system,
            max_file_bytes: self.max_file_bytes,
            scratch: self.scratch.clone(),
        })
    }

    /// Looks at every root: a source that is not there at all must not become an empty backup.
    fn look(&self) -> Result<()> {
        if self.roots.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a source of files needs a root"));
        }
        let top = Dir::top()?;
        for root in &self.roots {
            root.look(&top).map_err(|errno| {
                Error::io("cannot find a root of the source", errno.into())
                    .context("path", OsStr::from_bytes(&slashed(root)).display())
            })?;
        }
        Ok(())
    }
}

fn slashed(root: &Root) -> Vec<u8> {
    let mut path = Vec::new();
    for component in &root.components {
        path.push(b'/');
        path.extend_from_slice(component);
    }
    if path.is_empty() { b"/".to_vec() } else { path }
}

fn require_this_host(at: &dyn Session) -> Result<()> {
    match at.reach() {
        Reach::ThisHost => Ok(()),
        Reach::Remote => Err(Error::new(ErrorKind::Unsupported, "files are read and written on this host only")),
    }
}

#[async_trait]
impl SourceDriver for Files {
    fn describe(&self) -> SourceDescription {
        let mut description = SourceDescription::new("files");
        description.roots = self.roots.iter().filter_map(|root| root.tree_path().ok()).collect();
        description.roots.sort();
        description.roots.dedup();
        let mut option = |name: &str, value: String| drop(description.options.insert(name.to_owned(), value));
        if !self.patterns.lines().is_empty() {
            option("exclude", self.patterns.lines().join("\n"));
        }
        if self.skip_caches {
            option("exclude_caches", "true".to_owned());
        }
        if self.one_file_system {
            option("one_file_system", "true".to_owned());
        }
        if let Some(limit) = self.max_file_bytes {
            option("max_file_size_bytes", limit.to_string());
        }
        description
    }

    async fn probe(&self, at: &dyn Session) -> Result<Vec<String>> {
        require_this_host(at)?;
        let files = self.clone();
        let problem = blocking(move || Ok(files.look().err())).await?;
        Ok(problem.map(|error| error.to_string()).into_iter().collect())
    }

    async fn capture(&self, at: Arc<dyn Session>, observer: Arc<dyn Observer>) -> Result<Box<dyn Capture>> {
        require_this_host(&*at)?;
        let files = self.clone();
        let start = move || {
            files.look()?;
            FilesCapture::start(files.scope()?, Arc::new(Report::new(observer)))
        };
        Ok(Box::new(blocking(start).await?))
    }

    async fn restore(
        &self,
        at: Arc<dyn Session>,
        component: &Component,
        observer: Arc<dyn Observer>,
    ) -> Result<Box<dyn Restore>> {
        require_this_host(&*at)?;
        let target = self
            .target
            .clone()
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a restore of files needs a directory to go to"))?;
        let report = Arc::new(Report::new(observer));
        Ok(Box::new(FilesRestore::start(target, component, self.scratch.clone(), report).await?))
    }
}
