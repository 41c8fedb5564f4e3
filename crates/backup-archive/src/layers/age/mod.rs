//! Encryption with age (age-encryption.org/v1). The age crate makes and reads the header; what follows it is sealed
//! here: in less than half the time, and on several threads.

mod header;
mod keys;
mod payload;
mod ranged;
#[cfg(test)]
mod tests;

pub use keys::AgeIdentities;
pub(crate) use ranged::AgeKey;

use super::BuiltIn;
use super::blocks::{map_pieces, reader, stopped};
use backup_core::{Error, ErrorKind, Layer, Reader, Result, Secret};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future, stream};
use keys::Recipients;
use payload::{CHUNK_BYTES, Payload, SEALED_BYTES};
use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::task::spawn_blocking;

/// Chunks that a thread takes at once: 1 MiB.
const CHUNKS_AT_ONCE: usize = 16;
/// What is read at once to find the header's end.
const HEAD_STEP: u64 = 4 << 10;

/// Encryption with age.
#[derive(Clone, Debug)]
pub struct Age {
    recipients: Recipients,
    identities: AgeIdentities,
}

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "age",
    extension: "age",
    make: |_, keys| Ok(Arc::new(Age::from_identities(keys.age.clone()))),
    expand: None,
};

impl Age {
    /// To these recipients, each an age recipient (`age1…`) or an SSH public key (`ssh-ed25519 …`, `ssh-rsa …`).
    ///
    /// # Errors
    /// `InvalidInput` when there is none, or one is not that.
    pub fn to(recipients: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        let recipients = Recipients::parse(recipients)?;
        Ok(Age { recipients, identities: AgeIdentities::new() })
    }

    /// With a passphrase, which also decodes.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty or no UTF-8.
    pub fn with_passphrase(passphrase: &Secret) -> Result<Self> {
        let recipients = Recipients::passphrase(passphrase)?;
        Ok(Age { recipients, identities: AgeIdentities::new().with_passphrase(passphrase)? })
    }

    /// For decoding alone.
    pub fn from_identities(identities: AgeIdentities) -> Self {
        Age { recipients: Recipients::default(), identities }
    }
}

impl Layer for Age {
    fn name(&self) -> &'static str {
        BUILT_IN.name
    }

    fn parameters(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn encode(&self, plain: Reader) -> Result<Reader> {
        let recipients = self.recipients.clone();
        if recipients.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "there is no recipient to encrypt to: name one"));
        }
        let sealed = async move {
            let (head, payload) = spawn_blocking(move || header::write(&recipients)).await.map_err(stopped)??;
            let head = stream::once(future::ready(Ok(Bytes::from(head))));
            Ok::<_, io::Error>(head.chain(seal(plain, payload)))
        };
        Ok(reader(stream::once(sealed).try_flatten()))
    }

    fn decode(&self, mut encoded: Reader) -> Result<Reader> {
        let identities = self.identities.clone();
        if identities.is_empty() {
            return Err(Error::new(
                ErrorKind::AccessDenied,
                "an archive is encrypted with age, and no identity was given: give one of a recipient, or the passphrase",
            ));
        }
        let opened = async move {
            let (mut head, end) = read_head(&mut encoded).await?;
            let rest = head.split_off(end);
            let payload = spawn_blocking(move || header::open(&head, &identities)).await.map_err(stopped)??;
            Ok::<_, io::Error>(open(Box::new(Cursor::new(rest).chain(encoded)), payload))
        };
        Ok(reader(stream::once(opened).try_flatten()))
    }
}

/// A stream's beginning, and where in it the header ends.
async fn read_head(encoded: &mut Reader) -> io::Result<(Vec<u8>, usize)> {
    let mut head = Vec::new();
    loop {
        if let Some(end) = header::end(&head)? {
            return Ok((head, end));
        }
        if encoded.take(HEAD_STEP).read_to_end(&mut head).await? == 0 {
            return Err(Error::new(ErrorKind::Damaged, "an age file ends within its header").into());
        }
    }
}

fn seal(plain: Reader, payload: Payload) -> impl Stream<Item = io::Result<Bytes>> + Send {
    map_pieces(plain, CHUNKS_AT_ONCE * CHUNK_BYTES, move |piece, sealed| {
        payload.seal(piece.number * CHUNKS_AT_ONCE as u64, piece.is_last, &piece.bytes, sealed)
    })
}

fn open(sealed: Reader, payload: Payload) -> impl Stream<Item = io::Result<Bytes>> + Send {
    map_pieces(sealed, CHUNKS_AT_ONCE * SEALED_BYTES, move |piece, plain| {
        payload.open(piece.number * CHUNKS_AT_ONCE as u64, piece.is_last, &piece.bytes, plain)
    })
}
