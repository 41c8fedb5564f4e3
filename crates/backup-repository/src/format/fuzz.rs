//! The parsers of records, keys and names, for fuzzing.

use super::addition::{Card, read_domain, read_identity, recipient_of};
use super::certificate::{Certificate, Revocation, certificate_key};
use super::config::{Config, Owned};
use super::credential::WriterCredential;
use super::ids::{PackName, RunName, SessionId};
use super::owner::{OwnerIdentity, OwnerKeys, age_decrypt, age_encrypt};
use super::record::{self, RawRecord, RecordKind, from_json, open_json, seal_plain, to_json};
use super::snapshot::{open_body, open_head, read_body, snapshot_key, write_payload};
use crate::crypto::SealKey;
use crate::fuzzing::{Keys, keys};
use crate::protocol::{Condemned, Tombstone};
use crate::repository::Inner;
use crate::session::{SessionInfo, Sessions};
use backup_core::{Key, Result, Secret, TreePath};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn with(data: &[u8], parse: impl FnOnce(&Keys, &[u8]) -> Result<()>) {
    if let Some(keys) = keys() {
        let _ = parse(keys, data);
    }
}

/// A record as it comes, and one with these bytes and the right hash at their end.
pub(crate) fn record(data: &[u8]) {
    with(data, |keys, data| {
        let hashed = [data, blake3::hash(data).as_bytes()].concat();
        for bytes in [data, &hashed] {
            if let Ok(raw) = RawRecord::parse(bytes) {
                let _ = raw.verify(RecordKind::SessionStart, &keys.repository, "sessions/x/0", &keys.verifying);
            }
        }
        let key = "sessions/x/0";
        let signed = record::write(RecordKind::SessionStart, &keys.repository, key, &keys.signing, data)?;
        RawRecord::parse(&signed)?.verify(RecordKind::SessionStart, &keys.repository, key, &keys.verifying)
    });
}

pub(crate) fn config(data: &[u8]) {
    with(data, |keys, data| {
        let owned = Owned { repository: keys.repository, owners: keys.verifying };
        let _ = Config::parse(data, "config/0", &owned);
        let signed = record::write(RecordKind::Config, &keys.repository, "config/0", &keys.signing, data)?;
        Config::parse(&signed, "config/0", &owned).map(drop)
    });
}

pub(crate) fn certificate(data: &[u8]) {
    with(data, |keys, data| {
        Certificate::parse(&certificate_key(&keys.verifying.id())?, data)?.terms(keys.index()).map(drop)
    });
}

pub(crate) fn terms(data: &[u8]) {
    with(data, |keys, data| {
        let key = certificate_key(&keys.verifying.id())?;
        let sealed = seal_plain(keys.index(), &key, data.to_vec())?;
        let payload = [&[0; 4][..], &keys.verifying.0, &sealed].concat();
        let terms = Certificate::parse(&key, &payload)?.terms(keys.index())?;
        let _ = (terms.allow_name("a name of some length"), terms.allow_time(0), terms.allow_time(i64::MAX));
        Ok(())
    });
}

pub(crate) fn revocation(data: &[u8]) {
    let _ = Revocation::parse(data);
}

pub(crate) fn card(data: &[u8]) {
    let _ = from_json::<Card>(data).and_then(|card| card.recipient());
}

/// An identity or a domain.
pub(crate) fn addition(data: &[u8]) {
    with(data, |keys, data| {
        let _ = (recipient_of(data), read_identity(data, &keys.identity, 1));
        read_domain(data, &keys.identity, 1).map(drop)
    });
}

