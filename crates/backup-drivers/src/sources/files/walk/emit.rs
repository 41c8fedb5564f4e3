//! From pages to batches, in canonical order.

use super::super::groups::LinkGroups;
use super::super::reader::OpenWith;
use super::super::sys::owners::Owners;
use super::super::sys::stat::Stat;
use super::super::sys::xattrs::Xattrs;
use super::agenda::Ticket;
use super::batch::Filling;
use super::page::{Itself, Page};
use super::{Item, Shared};
use backup_core::{Entry, EntryKind, Event, Metadata, Result, TreePath};
use std::sync::Arc;
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
    page: Page,
    next_record: usize,
    next_ticket: usize,
    /// The directory's number in the batch of this generation.
    dir: Option<(u64, u32)>,
}

impl Frame {
    fn new(path: TreePath, page: Page) -> Frame {
        Frame { path, page, next_record: 0, next_ticket: 0, dir: None }
    }

    fn next_ticket(&mut self) -> Option<Ticket> {
        let ticket = self.page.tickets.get(self.next_ticket).copied();
        self.next_ticket += 1;
        ticket
    }
}

/// What the emitter was told by its receiver.
enum Flow {
    Go,
    Stop,
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
    /// What made listing impossible as a whole.
    pub(super) fn run(mut self, first: Ticket) -> Result<()> {
        let Some(page) = self.shared.take(first)? else { return Ok(()) };
        let top_is_root = self.shared.scope.plan.node(super::super::roots::Plan::TOP).is_some_and(|top| top.root);
        if let Itself::Open(stat, _) = &page.itself
            && top_is_root
        {
            let (stat, dir) = (*stat, self.filling.dir(&page.dir));
            let xattrs = own_xattrs(&page);
            self.push(TreePath::root(), &stat, EntryKind::Directory, xattrs, dir);
        }
        let mut stack = vec![Frame::new(TreePath::root(), page)];
        while let Some(frame) = stack.last_mut() {
            if let Flow::Stop = self.flush_if(self.filling.is_full())? {
                return Ok(());
            }
            if frame.next_record < frame.page.records.len() {
                match self.record(frame)? {
                    Step::Below(below) => stack.push(*below),
                    Step::On => {}
                    Step::Stop => return Ok(()),
                }
                continue;
            }
            self.shared.emitted(frame.page.records.len());
            if !frame.page.continues {
                stack.pop();
                continue;
            }
            let Some(ticket) = frame.page.tickets.last().copied() else { break };
            let Some(page) = self.shared.take(ticket)? else { return Ok(()) };
            let path = std::mem::take(&mut frame.path);
            *frame = Frame::new(path, page);
        }
        self.flush_if(!self.filling.is_empty())?;
        self.found(true);
        Ok(())
    }

    /// Emits the next record of a directory.
    fn record(&mut self, frame: &mut Frame) -> Result<Step> {
        let Some(record) = frame.page.records.get_mut(frame.next_record) else { return Ok(Step::On) };
        frame.next_record += 1;
        let (stat, special) = (record.stat, record.special.take());
        let Some(record) = frame.page.records.get(frame.next_record - 1) else { return Ok(Step::On) };
        let path = frame.path.join(frame.page.name(record))?;
        let dir = match frame.dir {
            Some((generation, dir)) if generation == self.filling.generation => dir,
            _ => {
                let dir = self.filling.dir(&frame.page.dir);
                frame.dir = Some((self.filling.generation, dir));
                dir
            }
        };
        if stat.is_dir() {
            let Some(ticket) = frame.next_ticket() else { return Ok(Step::On) };
            let Some(mut page) = self.shared.take(ticket)? else { return Ok(Step::Stop) };
            let (stat, xattrs) = match std::mem::replace(&mut page.itself, Itself::Closed) {
                Itself::Open(stat, xattrs) => (stat, xattrs),
                Itself::Closed => (stat, Xattrs::new()),
                Itself::Gone => return Ok(Step::On),
            };
            self.push(path.clone(), &stat, EntryKind::Directory, xattrs, dir);
            return Ok(Step::Below(Box::new(Frame::new(path, page))));
        }
        let special = special.map(|special| *special).unwrap_or_default();
        if let Some(kind) = stat.kind(|| special.target) {
            self.push(path, &stat, kind, special.xattrs, dir);
        }
        Ok(Step::On)
    }

    fn push(&mut self, path: TreePath, stat: &Stat, kind: EntryKind, xattrs: Xattrs, dir: u32) {
        let mut entry = Entry::new(path, kind);
        entry.metadata = metadata(stat, &self.shared.owners, xattrs);
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

    fn flush_if(&mut self, full: bool) -> Result<Flow> {
        if !full {
            return Ok(Flow::Go);
        }
        self.found(false);
        let listed = self.filling.finish(&self.with);
        let sent = self.batches.blocking_send(Item::Batch(listed));
        Ok(if sent.is_ok() && !self.shared.stopped() { Flow::Go } else { Flow::Stop })
    }

    fn found(&self, done: bool) {
        self.shared.report.event(Event::Found { files: self.files, bytes: self.bytes, done });
    }
}

enum Step {
    On,
    Below(Box<Frame>),
    Stop,
}

fn own_xattrs(page: &Page) -> Xattrs {
    match &page.itself {
        Itself::Open(_, xattrs) => xattrs.clone(),
        _ => Xattrs::new(),
    }
}

/// A file's metadata with the names of its owners as this host knows them.
pub(crate) fn metadata(stat: &Stat, owners: &Owners, xattrs: Xattrs) -> Metadata {
    Metadata {
        mode: Some(stat.permissions()),
        uid: Some(stat.uid),
        gid: Some(stat.gid),
        user: owners.user(stat.uid),
        group: owners.group(stat.gid),
        mtime: Some(stat.mtime),
        xattrs,
    }
}
