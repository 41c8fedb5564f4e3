use crate::{Result, SecretRef, Session};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

/// Something done in place at the end of a chain: a hook, a freeze, a probe, a clean-up.
#[async_trait]
pub trait Action: Debug + Send + Sync {
    /// What it does, for plans and traces, without secrets (`freeze mysql`).
    fn describe(&self) -> String;

    /// What takes its side effects back, written down before [`Action::execute`] begins; `None` when there is nothing
    /// to take back.
    fn undo(&self) -> Option<Undo>;

    /// Does it, and says what there is to say, a line each. Dropping the future may leave it half done: the undo runs
    /// then too, and must bear that.
    ///
    /// # Errors
    /// When it could not be done; the undo runs then too.
    async fn execute(&self, at: Arc<dyn Session>) -> Result<Vec<String>>;
}

/// What takes an action's side effects back: as data for a later process, and ready to run for this one.
///
/// Running it twice, or after an action that never happened, must do no harm.
#[derive(Clone, Debug)]
pub struct Undo {
    /// The action as data: a registry makes it again.
    pub spec: ActionSpec,
    /// The action itself. Its own `undo` is not asked for.
    pub action: Arc<dyn Action>,
}

/// An action as data.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionSpec {
    /// The registry's word for it.
    pub kind: String,
    /// Its options by name. None holds a secret.
    pub options: BTreeMap<String, String>,
    /// Where its secrets are found, by name.
    pub secrets: BTreeMap<String, SecretRef>,
}

impl ActionSpec {
    /// An action of a kind, without options.
    pub fn new(kind: impl Into<String>) -> Self {
        ActionSpec { kind: kind.into(), ..Default::default() }
    }

    /// Sets an option.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// Says where a secret is found.
    #[must_use]
    pub fn with_secret(mut self, name: impl Into<String>, place: SecretRef) -> Self {
        self.secrets.insert(name.into(), place);
        self
    }
}

/// The kind with its options, one line.
impl fmt::Display for ActionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        self.options.iter().try_for_each(|(name, value)| write!(f, " {name}={value:?}"))
    }
}
