//! The repository's parameters: docs/format.md, section 3, Config.

use super::ids::{RepositoryId, decimal};
use super::record::{self, MAX_RECORD, RawRecord, RecordKind, from_json, hexed, newer, parse_json, to_json};
use crate::crypto::{Recipient, SigningKey, VerifyingKey};
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver, StorageExt};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The number of this format.
pub const FORMAT: u32 = 1;

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
    created: i64,
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
    #[serde(default)]
    requires_to_write: Vec<String>,
    #[serde(default)]
    requires_to_delete: Vec<String>,
}

/// What has its name, type and meaning in every format; all else may change.
#[derive(Deserialize)]
struct Fixed {
    format: u32,
    #[serde(with = "hexed")]
    repository: [u8; 16],
    #[serde(with = "hexed")]
    signing: [u8; 32],
    #[serde(default)]
    requires: Vec<String>,
}

/// A repository's config, verified against the key it names.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) repository: RepositoryId,
    pub(crate) created_ms: i64,
    /// What new keys are wrapped to: in an open repository the newest identity's, whatever the config says.
    pub(crate) recipient: Recipient,
    /// Verifies what owners sign. Trust in it comes from the owner file or credential, which names it too.
    pub(crate) signing: VerifyingKey,
    pub(crate) chunks: ChunkSizes,
    pub(crate) create_only: bool,
    pub(crate) list_lag_ms: u64,
    /// What a program must know to create anything here; none is known.
    pub(crate) requires_to_write: Vec<String>,
    /// What a program must know besides to delete, or to decide what is deleted.
    pub(crate) requires_to_delete: Vec<String>,
}

/// Whose config is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) repository: RepositoryId,
    pub(crate) owners: VerifyingKey,
}

impl Config {
    /// Reads one that these owners signed for this repository.
    ///
    /// # Errors
    /// `Damaged` when they did not; `Unsupported` when they did and it cannot be read: it is of a newer version.
    pub(crate) fn parse(bytes: &[u8], signed_key: &str, owned: &Owned) -> Result<Self> {
        let raw = RawRecord::parse(bytes)?;
        raw.verify(RecordKind::Config, &owned.repository, signed_key, &owned.owners)?;
        let unsupported = |e: Error| newer().source(e);
        let fixed: Fixed = parse_json(raw.payload).map_err(unsupported)?;
        if fixed.format > FORMAT || !fixed.requires.is_empty() {
            return Err(newer().context("format", fixed.format).context("requires", fixed.requires.join(" ")));
        }
        // Owners who name another key than their own know of more than this format does.
        if (fixed.repository, fixed.signing) != (owned.repository.0, owned.owners.0) {
            return Err(newer().context("because", "it names another repository or signing key than it was signed for"));
        }
        Config::understand(raw.payload).map_err(unsupported)
    }

    fn understand(payload: &[u8]) -> Result<Self> {
        let json: ConfigJson = from_json(payload)?;
        let config = Config {
            repository: RepositoryId(json.repository),
            created_ms: json.created,
            recipient: Recipient::parse(&json.recipient)?,
            signing: VerifyingKey(json.signing),
            chunks: ChunkSizes { min: json.chunk_min, avg: json.chunk_avg, max: json.chunk_max },
            create_only: json.create_only,
            list_lag_ms: json.list_lag_ms,
            requires_to_write: json.requires_to_write,
            requires_to_delete: json.requires_to_delete,
        };
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
            requires_to_write: self.requires_to_write.clone(),
            requires_to_delete: self.requires_to_delete.clone(),
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
}

/// The configs that a storage shows, the highest number first; nothing of them is believed yet.
pub(crate) struct Configs(Vec<(u32, Key, Result<Bytes>)>);

impl Configs {
    /// # Errors
    /// `NotFound` when there is none at all; what the storage said of the listing.
    pub(crate) async fn read(storage: &dyn StorageDriver) -> Result<Self> {
        let listed = storage.list_all("config/").await?.into_iter();
        let mut copies: Vec<(u32, Key)> = listed.filter_map(|(key, _)| Some((number_of(&key)?, key))).collect();
        copies.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
        if copies.is_empty() {
            return Err(
                Error::new(ErrorKind::NotFound, "there is no repository here").context("at", storage.location())
            );
        }
        let mut all = Vec::new();
        for (n, key) in copies {
            let bytes = storage.get_bytes(&key, MAX_RECORD).await;
            all.push((n, key, bytes));
        }
        Ok(Configs(all))
    }

    /// The config that counts: the highest that these owners have signed, whether or not it is understood.
    ///
    /// # Errors
    /// `Unsupported` when that one is of a newer version; `Damaged` when there is none; what the storage said when it may
    /// be one that the storage did not give.
    pub(crate) fn choose(&self, owned: &Owned) -> Result<Config> {
        let mut refused = None;
        let mut unread: Option<(u32, &Error)> = None;
        for (n, key, bytes) in &self.0 {
            if let Some((higher, error)) = unread
                && higher > *n
            {
                return Err(again(error));
            }
            let error = match bytes {
                Ok(bytes) => match Config::parse(bytes, &format!("config/{n}"), owned) {
                    Err(error) if error.kind() == ErrorKind::Damaged => error,
                    other => return other.map_err(|e| e.context("key", key)),
                },
                // Not there any more, or longer than any config.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => again(error),
                Err(error) => {
                    unread = unread.or(Some((*n, error)));
                    continue;
                }
            };
            refused = refused.or(Some(error.context("key", key)));
        }
        if let Some((_, error)) = unread {
            return Err(again(error));
        }
        let none = Error::new(ErrorKind::Damaged, "no config is the one of the owners: it was replaced, or is damaged");
        Err(match refused {
            Some(because) => none.source(because),
            None => none,
        })
    }
}

/// What the storage said, for one more of those who ask.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.to_string())
}

/// The number in `config/<n>/a` and `config/<n>/b`.
fn number_of(key: &Key) -> Option<u32> {
    let (n, copy) = key.as_str().strip_prefix("config/")?.split_once('/')?;
    decimal(n).filter(|_| matches!(copy, "a" | "b"))
}
