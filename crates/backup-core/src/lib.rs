//! The words, traits, pipelines and builder of the backup framework.
//!
//! This crate does no network, process, environment or terminal work; drivers, storages and front ends do.
//! `ARCHITECTURE.md` in the repository shows how the parts fit.

mod action;
mod caught;
mod chain;
mod command;
mod component;
mod connection;
mod destination;
#[cfg(test)]
mod doubles;
mod entry;
mod error;
mod journal;
mod layer;
mod observer;
mod path;
mod registry;
mod retention;
mod secret;
mod secret_ref;
mod source;
mod spare;
mod stop;
mod storage;
mod template;

pub use action::{Action, ActionSpec, Undo};
pub use chain::{Chain, Letter, LetterOutcome, Trace, TraceStep};
pub use command::{
    ComponentReport, DestinationReport, Execute, ExecuteReport, ExecutionReport, Failed, Failure, Missing,
    OpenDestination, Plan, PlannedStep, Pull, PullReport, PulledComponent, Push, PushReport, Set, Source, Target,
    UndoReport, undo_pending,
};
pub use component::{
    Component, ComponentSpec, EntryFailure, MAX_LISTED_FAILURES, Outcome, SourceDescription, Status, Totals,
};
pub use connection::{
    Address, CommandSpec, Connection, Duplex, Exit, ExitStatus, Forward, Process, Reach, Session, Stdin,
};
pub use destination::{
    Backup, BackupId, Catalogue, CheckOptions, Committed, Destination, Draft, Entries, Finding, Ingest, PushStats,
    ReadData, Report, Spec, Summary, read_entry,
};
pub use entry::{Batch, Entry, EntryKind, Fingerprint, Hole, MAX_BATCH, Metadata, Timestamp, Wanted};
pub use error::{Error, ErrorKind, Result, Retry};
pub use journal::{Journal, Lease, MemoryJournal, Pending, UndoRecord};
pub use layer::{Layer, LayerRecord, Layers, StorageLayer, layered, unknown_layer};
pub use observer::{Event, Observer, Silent};
pub use path::{MAX_PATH_BYTES, TreePath};
pub use registry::{Registry, Url};
pub use retention::{Decision, Dropped, RetentionPolicy, RetentionReport, Verdict, apply_retention, plan_retention};
pub use secret::Secret;
pub use secret_ref::SecretRef;
pub use source::{Capture, Contents, FileOpener, FileReader, FileSink, Restore, Selection, SourceDriver, Supply};
pub use spare::Spare;
pub use stop::Stop;
pub use storage::{
    Capabilities, Key, MAX_KEY_BYTES, MAX_PAGE, ObjectMeta, ObjectWriter, Page, PutMode, PutOptions, Reader,
    StorageDriver, StorageExt, Writer,
};
pub use template::{NameTemplate, NameValues};
