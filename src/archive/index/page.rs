//! Rows that stand together under one key of sled: many small ones would cost it several times their size.
//!
//! Bytes: for each row, how many bytes its key has in common with the one before, how many follow, how long the value
//! is (numbers as in `packed`), then both. Compressed with zstd and sealed by the table.

use crate::archive::fold::packed::Value as _;

/// Some rows, in order.
#[derive(Debug, Default)]
pub(crate) struct Page {
    bytes: Vec<u8>,
    /// Of each row: where its key begins, where its value does, where it ends.
    rows: Vec<[u32; 3]>,
}

/// A page as bytes, and how many there are.
pub(crate) fn packed<'a>(rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let (mut out, mut before) = (Vec::new(), [].as_slice());
    for (key, value) in rows {
        let same = key.iter().zip(before).take_while(|(one, other)| one == other).count();
        for number in [same, key.len() - same, value.len()] {
            (number as u64).pack(&mut out);
        }
        out.extend_from_slice(&key[same..]);
        out.extend_from_slice(value);
        before = key;
    }
    out
}

impl Page {
    /// From its bytes; `None` if they are no page.
    pub(crate) fn unpacked(mut packed: &[u8]) -> Option<Self> {
        let mut page = Self { bytes: Vec::with_capacity(packed.len() * 2), rows: Vec::new() };
        while !packed.is_empty() {
            let mut number = || usize::try_from(u64::unpack(&mut packed)?).ok();
            let (same, rest, length) = (number()?, number()?, number()?);
            let begin = page.bytes.len();
            if same > 0 {
                let [key, value, _] = page.rows.last()?.map(|at| at as usize);
                if same > value - key {
                    return None;
                }
                page.bytes.extend_from_within(key..key + same);
            }
            let (part, after) = packed.split_at_checked(rest.checked_add(length)?)?;
            page.bytes.extend_from_slice(part);
            packed = after;
            let ends = [begin, begin + same + rest, page.bytes.len()].map(u32::try_from);
            let [Ok(key), Ok(value), Ok(end)] = ends else { return None };
            page.rows.push([key, value, end]);
        }
        Some(page)
    }

    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes it takes in memory.
    pub(crate) fn size(&self) -> usize {
        self.bytes.capacity() + self.rows.capacity() * 12 + 128
    }

    /// Key and value of a row.
    pub(crate) fn row(&self, at: usize) -> (&[u8], &[u8]) {
        let [key, value, end] = self.rows[at].map(|at| at as usize);
        (&self.bytes[key..value], &self.bytes[value..end])
    }

    /// All rows.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|at| self.row(at))
    }

    /// How many rows stand before `key`.
    pub(crate) fn before(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.row(middle).0 < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The value of a row.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.before(key);
        (at < self.len()).then(|| self.row(at)).filter(|row| row.0 == key).map(|row| row.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_are_found() {
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            (0..300_u16).map(|n| (n.to_be_bytes().to_vec(), vec![7; usize::from(n % 9)])).collect();
        let bytes = packed(rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
        let page = Page::unpacked(&bytes).expect("whole");
        assert!(page.all().eq(rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))));
        assert_eq!(page.get(&17_u16.to_be_bytes()), Some(&[7; 8][..]));
        assert_eq!((page.get(&[0]), page.before(&[0]), page.before(&[9])), (None, 0, 300));
        assert!(Page::unpacked(&bytes[..bytes.len() - 1]).is_none());
        assert!(Page::unpacked(&[3, 1, 0, 7]).is_none());
    }
}
