//! What a storage says of itself is looked at before a repository relies on it.

use crate::crypto::random;
use backup_core::{ErrorKind, Key, ObjectMeta, PutOptions, Result, StorageDriver, StorageExt};
use bytes::Bytes;

/// Whether of two racing creates of one key one wins, and a third finds the key taken.
///
/// # Errors
/// What the storage says of anything but a taken key.
pub(crate) async fn creates_have_one_winner(storage: &dyn StorageDriver) -> Result<bool> {
    if !storage.capabilities().create_only {
        return Ok(false);
    }
    let key = Key::new(format!("probe/{}", hex::encode(random::<8>()?)))?;
    let options = PutOptions::default();
    let put = |content: &'static [u8]| storage.put_bytes(&key, Bytes::from_static(content), &options);
    let (one, other) = futures_util::future::join(put(b"one"), put(b"other")).await;
    let third = put(b"third").await;
    storage.delete(std::slice::from_ref(&key)).await?;
    let wins = [won(one)?, won(other)?, won(third)?];
    Ok(matches!(wins, [true, false, false] | [false, true, false]))
}

fn won(put: Result<ObjectMeta>) -> Result<bool> {
    match put {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_storage::Memory;
    use backup_testkit::storage::{Lie, Lying};
    use std::sync::Arc;

    #[tokio::test]
    async fn a_storage_that_replaces_is_found_out() {
        let memory = Arc::new(Memory::new());
        assert!(creates_have_one_winner(&*memory).await.unwrap());
        assert!(memory.list_all("").await.unwrap().is_empty());
        let lying = Lying::new(memory, Lie::CreateReplaces);
        assert!(!creates_have_one_winner(&lying).await.unwrap());
    }
}
