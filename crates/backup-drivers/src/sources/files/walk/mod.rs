//! A walk over directories by several threads that comes out in canonical order.
//!
//! Workers list directories ahead, those first that come first in canonical order. One emitter takes the listings in
//! order and turns them into batches; what nobody has started when it is needed it lists itself, so it waits only for
//! what runs already. What is read ahead is bounded by the number of names.

mod agenda;
mod batch;
mod emit;
mod lister;
mod page;
mod task;

pub(crate) use batch::{Listed, Opener};
pub(crate) use task::Scope;

use super::report::Report;
use super::sys::dir::Dir;
use super::sys::owners::Owners;
use super::sys::{defect, lock};
use agenda::{Agenda, Ticket, Turn};
use backup_core::{Error, ErrorKind, Result};
use emit::Emitter;
use page::Page;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use task::Task;
use tokio::sync::mpsc;

/// Nothing is read ahead while so many names wait.
const READ_AHEAD: usize = 64 * 1024;

/// Batches that may wait for the engine.
const BATCHES_AHEAD: usize = 2;

/// What comes out of a walk.
pub(crate) enum Item {
    Batch(Listed),
    /// The last item of a walk that came to its end: a channel that just closes is a failure.
    End,
    Failed(Error),
}

/// A running walk; dropping it ends its threads.
pub(crate) struct Walk {
    shared: Arc<Shared>,
    batches: mpsc::Receiver<Item>,
}

/// What the threads share.
struct Shared {
    scope: Scope,
    report: Arc<Report>,
    owners: Arc<Owners>,
    stop: AtomicBool,
    desk: Mutex<Desk>,
    /// There may be something to claim.
    work: Condvar,
    /// A page was completed.
    listed: Condvar,
}

#[derive(Default)]
struct Desk {
    agenda: Agenda,
    /// Names that are known and not emitted.
    ahead: usize,
}

impl Walk {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the root of the file system cannot be opened, or threads cannot be started.
    pub(crate) fn start(scope: Scope, report: Arc<Report>) -> Result<Walk> {
        let mut desk = Desk::default();
        let first = desk.agenda.start(Task::top(Dir::top()?));
        let shared = Arc::new(Shared {
            scope,
            report,
            owners: Arc::default(),
            stop: AtomicBool::new(false),
            desk: Mutex::new(desk),
            work: Condvar::new(),
            listed: Condvar::new(),
        });
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        // From here on an error drops `walk`, which ends the threads that were started.
        let walk = Walk { shared: shared.clone(), batches };
        let workers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        for _ in 0..workers {
            let shared = shared.clone();
            spawn("backup-list", move || shared.read_ahead())?;
        }
        spawn("backup-walk", move || {
            let item = match catch_unwind(AssertUnwindSafe(|| Emitter::new(&shared, &sender).run(first))) {
                Ok(Ok(())) => Item::End,
                Ok(Err(error)) => Item::Failed(error),
                Err(_) => Item::Failed(defect("the walk panicked")),
            };
            shared.end();
            // Nobody listens any more: nothing is lost.
            let _ = sender.blocking_send(item);
        })?;
        Ok(walk)
    }

    /// The next item; `None` when the walk ended without saying so.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        self.batches.recv().await
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.shared.end();
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "nobody listens to the walk any more")
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|e| Error::io("cannot start a thread", e))
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn end(&self) {
        let _desk = lock(&self.desk);
        self.stop.store(true, Ordering::Relaxed);
        self.work.notify_all();
        self.listed.notify_all();
    }

    /// A worker's life.
    fn read_ahead(&self) {
        let mut desk = lock(&self.desk);
        while !self.stopped() {
            let claimed = if desk.ahead < READ_AHEAD { desk.agenda.claim_first() } else { None };
            let Some((ticket, task)) = claimed else {
                desk = self.work.wait(desk).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            desk.ahead = desk.ahead.saturating_sub(task.names_in_memory());
            drop(desk);
            self.list(ticket, *task);
            desk = lock(&self.desk);
        }
    }

    /// Lists a directory and puts the result on the agenda.
    fn list(&self, ticket: Ticket, task: Task) {
        let page = catch_unwind(AssertUnwindSafe(|| task.run(&self.scope, &self.report, &self.stop)))
            .unwrap_or_else(|_| Err(defect("listing a directory panicked")));
        let mut desk = lock(&self.desk);
        if let Ok(page) = &page {
            desk.ahead += page.records.len() + page.tasks.last().map_or(0, Task::names_in_memory);
        }
        desk.agenda.complete(ticket, page);
        drop(desk);
        self.listed.notify_all();
        self.work.notify_all();
    }

    /// The emitter's way to a page: waits for a worker that is at it, else lists it right here.
    fn take(&self, ticket: Ticket) -> Result<Page> {
        let mut desk = lock(&self.desk);
        loop {
            if self.stopped() {
                return Err(stopped());
            }
            match desk.agenda.turn(ticket) {
                Turn::Page(page) => return *page,
                Turn::Wait => desk = self.listed.wait(desk).unwrap_or_else(PoisonError::into_inner),
                Turn::Yours(task) => {
                    desk.ahead = desk.ahead.saturating_sub(task.names_in_memory());
                    drop(desk);
                    self.list(ticket, *task);
                    desk = lock(&self.desk);
                }
            }
        }
    }

    /// Says that so many names were emitted.
    fn emitted(&self, names: usize) {
        let mut desk = lock(&self.desk);
        let before = desk.ahead;
        desk.ahead = before.saturating_sub(names);
        if before >= READ_AHEAD && desk.ahead < READ_AHEAD {
            self.work.notify_all();
        }
    }
}
