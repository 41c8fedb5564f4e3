//! The deduplicated, encrypted repository format of the backup framework.
