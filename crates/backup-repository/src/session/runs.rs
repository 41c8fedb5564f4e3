use super::live::outcome_of;
use crate::format::ids::{Kind, RunName};
use crate::index::{BuiltRun, IndexCache, RunBuilder, RunParams, RunSeal, RunSource};
use crate::protocol::Outcome;
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, PutOptions, Result};
use std::sync::Arc;

/// Makes a run's object, part by part, and creates it. What comes of it is told with the run, which is to be
/// [kept](BuiltRun::keep) if it was created.
///
/// # Errors
/// What the source or the storage says.
pub(crate) async fn write_run<S: RunSource + Send + 'static>(
    inner: &Inner,
    cache: &Arc<IndexCache>,
    name: RunName,
    kind: Kind,
    replaces: Vec<RunName>,
    source: S,
) -> Result<(Outcome, BuiltRun)> {
    let params = RunParams {
        seal: RunSeal::new(inner.config.repository, &inner.keys.index, name)?,
        kind,
        domain: inner.domain,
        replaces,
        signer: inner.signing.clone(),
    };
    let cache = cache.clone();
    let mut builder = blocking(move || RunBuilder::new(params, source, &cache)).await?;
    let mut writer = inner.storage.put(&name.key()?, &PutOptions::default()).await?;
    let built = loop {
        let (returned, part) = blocking(move || {
            let part = builder.next_part()?;
            Ok((builder, part))
        })
        .await?;
        builder = returned;
        match part {
            Some(part) => writer.write(part).await?,
            None => break builder.finish()?,
        }
    };
    Ok((outcome_of(writer.finish().await)?, built))
}

/// Runs work that computes or waits on one of the runtime's threads for that.
///
/// # Errors
/// What the work says; `Internal` when it panics.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|e| Error::new(ErrorKind::Internal, "a thread of the engine panicked: please report").source(e))?
}
