//! Tagged fields in the wire encoding of Protocol Buffers, so that unknown fields can be skipped and
//! `protoc --decode_raw` shows what is there. Only varints (type 0) and byte strings (type 2) are used.

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

/// The fields of a message, in order.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field's number and value; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = take_varint(&mut self.0)?;
        let field = u32::try_from(tag >> 3).map_err(|_| malformed("a field number is too large"))?;
        let value = match tag & 7 {
            0 => Value::Uint(take_varint(&mut self.0)?),
            2 => {
                let length = take_varint(&mut self.0)?;
                Value::Bytes(take_bytes(&mut self.0, length)?)
            }
            _ => return Err(malformed("an unknown type of field")),
        };
        Ok(Some((field, value)))
    }
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
            let mut fields = Fields(&out);
            if n != 0 { prop_assert_eq!(fields.next().unwrap(), Some((1, Value::Uint(n)))); }
            prop_assert_eq!(fields.next().unwrap(), Some((3, Value::Bytes(&bytes[..]))));
            prop_assert_eq!(fields.next().unwrap(), None);
        }

        #[test]
        fn any_input_ends_or_fails(bytes: Vec<u8>) {
            let mut fields = Fields(&bytes);
            while let Ok(Some(_)) = fields.next() {}
        }
    }

    #[test]
    fn hostile_lengths_fail() {
        let mut out = Vec::new();
        put_varint(&mut out, 1 << 3 | 2);
        put_varint(&mut out, u64::MAX);
        assert!(Fields(&out).next().is_err());
        assert!(take_varint(&mut &[0xff; 11][..]).is_err());
    }
}
