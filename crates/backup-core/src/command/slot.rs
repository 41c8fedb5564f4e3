//! Markers of the builders' type parameters: `run` exists only where every required slot is [`Set`].

/// A required slot that nobody has filled.
#[derive(Debug)]
pub enum Missing {}

/// A slot that is filled.
#[derive(Debug)]
pub enum Set {}

/// Unreachable through the builders' types; an error all the same, since libraries do not panic.
pub(crate) fn unset() -> crate::Error {
    crate::Error::new(crate::ErrorKind::Internal, "a required slot of a command is not set")
}
