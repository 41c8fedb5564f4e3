mod record;
mod store;

pub use store::FileJournal;
