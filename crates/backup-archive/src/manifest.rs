//! The manifest: what an archive is. docs/archive.md has every field.

use crate::text::Text;
use backup_core::{
    BackupId, Component, ComponentSpec, EntryFailure, Error, ErrorKind, LayerRecord, Outcome, Result,
    SourceDescription, Status, Summary, Totals,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What the name of a manifest ends in.
pub(crate) const SUFFIX: &str = ".manifest.json";
/// Longer ones are not read.
pub(crate) const MAX_BYTES: u64 = 64 << 20;
const FORMAT: &str = "backup-archive/1";
const CHECKSUM: &str = "  \"manifest_blake3\": \"";

/// What an archive is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    /// The archive's name, which is the backup's id.
    pub(crate) archive: String,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) tags: Vec<String>,
    pub(crate) started: Timestamp,
    /// The date in the name, RFC 3339 with its offset.
    pub(crate) local_date: String,
    pub(crate) duration_ms: u64,
    pub(crate) status: String,
    pub(crate) components: Vec<Part>,
}

/// A component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) status: String,
    pub(crate) source: Source,
    pub(crate) outcome: End,
    pub(crate) totals: Counts,
    /// None for one that failed.
    pub(crate) content: Option<Content>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    kind: String,
    version: Option<String>,
    roots: Vec<Text>,
    options: BTreeMap<String, String>,
    chain: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    failures: Vec<Failed>,
    failures_unlisted: u64,
    counts: BTreeMap<String, u64>,
    position: Option<String>,
    consistent_at: Option<Timestamp>,
    fatal: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failed {
    path: Text,
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    entries: u64,
    files: u64,
    size_bytes: u64,
}

/// Where a component's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) form: Form,
    #[serde(flatten)]
    pub(crate) archive: Stored,
    pub(crate) index: Stored,
}

/// What an object holds in front of its first layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// A tar archive.
    Tar,
    /// The content of the one entry.
    Stream,
}

/// An object and what it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) object: String,
    /// In the order of encoding.
    pub(crate) layers: Vec<Layer>,
    /// In front of the first layer.
    pub(crate) plain: Sum,
    /// Behind the last one.
    pub(crate) stored: Sum,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

/// Length and checksum of some bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    /// In hexadecimal digits.
    pub(crate) blake3: String,
}

impl Stored {
    pub(crate) fn records(&self) -> Vec<LayerRecord> {
        self.layers.iter().map(|layer| LayerRecord::new(&layer.name, layer.parameters.clone())).collect()
    }
}

impl From<&LayerRecord> for Layer {
    fn from(record: &LayerRecord) -> Self {
        Layer { name: record.name.clone(), parameters: record.parameters.clone() }
    }
}

impl Manifest {
    /// A manifest of components.
    pub(crate) fn new(summary: &Summary, local_date: String, components: Vec<Part>) -> Result<Self> {
        Ok(Manifest {
            format: FORMAT.to_owned(),
            archive: summary.id.0.clone(),
            name: summary.name.clone(),
            host: summary.host.clone(),
            tags: summary.tags.clone(),
            started: timestamp(summary.time)?,
            local_date,
            duration_ms: u64::try_from(summary.duration.as_millis()).unwrap_or(u64::MAX),
            status: summary.status.as_str().to_owned(),
            components,
        })
    }

