use super::blocks::{BlockTable, MAGIC};
use super::cache::{IndexCache, NewFile};
use super::filter::{FilterShape, mark, prefix};
use super::footer::Footer;
use super::layout::{BLOCK, Layout, PAGE, PAGE_ITEMS, Section};
use super::page::push_page;
use super::record::{Record, Row};
use super::seal::{BlockSealer, RunSeal};
use super::source::{RunSource, Totals};
use crate::crypto::SigningKey;
use crate::format::ids::{Kind, RunName};
use backup_core::{Error, ErrorKind, Result};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// The longest part that a builder gives, in bytes.
pub(crate) const MAX_PART: usize = 1 << 20;

/// What a new run is called and says of itself.
pub(crate) struct RunParams {
    pub(crate) seal: RunSeal,
    pub(crate) kind: Kind,
    pub(crate) domain: u32,
    /// The runs that it makes superfluous.
    pub(crate) replaces: Vec<RunName>,
    pub(crate) signer: Arc<SigningKey>,
}

/// Makes the object of a run, part after part, and beside it the local file.
///
/// Call [`RunBuilder::next_part`] until it gives none, then [`RunBuilder::finish`]. Dropped before, it leaves nothing.
pub(crate) struct RunBuilder<S> {
    params: RunParams,
    source: S,
    totals: Totals,
    layout: Layout,
    shape: FilterShape,
    /// A row that belongs to the next page of the filter.
    pending: Option<Row>,
    last: Option<Row>,
    fences: Vec<u64>,
    page: u32,
    items: Vec<u8>,
    block: Vec<u8>,
    sealed: Vec<u8>,
    sealer: BlockSealer,
    table: BlockTable,
    ready: BytesMut,
    tail: Option<Vec<u8>>,
    object_len: u64,
    cache: Arc<IndexCache>,
    file: Option<NewFile>,
}

/// A run whose object has been made.
pub(crate) struct BuiltRun {
    /// Bytes of all parts together.
    pub(crate) object_len: u64,
    image_len: u64,
    tail: Vec<u8>,
    cache: Arc<IndexCache>,
    file: Option<NewFile>,
}

impl BuiltRun {
    /// Keeps the local file. Call it once the storage has the object: a file stands for what is there.
    pub(crate) fn keep(self) {
        if let Some(file) = self.file
            && let Err(e) = file.finish(true, self.image_len, &self.tail)
        {
            self.cache.warn("the index cache cannot be written", e);
        }
    }
}

impl<S: RunSource> RunBuilder<S> {
    /// # Errors
    /// `InvalidInput` when the source cannot be one run.
    pub(crate) fn new(params: RunParams, mut source: S, cache: &Arc<IndexCache>) -> Result<Self> {
        let totals = source.totals();
        let layout = Layout::new(totals.rows, totals.segments, totals.packs)?;
        source.rewind_rows()?;
        let fences = Vec::with_capacity(layout.count(Section::Fences) as usize);
        Ok(RunBuilder {
            shape: FilterShape::new(&layout, &totals.first, &totals.last),
            file: cache.create(params.seal.name),
            cache: cache.clone(),
            params,
            source,
            totals,
            layout,
            pending: None,
            last: None,
            fences,
            page: 0,
            items: Vec::with_capacity(PAGE),
            block: Vec::with_capacity(BLOCK),
            sealed: Vec::with_capacity(2 * BLOCK),
            sealer: BlockSealer::new()?,
            table: BlockTable::new(),
            ready: BytesMut::from(&MAGIC[..]),
            tail: None,
            object_len: 0,
        })
    }

    /// The next part of the object, of at most [`MAX_PART`] bytes; none after the last. Takes milliseconds of work.
    ///
    /// # Errors
    /// What the source says; `Internal` when it does not hold what it promised.
    pub(crate) fn next_part(&mut self) -> Result<Option<Bytes>> {
        while self.ready.len() < MAX_PART && self.tail.is_none() {
            if self.page < self.layout.page_count() {
                self.next_page()?;
            } else {
                self.close()?;
            }
        }
        let part = self.ready.split_to(self.ready.len().min(MAX_PART));
        self.object_len += part.len() as u64;
        Ok((!part.is_empty()).then(|| part.freeze()))
    }

