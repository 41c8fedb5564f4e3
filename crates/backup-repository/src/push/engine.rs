use super::batch::Fetched;
use super::chunker::Chunker;
use super::content::read_file;
use super::hands::Hands;
use super::job::Job;
use super::known::Known;
use super::metadata::MetadataStore;
use super::queue::{Queue, Work};
use crate::crypto::DomainKeys;
use crate::pack::PackWriter;
use crate::session::{Failure, blocking};
use backup_core::{Error, ErrorKind, Event, Observer, Result};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{Notify, Semaphore, oneshot};

/// Counts of a push.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) files_new: AtomicU64,
    pub(crate) files_changed: AtomicU64,
    pub(crate) files_unchanged: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
    pub(crate) bytes_added: AtomicU64,
    pub(crate) bytes_stored: Arc<AtomicU64>,
}

/// What all threads of a push share.
pub(crate) struct Shared {
    pub(crate) level: i32,
    /// Rows that may wait for a run before one is written.
    pub(crate) run_rows: usize,
    pub(crate) keys: DomainKeys,
    pub(crate) chunker: Chunker,
    pub(crate) known: Arc<Known>,
    pub(crate) queue: Queue,
    pub(crate) data: PackWriter,
    pub(crate) metadata: MetadataStore,
    pub(crate) failure: Arc<Failure>,
    pub(crate) stats: Counters,
    pub(crate) observer: Arc<dyn Observer>,
    /// Jobs under way.
    pub(crate) jobs: Arc<Semaphore>,
    /// Told when it is time for a run.
    pub(crate) many_rows: Notify,
    /// Threads of trees and streams.
    pub(crate) helpers: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    /// Starts a thread that ends by itself once what it serves has ended or was given up, and gives its answer to come. Where
    /// there is none, the failure says why.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        name: &str,
        work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<T>> {
        let (report, answer) = oneshot::channel();
        let shared = self.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            let mut told = None;
            shared.guard(|| {
                told = Some(work(&shared)?);
                Ok(())
            });
            // Nobody listens when the component was given up.
            let _ = told.map(|told| report.send(told));
        });
        let thread = thread.map_err(|e| Error::io("cannot start a thread", e))?;
        let mut helpers = self.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        helpers.retain(|helper| !helper.is_finished());
        helpers.push(thread);
        Ok(answer)
    }

    /// Of what only the next push would have used: a full or broken cache costs that one its speed, not this one its
    /// success.
    pub(crate) fn cannot_remember(&self, error: &Error) {
        let text = format!("{}; the next push reads everything", error.full_message());
        self.observer.event(Event::Warning(text));
    }

    pub(crate) fn notice_rows(&self) {
        if self.data.rows() + self.metadata.packs.rows() >= self.run_rows {
            self.many_rows.notify_one();
        }
    }

    /// Runs a thread's work; an error or a panic of it fails the whole push.
    pub(crate) fn guard(&self, work: impl FnOnce() -> Result<()>) {
        match std::panic::catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.failure.set(error),
            Err(_) => self.failure.set(panicked()),
        }
    }
}

/// The threads that read, cut, compress and seal.
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    pub(crate) fn start(shared: Arc<Shared>, threads: usize) -> Result<Self> {
        let mut engine = Engine { shared, threads: Vec::new() };
        for i in 0..threads {
            let shared = engine.shared.clone();
            let thread = std::thread::Builder::new()
                .name(format!("push-{i}"))
                .spawn(move || shared.guard(|| work(&shared)))
                .map_err(|e| Error::io("cannot start a thread", e))?;
            engine.threads.push(thread);
        }
        Ok(engine)
    }

    /// No more work will come: waits until what there is is done.
    pub(crate) async fn close(&mut self) -> Result<()> {
        self.shared.queue.close();
        let mut threads = std::mem::take(&mut self.threads);
        threads.append(&mut self.shared.helpers.lock().unwrap_or_else(PoisonError::into_inner));
        let shared = self.shared.clone();
        blocking(move || {
            // Panics inside them were caught and recorded.
            threads.into_iter().for_each(|thread| drop(thread.join()));
            // Of a component that was given up, blocks wait that others may go by.
            if !shared.failure.is_set() {
                shared.guard(|| shared.metadata.flush());
            }
            Ok(())
        })
        .await
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.failure.set(Error::new(ErrorKind::Cancelled, "the push was given up"));
        self.shared.queue.close();
    }
}

