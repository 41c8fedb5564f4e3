use crate::layers::{Age, FrameLengths, Gzip, Zstd};
use crate::push::Frames;
use backup_core::{Error, ErrorKind, Layer, Layers, NameTemplate, Reader, Result, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Cursor;
use std::str::FromStr;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

const FORMAT: &str = "backup-archives/1";
/// What is closed with a passphrase to know it again.
const SEALED: &[u8] = b"backup archives\n";
const MAX_SEALED: u64 = 4096;
/// How the index is compressed, whatever the archive is.
const INDEX_LEVEL: i32 = 3;

/// How the archives of a folder are named, compressed and encrypted: `archives.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveSettings {
    format: String,
    template: String,
    time_zone: Option<String>,
    when_taken: WhenTaken,
    compress: String,
    encrypt: Encryption,
    /// Some bytes closed with the passphrase, so that another one is noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

/// What becomes of a backup whose name is taken. Nothing is ever overwritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenTaken {
    /// It is refused.
    #[default]
    Refuse,
    /// It gets `-2`, `-3`, … behind its name.
    Number,
}

/// How archives are encrypted.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Not at all.
    None,
    /// With a passphrase that is asked for at each push.
    Passphrase,
    /// To age recipients: `age1…`, or SSH public keys.
    Recipients(Vec<String>),
}

/// How archives are compressed: `zstd:LEVEL`, `gzip:LEVEL`, `none`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// With zstd at a level from 1 to 22.
    Zstd(i32),
    /// With gzip at a level from 1 to 9.
    Gzip(u32),
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(
                ErrorKind::InvalidInput,
                "a compression is `zstd:1` to `zstd:22`, `gzip:1` to `gzip:9`, or `none`",
            )
            .context("compression", text)
        };
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = level.map(|level| level.parse::<u32>().map_err(|_| wrong())).transpose()?;
        match (name, level) {
            ("none", None) => Ok(Compression::None),
            ("zstd", level) if (1..=22).contains(&level.unwrap_or(3)) => {
                Ok(Compression::Zstd(level.unwrap_or(3) as i32))
            }
            ("gzip", level) if (1..=9).contains(&level.unwrap_or(6)) => Ok(Compression::Gzip(level.unwrap_or(6))),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Zstd(level) => write!(f, "zstd:{level}"),
            Compression::Gzip(level) => write!(f, "gzip:{level}"),
        }
    }
}

impl ArchiveSettings {
    /// Archives named `{name}_{date:%Y%m%d}`, compressed with zstd at level 3, dated in UTC.
    pub fn new(encrypt: Encryption) -> Self {
        ArchiveSettings {
            format: FORMAT.to_owned(),
            template: "{name}_{date:%Y%m%d}".to_owned(),
            time_zone: None,
            when_taken: WhenTaken::default(),
            compress: Compression::Zstd(3).to_string(),
            encrypt,
            sealed: None,
        }
    }

    /// Sets how archives are named.
    #[must_use]
    pub fn with_template(mut self, template: &NameTemplate) -> Self {
        self.template = template.to_string();
        self
    }

    /// Sets the zone (`Europe/Berlin`) of the dates in names.
    #[must_use]
    pub fn with_time_zone(mut self, zone: impl Into<String>) -> Self {
        self.time_zone = Some(zone.into());
        self
    }

    /// Sets what becomes of a backup whose name is taken.
    #[must_use]
    pub fn with_when_taken(mut self, when_taken: WhenTaken) -> Self {
        self.when_taken = when_taken;
        self
    }

    /// Sets how archives are compressed.
    #[must_use]
    pub fn with_compression(mut self, compress: Compression) -> Self {
        self.compress = compress.to_string();
        self
    }

    /// How archives are encrypted.
    pub fn encryption(&self) -> &Encryption {
        &self.encrypt
    }

    /// Notes which passphrase it is.
    ///
    /// # Errors
    /// `InvalidInput` when there must be one and is none, or the other way round.
    pub(crate) async fn sealed_with(mut self, passphrase: Option<&Secret>) -> Result<Self> {
        let wrong = |what| Err(Error::new(ErrorKind::InvalidInput, what));
        self.sealed = match (&self.encrypt, passphrase) {
            (Encryption::Passphrase, Some(passphrase)) => {
                let sealed = Age::with_passphrase(passphrase)?.encode(Box::new(Cursor::new(SEALED)))?;
                Some(STANDARD.encode(all_of(sealed).await?))
            }
            (Encryption::Passphrase, None) => {
                return wrong("archives are to be encrypted with a passphrase, and none was given");
            }
            (_, Some(_)) => return wrong("archives are not to be encrypted with the passphrase that was given"),
            (_, None) => None,
        };
        Ok(self)
    }

    /// Whether this is the passphrase.
    ///
    /// # Errors
    /// `AccessDenied` when it is another.
    pub(crate) async fn check_passphrase(&self, passphrase: Option<&Secret>) -> Result<()> {
        let (Some(sealed), Some(passphrase)) = (&self.sealed, passphrase) else { return Ok(()) };
        let damaged = |_| Error::new(ErrorKind::Damaged, "the folder's settings make no sense");
        let sealed = STANDARD.decode(sealed).map_err(damaged)?;
        let opened = Age::with_passphrase(passphrase)?.decode(Box::new(Cursor::new(sealed)))?;
        all_of(opened).await.map(drop).map_err(|e| match e.kind() {
            ErrorKind::AccessDenied => {
                Error::new(ErrorKind::AccessDenied, "this is not the passphrase of the archives here").source(e)
            }
            _ => e,
        })
    }

