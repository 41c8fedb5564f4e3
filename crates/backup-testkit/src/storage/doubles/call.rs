use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A method of a storage or of the writer of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// The start of an object.
    Put,
    /// A part of an object.
    Write,
    /// The end of an object, which makes it visible.
    Finish,
    /// An object given up by a call (a drop is no call).
    Abort,
    /// An object or a range of it; its bytes belong to the call.
    Get,
    /// Metadata of an object.
    Stat,
    /// A page of a listing.
    List,
    /// A deletion of any number of objects.
    Delete,
}

/// One call of a storage.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// What is called.
    pub method: Method,
    /// The object's key; the prefix of a listing; the first key of a deletion (`""` when there is none).
    pub key: &'a str,
    /// Which call of the double this is, from 1.
    pub number: u64,
}

/// A choice of calls.
pub(super) type Rule = Arc<dyn Fn(&Call<'_>) -> bool + Send + Sync>;

/// Numbers the calls of a double.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn next<'a>(&self, method: Method, key: &'a str) -> Call<'a> {
        Call { method, key, number: self.0.fetch_add(1, Relaxed) + 1 }
    }

    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
