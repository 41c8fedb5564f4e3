use super::Push;
use super::around::Around;
use crate::context::Context;
use crate::drivers::registry;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::{Location, cache_path, not_built_in, url};
use backup_core::{CommandSpec, Error, Source, SourceDriver};
use backup_drivers::{CommandOutput, Files, Local};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a push captures.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) roots: Vec<PathBuf>,
    pub(super) files: Option<Files>,
    /// Sources that were named by a URL.
    pub(super) drivers: Vec<Arc<dyn SourceDriver>>,
    /// The entry's name, the program, and its output as a source.
    pub(super) output: Option<(String, OsString, CommandOutput)>,
}

impl Sources {
    /// Everything that the command line names, looked at before anything is opened or made.
    pub(super) fn new(push: &Push) -> Result<Self> {
        let (mut roots, mut drivers) = (Vec::new(), Vec::new());
        for source in &push.sources {
            match url(source)? {
                Some(url) => drivers.push(registry().source(&url).map_err(not_built_in)?),
                None => roots.push(PathBuf::from(source)),
            }
        }
        roots.iter().try_for_each(|root| look(root))?;
        let files = if roots.is_empty() { None } else { Some(files(&roots, push)?) };
        let output = match (&push.as_name, push.command.split_first()) {
            (Some(name), Some((program, arguments))) => {
                let spec = CommandSpec::new(program.clone().into_vec());
                let spec = arguments.iter().fold(spec, |spec, argument| spec.arg(argument.clone().into_vec()));
                let shown = name.to_string_lossy().into_owned();
                Some((shown, program.clone(), CommandOutput::capture(name.as_bytes(), spec)?))
            }
            _ => None,
        };
        Ok(Sources { roots, files, drivers, output })
    }

    /// Leaves out repositories and caches that lie in the sources, and says so: a repository that backs itself up grows
    /// with every run.
    pub(super) fn leave_out(&mut self, context: &Context, locations: &[Location]) -> Result<()> {
        for around in Around::find(&self.roots, locations, cache_path(&context.settings))? {
            context.screen().note(format_args!("leaving out {}: {}", around.path.display(), around.what));
            if let Some(files) = self.files.take() {
                self.files = Some(files.with_exclude(&around.pattern()?)?);
            }
        }
        Ok(())
    }

    /// The sources as components of a snapshot.
    pub(super) fn components(&self) -> Vec<Source> {
        let files = self.files.clone().map(|files| Source::new(Arc::new(files), Local::new()));
        let drivers = self.drivers.iter().map(|driver| Source::new(driver.clone(), Local::new()));
        let output =
            self.output.clone().map(|(name, _, output)| Source::new(Arc::new(output), Local::new()).named(name));
        files.into_iter().chain(drivers).chain(output).collect()
    }
}

/// A source that is a path must be there before anything else happens.
fn look(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if path.as_os_str().is_empty() => Err(Failure::usage("a source has an empty path").cause(&error)),
        Err(error) => {
            let failure: Failure = Error::io("cannot find the source", error).context("path", path.display()).into();
            Err(failure.hint_on(Exit::NotFound, "nothing was backed up"))
        }
    }
}

fn files(roots: &[PathBuf], push: &Push) -> Result<Files> {
    let mut files = Files::new(roots)?;
    for file in &push.exclude_file {
        files = files.with_exclude_file(file)?;
    }
    for pattern in &push.exclude {
        files = files.with_exclude(pattern)?;
    }
    if push.exclude_caches {
        files = files.without_caches();
    }
    if push.one_file_system {
        files = files.on_one_file_system();
    }
    Ok(match push.max_size {
        Some(size) => files.with_max_file_size(size.as_u64()),
        None => files,
    })
}

/// Whether two existing paths lie on the same file system.
pub(super) fn same_disk(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let disk = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev());
    matches!((disk(a), disk(b)), (Ok(a), Ok(b)) if a == b)
}
