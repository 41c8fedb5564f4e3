//! The header, made and read by the age crate. It gives the file key to recipients and takes it from identities, and
//! keeps it to itself otherwise; so ours stand between and keep a copy.

use super::keys::{AgeIdentities, Recipients};
use super::payload::{NONCE_BYTES, Payload};
use age::secrecy::ExposeSecret;
use age::{DecryptError, EncryptError};
use age_core::format::{FileKey, Stanza};
use backup_core::{Error, ErrorKind, Result};
use std::cell::{Cell, OnceCell};
use std::collections::HashSet;

const MAGIC: &[u8] = b"age-encryption.org/";
/// Begins the header's last line.
const MAC_LINE: &[u8] = b"\n---";
/// Room for a thousand recipients. The age crate parses a header anew for each of its lines: one of a MiB, which nobody
/// needs, would keep it busy for minutes.
const MAX_HEADER: usize = 256 << 10;

/// A new file's header with the nonce behind it, and what seals the rest. Keeps the thread busy with a passphrase.
///
/// # Errors
/// `InvalidInput` when these recipients cannot be put together.
pub(super) fn write(recipients: &Recipients) -> Result<(Vec<u8>, Payload)> {
    let failed = |because: String| {
        Error::new(ErrorKind::InvalidInput, "an age file cannot be made for these recipients")
            .context("because", because)
    };
    let key = OnceCell::new();
    let keeping: Vec<_> = recipients.iter().map(|inner| KeepingRecipient { inner, key: &key }).collect();
    let encryptor = age::Encryptor::with_recipients(keeping.iter().map(|r| r as &dyn age::Recipient))
        .map_err(|e| failed(e.to_string()))?;
    let mut head = Vec::new();
    // Header and nonce are written now; chunks would be by what is dropped here.
    drop(encryptor.wrap_output(&mut head).map_err(|e| failed(e.to_string()))?);
    if head.len() > MAX_HEADER {
        return Err(failed("there are too many".to_owned()));
    }
    let key = key.get().ok_or_else(|| failed("there is none".to_owned()))?;
    let payload = Payload::new(key, nonce(&head))?;
    Ok((head, payload))
}

/// Where the header with its nonce ends; none when that is behind `head`.
///
/// # Errors
/// `Damaged` when it is no age file, or its header is too long.
pub(super) fn end(head: &[u8]) -> Result<Option<usize>> {
    let common = head.len().min(MAGIC.len());
    if head.get(..common) != MAGIC.get(..common) {
        return Err(damaged("it does not begin as one"));
    }
    let mac = head.windows(MAC_LINE.len()).position(|bytes| bytes == MAC_LINE).map(|at| at + 1);
    let rest = mac.and_then(|mac| head.get(mac..)).unwrap_or_default();
    let end = mac.zip(rest.iter().position(|byte| *byte == b'\n')).map(|(mac, len)| mac + len + 1 + NONCE_BYTES);
    if end.unwrap_or(head.len()) > MAX_HEADER {
        return Err(damaged("its header is too long"));
    }
    Ok(end.filter(|end| *end <= head.len()))
}

/// What opens the rest of the file that begins with this header and nonce. Keeps the thread busy with a passphrase.
///
/// # Errors
/// `AccessDenied` when none of the identities opens it; `Damaged`; `Unsupported` for a later version of the format.
pub(super) fn open(head: &[u8], identities: &AgeIdentities) -> Result<Payload> {
    let keeping = KeepingIdentity { identities, key: OnceCell::new(), needs: Cell::new(None) };
    let mut rest = head;
    age::Decryptor::new_buffered(&mut rest)
        .and_then(|decryptor| decryptor.decrypt(std::iter::once(&keeping as &dyn age::Identity)).map(drop))
        .map_err(|e| refused(e, keeping.needs.get()))?;
    match keeping.key.get() {
        Some(key) if rest.is_empty() => Payload::new(key, nonce(head)),
        _ => Err(damaged("its header ends elsewhere")),
    }
}

fn nonce(head: &[u8]) -> &[u8] {
    head.last_chunk::<NONCE_BYTES>().map_or(&[], |nonce| nonce)
}

fn damaged(because: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Damaged, "an age file is damaged").context("because", because)
}

fn refused(error: DecryptError, needs: Option<&'static str>) -> Error {
    let denied = |message| Error::new(ErrorKind::AccessDenied, message);
    match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            denied("no identity or passphrase that was given opens this age file")
                .context("give", needs.unwrap_or("the identity of one of its recipients"))
        }
        DecryptError::ExcessiveWork { required, .. } => {
            denied("to try the passphrase on this age file takes more work than is accepted: decrypt it with `age`")
                .context("log_n", required)
                .context("at_most", super::keys::SCRYPT_MAX_LOG_N)
        }
        DecryptError::UnknownFormat => {
            Error::new(ErrorKind::Unsupported, "an age file is of a later version of its format")
        }
        other => damaged(other),
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::init_with_mut(|bytes| bytes.copy_from_slice(key.expose_secret()))
}

struct KeepingRecipient<'a> {
    inner: &'a dyn age::Recipient,
    key: &'a OnceCell<FileKey>,
}

impl age::Recipient for KeepingRecipient<'_> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        self.key.get_or_init(|| copy(key));
        self.inner.wrap_file_key(key)
    }
}

/// All identities as one: the age crate alone would stop at the first that fails.
struct KeepingIdentity<'a> {
    identities: &'a AgeIdentities,
    key: OnceCell<FileKey>,
    /// What would open it.
    needs: Cell<Option<&'static str>>,
}

impl age::Identity for KeepingIdentity<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let is_scrypt = stanzas.iter().any(|stanza| stanza.tag == "scrypt");
        self.needs.set(is_scrypt.then_some("the passphrase it was made with"));
        let mut failed = None;
        for identity in self.identities.iter() {
            match identity.unwrap_stanzas(stanzas) {
                Some(Ok(key)) => {
                    self.key.get_or_init(|| copy(&key));
                    return Some(Ok(key));
                }
                other => failed = failed.or(other),
            }
        }
        failed
    }
}
