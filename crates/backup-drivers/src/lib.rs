//! Connections and sources of the backup framework.
