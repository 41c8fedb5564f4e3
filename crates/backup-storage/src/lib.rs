//! Storages and their wrappers of the backup framework.
