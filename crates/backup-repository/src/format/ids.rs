use super::record::{newer, unhex};
use backup_core::{Error, ErrorKind, Key, Result};
use std::fmt;

/// Bytes of a chunk id.
pub(crate) const CHUNK_ID_LEN: usize = 20;

/// What a chunk is called: the first 20 bytes of its BLAKE3 hash keyed with the domain's chunk-id key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub [u8; CHUNK_ID_LEN]);

impl ChunkId {
    /// An id from stored bytes, which must be exactly 20.
    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(ChunkId).map_err(|_| {
            Error::new(ErrorKind::Damaged, "a chunk id has the wrong length").context("bytes", bytes.len())
        })
    }

    /// An id from its hexadecimal form.
    pub(crate) fn from_hex(text: &str) -> Result<Self> {
        let bytes = unhex(text).map_err(|e| Error::new(ErrorKind::Damaged, "not a chunk id").source(e))?;
        ChunkId::from_slice(&bytes)
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A repository: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryId(pub [u8; 16]);

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A session: 6 bytes of milliseconds since 1970 (big-endian), 4 of a keyed hash of writer and name, 6 random.
/// A snapshot has the id of the session that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// The id with this hexadecimal form (32 digits, no capitals).
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub fn from_hex(text: &str) -> Result<Self> {
        let id = unhex(text).ok().and_then(|bytes| bytes.try_into().ok()).map(SessionId);
        id.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "not a session id").context("id", text))
    }

    /// The time inside the id, in milliseconds since 1970, by the writer's clock.
    pub fn time_ms(&self) -> u64 {
        self.0.iter().take(6).fold(0, |time, byte| time << 8 | u64::from(*byte))
    }

    /// The four bytes that tell sessions of one writer and name from others.
    pub fn series(&self) -> [u8; 4] {
        let [_, _, _, _, _, _, a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number in a name, in its one spelling: no sign, no leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

/// The `number`th object of its kind that a session wrote.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionObject {
    /// The session.
    pub session: SessionId,
    /// Counted from 0.
    pub number: u32,
}

impl SessionObject {
    /// `<session>-<number>`, the last part of the object's key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (session, number) = text.split_once('-')?;
        Some(SessionObject { session: SessionId::from_hex(session).ok()?, number: decimal(number)? })
    }
}

impl fmt::Display for SessionObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.session, self.number)
    }
}

impl fmt::Debug for SessionObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A pack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PackName(pub SessionObject);

impl PackName {
    /// What the keys of all packs of a session begin with.
    pub(crate) fn prefix(session: &SessionId) -> String {
        let [.., last] = session.0;
        format!("packs/{last:02x}/{session}-")
    }

    /// `packs/xx/<session>-<number>`, with xx the session's last byte.
    pub(crate) fn key(&self) -> Result<Key> {
        Key::new(format!("{}{}", PackName::prefix(&self.0.session), self.0.number))
    }

    /// The pack that a key names, if it names one.
    pub(crate) fn from_key(key: &Key) -> Option<Self> {
        let name = PackName(SessionObject::parse(key.as_str().rsplit('/').next()?)?);
        (name.key().ok()? == *key).then_some(name)
    }

    /// The 20 bytes that stand for the name in index runs and derivations: session, then number, little-endian.
    pub(crate) fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        let (session, number) = bytes.split_at_mut(16);
        session.copy_from_slice(&self.0.session.0);
        number.copy_from_slice(&self.0.number.to_le_bytes());
        bytes
    }

    /// The inverse of [`PackName::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8; 20]) -> Self {
        let [s @ .., a, b, c, d] = *bytes;
        PackName(SessionObject { session: SessionId(s), number: u32::from_le_bytes([a, b, c, d]) })
    }
}

impl fmt::Display for PackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An index run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunName(pub SessionObject);

impl RunName {
    /// What the keys of all runs of a session begin with.
    pub(crate) fn prefix(session: &SessionId) -> String {
        format!("index/{session}-")
    }

    /// `index/<session>-<number>`.
    pub(crate) fn key(&self) -> Result<Key> {
        Key::new(format!("{}{}", RunName::prefix(&self.0.session), self.0.number))
    }

    /// The run that a key names, if it names one.
    pub(crate) fn from_key(key: &Key) -> Option<Self> {
        SessionObject::parse(key.as_str().strip_prefix("index/")?).map(RunName)
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a pack, run or segment holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Content of entries.
    Data,
    /// Blocks of the metadata tree and content lists.
    Metadata,
}

impl Kind {
    /// The byte that stands for it.
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Kind::Data => 0,
            Kind::Metadata => 1,
        }
    }

    /// The inverse of [`Kind::to_byte`].
    pub(crate) fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            0 => Ok(Kind::Data),
            1 => Ok(Kind::Metadata),
            other => Err(newer().context("unknown", "kind of content").context("kind", other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_have_one_spelling() {
        let session = SessionId([0xab; 16]);
        let pack = PackName(SessionObject { session, number: 70_000 });
        let key = pack.key().unwrap();
        assert_eq!(key.as_str(), format!("packs/ab/{}-70000", "ab".repeat(16)));
        assert_eq!(PackName::from_key(&key), Some(pack));
        assert_eq!(PackName::from_bytes(&pack.to_bytes()), pack);
        for foreign in ["packs/ac/{}-1", "packs/ab/{}-01", "packs/ab/{}-", "packs/{}-1", "packs/ab/x"] {
            let key = Key::new(foreign.replace("{}", &"ab".repeat(16))).unwrap();
            assert_eq!(PackName::from_key(&key), None, "{key}");
        }
        let run = RunName(SessionObject { session, number: 3 });
        assert_eq!(RunName::from_key(&run.key().unwrap()), Some(run));
        assert_eq!(session.series(), [0xab; 4]);
        assert_eq!(session.time_ms(), 0xabab_abab_abab);
    }
}
