use super::{END_MAGIC, HEADER_LEN, MAGIC, TRAILER_LEN};
use crate::crypto::{WrappedKey, known_wrap};
use crate::format::ids::Kind;
use backup_core::{Error, ErrorKind, Result};

/// What a pack's first bytes say.
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// The number of the identity to which the key is wrapped.
    pub(crate) identity: u16,
    pub(crate) domain: u32,
    pub(crate) wrapped: WrappedKey,
}

/// Takes a header apart.
///
/// # Errors
/// `Damaged` when it is none; `Unsupported` for one that a newer version wrote.
pub(crate) fn parse_header(bytes: &[u8]) -> Result<Header> {
    let header: Option<&[u8; HEADER_LEN]> = bytes.first_chunk();
    match header {
        Some([m0, m1, m2, m3, m4, m5, m6, m7, kind, wrap, i0, i1, d0, d1, d2, d3, wrapped @ ..])
            if [*m0, *m1, *m2, *m3, *m4, *m5, *m6, *m7] == *MAGIC =>
        {
            known_wrap(*wrap)?;
            Ok(Header {
                kind: Kind::from_byte(*kind)?,
                identity: u16::from_le_bytes([*i0, *i1]),
                domain: u32::from_le_bytes([*d0, *d1, *d2, *d3]),
                wrapped: *wrapped,
            })
        }
        _ => Err(Error::new(ErrorKind::Damaged, "an object does not begin as a pack does")),
    }
}

/// The length of the sealed footer and the hash of all before it, from a pack's last bytes.
pub(crate) fn parse_trailer(bytes: &[u8]) -> Option<(u32, [u8; 32])> {
    let trailer: &[u8; TRAILER_LEN] = bytes.last_chunk()?;
    let (length, rest) = trailer.split_first_chunk::<4>()?;
    let (hash, magic) = rest.split_first_chunk::<32>()?;
    (magic == END_MAGIC).then_some((u32::from_le_bytes(*length), *hash))
}
