mod around;
mod destinations;
mod dry;
mod report;
mod sources;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::process::host_name;
use backup_core::{Push as Builder, Source, Spec, Target};
use bytesize::ByteSize;
use clap::Args;
use destinations::Destinations;
use report::Report;
use sources::Sources;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

/// Back up files, directories or a program's output
///
/// What has not changed since the latest snapshot of the same name is neither read nor stored again.
#[derive(Debug, Args)]
#[command(override_usage = "backup push [OPTIONS] SOURCE…\n       backup push [OPTIONS] --as NAME -- PROGRAM [ARG]…")]
pub(crate) struct Push {
    /// Files and directories
    #[arg(value_name = "SOURCE", required_unless_present = "as_name")]
    sources: Vec<OsString>,

    /// What the snapshot is called [default: the name of this host]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A label of the snapshot; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,

    /// Leave out what matches this pattern, in gitignore syntax; may be given several times
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// Leave out what matches a line of this file; read before the patterns of --exclude, and the last match decides
    #[arg(long, value_name = "FILE")]
    exclude_file: Vec<PathBuf>,

    /// Leave out the content of directories that are marked as caches (CACHEDIR.TAG)
    #[arg(long)]
    exclude_caches: bool,

    /// Leave out larger files (100M, 2GiB)
    #[arg(long, value_name = "SIZE")]
    max_size: Option<ByteSize>,

    /// Do not enter directories of other file systems
    #[arg(long)]
    one_file_system: bool,

    /// Back up what PROGRAM writes to standard output as the entry NAME; unless it ends with status 0, nothing is
    /// stored
    #[arg(long = "as", value_name = "NAME", requires = "command")]
    as_name: Option<OsString>,

    /// The program and its arguments
    #[arg(last = true, value_name = "PROGRAM", requires = "as_name")]
    command: Vec<OsString>,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl Push {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let started = (SystemTime::now(), Instant::now());
        let mut sources = Sources::new(&self)?;
        let name = self.name.clone().unwrap_or_else(host_name);
        let spec = Spec::new(&name, host_name()).with_tags(self.tag.iter().cloned()).with_started(started.0);
        if self.dry_run {
            let places = destinations::locations(context)?;
            sources.leave_out(context, &places)?;
            return dry::run(context, &sources, &places, &spec).await;
        }
        let destinations = Destinations::open(context, &sources).await?;
        sources.leave_out(context, &destinations.locations)?;

        let (Some(push), targets) = (capture(sources.components()), destinations.targets) else {
            return Err(Failure::usage("there is nothing to back up"));
        };
        let mut targets = targets.into_iter();
        let Some(first) = targets.next() else {
            return Err(Failure::new(Exit::Failed, "no repository could be opened"));
        };
        let progress = context.screen().progress();
        let push = push.to(first).spec(spec).observer(progress.clone()).stop(context.interrupt.stop());
        let push = targets.fold(push, |push, target: Target| push.to(target));
        if context.screen().is_verbose() {
            context.screen().note(push.plan()?.to_string().replace('\n', "; "));
        }
        let ended = push.run().await;
        progress.end();
        Report { context, not_opened: destinations.failed, duration: started.1.elapsed() }.show(ended)
    }
}

/// A push of these components; none when there are none.
fn capture(components: Vec<Source>) -> Option<Builder<backup_core::Set>> {
    let mut components = components.into_iter();
    let push = Builder::new().capture(components.next()?);
    Some(components.fold(push, Builder::capture))
}
