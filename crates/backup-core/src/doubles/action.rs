use super::log::{Faults, Log, call};
use crate::*;
use async_trait::async_trait;
use std::sync::Arc;

/// An action with an undo, both written into the log.
#[derive(Clone, Debug)]
pub(crate) struct TestAction {
    pub(crate) name: &'static str,
    pub(crate) undo: Option<Box<TestAction>>,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
}

#[async_trait]
impl Action for TestAction {
    fn describe(&self) -> String {
        self.name.into()
    }
    fn undo(&self) -> Option<Undo> {
        let undo = self.undo.as_ref()?;
        Some(Undo { spec: ActionSpec::new(undo.name), action: Arc::new(undo.as_ref().clone()) })
    }
    async fn execute(&self, _: Arc<dyn Session>) -> Result<Vec<String>> {
        call(&self.log, &self.faults, self.name, "execute").await?;
        Ok(vec![format!("{} done", self.name)])
    }
}
