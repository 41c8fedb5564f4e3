use crate::format::ids::{PackName, RunName, SessionId, SessionObject};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::Debug;
use std::hash::Hash;

/// What may name a session: [`SessionId`] in the engine, one byte in the model checker.
///
/// The protocol compares names for equality and sorts them to search; their order means nothing.
pub trait SessionName: Copy + Ord + Hash + Debug {}

impl<T: Copy + Ord + Hash + Debug> SessionName for T {}

/// The pack `packs/xx/<session>-<number>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PackId<S = SessionId> {
    /// The session that wrote it.
    pub session: S,
    /// Counted from 0.
    pub number: u32,
}

/// The name `index/<session>-<number>`: a run, or the tombstone that keeps one from being written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId<S = SessionId> {
    /// The session that wrote it.
    pub session: S,
    /// Counted from 0 without gaps.
    pub number: u32,
}

impl From<PackId> for PackName {
    fn from(PackId { session, number }: PackId) -> Self {
        PackName(SessionObject { session, number })
    }
}

impl From<PackName> for PackId {
    fn from(PackName(SessionObject { session, number }): PackName) -> Self {
        PackId { session, number }
    }
}

impl From<RunId> for RunName {
    fn from(RunId { session, number }: RunId) -> Self {
        RunName(SessionObject { session, number })
    }
}

impl From<RunName> for RunId {
    fn from(RunName(SessionObject { session, number }): RunName) -> Self {
        RunId { session, number }
    }
}

/// `<session in hex>-<number>`, as in the object's key; one spelling for each name.
fn parse<E: serde::de::Error>(text: &str) -> Result<SessionObject, E> {
    SessionObject::parse(text).ok_or_else(|| E::custom("not an object's name"))
}

impl Serialize for PackId {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_str(&PackName::from(*self))
    }
}

impl<'de> Deserialize<'de> for PackId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse(&String::deserialize(deserializer)?).map(|name| PackName(name).into())
    }
}

impl Serialize for RunId {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_str(&RunName::from(*self))
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse(&String::deserialize(deserializer)?).map(|name| RunName(name).into())
    }
}

impl Serialize for SessionId {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SessionId::from_hex(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
