//! From pages to batches, in canonical order.

use super::super::groups::LinkGroups;
use super::super::reader::OpenWith;
use super::super::roots::Plan;
use super::super::sys::defect;
use super::super::sys::dir::Dir;
use super::super::sys::stat::Stat;
use super::super::sys::xattrs::Xattrs;
use super::agenda::Ticket;
use super::batch::Filling;
use super::page::{Itself, Page, Record};
use super::{Item, Shared, stopped};
use backup_core::{Entry, EntryKind, Event, Result, TreePath};
use std::sync::Arc;
use std::vec::IntoIter;
use tokio::sync::mpsc;

/// Walks the pages depth first.
pub(super) struct Emitter<'a> {
    shared: &'a Shared,
    batches: &'a mpsc::Sender<Item>,
    with: Arc<OpenWith>,
    filling: Filling,
    groups: LinkGroups,
    files: u64,
    bytes: u64,
}

/// A directory that is being emitted.
struct Frame {
    path: TreePath,
    dir: Arc<Dir>,
    names: Vec<u8>,
    records: IntoIter<Record>,
    /// How many names this page had.
    length: usize,
    /// Of the directories among the records, then of the next page if there is one.
    tickets: IntoIter<Ticket>,
    continues: bool,
    /// The directory's number in the batch of this generation.
    number: Option<(u64, u32)>,
}

impl Frame {
    fn new(path: TreePath, page: Page) -> Frame {
        Frame {
            path,
            dir: page.dir,
            names: page.names,
            length: page.records.len(),
            records: page.records.into_iter(),
            tickets: page.tickets.into_iter(),
            continues: page.continues,
            number: None,
        }
    }
}

impl<'a> Emitter<'a> {
    pub(super) fn new(shared: &'a Shared, batches: &'a mpsc::Sender<Item>) -> Self {
        Emitter {
            shared,
            batches,
            with: Arc::new(OpenWith::new(shared.owners.clone(), shared.report.clone())),
            filling: Filling::new(),
            groups: LinkGroups::default(),
            files: 0,
            bytes: 0,
        }
    }

    /// Emits everything from the first ticket on.
    ///
    /// # Errors
    /// `Cancelled` when nobody listens any more; what made listing impossible as a whole.
    pub(super) fn run(mut self, first: Ticket) -> Result<()> {
        let mut page = self.shared.take(first)?;
        let top = std::mem::replace(&mut page.itself, Itself::Closed);
        if let Itself::Open(stat, xattrs) = top
            && self.shared.scope.plan.node(Plan::TOP).is_some_and(|top| top.root)
        {
            let number = self.filling.dir(&page.dir);
            self.push(TreePath::root(), &stat, EntryKind::Directory, xattrs, number);
        }
        let mut stack = vec![Frame::new(TreePath::root(), page)];
        while let Some(frame) = stack.last_mut() {
            if self.filling.is_full() {
                self.flush()?;
            }
            if let Some(record) = frame.records.next() {
                let below = self.record(frame, record)?;
                stack.extend(below);
                continue;
            }
            self.shared.emitted(frame.length);
            if frame.continues {
                let ticket = frame.tickets.next().ok_or_else(|| defect("the rest of a directory got lost"))?;
                let path = std::mem::take(&mut frame.path);
                *frame = Frame::new(path, self.shared.take(ticket)?);
            } else {
                stack.pop();
            }
        }
        if !self.filling.is_empty() {
            self.flush()?;
        }
        self.found(true);
        Ok(())
    }

    /// Emits a record; gives the frame of a directory, to go on with.
    fn record(&mut self, frame: &mut Frame, record: Record) -> Result<Option<Frame>> {
        let path = frame.path.join(record.name(&frame.names))?;
        let number = match frame.number {
            Some((generation, number)) if generation == self.filling.generation => number,
            _ => {
                let number = self.filling.dir(&frame.dir);
                frame.number = Some((self.filling.generation, number));
                number
            }
        };
        if record.stat.is_dir() {
            let ticket = frame.tickets.next().ok_or_else(|| defect("a directory got lost"))?;
            let mut page = self.shared.take(ticket)?;
            let (stat, xattrs) = match std::mem::replace(&mut page.itself, Itself::Closed) {
                Itself::Open(stat, xattrs) => (stat, xattrs),
                Itself::Closed => (record.stat, Xattrs::new()),
                Itself::Gone => return Ok(None),
            };
            self.push(path.clone(), &stat, EntryKind::Directory, xattrs, number);
            return Ok(Some(Frame::new(path, page)));
        }
        let special = record.special.map(|special| *special).unwrap_or_default();
        match record.stat.kind(|| special.target) {
            Some(kind) => self.push(path, &record.stat, kind, special.xattrs, number),
            None => self.shared.report.fail(path, "it is of a kind that cannot be stored".to_owned()),
        }
        Ok(None)
    }

    fn push(&mut self, path: TreePath, stat: &Stat, kind: EntryKind, xattrs: Xattrs, dir: u32) {
        let mut entry = Entry::new(path, kind);
        entry.metadata = self.with.metadata(stat, xattrs, None);
        entry.fingerprint = Some(stat.fingerprint());
        entry.size_bytes = Some(0);
        if !stat.is_dir() {
            entry.link_group = self.groups.group(stat, &entry.path);
        }
        if stat.is_file() {
            entry.size_bytes = Some(stat.size);
            self.files += 1;
            self.bytes = self.bytes.saturating_add(stat.size);
        }
        self.filling.push(entry, dir);
    }

    fn flush(&mut self) -> Result<()> {
        self.found(false);
        let listed = self.filling.finish(&self.with);
        self.batches.blocking_send(Item::Batch(listed)).map_err(|_| stopped())
    }

    fn found(&self, done: bool) {
        self.shared.report.event(Event::Found { files: self.files, bytes: self.bytes, done });
    }
}
