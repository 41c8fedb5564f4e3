//! Runs made of others, without the rows of packs that are gone.

use super::held::Held;
use crate::format::ids::{Kind, PackName, RunName};
use crate::index::{Answer, IndexCache, IndexSet, MergedRun, Merger};
use crate::locate::Locator;
use crate::protocol::RunId;
use crate::repository::Inner;
use crate::session::{blocking, write_run};
use backup_core::Result;
use std::collections::HashSet;
use std::sync::Arc;

/// Merges the runs of these names that are in `index`, kind by kind.
///
/// # Errors
/// `Damaged` when a run contradicts itself; what the storage or the scratch folder say.
pub(super) async fn merge(
    inner: &Arc<Inner>,
    held: &Held,
    index: &IndexSet,
    cache: &Arc<IndexCache>,
    names: &[RunId],
) -> Result<()> {
    let chosen: HashSet<RunName> = names.iter().map(|run| RunName::from(*run)).collect();
    for kind in [Kind::Data, Kind::Metadata] {
        let is_chosen = |run: &&Arc<crate::index::RunReader>| run.kind() == kind && chosen.contains(&run.name());
        let runs: Vec<_> = index.runs().iter().filter(is_chosen).cloned().collect();
        if !runs.is_empty() {
            merge_kind(inner, held, cache, kind, IndexSet::new(runs)).await?;
        }
    }
    Ok(())
}

async fn merge_kind(inner: &Arc<Inner>, held: &Held, cache: &Arc<IndexCache>, kind: Kind, set: IndexSet) -> Result<()> {
    let set = Arc::new(set);
    let replaces: Vec<RunName> = set.runs().iter().map(|run| run.name()).collect();
    let locator = Locator::with(inner.clone(), set.clone());
    let mut merger = Merger::new(set, &inner.options.scratch_dir)?;
    let (mut merger_back, mut next) = pull(merger, held, &locator).await?;
    while let Some(run) = next {
        merger = merger_back;
        (merger_back, next) = pull(merger, held, &locator).await?;
        // Only the last says what it replaces: before that, readers need the old ones too.
        let replaces = if next.is_none() { replaces.clone() } else { Vec::new() };
        let name = held.begin_merged_run()?;
        let (outcome, built) = write_run(inner, cache, name, kind, replaces, run).await?;
        held.run_stored(outcome)?;
        built.keep();
    }
    Ok(())
}

/// The next run that a merge gives.
async fn pull(mut merger: Merger, held: &Held, locator: &Locator) -> Result<(Merger, Option<MergedRun>)> {
    loop {
        let held = held.clone();
        let (back, answer) = blocking(move || {
            let machine = held.machine();
            let is_gone = |pack: &PackName| machine.is_dropped((*pack).into());
            let answer = merger.next(&is_gone, &mut |_| true)?;
            drop(machine);
            Ok((merger, answer))
        })
        .await?;
        merger = back;
        match answer {
            Answer::Known(run) => return Ok((merger, run)),
            Answer::Needs(needs) => locator.bring(&needs).await?,
        }
    }
}
