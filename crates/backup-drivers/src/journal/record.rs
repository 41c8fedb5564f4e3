use backup_core::{ActionSpec, Error, ErrorKind, Result, SecretRef, UndoRecord};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// A record as it stands in its file.
#[derive(Debug, Deserialize, Serialize)]
struct Stored {
    version: u32,
    chain: Vec<String>,
    undo: StoredAction,
}

#[derive(Debug, Deserialize, Serialize)]
struct StoredAction {
    kind: String,
    options: BTreeMap<String, String>,
    /// Where secrets are found; never the secrets.
    secrets: BTreeMap<String, String>,
}

pub(super) fn encode(record: &UndoRecord) -> Result<Vec<u8>> {
    let undo = &record.undo;
    let stored = Stored {
        version: VERSION,
        chain: record.chain.clone(),
        undo: StoredAction {
            kind: undo.kind.clone(),
            options: undo.options.clone(),
            secrets: undo.secrets.iter().map(|(name, place)| (name.clone(), place.to_string())).collect(),
        },
    };
    serde_json::to_vec_pretty(&stored)
        .map_err(|e| Error::new(ErrorKind::Internal, "an undo record cannot be written").source(e))
}

pub(super) fn decode(bytes: &[u8]) -> Result<UndoRecord> {
    let damaged = |e: serde_json::Error| Error::new(ErrorKind::Damaged, "an undo record cannot be read").source(e);
    let stored: Stored = serde_json::from_slice(bytes).map_err(damaged)?;
    if stored.version != VERSION {
        return Err(Error::new(ErrorKind::Unsupported, "an undo record was written by another version")
            .context("version", stored.version));
    }
    let mut undo = ActionSpec::new(stored.undo.kind);
    undo.options = stored.undo.options;
    for (name, place) in stored.undo.secrets {
        undo.secrets.insert(name, place.parse::<SecretRef>()?);
    }
    Ok(UndoRecord::new(stored.chain, undo))
}
