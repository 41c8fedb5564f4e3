//! Check: looks for damage in every kind of object, and says which snapshots each finding affects.
//!
//! Snapshots are listed first, then the index, then packs, so that what a push or a prune does meanwhile is not taken
//! for damage.

mod control;
mod findings;
mod history;
mod packs;
mod trees;

use crate::fetch::Fetcher;
use crate::locate::{self, Locator};
use crate::notes::{self, Seen};
use crate::pull::Blocks;
use crate::repository::Inner;
use backup_core::{CheckOptions, Event, Observer, ReadData, Report, Result};
use findings::Findings;
use std::sync::Arc;

/// Checks a repository.
///
/// # Errors
/// Only when looking itself fails; what is found is in the report.
pub(crate) async fn check(inner: Arc<Inner>, options: CheckOptions, observer: Arc<dyn Observer>) -> Result<Report> {
    if options.read != ReadData::None {
        inner.need_owner("check the content")?;
    }
    let mut findings = Findings::default();
    observer.event(Event::Stage("checking configuration and keys"));
    control::configs(&inner, &mut findings).await?;
    control::owners(&inner, &mut findings).await?;
    control::keys(&inner, &mut findings).await?;
    observer.event(Event::Stage("checking snapshots"));
    let seen = Seen::load(&inner);
    let listed = inner.listed().await?;
    let snapshots = control::snapshots(&inner, &listed, &mut findings).await?;
    history::notes(&inner, &mut findings).await?;
    history::gaps(&inner, &listed, &snapshots, seen, &mut findings).await?;
    notes::record_beside(&inner, &listed, &*observer).await;
    if !inner.is_owner() {
        let what = "what snapshots need is not looked at: that needs an owner's identity";
        observer.event(Event::Warning(what.into()));
    }
    for domain in inner.domains.iter() {
        let own: Vec<_> = snapshots.iter().filter(|snapshot| snapshot.domain == domain.number).collect();
        check_domain(inner.in_domain(domain.number)?, &own, options.read, &observer, &mut findings).await?;
    }
    Ok(findings.into_report())
}

async fn check_domain(
    inner: Arc<Inner>,
    snapshots: &[&control::CheckedSnapshot],
    read: ReadData,
    observer: &Arc<dyn Observer>,
    findings: &mut Findings,
) -> Result<()> {
    observer.event(Event::Stage("checking the index"));
    let condemned = packs::condemned_packs(&inner).await?;
    // Nothing local is believed: every block comes from the storage.
    let cache = locate::scratch_cache(&inner, observer.clone());
    let index =
        Arc::new(locate::load_whole(&inner, &cache, &mut |run, error| findings.object(run.key(), &error)).await?);
    let locator = Arc::new(Locator::with(inner.clone(), index.clone()));
    observer.event(Event::Stage("checking packs"));
    let listed = packs::listed(&inner, &index, condemned, findings).await?;
    if read != ReadData::None {
        observer.event(Event::Stage("reading packs"));
        packs::read(&inner, &listed, read, &**observer, findings).await?;
    }

    observer.event(Event::Stage("checking what snapshots need"));
    let fetcher = Arc::new(Fetcher::new(inner.clone()));
    let blocks = Blocks::new(inner, fetcher, locator.clone());
    trees::check(&blocks, &locator, snapshots, &**observer, findings).await
}
