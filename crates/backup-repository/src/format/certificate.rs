//! Who else may sign, and who may no more: docs/format.md, sections 2 and 3.

use super::record::{from_json, hexed, open_json, seal_json, to_json};
use crate::crypto::{IndexKey, SignerId, VerifyingKey};
use crate::keys::fits;
use backup_core::{Error, ErrorKind, Key, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Clocks may differ by this much.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a writer may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// Patterns for the names of snapshots.
    pub(crate) names: Vec<String>,
    /// Milliseconds since 1970.
    pub(crate) since: i64,
    pub(crate) until: Option<i64>,
}

impl Terms {
    /// Whether a snapshot of this name is one that the writer may make.
    pub(crate) fn allow_name(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| fits(pattern, name))
    }

    /// Whether the time of a session is one that the certificate covers, by clocks that differ by a day at most.
    pub(crate) fn allow_time(&self, time_ms: i64) -> bool {
        time_ms >= self.since.saturating_sub(DAY_MS)
            && self.until.is_none_or(|until| time_ms <= until.saturating_add(DAY_MS))
    }
}

/// A certificate as anybody reads it; the terms are for members of its domain.
pub(crate) struct Certificate<'a> {
    pub(crate) domain: u32,
    pub(crate) key: VerifyingKey,
    terms: &'a [u8],
}

/// `keys/writers/<id>`.
pub(crate) fn certificate_key(id: &SignerId) -> Result<Key> {
    Key::new(format!("keys/writers/{id}"))
}

/// `keys/writers/<id>.revoked`.
pub(crate) fn revocation_key(id: &SignerId) -> Result<Key> {
    Key::new(format!("keys/writers/{id}.revoked"))
}

/// A certificate's payload.
pub(crate) fn write(domain: u32, index: &IndexKey, writer: &VerifyingKey, terms: &Terms) -> Result<Vec<u8>> {
    let mut payload = domain.to_le_bytes().to_vec();
    payload.extend_from_slice(&writer.0);
    payload.extend(seal_json(index, &certificate_key(&writer.id())?, terms)?);
    Ok(payload)
}

impl<'a> Certificate<'a> {
    /// # Errors
    /// `Damaged` when it is too short, or not that of the writer whose key it stands under.
    pub(crate) fn parse(key: &Key, payload: &'a [u8]) -> Result<Self> {
        let damaged = || Error::new(ErrorKind::Damaged, "a certificate is damaged").context("key", key);
        let (domain, rest) = payload.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (public, terms) = rest.split_first_chunk::<32>().ok_or_else(damaged)?;
        let public = VerifyingKey(*public);
        if certificate_key(&public.id())? != *key {
            return Err(damaged());
        }
        Ok(Certificate { domain: u32::from_le_bytes(*domain), key: public, terms })
    }

    /// What it allows.
    ///
    /// # Errors
    /// `Damaged` when this is not the key of its domain.
    pub(crate) fn terms(&self, index: &IndexKey) -> Result<Terms> {
        open_json(index, &certificate_key(&self.key.id())?, self.terms)
    }
}

/// That a writer counts no more.
#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    /// The snapshots that go on counting, and the hashes at the ends of their records.
    pub(crate) snapshots: BTreeMap<String, [u8; 32]>,
}

#[derive(Serialize, Deserialize)]
struct RevocationJson {
    time: i64,
    snapshots: BTreeMap<String, Hash>,
}

#[derive(Serialize, Deserialize)]
struct Hash(#[serde(with = "hexed")] [u8; 32]);

impl Revocation {
    pub(crate) fn write(&self) -> Result<Vec<u8>> {
        let snapshots = self.snapshots.iter().map(|(id, hash)| (id.clone(), Hash(*hash))).collect();
        to_json(&RevocationJson { time: self.time, snapshots })
    }

    /// # Errors
    /// `Damaged`.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self> {
        let json: RevocationJson = from_json(payload)?;
        let snapshots = json.snapshots.into_iter().map(|(id, hash)| (id, hash.0)).collect();
        Ok(Revocation { time: json.time, snapshots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SigningKey;

    #[test]
    fn a_certificate_is_its_writers_and_its_terms_are_the_domains() {
        let writer = SigningKey::generate().unwrap().verifying().unwrap();
        let terms =
            Terms { names: vec!["web-*".into(), "db".into()], since: 1000 * DAY_MS, until: Some(1010 * DAY_MS) };
        let payload = write(3, &IndexKey([7; 32]), &writer, &terms).unwrap();
        let key = certificate_key(&writer.id()).unwrap();
        let certificate = Certificate::parse(&key, &payload).unwrap();
        assert_eq!((certificate.domain, certificate.key), (3, writer));
        let terms = certificate.terms(&IndexKey([7; 32])).unwrap();
        assert!(certificate.terms(&IndexKey([8; 32])).is_err());
        assert!(terms.allow_name("web-1") && terms.allow_name("db") && !terms.allow_name("db2"));
        for (day, allowed) in [(998, false), (999, true), (1011, true), (1012, false)] {
            assert_eq!(terms.allow_time(day * DAY_MS), allowed, "{day}");
        }
        let other = certificate_key(&SignerId([1; 16])).unwrap();
        assert!(Certificate::parse(&other, &payload).is_err());
        assert!(Certificate::parse(&key, &payload[..35]).is_err());
    }
}
