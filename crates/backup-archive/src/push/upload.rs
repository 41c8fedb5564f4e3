use super::failure::Failure;
use super::plain::Plain;
use crate::manifest::Sum;
use backup_core::{Error, ErrorKind, Key, Layers, ObjectWriter, PutOptions, Reader, Result, StorageDriver};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;

/// Blocks of plain content under way.
const BLOCKS_AHEAD: usize = 2;
/// What the storage gets at once.
const PART_BYTES: usize = 1 << 20;

/// An object that is being written. It is visible when [`Ready::publish`] has returned; dropped before, nothing of it stays.
pub(super) struct Upload {
    pub(super) key: Key,
    /// None of what it failed with: the failure has it.
    task: JoinHandle<Option<(Box<dyn ObjectWriter>, Sum)>>,
}

/// An object that waits to be shown.
pub(super) struct Ready {
    pub(super) key: Key,
    pub(super) sum: Sum,
    writer: Box<dyn ObjectWriter>,
}

/// Begins an object, and gives the way into its first layer.
///
/// # Errors
/// `AlreadyExists`, and what the storage says.
pub(super) async fn begin(
    storage: &dyn StorageDriver,
    key: Key,
    layers: &Layers,
    failure: Arc<Failure>,
) -> Result<(Upload, Plain)> {
    let (blocks, received) = mpsc::channel::<std::io::Result<Bytes>>(BLOCKS_AHEAD);
    let plain = stream::unfold(received, async |mut received| received.recv().await.map(|block| (block, received)));
    let encoded = layers.encode(Box::new(StreamReader::new(Box::pin(plain))))?;
    let writer = storage.put(&key, &PutOptions::default()).await?;
    let object = key.clone();
    let task = tokio::spawn(async move {
        let (mut encoded, mut writer) = (encoded, writer);
        match copy(&mut encoded, &mut *writer).await {
            Ok(sum) => Some((writer, sum)),
            Err(error) => {
                // Before the thread sees that nobody takes its blocks any more.
                failure.set(error.context("object", object));
                None
            }
        }
    });
    Ok((Upload { key, task }, Plain::new(blocks)))
}

async fn copy(encoded: &mut Reader, writer: &mut dyn ObjectWriter) -> Result<Sum> {
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
    loop {
        let mut part = BytesMut::with_capacity(PART_BYTES);
        while part.len() < PART_BYTES {
            let got = encoded.read_buf(&mut part).await.map_err(|e| Error::io("cannot encode an archive", e))?;
            if got == 0 {
                break;
            }
        }
        if part.is_empty() {
            return Ok(Sum { bytes, blake3: hasher.finalize().to_hex().to_string() });
        }
        let part = part.freeze();
        hasher.update(&part);
        bytes += part.len() as u64;
        writer.write(part).await?;
    }
}

impl Upload {
    /// Waits until everything has arrived. None where the failure says why not.
    pub(super) async fn ready(mut self) -> Result<Option<Ready>> {
        let panicked = |e| Error::new(ErrorKind::Internal, "storing an archive panicked: please report").source(e);
        let stored = (&mut self.task).await.map_err(panicked)?;
        Ok(stored.map(|(writer, sum)| Ready { key: self.key.clone(), sum, writer }))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ready {
    pub(super) async fn publish(self) -> Result<()> {
        self.writer.finish().await.map(drop).map_err(|e| e.context("object", &self.key))
    }

    pub(super) async fn abort(self) -> Result<()> {
        self.writer.abort().await.map_err(|e| e.context("object", &self.key))
    }
}
