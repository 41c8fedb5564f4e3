//! Hops to places where programs run, a folder for each kind.

#[cfg(feature = "local")]
pub(crate) mod local;
