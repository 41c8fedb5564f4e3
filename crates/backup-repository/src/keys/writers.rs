use super::folder::{publish, read_now};
use super::succession::domain_named;
use crate::crypto::{SignerId, SigningKey};
use crate::format::certificate::{self, Revocation, Terms, certificate_key, revocation_key};
use crate::format::credential::WriterCredential;
use crate::format::ids::SessionId;
use crate::format::owner::DEFAULT_DOMAIN;
use crate::format::record::{MAX_RECORD, RecordKind};
use crate::format::snapshot::to_ms;
use crate::repository::Repository;
use backup_core::{Error, ErrorKind, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::time::SystemTime;

/// Snapshots read at once.
const AT_ONCE: usize = 8;

/// What a new writer may do: by default push under any name, for ever, in the first domain.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct WriterSpec {
    /// Patterns for the names of its snapshots: `*` stands for any characters, `?` for one.
    pub names: Vec<String>,
    /// The domain in which it deduplicates; made if there is none of this name.
    pub domain: String,
    /// When the certificate ends.
    pub until: Option<SystemTime>,
}

impl Default for WriterSpec {
    fn default() -> Self {
        WriterSpec { names: vec!["*".into()], domain: DEFAULT_DOMAIN.into(), until: None }
    }
}

impl WriterSpec {
    /// Sets the patterns for names.
    #[must_use]
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the domain.
    #[must_use]
    pub fn with_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    /// Sets when it ends.
    #[must_use]
    pub fn with_until(mut self, until: SystemTime) -> Self {
        self.until = Some(until);
        self
    }

    fn validate(&self) -> Result<()> {
        let bad = |text: &str| text.is_empty() || text.len() > 1000 || text.chars().any(char::is_control);
        if self.names.is_empty() || self.names.iter().any(|name| bad(name)) || bad(&self.domain) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a writer needs patterns for names, and a domain, of 1 to 1000 printable bytes",
            ));
        }
        Ok(())
    }
}

impl Repository {
    /// Certifies a new writer and gives its credential, which is stored nowhere.
    ///
    /// # Errors
    /// `AccessDenied` for a writer; `InvalidInput`; `AlreadyExists` when another owner made a domain at the same time.
    pub async fn add_writer(&self, spec: &WriterSpec) -> Result<WriterCredential> {
        let inner = &*self.0;
        inner.need_owner("certify a writer")?;
        spec.validate()?;
        let domain = domain_named(inner, &spec.domain).await?;
        let signing = SigningKey::generate()?;
        let (writer, terms) = (
            signing.verifying()?,
            Terms { names: spec.names.clone(), since: to_ms(SystemTime::now()), until: spec.until.map(to_ms) },
        );
        let payload = certificate::write(domain.number, &domain.keys.index, &writer, &terms)?;
        publish(inner, RecordKind::Certificate, &certificate_key(&writer.id())?, &payload).await?;
        Ok(WriterCredential {
            repository: inner.config.repository,
            owners: inner.config.signing,
            signing: Arc::new(signing),
            recipient: inner.config.recipient.clone(),
            identity: inner.identity,
            domain,
        })
    }

    /// Revokes a writer: its snapshots that are there now go on counting, nothing that it signs later does. Gives the
    /// number of those snapshots; one that is not trusted is to be forgotten.
    ///
    /// # Errors
    /// `AccessDenied` for a writer; `NotFound`; `AlreadyExists` when it is revoked already; `InvalidInput` for one with
    /// more than about 150,000 snapshots.
    pub async fn revoke_writer(&self, id: &SignerId) -> Result<usize> {
        let inner = &self.0;
        inner.need_owner("revoke a writer")?;
        let there = read_now(inner, &[RecordKind::Certificate, RecordKind::Revocation]).await?;
        if there.get(&certificate_key(id)?).is_none() {
            return Err(Error::new(ErrorKind::NotFound, "there is no such writer").context("writer", id));
        }
        if there.get(&revocation_key(id)?).is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "the writer is revoked already").context("writer", id));
        }
        // The writer may have been certified since this was opened.
        let inner = inner.refreshed().await?;
        let snapshots = stream::iter(inner.snapshot_ids().await?).map(|snapshot| {
            let inner = inner.clone();
            async move {
                // What does not count now shall not count later.
                let found = inner.if_counting(&snapshot).await?.filter(|found| found.signer == *id);
                Ok::<_, Error>(found.map(|found| (snapshot, found.hash)))
            }
        });
        let kept: Vec<Option<(SessionId, [u8; 32])>> = snapshots.buffer_unordered(AT_ONCE).try_collect().await?;
        let snapshots: std::collections::BTreeMap<_, _> =
            kept.into_iter().flatten().map(|(id, hash)| (id.to_string(), hash)).collect();
        let revocation = Revocation { time: to_ms(SystemTime::now()), snapshots };
        let payload = revocation.write()?;
        // A record that is too long to be read would revoke nobody.
        if payload.len() as u64 > MAX_RECORD - 1024 {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the writer has too many snapshots: forget some of them first",
            )
            .context("snapshots", revocation.snapshots.len()));
        }
        publish(&inner, RecordKind::Revocation, &revocation_key(id)?, &payload).await?;
        Ok(revocation.snapshots.len())
    }
}
