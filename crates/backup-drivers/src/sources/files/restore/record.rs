//! How metadata and paths stand in temporary lists. These never leave the process, so there is no version.

use backup_core::{Error, ErrorKind, Metadata, Result, Timestamp};

pub(super) fn put_bytes(record: &mut Vec<u8>, bytes: &[u8]) {
    record.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    record.extend_from_slice(bytes);
}

fn put_some<T>(record: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    record.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(record, value);
    }
}

fn put_number(record: &mut Vec<u8>, number: u32) {
    record.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_metadata(record: &mut Vec<u8>, metadata: &Metadata) {
    put_some(record, metadata.mode, put_number);
    put_some(record, metadata.uid, put_number);
    put_some(record, metadata.gid, put_number);
    put_some(record, metadata.user.as_deref(), put_bytes);
    put_some(record, metadata.group.as_deref(), put_bytes);
    put_some(record, metadata.mtime, |record, mtime| {
        record.extend_from_slice(&mtime.seconds.to_le_bytes());
        put_number(record, mtime.nanoseconds);
    });
    put_number(record, metadata.xattrs.len() as u32);
    for (name, value) in &metadata.xattrs {
        put_bytes(record, name);
        put_bytes(record, value);
    }
}

/// Takes a record apart, from the front.
pub(super) struct Parts<'a>(pub(super) &'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (part, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a temporary list is damaged"))?;
        self.0 = rest;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = u64::from_le_bytes(self.array()?);
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn number(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn some<T>(&mut self, take: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.byte()? == 1 { take(self).map(Some) } else { Ok(None) }
    }

    pub(super) fn metadata(&mut self) -> Result<Metadata> {
        let mut metadata = Metadata {
            mode: self.some(Self::number)?,
            uid: self.some(Self::number)?,
            gid: self.some(Self::number)?,
            user: self.some(|parts| Ok(parts.bytes()?.to_vec()))?,
            group: self.some(|parts| Ok(parts.bytes()?.to_vec()))?,
            mtime: self.some(|parts| {
                Ok(Timestamp { seconds: i64::from_le_bytes(parts.array()?), nanoseconds: parts.number()? })
            })?,
            ..Metadata::default()
        };
        for _ in 0..self.number()? {
            metadata.xattrs.insert(self.bytes()?.to_vec(), self.bytes()?.to_vec());
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_back_as_it_was() {
        let mut metadata = Metadata::default();
        for step in 0..3 {
            let mut record = Vec::new();
            put_metadata(&mut record, &metadata);
            assert_eq!(Parts(&record).metadata().unwrap(), metadata);
            assert!(Parts(&record[..record.len() - 1]).metadata().is_err());
            metadata.mode = Some(0o4755 + step);
            metadata.uid = Some(0);
            metadata.user = Some(vec![]);
            metadata.group = Some(b"staff\0".to_vec());
            metadata.mtime = Some(Timestamp { seconds: -1, nanoseconds: 999_999_999 });
            metadata.xattrs.insert(b"user.empty".to_vec(), vec![]);
        }
    }
}