fn work(shared: &Shared) -> Result<()> {
    let mut hands = Hands::new(shared)?;
    while let Some(work) = shared.queue.pop() {
        let result = match work {
            // After a failure work is only answered, so that nobody waits for ever.
            Work::Segment(_) if shared.failure.is_set() => Ok(()),
            Work::Segment(segment) => hands.store(segment),
            Work::Job(job) => {
                read_job(&mut hands, &job);
                Ok(())
            }
        };
        if let Err(error) = result {
            shared.failure.set(error);
        }
    }
    if shared.failure.is_set() { Ok(()) } else { hands.flush() }
}

fn panicked() -> Error {
    Error::new(ErrorKind::Internal, "a thread of the push panicked: please report")
}

fn read_job(hands: &mut Hands<'_>, job: &Job) {
    let shared = hands.shared;
    let (mut files, mut bytes) = (0, 0);
    let is_wanted = || !job.arrivals.given_up.is_set() && !shared.failure.is_set();
    for number in &job.entries {
        let fetched = match job.arrivals.batch.get(*number) {
            Some(listed) if is_wanted() => {
                let read = || read_file(hands, listed, job.opener.open(*number), &is_wanted);
                match std::panic::catch_unwind(AssertUnwindSafe(read)) {
                    Ok(Ok(fetched)) => fetched,
                    Ok(Err(error)) => {
                        // Before anybody sees that the entry is given up.
                        shared.failure.set(error);
                        Fetched::GivenUp
                    }
                    Err(_) => {
                        if hands.is_torn {
                            shared.failure.set(panicked());
                        }
                        Fetched::Failed("reading it panicked: please report".into())
                    }
                }
            }
            _ => Fetched::GivenUp,
        };
        if let Fetched::Read { entry, .. } = &fetched {
            files += 1;
            bytes += entry.size_bytes.unwrap_or(0);
        }
        job.arrivals.finish(*number, fetched);
    }
    shared.observer.event(Event::Progress { files, bytes });
}

#[cfg(test)]
mod tests {
    use super::super::batch::{Arrivals, GivenUp};
    use super::*;
    use crate::push::begin;
    use crate::tests::Place;
    use backup_core::{Batch, Entry, EntryKind, FileOpener, FileReader, Silent, Spec, Wanted};
    use backup_testkit::memory::{noise, path};
    use std::io::{Cursor, Read};

    /// Longer than a segment, in bytes.
    const LEN: u64 = 2 << 20;

    /// A file that can be read, or whose reader panics.
    #[derive(Clone)]
    struct File {
        content: Cursor<Vec<u8>>,
        panics: bool,
    }

    impl FileOpener for File {
        fn open(&self, _: u64) -> Result<Box<dyn FileReader>> {
            Ok(Box::new(self.clone()))
        }
    }

    impl FileReader for File {
        fn opened(&mut self, listed: &Entry) -> Entry {
            listed.clone()
        }

        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            assert!(!self.panics, "a defect of the source");
            Ok(self.content.read(buffer).unwrap())
        }

        fn finish(self: Box<Self>, listed: &Entry, _: u64) -> Result<Entry> {
            Ok(listed.clone())
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_costs_the_file_and_where_a_chunk_may_be_lost_with_it_the_push() {
        let place = Place::new().await;
        let draft = begin(place.owner().await.0, Spec::new("n", "host"), Arc::new(Silent)).await.unwrap();
        let shared = draft.engine.shared.clone();
        // These hands must store what they have claimed themselves. That waits for the storage, which on a thread of the
        // runtime panics.
        shared.queue.close();
        let mut hands = Hands::new(&shared).unwrap();
        for panics in [true, false] {
            let mut entry = Entry::new(path("file"), EntryKind::File);
            entry.size_bytes = Some(LEN);
            let (batch, wanted) = (Batch { first: 0, entries: vec![entry] }, Wanted(vec![0]));
            let arrivals = Arc::new(Arrivals::new(Arc::new(batch), &wanted, GivenUp::default()));
            assert!(arrivals.accept(0));
            let opener = Arc::new(File { content: Cursor::new(noise(1, LEN as usize)), panics });
            let _permit = shared.jobs.clone().acquire_owned().await.unwrap();
            read_job(&mut hands, &Job { arrivals: arrivals.clone(), opener, entries: wanted.0, _permit });
            let fetched = arrivals.wait();
            assert!(matches!(fetched.as_slice(), [Some(Fetched::Failed(reason))] if reason.contains("panicked")));
            assert_eq!(shared.failure.is_set(), !panics);
        }
        assert_eq!(shared.failure.check().unwrap_err().kind(), ErrorKind::Internal);
    }
}