    /// What has been made.
    ///
    /// # Errors
    /// `Internal` when parts are left.
    pub(crate) fn finish(self) -> Result<BuiltRun> {
        match self.tail {
            Some(tail) if self.ready.is_empty() => Ok(BuiltRun {
                object_len: self.object_len,
                image_len: self.layout.image_len(),
                tail,
                cache: self.cache,
                file: self.file,
            }),
            _ => Err(Error::new(ErrorKind::Internal, "an index run is finished before its last part")),
        }
    }

    fn next_page(&mut self) -> Result<()> {
        self.items.clear();
        let section = Section::ALL.into_iter().find(|s| self.layout.section_pages(*s).contains(&self.page));
        let section = section.ok_or_else(broken_promise)?;
        let number = self.page - self.layout.section_pages(section).start;
        let count = self.layout.items_on(section, number);
        match section {
            Section::Filter => self.filter_page(number, count)?,
            Section::Rows => self.rows_page(number, count)?,
            Section::Segments => {
                for _ in 0..count {
                    let segment = self.source.next_segment()?.ok_or_else(broken_promise)?;
                    if segment.pack >= self.layout.count(Section::Packs) {
                        return Err(broken_promise());
                    }
                    segment.put(&mut self.items)?;
                }
            }
            Section::Packs => {
                for _ in 0..count {
                    self.source.next_pack()?.ok_or_else(broken_promise)?.put(&mut self.items)?;
                }
            }
            Section::Fences => {
                let from = number as usize * section.per_page() as usize;
                let fences = self.fences.get(from..from + count as usize).ok_or_else(broken_promise)?;
                self.items.extend(fences.iter().flat_map(|fence| fence.to_be_bytes()));
            }
        }
        push_page(&mut self.block, &self.items, self.page);
        self.page += 1;
        if self.block.len() >= BLOCK || self.page == self.layout.page_count() { self.seal_block() } else { Ok(()) }
    }

    fn filter_page(&mut self, number: u32, count: u32) -> Result<()> {
        let (len, per_page) = (Section::Filter.item_len(), Section::Filter.per_page());
        let first = number * per_page;
        self.items.resize((count as usize * len).min(PAGE_ITEMS), 0);
        while let Some(row) = self.pending.take().map_or_else(|| self.source.next_row(), |row| Ok(Some(row)))? {
            let item = self.shape.item(&row.id);
            if item >= first + count {
                self.pending = Some(row);
                break;
            }
            let at = item.checked_sub(first).ok_or_else(broken_promise)? as usize * len;
            mark(self.items.get_mut(at..at + len).ok_or_else(broken_promise)?, &row.id);
        }
        Ok(())
    }

    fn rows_page(&mut self, number: u32, count: u32) -> Result<()> {
        if number == 0 {
            self.pending = None;
            self.source.rewind_rows()?;
        }
        for n in 0..count {
            let row = self.source.next_row()?.ok_or_else(broken_promise)?;
            let in_order = match self.last {
                Some(last) => last.id <= row.id,
                None => row.id == self.totals.first,
            };
            if !in_order || row.segment >= self.layout.count(Section::Segments) {
                return Err(broken_promise());
            }
            if n == 0 {
                self.fences.push(prefix(&row.id));
            }
            row.put(&mut self.items)?;
            self.last = Some(row);
        }
        Ok(())
    }

    fn seal_block(&mut self) -> Result<()> {
        let entry = self.sealer.seal(&self.params.seal, &self.block, &mut self.sealed)?;
        self.table.push(&entry);
        self.ready.extend_from_slice(&self.sealed);
        if let Some(file) = &self.file {
            let at = u64::from(self.page) * PAGE as u64 - self.block.len() as u64;
            if let Err(e) = file.write(at, &self.block) {
                self.cache.warn("the index cache cannot be written", e);
                self.file = None;
            }
        }
        self.block.clear();
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let complete = self.last.is_some_and(|row| row.id == self.totals.last);
        let is_more = self.source.next_row()?.is_some()
            || self.source.next_segment()?.is_some()
            || self.source.next_pack()?.is_some();
        if !complete || is_more {
            return Err(broken_promise());
        }
        let footer = Footer {
            kind: self.params.kind,
            domain: self.params.domain,
            layout: self.layout.clone(),
            blocks: std::mem::replace(&mut self.table, BlockTable::new()),
            replaces: std::mem::take(&mut self.params.replaces),
            first: self.totals.first,
            last: self.totals.last,
        };
        let tail = footer.seal(&self.params.seal, &self.params.signer)?;
        self.ready.extend_from_slice(&tail);
        self.tail = Some(tail);
        Ok(())
    }
}

