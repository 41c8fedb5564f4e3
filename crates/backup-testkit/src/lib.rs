//! Conformance suites and hostile doubles of the backup framework.
