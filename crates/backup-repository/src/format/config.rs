//! The repository's parameters: docs/format.md, section 3, Config.

use super::ids::RepositoryId;
use super::record::{self, MAX_RECORD, RawRecord, RecordKind, from_json, hexed, to_json};
use crate::crypto::{Recipient, SigningKey, VerifyingKey};
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver, StorageExt};
use serde::{Deserialize, Serialize};

/// The number of this format.
pub const FORMAT: u32 = 0;

/// How content is cut into chunks, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkSizes {
    pub(crate) min: usize,
    pub(crate) avg: usize,
    pub(crate) max: usize,
}

impl Default for ChunkSizes {
    fn default() -> Self {
        ChunkSizes { min: 256 << 10, avg: 1 << 20, max: 4 << 20 }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ConfigJson {
    format: u32,
    #[serde(with = "hexed")]
    repository: [u8; 16],
    created: u64,
    recipient: String,
    #[serde(with = "hexed")]
    signing: [u8; 32],
    chunk_min: usize,
    chunk_avg: usize,
    chunk_max: usize,
    create_only: bool,
    list_lag_ms: u64,
    #[serde(default)]
    requires: Vec<String>,
}

/// A repository's config, verified against the key it names.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) repository: RepositoryId,
    pub(crate) created_ms: u64,
    /// What new keys are wrapped to: in an open repository the newest identity's, whatever the config says.
    pub(crate) recipient: Recipient,
    /// Verifies what owners sign. Trust in it comes from the owner file or credential, which names it too.
    pub(crate) signing: VerifyingKey,
    pub(crate) chunks: ChunkSizes,
    pub(crate) create_only: bool,
    pub(crate) list_lag_ms: u64,
}

impl Config {
    /// # Errors
    /// `Damaged`; `Unsupported` for a newer format.
    pub(crate) fn parse(bytes: &[u8], signed_key: &str) -> Result<Self> {
        let raw = RawRecord::parse(bytes)?;
        let json: ConfigJson = from_json(raw.payload)?;
        if json.format != FORMAT || !json.requires.is_empty() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the repository is of a newer version: a newer backup is needed",
            )
            .context("format", json.format)
            .context("requires", json.requires.join(" ")));
        }
        let config = Config {
            repository: RepositoryId(json.repository),
            created_ms: json.created,
            recipient: Recipient::parse(&json.recipient)?,
            signing: VerifyingKey(json.signing),
            chunks: ChunkSizes { min: json.chunk_min, avg: json.chunk_avg, max: json.chunk_max },
            create_only: json.create_only,
            list_lag_ms: json.list_lag_ms,
        };
        raw.verify(RecordKind::Config, &config.repository, signed_key, &config.signing)?;
        let ChunkSizes { min, avg, max } = config.chunks;
        if !(64..=1 << 20).contains(&min)
            || !(256..=4 << 20).contains(&avg)
            || !(avg..1 << 24).contains(&max)
            || min > avg
        {
            return Err(Error::new(ErrorKind::Damaged, "the config's chunk sizes are out of bounds"));
        }
        Ok(config)
    }

    fn to_record(&self, signed_key: &str, signer: &SigningKey) -> Result<bytes::Bytes> {
        let json = ConfigJson {
            format: FORMAT,
            repository: self.repository.0,
            created: self.created_ms,
            recipient: self.recipient.0.to_string(),
            signing: self.signing.0,
            chunk_min: self.chunks.min,
            chunk_avg: self.chunks.avg,
            chunk_max: self.chunks.max,
            create_only: self.create_only,
            list_lag_ms: self.list_lag_ms,
            requires: Vec::new(),
        };
        record::write(RecordKind::Config, &self.repository, signed_key, signer, &to_json(&json)?)
    }

    /// Writes both copies under number `n`.
    pub(crate) async fn create(&self, storage: &dyn StorageDriver, n: u32, signer: &SigningKey) -> Result<()> {
        let signed_key = format!("config/{n}");
        let record = self.to_record(&signed_key, signer)?;
        for copy in ["a", "b"] {
            storage.create(&Key::new(format!("{signed_key}/{copy}"))?, record.clone()).await?;
        }
        Ok(())
    }

    /// The valid configs, the highest number first; which of them is the repository's own, its owners know.
    ///
    /// # Errors
    /// `NotFound` when there is none at all, `Damaged` when none is valid, `Unsupported` for a newer format.
    pub(crate) async fn load(storage: &dyn StorageDriver) -> Result<Vec<Self>> {
        let mut copies: Vec<(u32, Key)> = storage
            .list_all("config/")
            .await?
            .into_iter()
            .filter_map(|(key, _)| {
                let (n, copy) = key.as_str().strip_prefix("config/")?.split_once('/')?;
                matches!(copy, "a" | "b").then_some((n.parse().ok()?, key.clone()))
            })
            .collect();
        copies.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
        if copies.is_empty() {
            return Err(
                Error::new(ErrorKind::NotFound, "there is no repository here").context("at", storage.location())
            );
        }
        let mut first_error = None;
        let mut configs = Vec::new();
        for (n, key) in copies {
            let result = match storage.get_bytes(&key, MAX_RECORD).await {
                Ok(bytes) => Config::parse(&bytes, &format!("config/{n}")),
                Err(error) => Err(error),
            };
            match result {
                Ok(config) => configs.push(config),
                Err(error) if error.kind() == ErrorKind::Unsupported => return Err(error),
                Err(error) => first_error = first_error.or(Some(error.context("key", key))),
            }
        }
        match first_error {
            Some(error) if configs.is_empty() => Err(error),
            _ => Ok(configs),
        }
    }
}
