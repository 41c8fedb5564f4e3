//! Tagged fields in the wire encoding of Protocol Buffers, so that unknown fields can be skipped and
//! `protoc --decode_raw` shows what is there. Only varints (type 0) and byte strings (type 2) are used.

use super::record::newer;
use backup_core::{Error, ErrorKind, Result};

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an integer field, unless it is 0.
pub(crate) fn put_uint(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        put_varint(out, u64::from(field) << 3);
        put_varint(out, value);
    }
}

/// Appends a byte string field, also an empty one.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Uint(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn uint(self) -> Result<u64> {
        match self {
            Value::Uint(value) => Ok(value),
            Value::Bytes(_) => Err(malformed("a number was expected")),
        }
    }

    pub(crate) fn u32(self) -> Result<u32> {
        u32::try_from(self.uint()?).map_err(|_| malformed("a number is too large"))
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Value::Bytes(value) => Ok(value),
            Value::Uint(_) => Err(malformed("a byte string was expected")),
        }
    }
}

fn malformed(what: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "a stored message is malformed").context("because", what)
}

/// Takes a varint off the front of `input`.
pub(crate) fn take_varint(input: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first().ok_or_else(|| malformed("it ends early"))?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed("a number is too long"))
}

/// Takes `length` bytes off the front of `input`.
pub(crate) fn take_bytes<'a>(input: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).map_err(|_| malformed("a length is too large"))?;
    let (head, rest) = input.split_at_checked(length).ok_or_else(|| malformed("it ends early"))?;
    *input = rest;
    Ok(head)
}

/// The field of every message that names the features needed to read it: docs/format.md, conventions.
pub(crate) const REQUIRES: u32 = 15;

/// What this version knows of the features that a message may require.
const FEATURES: [&[u8]; 0] = [];

/// The fields of a message, in order, but for [`REQUIRES`].
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Looks at the whole message first, so that nothing of a newer one is taken for damage. `singular` are the known
    /// fields that are not repeated, all below 64.
    ///
    /// # Errors
    /// `Unsupported` when it requires a feature that is not known, `Damaged` when it is malformed or a singular field
    /// stands twice.
    pub(crate) fn new(message: &'a [u8], singular: &[u32]) -> Result<Self> {
        let mut rest = message;
        let (mut seen, mut stands_twice) = (0u64, false);
        while !rest.is_empty() {
            let (field, value) = take_field(&mut rest)?;
            if field == REQUIRES {
                known(value.bytes()?)?;
            } else if singular.contains(&field) {
                let bit = 1u64.checked_shl(field).unwrap_or_default();
                stands_twice |= seen & bit != 0;
                seen |= bit;
            }
        }
        if stands_twice { Err(malformed("a field stands twice")) } else { Ok(Fields(message)) }
    }

    /// The next field's number and value; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>> {
        while !self.0.is_empty() {
            match take_field(&mut self.0)? {
                (REQUIRES, _) => {}
                other => return Ok(Some(other)),
            }
        }
        Ok(None)
    }
}

/// Takes a field off the front of a message.
fn take_field<'a>(input: &mut &'a [u8]) -> Result<(u32, Value<'a>)> {
    let tag = take_varint(input)?;
    let field = u32::try_from(tag >> 3).map_err(|_| malformed("a field number is too large"))?;
    let value = match tag & 7 {
        0 => Value::Uint(take_varint(input)?),
        2 => {
            let length = take_varint(input)?;
            Value::Bytes(take_bytes(input, length)?)
        }
        _ => return Err(malformed("an unknown type of field")),
    };
    Ok((field, value))
}

fn known(feature: &[u8]) -> Result<()> {
    if FEATURES.contains(&feature) {
        return Ok(());
    }
    // A long name is cut: it is for people.
    let name = feature.get(..feature.len().min(100)).unwrap_or_default();
    Err(newer().context("requires", String::from_utf8_lossy(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_go_both_ways(n: u64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            put_uint(&mut out, 1, n);
            put_bytes(&mut out, 3, &bytes);
            let mut fields = Fields::new(&out, &[1, 3]).unwrap();
            if n != 0 { prop_assert_eq!(fields.next().unwrap(), Some((1, Value::Uint(n)))); }
            prop_assert_eq!(fields.next().unwrap(), Some((3, Value::Bytes(&bytes[..]))));
            prop_assert_eq!(fields.next().unwrap(), None);
        }

        #[test]
        fn any_input_ends_or_fails(bytes: Vec<u8>) {
            if let Ok(mut fields) = Fields::new(&bytes, &[]) {
                while fields.next().unwrap().is_some() {}
            }
        }
    }

    #[test]
    fn hostile_lengths_fail() {
        let mut out = Vec::new();
        put_varint(&mut out, 1 << 3 | 2);
        put_varint(&mut out, u64::MAX);
        assert!(Fields::new(&out, &[]).is_err());
        assert!(take_varint(&mut &[0xff; 11][..]).is_err());
    }

    #[test]
    fn a_field_that_is_not_repeated_stands_once() {
        let mut out = Vec::new();
        for field in [1, 2, 2, 99, 99] {
            put_uint(&mut out, field, 7);
        }
        assert!(Fields::new(&out, &[1, 3]).is_ok());
        let twice = Fields::new(&out, &[1, 2]).err().unwrap();
        assert_eq!(twice.kind(), ErrorKind::Damaged);
    }

    #[test]
    fn a_message_that_requires_what_is_not_known_is_newer_whatever_else_it_holds() {
        let mut out = Vec::new();
        for field in [1, 1] {
            put_uint(&mut out, field, 7);
        }
        put_bytes(&mut out, REQUIRES, b"folds");
        let newer = Fields::new(&out, &[1]).err().unwrap();
        assert_eq!(newer.kind(), ErrorKind::Unsupported);
        assert!(newer.to_string().contains("folds"), "{newer}");
    }
}
