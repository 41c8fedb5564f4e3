use super::folder::read_now;
use super::signers::Signers;
use super::succession::domains_now;
use crate::crypto::{Identity, SignerId};
use crate::format::certificate::Terms;
use crate::format::record::{RecordKind, newer};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Result};
use std::sync::Arc;

/// Names of sessions that prune and repair begin: those of a push would be of the same series.
const RESERVED: [&str; 2] = ["prune", "repair"];

/// As whom a repository was opened.
pub(crate) enum Access {
    Owner {
        /// The name of the owner file that was opened.
        file: String,
        /// Its own key.
        own: Identity,
        /// Keys of objects that were added for owners and do not open with this one.
        missing: Vec<String>,
    },
    Writer {
        id: SignerId,
        terms: Terms,
    },
}

impl Inner {
    /// Whether it may read, delete and sign everything.
    pub(crate) fn is_owner(&self) -> bool {
        matches!(*self.access, Access::Owner { .. })
    }

    /// Refuses what a writer cannot do.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn need_owner(&self, what: &'static str) -> Result<()> {
        match &*self.access {
            Access::Owner { .. } => Ok(()),
            Access::Writer { id, .. } => Err(Error::new(
                ErrorKind::AccessDenied,
                "a writer's credential only backs up and lists: use an owner's identity or passphrase",
            )
            .context("to", what)
            .context("writer", id)),
        }
    }

    /// Refuses to create anything in a repository that asks its writers for what is not known here.
    ///
    /// # Errors
    /// `Unsupported`.
    pub(crate) fn may_write(&self) -> Result<()> {
        match &self.config.requires_to_write[..] {
            [] => Ok(()),
            features => Err(newer().context("to", "write").context("requires", features.join(" "))),
        }
    }

    /// Refuses to delete anything, or to decide what is garbage, where that takes what is not known here.
    ///
    /// # Errors
    /// `Unsupported`.
    pub(crate) fn may_delete(&self) -> Result<()> {
        self.may_write()?;
        if let Some(key) = self.signers.newer() {
            return Err(newer().context("to", "delete").context("key", key));
        }
        match &self.config.requires_to_delete[..] {
            [] => Ok(()),
            features => Err(newer().context("to", "delete").context("requires", features.join(" "))),
        }
    }

    /// Refuses a push whose snapshot nobody would read. `now_ms` is by the clock that the session's id is made with.
    ///
    /// # Errors
    /// `AccessDenied`; `InvalidInput` for a reserved name.
    pub(crate) fn may_push(&self, name: &str, now_ms: i64) -> Result<()> {
        if RESERVED.contains(&name) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "this name is kept for the repository's own sessions: take another",
            )
            .context("name", name));
        }
        let Access::Writer { id, terms } = &*self.access else { return Ok(()) };
        let denied = |what: &'static str| Error::new(ErrorKind::AccessDenied, what).context("writer", id);
        if !terms.allow_name(name) {
            return Err(denied(
                "the writer's certificate does not cover this name: an owner can certify another writer",
            )
            .context("name", name)
            .context("names", terms.names.join(" ")));
        }
        if terms.until.is_some_and(|until| now_ms > until) || !terms.allow_time(now_ms) {
            return Err(denied(
                "the writer's certificate is not valid now: look at the clock, or ask an owner for another",
            ));
        }
        Ok(())
    }

    /// The same, with the writers and domains that there are now.
    ///
    /// # Errors
    /// What the storage said; `AccessDenied` when a domain was added that does not open for this owner.
    pub(crate) async fn refreshed(&self) -> Result<Arc<Inner>> {
        let domains = domains_now(self).await?;
        let folder = read_now(self, &[RecordKind::Certificate, RecordKind::Revocation]).await?;
        let signers = Signers::new(self.config.repository, self.config.signing, &folder, &domains);
        Ok(Arc::new(Inner { domains: domains.into(), signers: Arc::new(signers), ..self.clone() }))
    }
}