fn broken_promise() -> Error {
    Error::new(ErrorKind::Internal, "the rows of an index run are not those that were announced")
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::{World, id, rows_of, run_name};
    use super::*;
    use crate::format::ids::ChunkId;

    #[test]
    fn a_local_file_that_cannot_be_written_fails_nothing() {
        let mut world = World::new();
        let cache = world.cache();
        let ids: Vec<ChunkId> = (0..5_000).map(id).collect();
        let rows = rows_of(&ids, Kind::Data, 0, 16);
        let mut builder = RunBuilder::new(world.params(run_name(0), Kind::Data), rows, &cache).unwrap();
        builder.file = builder.file.map(NewFile::that_fails);
        let mut object = Vec::new();
        while let Some(part) = builder.next_part().unwrap() {
            object.extend_from_slice(&part);
        }
        builder.finish().unwrap().keep();
        world.objects.insert(run_name(0), object);
        let set = world.open_all(&cache);
        assert!(!set.runs()[0].is_complete());
        assert!(ids.iter().all(|id| world.contains(&set, Kind::Data, id).unwrap()));
        assert_eq!(std::fs::read_dir(world.folder.path().join("index")).unwrap().count(), 1);
    }

    #[test]
    fn a_builder_dropped_or_finished_early_leaves_nothing() {
        let world = World::new();
        let cache = world.cache();
        let rows = || rows_of(&[id(1), id(2)], Kind::Data, 0, 16);
        let builder = RunBuilder::new(world.params(run_name(0), Kind::Data), rows(), &cache).unwrap();
        assert_eq!(builder.finish().err().unwrap().kind(), ErrorKind::Internal);
        let mut builder = RunBuilder::new(world.params(run_name(0), Kind::Data), rows(), &cache).unwrap();
        while builder.next_part().unwrap().is_some() {}
        drop(builder.finish().unwrap());
        assert_eq!(std::fs::read_dir(world.folder.path().join("index")).unwrap().count(), 0);
    }

    /// A source that promises other rows than it has.
    struct Liar<S>(S, Totals);

    impl<S: RunSource> RunSource for Liar<S> {
        fn totals(&self) -> Totals {
            self.1
        }
        fn rewind_rows(&mut self) -> Result<()> {
            self.0.rewind_rows()
        }
        fn next_row(&mut self) -> Result<Option<Row>> {
            self.0.next_row()
        }
        fn next_segment(&mut self) -> Result<Option<super::super::SegmentRecord>> {
            self.0.next_segment()
        }
        fn next_pack(&mut self) -> Result<Option<super::super::PackRecord>> {
            self.0.next_pack()
        }
    }

    #[test]
    fn a_source_must_hold_what_it_promised() {
        let world = World::new();
        let cache = world.cache();
        let ids: Vec<ChunkId> = (0..500).map(id).collect();
        let true_totals = rows_of(&ids, Kind::Data, 0, 16).totals();
        let lies = [
            Totals { rows: 499, ..true_totals },
            Totals { rows: 501, ..true_totals },
            Totals { segments: 5, ..true_totals },
            Totals { segments: 40, ..true_totals },
            Totals { packs: 100, ..true_totals },
            Totals { packs: 2, ..true_totals },
            Totals { first: true_totals.last, ..true_totals },
            Totals { last: true_totals.first, ..true_totals },
        ];
        for totals in lies {
            let source = Liar(rows_of(&ids, Kind::Data, 0, 16), totals);
            let mut builder = RunBuilder::new(world.params(run_name(0), Kind::Data), source, &cache).unwrap();
            let error = loop {
                match builder.next_part() {
                    Ok(part) => assert!(part.is_some(), "{totals:?}"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Internal, "{totals:?}");
        }
    }
}
