//! From a URL or a record to a driver.

mod known;
mod url;

pub use url::Url;

use crate::{Action, ActionSpec, Chain, Connection, Error, ErrorKind, Result, SourceDriver, StorageDriver};
use futures_util::future::BoxFuture;
use known::{Role, feature};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Make<From, Driver> = Arc<dyn Fn(&From) -> Result<Arc<Driver>> + Send + Sync>;
type Open = Arc<dyn Fn(Url) -> BoxFuture<'static, Result<Arc<dyn StorageDriver>>> + Send + Sync>;

/// Which drivers this program has, by scheme. Front ends fill one at the start; outside drivers register like those of
/// the framework.
///
/// ```
/// # use backup_core::{Registry, ErrorKind};
/// let registry = Registry::new();
/// let error = registry.source(&"mysql://db1/shop".parse()?).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unsupported);
/// assert!(error.to_string().contains("feature mysql"));
/// # Ok::<_, backup_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    storages: BTreeMap<String, Open>,
    connections: BTreeMap<String, Make<Url, dyn Connection>>,
    sources: BTreeMap<String, Make<Url, dyn SourceDriver>>,
    actions: BTreeMap<String, Make<ActionSpec, dyn Action>>,
}

impl Registry {
    /// Without any driver.
    pub fn new() -> Self {
        Registry::default()
    }

    /// Registers a storage by its URL's scheme. A later registration replaces an earlier one.
    pub fn register_storage<F>(&mut self, scheme: impl Into<String>, open: impl Fn(Url) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<Arc<dyn StorageDriver>>> + Send + 'static,
    {
        self.storages.insert(scheme.into(), Arc::new(move |url| Box::pin(open(url))));
    }

    /// Registers a connection by its URL's scheme, which is also what its `describe` begins with.
    pub fn register_connection(
        &mut self,
        scheme: impl Into<String>,
        make: impl Fn(&Url) -> Result<Arc<dyn Connection>> + Send + Sync + 'static,
    ) {
        self.connections.insert(scheme.into(), Arc::new(make));
    }

    /// Registers a source by its kind, which is its URL's scheme. What it makes can also restore.
    pub fn register_source(
        &mut self,
        kind: impl Into<String>,
        make: impl Fn(&Url) -> Result<Arc<dyn SourceDriver>> + Send + Sync + 'static,
    ) {
        self.sources.insert(kind.into(), Arc::new(make));
    }

    /// Registers an action by its kind, for undo records.
    pub fn register_action(
        &mut self,
        kind: impl Into<String>,
        make: impl Fn(&ActionSpec) -> Result<Arc<dyn Action>> + Send + Sync + 'static,
    ) {
        self.actions.insert(kind.into(), Arc::new(make));
    }

    /// Opens a storage.
    ///
    /// # Errors
    /// `Unsupported` for a scheme that nobody registered, naming the feature that would; else what the driver gives.
    pub async fn storage(&self, url: &Url) -> Result<Arc<dyn StorageDriver>> {
        let open = self.storages.get(&url.scheme).ok_or_else(|| missing(Role::Storage, &url.scheme))?;
        open(url.clone()).await
    }

    /// A connection, not yet opened.
    ///
    /// # Errors
    /// As [`Registry::storage`].
    pub fn connection(&self, url: &Url) -> Result<Arc<dyn Connection>> {
        self.connections.get(&url.scheme).ok_or_else(|| missing(Role::Connection, &url.scheme))?(url)
    }

    /// A chain from the descriptions of its connections, outermost first.
    ///
    /// # Errors
    /// As [`Registry::storage`]; `InvalidInput` for an empty chain and for descriptions that are no URLs.
    pub fn chain<S: AsRef<str>>(&self, descriptions: impl IntoIterator<Item = S>) -> Result<Chain> {
        let mut connections = descriptions.into_iter().map(|text| self.connection(&text.as_ref().parse()?));
        let outermost = connections.next();
        let outermost =
            outermost.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a chain needs at least one connection"))?;
        connections.try_fold(Chain::new(outermost?), |chain, inner| Ok(chain.then(inner?)))
    }

    /// A source, or what restores into that place.
    ///
    /// # Errors
    /// As [`Registry::storage`].
    pub fn source(&self, url: &Url) -> Result<Arc<dyn SourceDriver>> {
        self.sources.get(&url.scheme).ok_or_else(|| missing(Role::Source, &url.scheme))?(url)
    }

    /// An action.
    ///
    /// # Errors
    /// As [`Registry::storage`].
    pub fn action(&self, spec: &ActionSpec) -> Result<Arc<dyn Action>> {
        self.actions.get(&spec.kind).ok_or_else(|| missing(Role::Action, &spec.kind))?(spec)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("storages", &self.storages.keys())
            .field("connections", &self.connections.keys())
            .field("sources", &self.sources.keys())
            .field("actions", &self.actions.keys())
            .finish()
    }
}

fn missing(role: Role, scheme: &str) -> Error {
    let word = role.word();
    match feature(role, scheme) {
        Some(feature) => {
            let message = format!("this {word} is not built in: it needs the feature {feature}");
            Error::new(ErrorKind::Unsupported, message).context("scheme", scheme)
        }
        None => Error::new(ErrorKind::Unsupported, format!("there is no such {word}")).context("scheme", scheme),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::{Faults, Hop, Log};

    #[test]
    fn chains_are_made_again_from_their_descriptions() {
        let mut registry = Registry::new();
        for name in ["local", "ssh"] {
            registry.register_connection(name, move |url| {
                assert_eq!(url.scheme, name);
                Ok(Arc::new(Hop { name, log: Log::new(), faults: Faults::new() }))
            });
        }
        let chain = registry.chain(["local", "ssh://ann@db1"]).unwrap();
        assert_eq!(chain.describe(), ["local", "ssh"]);
        assert_eq!(registry.chain([""; 0]).unwrap_err().kind(), ErrorKind::InvalidInput);
        let error = registry.chain(["local", "docker:db"]).unwrap_err();
        assert!(error.to_string().contains("feature docker"), "{error}");
    }

    #[tokio::test]
    async fn a_scheme_nobody_knows_says_so() {
        let error = Registry::new().storage(&"ftp://x/y".parse().unwrap()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Unsupported, "there is no such storage (scheme ftp)")
        );
        let error = Registry::new().storage(&"s3://x/y".parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("feature s3"));
    }
}
