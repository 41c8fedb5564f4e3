use super::log::{Faults, Log, call};
use crate::*;
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
}

#[async_trait]
impl Connection for Hop {
    fn describe(&self) -> String {
        self.name.into()
    }
    async fn setup(&self, _: Option<Arc<dyn Session>>) -> Result<Arc<dyn Session>> {
        call(&self.log, &self.faults, self.name, "setup").await?;
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Session for Hop {
    async fn run(&self, _: CommandSpec) -> Result<Box<dyn Process>> {
        unreachable!()
    }
    async fn push(&self, _: &[u8], _: Reader) -> Result<()> {
        unreachable!()
    }
    async fn pull(&self, _: &[u8]) -> Result<Reader> {
        unreachable!()
    }
    async fn dial(&self, _: &Address) -> Result<Box<dyn Duplex>> {
        unreachable!()
    }
    async fn forward(&self, _: &Address) -> Result<Box<dyn Forward>> {
        unreachable!()
    }
    fn reach(&self) -> Reach {
        Reach::ThisHost
    }
    async fn clean(&self) -> Result<()> {
        call(&self.log, &self.faults, self.name, "clean").await
    }
}
