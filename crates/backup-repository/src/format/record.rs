//! Signed records: docs/format.md, section 3.

use super::config::FORMAT;
use super::ids::RepositoryId;
use crate::crypto::{IndexKey, SIGNATURE_LEN, SealKey, SignerId, SigningKey, VerifyingKey, derive, random};
use backup_core::{Error, ErrorKind, Key, Result};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// No control object is longer.
pub(crate) const MAX_RECORD: u64 = 16 << 20;

const MAGIC: &[u8; 8] = b"BKUPREC1";
const CONTEXT: &[u8] = b"backup record 1";
const SEAL_CONTEXT: &str = "backup repository 2026 record";
const HEAD_LEN: usize = 8 + 1 + 16 + 4;
const HASH_LEN: usize = 32;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RecordKind {
    Config = 1,
    Certificate = 2,
    SessionStart = 3,
    Renewal = 4,
    SessionEnd = 5,
    Snapshot = 6,
    Tombstone = 7,
    Condemned = 8,
    Waits = 9,
    Gone = 10,
    Forgotten = 11,
    RunTombstone = 12,
    Void = 13,
    Revocation = 14,
    Card = 15,
    Identity = 16,
    Domain = 17,
    Note = 18,
    Receipts = 19,
    /// Of a later format: what comes after the owners' signing key.
    Signing = 20,
}

impl RecordKind {
    /// Whether a certified writer may sign it; all others are owners' alone.
    pub(crate) fn is_writers(self) -> bool {
        use RecordKind::{Renewal, RunTombstone, SessionEnd, SessionStart, Snapshot, Tombstone};
        matches!(self, SessionStart | Renewal | SessionEnd | Snapshot | Tombstone | RunTombstone)
    }

    /// Whether its payload is empty.
    pub(crate) fn is_empty(self) -> bool {
        matches!(self, Self::SessionEnd | Self::Forgotten | Self::RunTombstone | Self::Void)
    }
}

/// What a signature of a record covers.
fn signed(repository: &RepositoryId, kind: u8, signer: &SignerId, key: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(CONTEXT.len() + 40 + key.len() + payload.len());
    message.extend_from_slice(CONTEXT);
    message.extend_from_slice(&repository.0);
    message.push(kind);
    message.extend_from_slice(&signer.0);
    message.extend_from_slice(&(key.len() as u32).to_le_bytes());
    message.extend_from_slice(key.as_bytes());
    message.extend_from_slice(payload);
    message
}

/// Makes a record. `key` is what is signed: the object's key, for a config without its last component.
pub(crate) fn write(
    kind: RecordKind,
    repository: &RepositoryId,
    key: &str,
    signer: &SigningKey,
    payload: &[u8],
) -> Result<Bytes> {
    let id = signer.verifying()?.id();
    let mut out = Vec::with_capacity(HEAD_LEN + payload.len() + SIGNATURE_LEN + HASH_LEN);
    out.extend_from_slice(MAGIC);
    out.push(kind as u8);
    out.extend_from_slice(&id.0);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(payload);
    out.extend_from_slice(&signer.sign(&signed(repository, kind as u8, &id, key, payload))?);
    let hash = blake3::hash(&out);
    out.extend_from_slice(hash.as_bytes());
    Ok(out.into())
}

/// A record taken apart; its hash is right, its signature not yet verified.
pub(crate) struct RawRecord<'a> {
    pub(crate) kind: u8,
    pub(crate) signer: SignerId,
    pub(crate) payload: &'a [u8],
    /// Of all before it.
    pub(crate) hash: [u8; HASH_LEN],
    signature: &'a [u8],
}

fn damaged(because: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "a record is damaged").context("because", because)
}

