use super::engine::Shared;
use crate::format::ids::Kind;
use crate::index::{IndexCache, PackRecord, Row, RunRows, SegmentRecord};
use crate::locate;
use crate::pack::FinishedPacks;
use crate::repository::Inner;
use crate::session::{Adopted, LiveSession, blocking, write_run};
use backup_core::Result;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Writes a session's runs, one at a time, their numbers without gaps.
pub(crate) struct Publisher {
    inner: Arc<Inner>,
    session: Arc<LiveSession>,
    cache: Arc<IndexCache>,
}

impl Publisher {
    pub(crate) fn new(inner: Arc<Inner>, session: Arc<LiveSession>, cache: Arc<IndexCache>) -> Self {
        Publisher { inner, session, cache }
    }

    /// Makes all packs so far durable, then the runs that name them. What is stored stands in a run even if the storage
    /// refused another pack.
    pub(crate) async fn publish(&mut self, shared: &Arc<Shared>) -> Result<()> {
        let mut result = Ok(());
        for kind in [Kind::Data, Kind::Metadata] {
            let sharing = shared.clone();
            let (finished, stored) = blocking(move || {
                Ok(match kind {
                    Kind::Data => sharing.data.take_finished(),
                    Kind::Metadata => sharing.metadata.packs.take_finished(),
                })
            })
            .await?;
            self.run(shared, kind, finished).await?;
            result = result.and(stored);
        }
        result
    }

    /// Publishes what dead sessions left: their chunks are known from now on.
    pub(crate) async fn publish_adopted(&mut self, shared: &Arc<Shared>, adopted: Adopted) -> Result<()> {
        self.run(shared, Kind::Data, adopted.data).await?;
        self.run(shared, Kind::Metadata, adopted.metadata).await
    }

    async fn run(&mut self, shared: &Arc<Shared>, kind: Kind, finished: FinishedPacks) -> Result<()> {
        if finished.packs.is_empty() {
            return Ok(());
        }
        let packs: Vec<_> = finished.packs.iter().map(|pack| pack.name).collect();
        let name = self.session.begin_run(&packs)?;
        let ids: Vec<_> = finished.packs.iter().flat_map(|pack| pack.footer.chunks.iter().map(|(id, _)| *id)).collect();
        let rows = blocking(move || rows(&finished, kind)).await?;
        let (outcome, built) = write_run(&self.inner, &self.cache, name, kind, Vec::new(), rows).await?;
        let length = built.object_len;
        shared.stats.bytes_stored.fetch_add(length, Ordering::Relaxed);
        self.session.run_stored(outcome)?;
        built.keep();
        let key = name.key()?;
        let run = locate::open(&self.inner, &self.cache, name, &key, length).await?;
        if !run.is_complete() {
            locate::fill(&self.inner, &run, &key).await?;
        }
        shared.known.publish(Arc::new(run), ids.into_iter());
        Ok(())
    }
}

/// The rows of finished packs of one kind.
pub(crate) fn rows(finished: &FinishedPacks, kind: Kind) -> Result<RunRows> {
    let mut rows = Vec::with_capacity(finished.packs.iter().map(|p| p.footer.chunks.len()).sum());
    let (mut segments, mut packs) = (Vec::new(), Vec::new());
    for pack in &finished.packs {
        for (place, chunks) in pack.places(kind) {
            let mut offset = 0;
            for (id, length) in chunks {
                rows.push(Row { id: *id, segment: segments.len() as u32, offset, length: *length });
                offset += length;
            }
            segments.push(SegmentRecord {
                pack: packs.len() as u32,
                offset: place.offset,
                sealed_len: place.sealed_len,
                plain_len: place.plain_len,
                number: place.number,
                flags: place.flags,
            });
        }
        packs.push(PackRecord {
            name: pack.name,
            kind,
            identity: pack.identity,
            length: pack.length,
            hash: pack.hash,
            wrapped: pack.wrapped,
        });
    }
    RunRows::new(rows, segments, packs)
}