    pub(crate) fn when_taken(&self) -> WhenTaken {
        self.when_taken
    }

    pub(crate) fn template(&self) -> Result<NameTemplate> {
        self.template.parse()
    }

    pub(crate) fn zone(&self) -> Result<TimeZone> {
        let Some(name) = &self.time_zone else { return Ok(TimeZone::UTC) };
        TimeZone::get(name).map_err(|e| {
            Error::new(ErrorKind::InvalidInput, "this system does not know the time zone")
                .context("zone", name)
                .source(e)
        })
    }

    /// Whether all of it makes sense.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub(crate) fn check(&self) -> Result<()> {
        self.template()?;
        self.zone()?;
        self.compress.parse::<Compression>()?;
        if let Encryption::Recipients(recipients) = &self.encrypt {
            Age::to(recipients)?;
        }
        Ok(())
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed = |e| Error::new(ErrorKind::Internal, "settings cannot be written").source(e);
        let mut text = serde_json::to_vec_pretty(self).map_err(failed)?;
        text.push(b'\n');
        Ok(text)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let settings: ArchiveSettings = serde_json::from_slice(bytes)
            .map_err(|e| Error::new(ErrorKind::Damaged, "the folder's settings make no sense").source(e))?;
        if settings.format != FORMAT {
            let error = Error::new(ErrorKind::Unsupported, "the folder is of a later version");
            return Err(error.context("format", settings.format));
        }
        Ok(settings)
    }

    /// What stands behind the first extension of objects.
    pub(crate) fn extensions(&self) -> Extensions {
        let encrypted = if self.encrypt == Encryption::None { "" } else { ".age" };
        let compressed = match self.compress.parse() {
            Ok(Compression::Zstd(_)) => ".zst",
            Ok(Compression::Gzip(_)) => ".gz",
            _ => "",
        };
        Extensions { archive: format!("{compressed}{encrypted}"), index: format!(".zst{encrypted}") }
    }

    pub(crate) fn packing(&self, passphrase: Option<&Secret>) -> Result<Packing> {
        let encrypt = match (&self.encrypt, passphrase) {
            (Encryption::None, _) => None,
            (Encryption::Recipients(recipients), _) => Some(Age::to(recipients)?),
            (Encryption::Passphrase, Some(passphrase)) => Some(Age::with_passphrase(passphrase)?),
            (Encryption::Passphrase, None) => {
                let what = "archives here are encrypted with a passphrase, and none was given";
                return Err(Error::new(ErrorKind::AccessDenied, what));
            }
        };
        Ok(Packing { compress: self.compress.parse()?, encrypt })
    }
}

/// The ends of objects' names.
pub(crate) struct Extensions {
    pub(crate) archive: String,
    pub(crate) index: String,
}

/// How objects are made.
#[derive(Clone)]
pub(crate) struct Packing {
    compress: Compression,
    encrypt: Option<Age>,
}

impl Packing {
    pub(crate) fn for_archive(&self) -> (Layers, Frames) {
        let (layers, frames) = match self.compress {
            Compression::None => (Layers::new(), Frames::Pieces),
            Compression::Zstd(level) => told(|lengths| Arc::new(Zstd::new(level).with_frames(lengths))),
            Compression::Gzip(level) => told(|lengths| Arc::new(Gzip::new(level).with_frames(lengths))),
        };
        (self.encrypted(layers), frames)
    }

    pub(crate) fn for_index(&self) -> Layers {
        self.encrypted(Layers::new().then(Arc::new(Zstd::new(INDEX_LEVEL))))
    }

    fn encrypted(&self, layers: Layers) -> Layers {
        match &self.encrypt {
            Some(age) => layers.then(Arc::new(age.clone())),
            None => layers,
        }
    }
}

fn told(layer: impl FnOnce(FrameLengths) -> Arc<dyn Layer>) -> (Layers, Frames) {
    let lengths = FrameLengths::default();
    (Layers::new().then(layer(lengths.clone())), Frames::Told(lengths))
}

async fn all_of(reader: Reader) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(MAX_SEALED).read_to_end(&mut bytes).await;
    read.map_err(|e| Error::io("cannot open or close a passphrase's mark", e))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_words() {
        for word in ["none", "zstd:1", "zstd:22", "gzip:9"] {
            assert_eq!(word.parse::<Compression>().unwrap().to_string(), word);
        }
        assert_eq!("zstd".parse::<Compression>().unwrap(), Compression::Zstd(3));
        for word in ["", "zstd:0", "zstd:23", "gzip:0", "none:1", "lz4", "zstd:x"] {
            assert_eq!(word.parse::<Compression>().unwrap_err().kind(), ErrorKind::InvalidInput, "{word}");
        }
    }

    #[test]
    fn settings_come_back_and_are_checked() {
        let settings = ArchiveSettings::new(Encryption::None).with_time_zone("Europe/Berlin");
        assert_eq!(ArchiveSettings::from_bytes(&settings.to_bytes().unwrap()).unwrap(), settings);
        assert!(ArchiveSettings::new(Encryption::Recipients(vec!["age1x".into()])).check().is_err());
        // Reading needs no zone: a rescue system may not know it.
        let elsewhere = ArchiveSettings::new(Encryption::None).with_time_zone("Europe/Atlantis");
        assert!(elsewhere.check().is_err());
        assert_eq!(ArchiveSettings::from_bytes(&elsewhere.to_bytes().unwrap()).unwrap(), elsewhere);
        assert_eq!(ArchiveSettings::from_bytes(b"{}").unwrap_err().kind(), ErrorKind::Damaged);
    }
}
