use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Shorter buffers are not worth keeping, in bytes.
const MIN_LEN: usize = 1 << 20;
/// All that are kept, in bytes.
const MAX_SPARE: usize = 12 << 20;

/// Buffers to use again: fresh memory costs a page fault every four KiB, which is more than sealing what is put there.
/// Clones share them.
#[derive(Clone, Default)]
pub struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}

impl Spare {
    /// A buffer, with what was left in it.
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// An empty buffer.
    pub fn take_empty(&self) -> Vec<u8> {
        let mut buffer = self.take();
        buffer.clear();
        buffer
    }

    /// Keeps a buffer, if it is of use.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if buffer.capacity() >= MIN_LEN && kept + buffer.capacity() <= MAX_SPARE {
            spare.push(buffer);
        }
    }

    /// A buffer's bytes for the storage; it comes back when they are not needed any more.
    pub fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, spare: self.clone() })
    }
}

struct Lent {
    buffer: Vec<u8>,
    spare: Spare,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.spare.give(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lent_comes_back_and_is_used_again() {
        let spare = Spare::default();
        let mut buffer = Vec::with_capacity(1 << 20);
        buffer.extend_from_slice(b"sealed");
        let address = buffer.as_ptr();
        let bytes = spare.lend(buffer);
        let part = bytes.slice(1..3);
        drop(bytes);
        assert_eq!(&part[..], b"ea");
        assert_eq!(spare.take().capacity(), 0, "it is still needed");
        drop(part);
        let again = spare.take_empty();
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
    }

    #[test]
    fn few_and_small_ones_are_kept() {
        let spare = Spare::default();
        spare.give(Vec::with_capacity(16 << 20));
        spare.give(Vec::with_capacity(10));
        assert_eq!(spare.take().capacity(), 0);
        (0..100).for_each(|_| spare.give(Vec::with_capacity(1 << 20)));
        assert_eq!((0..100).filter(|_| spare.take().capacity() > 0).count(), 12);
    }
}
