//! Streams of bits, the lowest bit of each byte first, and dictionaries in them.

use std::collections::HashMap;
use std::hash::Hash;

/// Bytes that are no packed proof.
pub(super) type Malformed = &'static str;

/// Bits that become bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet.
    rest: u64,
    filled: u32,
}

impl BitWriter {
    /// Appends the low `width` bits of a value that has no others; at most 32.
    pub(super) fn push(&mut self, value: u32, width: u32) {
        debug_assert!(width <= 32 && u64::from(value) >> width == 0);
        self.rest |= u64::from(value) << self.filled;
        self.filled += width;
        while self.filled >= 8 {
            self.bytes.push(self.rest.to_le_bytes()[0]);
            self.rest >>= 8;
            self.filled -= 8;
        }
    }

    /// Appends a count in 32 bits.
    pub(super) fn push_count(&mut self, count: usize) {
        self.push(u32::try_from(count).expect("proofs have fewer than 2^32 parts"), 32);
    }

    /// Appends which of `known` earlier things comes next, or with `index == known` that it is none
    /// of them.
    pub(super) fn push_index(&mut self, index: usize, known: usize) {
        self.push(u32::from(index == known), 1);
        if index < known {
            self.push(u32::try_from(index).expect("below a count"), width(known));
        }
    }

    /// All bits, with zeros up to a whole byte.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.push(0, 8 - self.filled);
        }
        self.bytes
    }
}

/// Bits that a decoder has not read yet, and what it may still allocate.
pub(super) struct BitReader<'b> {
    bytes: &'b [u8],
    /// Bits that are read.
    at: usize,
    budget: usize,
}

impl<'b> BitReader<'b> {
    /// A reader of `bytes` that gives out at most `budget` bytes of decoded data.
    pub(super) fn new(bytes: &'b [u8], budget: usize) -> Self {
        Self { bytes, at: 0, budget }
    }

    /// Takes so many bits, at most 32.
    pub(super) fn take(&mut self, width: u32) -> Result<u32, Malformed> {
        let (mut value, mut filled) = (0, 0);
        while filled < width {
            let byte = *self.bytes.get(self.at / 8).ok_or("it is cut short")?;
            let skipped = u32::try_from(self.at % 8).expect("below eight");
            let count = (8 - skipped).min(width - filled);
            let bits = u32::from(byte) >> skipped & ((1 << count) - 1);
            value |= bits << filled;
            filled += count;
            self.at += count as usize;
        }
        Ok(value)
    }

    /// A count of things that take at least one bit here, and so many bytes in memory.
    pub(super) fn count(&mut self, bytes_each: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.take(32)?).map_err(|_| "a count is too large")?;
        if count > self.bytes.len() * 8 - self.at {
            return Err("a count is larger than what follows");
        }
        self.spend(count.saturating_mul(bytes_each))?;
        Ok(count)
    }

    /// Which of `known` earlier things comes next; `known` itself if it is none of them.
    pub(super) fn index(&mut self, known: usize) -> Result<usize, Malformed> {
        if self.take(1)? == 1 {
            return Ok(known);
        }
        let index = usize::try_from(self.take(width(known))?).map_err(|_| "too many parts")?;
        if index < known { Ok(index) } else { Err("an index points past what it chooses from") }
    }

    /// Counts memory that decoded data takes.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.budget = self.budget.checked_sub(bytes).ok_or("it is larger than any proof")?;
        Ok(())
    }

    /// Checks that less than a byte of zeros is left.
    pub(super) fn finish(mut self) -> Result<(), Malformed> {
        let left = self.bytes.len() * 8 - self.at;
        let padding = if left < 8 { self.take(u32::try_from(left).unwrap_or(0))? } else { 1 };
        if padding == 0 { Ok(()) } else { Err("something follows its end") }
    }
}

/// Things that were written, and their numbers in order of their first appearance.
pub(super) struct Dictionary<T>(HashMap<T, usize>);

impl<T: Eq + Hash> Dictionary<T> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Writes which earlier thing this one is; whether it is none, so that it has to follow.
    pub(super) fn is_new(&mut self, bits: &mut BitWriter, item: T) -> bool {
        let known = self.0.len();
        let index = *self.0.entry(item).or_insert(known);
        bits.push_index(index, known);
        index == known
    }
}

/// Bits that tell so many things apart.
fn width(count: usize) -> u32 {
    count.next_power_of_two().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_and_padding_is_zero() {
        let mut bits = BitWriter::default();
        let values = [(5, 3), (u32::MAX, 32), (0, 0), (0x7fff_fffe, 31), (1, 1)];
        values.iter().for_each(|&(value, width)| bits.push(value, width));
        let mut bytes = bits.finish();
        assert_eq!(bytes.len(), 67_usize.div_ceil(8));
        let read = |bytes: &[u8]| {
            let mut bits = BitReader::new(bytes, 0);
            for (value, width) in values {
                assert_eq!(bits.take(width), Ok(value));
            }
            bits.finish()
        };
        assert_eq!(read(&bytes), Ok(()));
        *bytes.last_mut().unwrap() |= 0x80;
        read(&bytes).unwrap_err();
        *bytes.last_mut().unwrap() &= 0x7f;
        bytes.push(0);
        read(&bytes).unwrap_err();
    }

    #[test]
    fn indices_point_to_what_was_there() {
        let mut bits = BitWriter::default();
        // The third of three, then one that points past them.
        bits.push_index(2, 3);
        bits.push(0b110, 3);
        let bytes = bits.finish();
        let mut bits = BitReader::new(&bytes, 0);
        assert_eq!(bits.index(3), Ok(2));
        bits.index(3).unwrap_err();
        BitReader::new(&[0], 0).index(0).unwrap_err();
    }
}
