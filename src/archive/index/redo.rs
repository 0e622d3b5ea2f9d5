//! Changes that take several batches, kept in sled until all of them are in.

use super::seal::Seal;
use super::table::{Head, broken};
use crate::archive::ArchiveError;
use crate::archive::fold::packed::Value as _;
use crate::archive::fold::rows::{Changes, parse, write};

/// How many pieces there are; there only once all of them are.
const REDO: &[u8] = b"!redo";
/// Bytes of a piece.
const PIECE: usize = 128 << 10;

/// What was to be written.
pub(super) struct Redo {
    pub rows: Changes,
    pub head: Head,
}

fn piece(number: u64) -> Vec<u8> {
    [REDO, &number.to_be_bytes()].concat()
}

type Get<'a> = &'a dyn Fn(&[u8]) -> Result<Option<sled::IVec>, ArchiveError>;

type Put<'a> = &'a dyn Fn(&[u8], Vec<u8>) -> Result<(), ArchiveError>;

/// All keys of a redo that is there.
pub(super) fn keys(get: Get) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let Some(count) = get(REDO)? else { return Ok(Vec::new()) };
    Ok((0..parse::<u64>(&count)?).map(piece).chain([REDO.to_vec()]).collect())
}

/// Keeps changes.
pub(super) fn keep(rows: &Changes, head: &Head, seal: &Seal, put: Put) -> Result<(), ArchiveError> {
    let mut bytes = write(head);
    for (key, value) in rows {
        (key.len() as u64).pack(&mut bytes);
        bytes.extend_from_slice(key);
        bytes.push(u8::from(value.is_some()));
        if let Some(value) = value {
            (value.len() as u64).pack(&mut bytes);
            bytes.extend_from_slice(value);
        }
    }
    let sealed = seal.close_packed(REDO, &bytes)?;
    for (number, part) in (0..).zip(sealed.chunks(PIECE)) {
        put(&piece(number), part.to_vec())?;
    }
    put(REDO, write(&(sealed.len().div_ceil(PIECE) as u64)))
}

/// What was kept and not finished.
pub(super) fn found(get: Get, seal: &Seal) -> Result<Option<Redo>, ArchiveError> {
    let Some(count) = get(REDO)? else { return Ok(None) };
    let mut sealed = Vec::new();
    for number in 0..parse::<u64>(&count)? {
        let part = get(&piece(number))?.ok_or_else(|| broken("a piece of its redo is missing"))?;
        sealed.extend_from_slice(&part);
    }
    let bytes = seal.open_packed(REDO, &sealed).ok_or_else(|| broken("its redo is damaged"))?;
    unpacked(&bytes).map(Some).ok_or_else(|| broken("its redo is cut short"))
}

fn unpacked(mut bytes: &[u8]) -> Option<Redo> {
    let mut redo = Redo { head: Head::unpack(&mut bytes)?, rows: Changes::new() };
    while !bytes.is_empty() {
        let key = part(&mut bytes)?;
        let value = match crate::archive::fold::packed::byte(&mut bytes)? {
            0 => None,
            _ => Some(part(&mut bytes)?),
        };
        redo.rows.insert(key, value);
    }
    Some(redo)
}

fn part(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(u64::unpack(bytes)?).ok()?;
    let (part, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(part.to_vec())
}