/// What an addition holds for owners.
pub(crate) fn addition_plain(data: &[u8]) {
    with(data, |keys, data| {
        let clear = format!(r#"{{"created":1,"recipient":"{}"}}"#, keys.identity.recipient().0);
        let recipient = keys.identity.recipient();
        let file = age_encrypt(std::iter::once(&recipient.0 as &dyn age::Recipient), data)?;
        addition(&[&(clear.len() as u32).to_le_bytes(), clear.as_bytes(), &file].concat());
        Ok(())
    });
}

fn own(keys: &Keys) -> OwnerIdentity {
    OwnerIdentity::Key(Secret::new(keys.identity.to_text().as_str().to_owned()))
}

pub(crate) fn owner_file(data: &[u8]) {
    with(data, |keys, data| OwnerKeys::decrypt(data, &own(keys)).map(drop));
}

pub(crate) fn owner_plain(data: &[u8]) {
    with(data, |keys, data| {
        let recipient = keys.identity.recipient();
        let file = age_encrypt(std::iter::once(&recipient.0 as &dyn age::Recipient), data)?;
        OwnerKeys::decrypt(&file, &own(keys)).map(drop)
    });
}

/// What a person names as a key.
pub(crate) fn identity(data: &[u8]) {
    let secret = Secret::new(data.to_vec());
    let _ = super::owner::recipient_of(&secret);
    let _ = OwnerKeys::decrypt(b"", &OwnerIdentity::Key(secret));
}

pub(crate) fn credential(data: &[u8]) {
    let secret = Secret::new(data.to_vec());
    let _ = (WriterCredential::is_one(&secret), WriterCredential::parse(&secret));
}

pub(crate) fn credential_plain(data: &[u8]) {
    let check = blake3::hash(data);
    let bytes = [data, check.as_bytes().get(..8).unwrap_or_default()].concat();
    credential(format!("BACKUP-WRITER-1-{}", URL_SAFE_NO_PAD.encode(bytes)).as_bytes());
}

pub(crate) fn session(data: &[u8]) {
    with(data, |keys, data| {
        let _ = from_json::<Tombstone>(data);
        let key = Key::new("sessions/x/0")?;
        let _ = open_json::<SessionInfo>(keys.index(), &key, data);
        open_json::<SessionInfo>(keys.index(), &key, &seal_plain(keys.index(), &key, data.to_vec())?).map(drop)
    });
}

pub(crate) fn condemned(data: &[u8]) {
    let _ = from_json::<Condemned>(data);
    let _ = from_json::<Sessions>(data);
}

/// A snapshot's payload as it comes.
pub(crate) fn snapshot(data: &[u8]) {
    with(data, |keys, data| {
        let key = snapshot_key(&keys.session)?;
        let _ = open_head(&key, keys.index(), data);
        read_body(&key, std::slice::from_ref(&keys.identity), data).map(drop)
    });
}

pub(crate) fn snapshot_head(data: &[u8]) {
    with(data, |keys, data| {
        let key = snapshot_key(&keys.session)?;
        let head = seal_plain(keys.index(), &key, data.to_vec())?;
        let payload = [&(head.len() as u32).to_le_bytes()[..], &head].concat();
        match open_head(&key, keys.index(), &payload)? {
            Some(head) => head.read()?.summary(keys.session).map(drop),
            None => Ok(()),
        }
    });
}

/// A body's JSON; and a body that is these bytes in place of a zstd frame.
pub(crate) fn snapshot_body(data: &[u8]) {
    with(data, |keys, data| {
        let key = snapshot_key(&keys.session)?;
        let frame = zstd::bulk::compress(data, 1).unwrap_or_default();
        for mut body in [frame, data.to_vec()] {
            let (body_key, wrapped) = keys.identity.recipient().new_key()?;
            SealKey::new(&body_key)?.seal(0, key.as_str().as_bytes(), &mut body)?;
            let payload = [&[0; 4][..], &wrapped, &body].concat();
            let _ = read_body(&key, std::slice::from_ref(&keys.identity), &payload);
        }
        Ok(())
    });
}

/// Whatever a listing may show.
pub(crate) fn key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = SessionId::from_hex(text);
    let Ok(key) = Key::new(text) else { return };
    // A name that is understood is that of one key.
    if let Some(name) = PackName::from_key(&key) {
        assert_eq!(name.key().ok().as_ref(), Some(&key));
    }
    if let Some(name) = RunName::from_key(&key) {
        assert_eq!(name.key().ok().as_ref(), Some(&key));
    }
    let _ = crate::keys::kind_of(&key);
}

pub(crate) fn path(data: &[u8]) {
    if let Ok(path) = TreePath::from_encoded(data.to_vec()) {
        let again = TreePath::from_components(path.components());
        assert!(again.is_ok_and(|again| again == path), "a path is not what its components make");
        let _ = (path.depth(), path.parent(), path.name(), path.to_slashed());
    }
    let _ = TreePath::from_slashed(data);
}

/// What a session's start or renewal says.
pub(crate) fn open_session(inner: &Inner, key: &Key, payload: &[u8]) -> Result<Vec<u8>> {
    to_json(&open_json::<SessionInfo>(&inner.keys.index, key, payload)?)
}

/// What a snapshot's record gives the parsers to read.
pub(crate) fn harvest_snapshot(inner: &Inner, key: &Key, payload: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let Ok(Some(head)) = open_head(key, &inner.keys.index, payload) else {
        return Ok(vec![("session", payload.to_vec())]);
    };
    let head = head.read()?;
    let body = open_body(key, &inner.identities, payload)?;
    let components = read_body(key, &inner.identities, payload)?;
    let mut seeds = vec![("snapshot-head", to_json(&head)?), ("snapshot-body", body)];
    if let Some(keys) = keys() {
        let key = snapshot_key(&keys.session)?;
        let payload = write_payload(&key, keys.index(), (&keys.identity.recipient(), 0), &head, &components)?;
        seeds.push(("snapshot", payload));
    }
    Ok(seeds)
}

/// What an age file to the fuzzing identity holds.
pub(crate) fn open_age(file: &[u8]) -> Result<Vec<u8>> {
    let identity = keys().map(|keys| keys.identity.as_age());
    Ok(age_decrypt(file, identity.into_iter())?.to_vec())
}

/// A credential's JSON.
pub(crate) fn open_credential(text: &[u8]) -> Vec<u8> {
    let coded = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"BACKUP-WRITER-1-"));
    let mut bytes = URL_SAFE_NO_PAD.decode(coded.unwrap_or_default()).unwrap_or_default();
    bytes.truncate(bytes.len().saturating_sub(8));
    bytes
}
