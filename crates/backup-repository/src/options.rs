use crate::index::MAX_ROWS;
use std::path::PathBuf;

/// How a repository is used on this machine. None of it is stored.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct RepositoryOptions {
    /// Where caches of all repositories live; without one, nothing is remembered between runs.
    pub cache_dir: Option<PathBuf>,
    /// Where nameless temporary files may be made; the system's temporary folder by default.
    pub scratch_dir: PathBuf,
    /// Worker threads; the number of processors when `None`.
    pub threads: Option<usize>,
    /// zstd level of new segments, 1 to 19.
    pub level: i32,
    /// A pack is closed at this length, in bytes.
    pub pack_bytes: u64,
    /// A push writes an index run whenever this many new chunks wait for one. They take about 80 bytes of memory each.
    pub run_rows: usize,
    /// A prune divides the index runs that it makes at this many rows.
    pub merged_rows: usize,
}

impl Default for RepositoryOptions {
    fn default() -> Self {
        RepositoryOptions {
            cache_dir: None,
            scratch_dir: std::env::temp_dir(),
            threads: None,
            level: 3,
            pack_bytes: 32 << 20,
            run_rows: 256 << 10,
            merged_rows: MAX_ROWS,
        }
    }
}

impl RepositoryOptions {
    /// Sets where caches live.
    #[must_use]
    pub fn with_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Sets where nameless temporary files are made.
    #[must_use]
    pub fn with_scratch_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.scratch_dir = dir.into();
        self
    }

    /// Sets the number of worker threads.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets the zstd level, 1 to 19.
    #[must_use]
    pub fn with_level(mut self, level: i32) -> Self {
        self.level = level.clamp(1, 19);
        self
    }

    /// Sets the length at which packs are closed, in bytes; at most 1 GiB.
    #[must_use]
    pub fn with_pack_bytes(mut self, bytes: u64) -> Self {
        self.pack_bytes = bytes.clamp(1, 1 << 30);
        self
    }

    /// Sets after how many new chunks an index run is written.
    #[must_use]
    pub fn with_run_rows(mut self, rows: usize) -> Self {
        self.run_rows = rows.max(1);
        self
    }

    /// Sets at how many rows a prune divides index runs; at most 4,194,304.
    #[must_use]
    pub fn with_merged_rows(mut self, rows: usize) -> Self {
        self.merged_rows = rows.clamp(1, MAX_ROWS);
        self
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, |n| n.get())).clamp(1, 64)
    }
}
