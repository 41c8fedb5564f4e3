use super::{Lie, Lying};
use async_trait::async_trait;
use backup_core::{Error, ErrorKind, Key, ObjectMeta, ObjectWriter, PutMode, PutOptions, Result, StorageExt};
use bytes::Bytes;
use std::time::Duration;

/// The writer of a storage that lies: it holds all parts until the end.
pub(super) struct Liar {
    storage: Lying,
    key: Key,
    options: PutOptions,
    content: Vec<u8>,
    parts: usize,
    ended: bool,
    over: bool,
}

impl Liar {
    pub(super) fn new(storage: Lying, key: Key, options: PutOptions) -> Self {
        storage.memory().open += 1;
        Liar { storage, key, options, content: Vec::new(), parts: 0, ended: false, over: false }
    }

    fn take(&mut self) -> Bytes {
        self.over = true;
        std::mem::take(&mut self.content).into()
    }

    fn stored(&mut self) -> Bytes {
        let mut content = self.take();
        match self.storage.lie {
            Lie::CutsLargeObjects => content.truncate(16 << 20),
            Lie::MixesWriters => {
                let memory = self.storage.memory();
                if memory.open > 1 {
                    let from = memory.shared.len().saturating_sub(content.len());
                    content = memory.shared.get(from..).unwrap_or_default().to_vec().into();
                }
            }
            _ => {}
        }
        content
    }
}

#[async_trait]
impl ObjectWriter for Liar {
    async fn write(&mut self, part: Bytes) -> Result<()> {
        self.parts += 1;
        let lost = match self.storage.lie {
            Lie::LosesLateParts => self.parts > 1000,
            Lie::EndsAtEmptyParts => self.ended,
            _ => false,
        };
        self.ended |= part.is_empty();
        if self.storage.tells(Lie::ReordersParts) && part.len() >= 1 << 20 {
            self.content.splice(..0, part.iter().copied());
        } else if !lost {
            self.content.extend_from_slice(&part);
        }
        match self.storage.lie {
            Lie::MixesWriters => self.storage.memory().shared.extend_from_slice(&part),
            Lie::TornWrite => {
                self.storage.overwrite(&self.key, self.content.clone().into()).await?;
                self.options.mode = PutMode::Replace;
            }
            _ => {}
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<ObjectMeta> {
        let content = self.stored();
        let Liar { storage, key, options, .. } = &*self;
        let replaces = options.mode == PutMode::Replace;
        match storage.lie {
            Lie::SkipsEmptyObjects if content.is_empty() => {
                return Ok(ObjectMeta::new(0, std::time::SystemTime::UNIX_EPOCH));
            }
            Lie::TornFinish => {
                storage.overwrite(key, content.slice(..content.len() / 2)).await?;
                tokio::task::yield_now().await;
                return storage.overwrite(key, content).await;
            }
            Lie::TwoLargeWinners if content.len() > 8 << 20 => return storage.overwrite(key, content).await,
            Lie::ReplaceNeedsObject if replaces => {
                storage.inner.stat(key).await?;
            }
            _ => {}
        }
        let mut meta = storage.inner.put_bytes(key, content, options).await?;
        let mut memory = storage.memory();
        memory.newest = Some(key.clone());
        memory.puts += 1;
        if storage.tells(Lie::TimeRunsBackwards) {
            let back = Duration::from_secs(60).saturating_mul(memory.puts);
            meta.modified =
                meta.modified.checked_sub(back).ok_or_else(|| Error::new(ErrorKind::Internal, "no time"))?;
        }
        Ok(meta)
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let content = self.take();
        if self.storage.tells(Lie::KeepsAborted) {
            self.storage.overwrite(&self.key, content).await?;
        }
        Ok(())
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        let mut memory = self.storage.memory();
        memory.open = memory.open.saturating_sub(1);
        if self.storage.lie == Lie::KeepsDropped && !self.over {
            memory.dropped.push((self.key.clone(), std::mem::take(&mut self.content).into()));
        }
    }
}