    /// The object's bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed = |e| Error::new(ErrorKind::Internal, "a manifest cannot be written").source(e);
        let mut text = serde_json::to_string_pretty(self).map_err(failed)?;
        // The checksum becomes the last field.
        text.truncate(text.trim_end_matches(['}', '\n']).len());
        text.push_str(",\n");
        let sum = blake3::hash(text.as_bytes());
        Ok(format!("{text}{CHECKSUM}{sum}\"\n}}\n").into_bytes())
    }

    /// A manifest from an object's bytes.
    ///
    /// # Errors
    /// `Damaged` when its checksum is not that of its bytes, or it makes no sense; `Unsupported` when a later version
    /// wrote it.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |why: &'static str| Error::new(ErrorKind::Damaged, why);
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("a manifest is no text"))?;
        let (content, sum) = text.rsplit_once(CHECKSUM).ok_or_else(|| damaged("a manifest has no checksum"))?;
        let sum = sum.strip_suffix("\"\n}\n").ok_or_else(|| damaged("a manifest does not end in its checksum"))?;
        if blake3::hash(content.as_bytes()).to_hex().as_str() != sum {
            return Err(damaged("a manifest's checksum is not that of its bytes"));
        }
        let manifest: Manifest = serde_json::from_str(text)
            .map_err(|e| Error::new(ErrorKind::Unsupported, "a manifest is of a later version").source(e))?;
        if manifest.format != FORMAT {
            return Err(Error::new(ErrorKind::Unsupported, "a manifest is of a later version")
                .context("format", manifest.format));
        }
        Ok(manifest)
    }

    /// What a catalogue shows of it.
    pub(crate) fn summary(&self) -> Result<Summary> {
        let mut summary =
            Summary::new(BackupId(self.archive.clone()), &self.name, &self.host, SystemTime::from(self.started));
        summary.duration = Duration::from_millis(self.duration_ms);
        summary.tags.clone_from(&self.tags);
        summary.status = self.status.parse()?;
        summary.components = self.components.iter().map(|part| part.name.clone()).collect();
        for part in &self.components {
            summary.totals += part.totals.into();
        }
        Ok(summary)
    }
}

impl Part {
    /// A component as it ended.
    pub(crate) fn new(component: &Component, content: Option<Content>) -> Result<Self> {
        let (source, outcome) = (&component.spec.source, &component.outcome);
        Ok(Part {
            name: component.spec.name.clone(),
            required: component.spec.required,
            status: component.status.as_str().to_owned(),
            source: Source {
                kind: source.kind.clone(),
                version: source.version.clone(),
                roots: source.roots.iter().map(Text::of_path).collect(),
                options: source.options.clone(),
                chain: source.chain.clone(),
            },
            outcome: End {
                failures: outcome
                    .failures
                    .iter()
                    .map(|failure| Failed { path: Text::of_path(&failure.path), reason: failure.reason.clone() })
                    .collect(),
                failures_unlisted: outcome.failures_unlisted,
                counts: outcome.counts.clone(),
                position: outcome.position.clone(),
                consistent_at: outcome.consistent_at.map(timestamp).transpose()?,
                fatal: outcome.fatal.clone(),
            },
            totals: Counts {
                entries: component.totals.entries,
                files: component.totals.files,
                size_bytes: component.totals.size_bytes,
            },
            content,
        })
    }

    /// The component that was recorded.
    pub(crate) fn component(&self) -> Result<Component> {
        let mut source = SourceDescription::new(&self.source.kind);
        source.version.clone_from(&self.source.version);
        source.roots = self.source.roots.iter().cloned().map(Text::into_path).collect::<Result<_>>()?;
        source.options.clone_from(&self.source.options);
        source.chain.clone_from(&self.source.chain);
        let mut spec = ComponentSpec::new(&self.name, source);
        spec.required = self.required;
        let mut outcome = Outcome::default();
        for failed in &self.outcome.failures {
            let path = failed.path.clone().into_path()?;
            outcome.failures.push(EntryFailure { path, reason: failed.reason.clone() });
        }
        outcome.failures_unlisted = self.outcome.failures_unlisted;
        outcome.counts.clone_from(&self.outcome.counts);
        outcome.position.clone_from(&self.outcome.position);
        outcome.consistent_at = self.outcome.consistent_at.map(SystemTime::from);
        outcome.fatal.clone_from(&self.outcome.fatal);
        let status: Status = self.status.parse()?;
        Ok(Component::new(spec, status, outcome, self.totals.into()))
    }
}

impl From<Counts> for Totals {
    fn from(counts: Counts) -> Self {
        Totals { entries: counts.entries, files: counts.files, size_bytes: counts.size_bytes }
    }
}

fn timestamp(time: SystemTime) -> Result<Timestamp> {
    Timestamp::try_from(time)
        .map_err(|e| Error::new(ErrorKind::InvalidInput, "a time is beyond the calendar").source(e))
}

#[cfg(test)]
mod tests;
