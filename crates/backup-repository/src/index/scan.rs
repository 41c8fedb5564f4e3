//! Reading runs through, page after page.

use super::reader::{Fault, Paged, RunReader};
use super::record::{PackRecord, Record, item};
use super::set::{Answer, IndexSet, need};
use backup_core::{Error, ErrorKind, Result};
use std::collections::VecDeque;
use std::marker::PhantomData;

/// The records of one section of a run, in order.
pub(super) struct Scan<R> {
    page: u32,
    read: VecDeque<R>,
    kind: PhantomData<R>,
}

impl<R: Record> Scan<R> {
    pub(super) fn new() -> Self {
        Scan { page: 0, read: VecDeque::new(), kind: PhantomData }
    }

    /// The next record of `run`; after a fault the same call goes on where it stopped.
    pub(super) fn next(&mut self, run: &RunReader) -> Paged<Option<R>> {
        if self.read.is_empty() {
            let pages = run.layout().section_pages(R::SECTION);
            let number = pages.start + self.page;
            if number >= pages.end {
                return Ok(None);
            }
            let count = run.layout().items_on(R::SECTION, self.page);
            self.read =
                run.page_once(number, |page| (0..count).map(|n| R::get(item::<R>(page, n))).collect::<Result<_>>())??;
            self.page += 1;
        }
        Ok(self.read.pop_front())
    }
}

/// What a search in a run means to the caller of a set.
pub(super) fn answer<T>(place: u32, run: &RunReader, paged: Paged<T>) -> Result<Answer<T>> {
    match paged {
        Ok(known) => Ok(Answer::Known(known)),
        Err(Fault::Damaged(error)) => Err(error),
        Err(Fault::Missing(page)) => match need(place, run, page) {
            Some(need) => Ok(Answer::Needs(vec![need])),
            None => Err(Error::new(ErrorKind::Internal, "a page is in no block").context("run", run.name())),
        },
    }
}

/// The records of one section of one run, one after the other.
pub(crate) struct Records<'a, R> {
    set: &'a IndexSet,
    place: usize,
    scan: Scan<R>,
}

impl IndexSet {
    /// The packs that the run with this place in [`IndexSet::runs`] names.
    pub(crate) fn packs(&self, place: usize) -> Records<'_, PackRecord> {
        self.records(place)
    }

    /// The records of a section, in their order: rows, segments or packs.
    pub(crate) fn records<R: Record>(&self, place: usize) -> Records<'_, R> {
        Records { set: self, place, scan: Scan::new() }
    }
}

impl<R: Record> Records<'_, R> {
    /// The next record; none after the last. After `Needs` the same call goes on where it stopped.
    ///
    /// # Errors
    /// `Damaged` when the run holds an impossible record.
    pub(crate) fn next(&mut self) -> Result<Answer<Option<R>>> {
        match self.set.runs().get(self.place) {
            Some(run) => answer(self.place as u32, run, self.scan.next(run)),
            None => Ok(Answer::Known(None)),
        }
    }
}