impl<'a> RawRecord<'a> {
    /// # Errors
    /// `Damaged` when it is cut, altered, or no record of this format.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let (body, hash) = bytes.split_last_chunk::<HASH_LEN>().ok_or_else(|| damaged("it is too short"))?;
        if blake3::hash(body) != *hash {
            return Err(damaged("its hash is wrong: it was cut or altered"));
        }
        let (magic, rest) = body.split_first_chunk::<8>().ok_or_else(|| damaged("it is too short"))?;
        if magic != MAGIC {
            return Err(damaged("it is not a record of this format"));
        }
        let (kind, rest) = rest.split_first().ok_or_else(|| damaged("it is too short"))?;
        let (signer, rest) = rest.split_first_chunk::<16>().ok_or_else(|| damaged("it is too short"))?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("it is too short"))?;
        let (payload, signature) = rest
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .filter(|(_, signature)| signature.len() == SIGNATURE_LEN)
            .ok_or_else(|| damaged("its lengths do not fit"))?;
        Ok(RawRecord { kind: *kind, signer: SignerId(*signer), payload, hash: *hash, signature })
    }

    /// # Errors
    /// `Damaged` when it is of another kind, was made for another key or repository, or not by this signer.
    pub(crate) fn verify(
        &self,
        kind: RecordKind,
        repository: &RepositoryId,
        key: &str,
        signer: &VerifyingKey,
    ) -> Result<()> {
        if self.kind != kind as u8 {
            return Err(damaged("it is of another kind"));
        }
        if self.signer != signer.id() {
            return Err(damaged("somebody else signed it"));
        }
        signer.verify(&signed(repository, self.kind, &self.signer, key, self.payload), self.signature)
    }
}

/// A payload that only members of the domain can read.
pub(crate) fn seal_json<T: Serialize>(index: &IndexKey, key: &Key, value: &T) -> Result<Vec<u8>> {
    seal_plain(index, key, to_json(value)?)
}

/// Whatever the payload is.
pub(crate) fn seal_plain(index: &IndexKey, key: &Key, mut plain: Vec<u8>) -> Result<Vec<u8>> {
    let nonce = random::<12>()?;
    record_key(index, key)?.seal_with_nonce(nonce, key.as_str().as_bytes(), &mut plain)?;
    let mut out = nonce.to_vec();
    out.append(&mut plain);
    Ok(out)
}

/// The inverse of [`seal_json`].
///
/// # Errors
/// `Damaged` when it does not open under this key and name, or is not the JSON expected.
pub(crate) fn open_json<T: DeserializeOwned>(index: &IndexKey, key: &Key, sealed: &[u8]) -> Result<T> {
    from_json(&open_plain(index, key, sealed)?)
}

/// The plain text of a sealed payload.
///
/// # Errors
/// `Damaged` when it does not open under this key and name.
pub(super) fn open_plain(index: &IndexKey, key: &Key, sealed: &[u8]) -> Result<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<12>().ok_or_else(|| damaged("it is too short"))?;
    let mut buffer = sealed.to_vec();
    let plain = record_key(index, key)?.open_with_nonce(*nonce, key.as_str().as_bytes(), &mut buffer)?;
    Ok(plain.to_vec())
}

fn record_key(index: &IndexKey, key: &Key) -> Result<SealKey> {
    SealKey::new(&derive(SEAL_CONTEXT, &index.0, key.as_str().as_bytes()))
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::new(ErrorKind::Internal, "a record cannot be written").source(e))
}

/// Reads a payload of JSON, if nothing is required that is not known here.
///
/// # Errors
/// `Unsupported` for one of a newer version, also if it does not parse; `Damaged`.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let Required { format, requires } = parse_json(bytes)?;
    if format > FORMAT {
        return Err(newer().context("format", format));
    }
    if requires.is_empty() { parse_json(bytes) } else { Err(newer().context("requires", requires.join(" "))) }
}

/// What every payload of JSON may have.
#[derive(Deserialize)]
struct Required {
    #[serde(default)]
    format: u32,
    #[serde(default)]
    requires: Vec<String>,
}

/// Reads an object of JSON, whatever it requires.
///
/// # Errors
/// `Damaged`.
pub(super) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // A struct would also be read from an array, by position.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(
            Error::new(ErrorKind::Damaged, "a record does not parse").context("because", "it is no JSON object")
        );
    }
    serde_json::from_slice(bytes).map_err(|e| Error::new(ErrorKind::Damaged, "a record does not parse").source(e))
}

