use super::super::sys::dir::Dir;
use super::super::sys::stat::Stat;
use super::super::sys::xattrs::Xattrs;
use super::agenda::Ticket;
use super::task::Task;
use std::sync::Arc;

/// Some consecutive names of one directory with what the system says of each.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) dir: Arc<Dir>,
    /// What became of the directory when it was opened; of no meaning in a page that continues one.
    pub(super) itself: Itself,
    pub(super) records: Vec<Record>,
    /// The records' names, one behind the other.
    pub(super) names: Vec<u8>,
    /// The directories among the records, in order, then the rest of this directory if there is one: as tasks while
    /// nobody knows of them, as tickets once they are on the agenda.
    pub(super) tasks: Vec<Task>,
    pub(super) tickets: Vec<Ticket>,
    pub(super) continues: bool,
}

/// A directory's own state.
#[derive(Debug)]
pub(super) enum Itself {
    /// As its open descriptor says.
    Open(Stat, Xattrs),
    /// It cannot be opened; what was seen from above must do.
    Closed,
    /// It is gone, or no directory any more.
    Gone,
}

/// One name.
#[derive(Debug)]
pub(super) struct Record {
    start: u32,
    length: u16,
    pub(super) stat: Stat,
    /// For what is neither a file nor a directory.
    pub(super) special: Option<Box<Special>>,
}

/// What only special files have.
#[derive(Debug, Default)]
pub(super) struct Special {
    pub(super) target: Vec<u8>,
    pub(super) xattrs: Xattrs,
}

impl Page {
    pub(super) fn new(dir: Arc<Dir>) -> Page {
        Page {
            dir,
            itself: Itself::Closed,
            records: Vec::new(),
            names: Vec::new(),
            tasks: Vec::new(),
            tickets: Vec::new(),
            continues: false,
        }
    }

    pub(super) fn push(&mut self, name: &[u8], stat: Stat, special: Option<Box<Special>>) {
        // A page holds a few thousand names of a few hundred bytes.
        let (start, length) = (self.names.len() as u32, name.len() as u16);
        self.names.extend_from_slice(name);
        self.records.push(Record { start, length, stat, special });
    }
}

impl Record {
    /// Its name, among those of its page.
    pub(super) fn name<'a>(&self, names: &'a [u8]) -> &'a [u8] {
        let start = self.start as usize;
        names.get(start..start + usize::from(self.length)).unwrap_or_default()
    }
}
