//! Rows as bytes: small numbers take few of them.

use jiff::Timestamp;

use crate::domain::entry::{EntryState, OperationState, Via};
use crate::domain::job::ItemState;
use crate::domain::record::RecordRef;

/// What can stand in a row.
pub trait Value: Sized {
    /// Appends it.
    fn pack(&self, out: &mut Vec<u8>);
    /// Takes it from the beginning of `bytes`; `None` if they are no such thing.
    fn unpack(bytes: &mut &[u8]) -> Option<Self>;
}

impl Value for u64 {
    fn pack(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push((rest & 0x7f) as u8);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = byte(bytes)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

impl Value for String {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as u64).pack(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let length = usize::try_from(u64::unpack(bytes)?).ok()?;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Self::from_utf8(text.to_vec()).ok()
    }
}

impl Value for RecordRef {
    fn pack(&self, out: &mut Vec<u8>) {
        self.object.pack(out);
        self.id.pack(out);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { object: String::unpack(bytes)?, id: String::unpack(bytes)? })
    }
}

impl Value for Timestamp {
    fn pack(&self, out: &mut Vec<u8>) {
        folded(self.as_second()).pack(out);
        folded(self.subsec_nanosecond().into()).pack(out);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let second = unfolded(u64::unpack(bytes)?);
        Self::new(second, i32::try_from(unfolded(u64::unpack(bytes)?)).ok()?).ok()
    }
}

impl<T: Value> Value for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.pack(out);
        }
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        match byte(bytes)? {
            0 => Some(None),
            1 => T::unpack(bytes).map(Some),
            _ => None,
        }
    }
}

/// Growing numbers, each as its distance from the one before.
impl Value for Vec<u64> {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as u64).pack(out);
        let mut before = 0;
        for number in self {
            folded(number.wrapping_sub(before).cast_signed()).pack(out);
            before = *number;
        }
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let mut before = 0_u64;
        let count = u64::unpack(bytes)?;
        let numbers = (0..count).map(|_| {
            before = before.wrapping_add(unfolded(u64::unpack(bytes)?).cast_unsigned());
            Some(before)
        });
        numbers.collect()
    }
}

impl<const N: usize> Value for [u8; N] {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let (array, rest) = bytes.split_first_chunk::<N>()?;
        *bytes = rest;
        Some(*array)
    }
}

/// Small numbers for small distances either way.
fn folded(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// The first byte.
pub fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

macro_rules! codes {
    ($($type:ident: $($name:ident = $code:literal),+;)+) => {
        $(impl Value for $type {
            fn pack(&self, out: &mut Vec<u8>) {
                out.push(match self { $(Self::$name => $code),+ });
            }
            fn unpack(bytes: &mut &[u8]) -> Option<Self> {
                match byte(bytes)? { $($code => Some(Self::$name),)+ _ => None }
            }
        })+
    };
}

codes! {
    EntryState: Deleted = 0, Unknown = 1, Restoring = 2, Restored = 3, NeedsReview = 4, Kept = 5, Forgotten = 6,
        Erased = 7;
    OperationState: Held = 0, Open = 1, Unknown = 2, Confirmed = 3, Partial = 4, Refused = 5, NotSent = 6,
        NeedsReview = 7, Undone = 8;
    ItemState: Done = 0, Failed = 1, Skipped = 2, NeedsReview = 3;
    Via: Proxy = 0, Job = 1, Crm = 2;
}

/// Its only byte.
pub fn code<T: Value>(value: &T) -> u8 {
    let mut out = Vec::with_capacity(1);
    value.pack(&mut out);
    out[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Value + PartialEq + std::fmt::Debug>(value: T) {
        let mut out = Vec::new();
        value.pack(&mut out);
        let mut bytes = out.as_slice();
        assert_eq!(T::unpack(&mut bytes), Some(value));
        assert!(bytes.is_empty());
        assert!(T::unpack(&mut &out[..out.len() - 1]).is_none());
    }

    #[test]
    fn values_come_back() {
        for number in [0, 1, 127, 128, 1 << 32, u64::MAX] {
            there_and_back(number);
        }
        there_and_back(vec![5, 5, 4, u64::MAX, 0, 1 << 33]);
        for at in [Timestamp::MAX, Timestamp::MIN, Timestamp::UNIX_EPOCH] {
            there_and_back(at);
        }
        there_and_back(Some(RecordRef::new("contacts", "Ёлка")));
        there_and_back(OperationState::Undone);
    }
}