/// What is said of everything that only a newer version understands.
pub(crate) fn newer() -> Error {
    Error::new(ErrorKind::Unsupported, "it is of a newer version: a newer backup is needed")
}

/// Bytes in lower-case hexadecimal digits, their one spelling.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>, hex::FromHexError> {
    match text.char_indices().find(|(_, c)| c.is_ascii_uppercase()) {
        Some((index, c)) => Err(hex::FromHexError::InvalidHexCharacter { c, index }),
        None => hex::decode(text),
    }
}

/// `#[serde(with = "record::hexed")]` for byte arrays.
pub(crate) mod hexed {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer, T: AsRef<[u8]>>(bytes: &T, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(d: D) -> Result<T, D::Error> {
        let bytes = super::unhex(&String::deserialize(d)?).map_err(D::Error::custom)?;
        T::try_from(bytes).map_err(|_| D::Error::custom("wrong number of bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_bound_to_its_name_repository_kind_and_signer() {
        let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let repository = RepositoryId([1; 16]);
        let bytes = write(RecordKind::Snapshot, &repository, "snapshots/a", &ours, b"payload").unwrap();
        let record = RawRecord::parse(&bytes).unwrap();
        assert_eq!(record.payload, b"payload");
        let key = ours.verifying().unwrap();
        record.verify(RecordKind::Snapshot, &repository, "snapshots/a", &key).unwrap();
        assert!(record.verify(RecordKind::Snapshot, &repository, "snapshots/b", &key).is_err());
        assert!(record.verify(RecordKind::Snapshot, &RepositoryId([2; 16]), "snapshots/a", &key).is_err());
        assert!(record.verify(RecordKind::Config, &repository, "snapshots/a", &key).is_err());
        assert!(record.verify(RecordKind::Snapshot, &repository, "snapshots/a", &other.verifying().unwrap()).is_err());
        for i in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[i] ^= 1;
            assert!(RawRecord::parse(&flipped).is_err());
            assert!(RawRecord::parse(&bytes[..i]).is_err());
        }
    }

    #[test]
    fn sealed_json_opens_under_its_name_only() {
        let index = IndexKey([7; 32]);
        let (a, b) = (Key::new("a").unwrap(), Key::new("b").unwrap());
        let sealed = seal_json(&index, &a, &One { x: 2 }).unwrap();
        assert_eq!(open_json::<One>(&index, &a, &sealed).unwrap(), One { x: 2 });
        assert_eq!(open_json::<One>(&index, &b, &sealed).unwrap_err().kind(), ErrorKind::Damaged);
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct One {
        x: u8,
    }

    #[test]
    fn what_requires_something_is_newer_and_not_damaged() {
        let kind = |text: &str| from_json::<One>(text.as_bytes()).map_err(|e| e.kind());
        assert_eq!(kind(r#" {"x":1,"y":null,"requires":[]}"#), Ok(One { x: 1 }));
        // The members that are known may have gone, or mean something else.
        for newer in [r#"{"x":1,"requires":["a"]}"#, r#"{"requires":["a"]}"#, r#"{"x":{},"requires":["a","b"]}"#] {
            assert_eq!(kind(newer), Err(ErrorKind::Unsupported), "{newer}");
        }
        for bad in ["", "[1]", "1", r#"{"x":1,"x":1}"#, r#"{"x":1,"requires":"a"}"#, r#"{"x":1.5}"#, r#"{"x":null}"#] {
            assert_eq!(kind(bad), Err(ErrorKind::Damaged), "{bad}");
        }
    }

    #[test]
    fn hexadecimal_digits_have_one_spelling() {
        assert_eq!(unhex("0aff").unwrap(), [10, 255]);
        for bad in ["0Aff", "0", "0x", "é"] {
            assert!(unhex(bad).is_err(), "{bad}");
        }
    }
}
