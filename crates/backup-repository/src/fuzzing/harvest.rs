//! What real objects give the parsers to read, so that mutations begin where something is understood.

use super::keys;
use crate::crypto::Identity;
use crate::format::addition::{Card, write_domain, write_identity};
use crate::format::certificate::{self, Terms};
use crate::format::credential::WriterCredential;
use crate::format::fuzz as format;
use crate::format::ids::{PackName, RunName};
use crate::format::owner::{OwnerKeys, OwnerRecipient};
use crate::format::record::{RawRecord, to_json};
use crate::repository::Repository;
use crate::{index, pack, push};
use backup_core::{Error, ErrorKind, Key, Result, StorageExt};
use std::path::Path;

type Seeds = Vec<(&'static str, Vec<u8>)>;

/// Reads every object of a small repository, and the local files below `cache`: names of targets and what they read.
///
/// # Errors
/// What the storage said; `Damaged`.
pub async fn harvest(repository: &Repository, cache: &Path) -> Result<Seeds> {
    let inner = &repository.0;
    let mut seeds = of_keys()?;
    for (key, _) in inner.storage.list_all("").await? {
        let object = inner.storage.get_bytes(&key, 1 << 30).await?;
        seeds.push(("key", key.as_str().as_bytes().to_vec()));
        if let Some(name) = PackName::from_key(&key) {
            seeds.extend(pack::fuzz::harvest(inner, name, &object)?);
        } else if let Some(name) = RunName::from_key(&key)
            && object.starts_with(b"BKUPRUN1")
        {
            seeds.extend(index::fuzz::harvest(inner, name, &object)?);
        } else if let Ok(raw) = RawRecord::parse(&object) {
            seeds.push(("record", object.to_vec()));
            seeds.extend(of_record(inner, &key, raw.payload)?);
        } else {
            seeds.push(("owner-file", object.to_vec()));
        }
    }
    of_files(cache, &mut seeds).map_err(|e| Error::io("cannot read the cache", e))?;
    Ok(seeds)
}

fn of_record(inner: &crate::repository::Inner, key: &Key, payload: &[u8]) -> Result<Seeds> {
    let folder = key.as_str().split('/').take(2).collect::<Vec<_>>().join("/");
    let plain = payload.to_vec();
    Ok(match key.as_str().split('/').next() {
        Some("config") => vec![("config", plain)],
        Some("keys") if folder == "keys/cards" => vec![("card", plain)],
        Some("keys") if key.as_str().ends_with(".revoked") => vec![("revocation", plain)],
        Some("keys") if folder == "keys/writers" => vec![("certificate", plain)],
        Some("keys") => vec![("addition", plain)],
        Some("condemned") => vec![("condemned", plain)],
        Some("sessions") if !plain.is_empty() => vec![("session", format::open_session(inner, key, payload)?)],
        Some("snapshots") => format::harvest_snapshot(inner, key, payload)?,
        _ => Vec::new(),
    })
}

/// Of the keys that the targets use.
fn of_keys() -> Result<Seeds> {
    let keys = keys().ok_or_else(|| Error::new(ErrorKind::Internal, "the keys for fuzzing are none"))?;
    let recipient = keys.identity.recipient();
    let again = || Identity::parse(&keys.identity.to_text());
    let owner_keys = OwnerKeys {
        repository: keys.repository,
        own: again()?,
        identities: [(0, again()?)].into(),
        signing: keys.signing.clone(),
        domains: vec![keys.domain.clone()],
    };
    let file = owner_keys.encrypt(&OwnerRecipient::PublicKey(recipient.0.to_string()), &keys.identity)?;
    let terms = Terms { names: vec!["web-*".into(), "d?".into()], since: 1, until: Some(2) };
    let credential = WriterCredential {
        repository: keys.repository,
        owners: keys.verifying,
        signing: keys.signing.clone(),
        recipient: recipient.clone(),
        identity: 0,
        domain: keys.domain.clone(),
    };
    let credential = credential.to_text()?.expose().to_vec();
    let card = Card::new(&keys.identity, &OwnerRecipient::PublicKey(String::new()), 3);
    Ok(vec![
        ("owner-plain", format::open_age(&file)?),
        ("owner-file", file),
        ("identity", keys.identity.to_text().as_bytes().to_vec()),
        (
            "identity",
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
                .to_vec(),
        ),
        ("credential-plain", format::open_credential(&credential)),
        ("credential", credential),
        ("certificate", certificate::write(0, keys.index(), &keys.verifying, &terms)?),
        ("terms", to_json(&terms)?),
        ("card", to_json(&card)?),
        ("addition", write_identity(1, &keys.identity, std::slice::from_ref(&recipient), 1)?),
        ("addition", write_domain(&keys.domain, std::slice::from_ref(&recipient), 1)?),
        ("addition-plain", format!(r#"{{"number":1,"identity":"{}"}}"#, keys.identity.to_text().as_str()).into_bytes()),
        ("addition-plain", to_json(&crate::format::owner::DomainJson::new(&keys.domain))?),
        ("path", b"a\0b\x01\x01c\x01\x02".to_vec()),
        ("path", b"/usr/share/x".to_vec()),
    ])
}

fn of_files(folder: &Path, seeds: &mut Seeds) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            of_files(&path, seeds)?;
        } else if name.ends_with(".run1") {
            seeds.push(("cache-file", std::fs::read(path)?));
        } else if path.parent().is_some_and(|folder| folder.ends_with("listings")) {
            seeds.extend(push::fuzz::harvest(&name, &std::fs::read(path)?));
        }
    }
    Ok(())
}
