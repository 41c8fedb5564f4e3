use crate::{Chain, ComponentSpec, SourceDriver};
use std::sync::Arc;

/// One component of a push: a configured driver and the chain at whose end it works.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) driver: Arc<dyn SourceDriver>,
    pub(super) chain: Chain,
    name: Option<String>,
    required: bool,
}

impl Source {
    /// A required component named like the driver's kind.
    pub fn new(driver: Arc<dyn SourceDriver>, chain: impl Into<Chain>) -> Self {
        Source { driver, chain: chain.into(), name: None, required: true }
    }

    /// Names the component. Names are unique within a push.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Lets the backup count as complete without it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Name, description and chain, as they are recorded.
    pub(super) fn spec(&self) -> ComponentSpec {
        let mut description = self.driver.describe();
        description.chain = self.chain.describe();
        let name = self.name.clone().unwrap_or_else(|| description.kind.clone());
        let mut spec = ComponentSpec::new(name, description);
        spec.required = self.required;
        spec
    }

    /// Whether this is the same source again: a second pass over one component.
    pub(super) fn is(&self, other: &Source) -> bool {
        Arc::ptr_eq(&self.driver, &other.driver) && self.required == other.required
    }
}
