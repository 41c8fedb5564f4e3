//! Runs made of others, without the rows of packs that are gone.

use super::held::Held;
use super::mark::Marks;
use crate::format::ids::{Kind, PackName, RunName};
use crate::index::{Answer, Bits, IndexCache, IndexSet, MergedRun, Merger};
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
    ground: (&IndexSet, &Marks),
    cache: &Arc<IndexCache>,
    names: &[RunId],
) -> Result<()> {
    let (index, marks) = ground;
    let chosen: HashSet<RunName> = names.iter().map(|run| RunName::from(*run)).collect();
    for kind in [Kind::Data, Kind::Metadata] {
        let is_chosen = |run: &&Arc<crate::index::RunReader>| run.kind() == kind && chosen.contains(&run.name());
        let places = index.runs().iter().enumerate().filter(|(_, run)| is_chosen(run));
        let (places, runs): (Vec<u32>, Vec<_>) = places.map(|(place, run)| (place as u32, run.clone())).unzip();
        if runs.is_empty() {
            continue;
        }
        // Of who was revoked only what was read and found to be there goes into a run that an owner signs.
        let doubtful: Vec<Option<Bits>> = places
            .iter()
            .zip(&runs)
            .map(|(place, run)| (!inner.signers.is_trusted(run)).then(|| marks.live_rows(*place)))
            .collect();
        merge_kind(inner, held, cache, kind, IndexSet::new(runs), doubtful.into()).await?;
    }
    Ok(())
}

async fn merge_kind(
    inner: &Arc<Inner>,
    held: &Held,
    cache: &Arc<IndexCache>,
    kind: Kind,
    set: IndexSet,
    doubtful: Arc<[Option<Bits>]>,
) -> Result<()> {
    let set = Arc::new(set);
    let replaces: Vec<RunName> = set.runs().iter().map(|run| run.name()).collect();
    let locator = Locator::with(inner.clone(), set.clone());
    let mut merger = Merger::with_max_rows(set, &inner.options.scratch_dir, inner.options.merged_rows as u64)?;
    let (mut merger_back, mut next) = pull(merger, held, &locator, &doubtful).await?;
    while let Some(run) = next {
        merger = merger_back;
        (merger_back, next) = pull(merger, held, &locator, &doubtful).await?;
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
async fn pull(
    mut merger: Merger,
    held: &Held,
    locator: &Locator,
    doubtful: &Arc<[Option<Bits>]>,
) -> Result<(Merger, Option<MergedRun>)> {
    loop {
        let (held, doubtful) = (held.clone(), doubtful.clone());
        let (back, answer) = blocking(move || {
            let machine = held.machine();
            let is_gone = |pack: &PackName| machine.is_dropped((*pack).into());
            let answer = merger.next(&is_gone, &mut |row| match doubtful.get(row.run as usize) {
                Some(Some(live)) => live.is_set(row.number),
                _ => true,
            })?;
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
