//! The two large parts of a proof in few bytes, one encoding for each value.
//!
//! Small columns are lifted to the size of the largest one, so that queries meet the same few values again and again: a column
//! is its distinct values and, for each query, which of them. Felts of a program are short numbers, most of them.
//!
//! A general compressor finds both too, but writes one thing in many ways.

use stwo::core::fields::m31::M31;

/// Felts of public memory: their ids and limbs, the lowest first.
pub(super) type Section = Vec<(u32, [u32; 8])>;

/// Queried values, column by column.
pub(super) type Columns = Vec<Vec<M31>>;

/// Bytes that a decoder has not read yet, and what it may still allocate.
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    budget: usize,
}

/// Bytes that are no packed proof.
pub(super) type Malformed = &'static str;

impl<'b> Reader<'b> {
    /// A reader of `bytes` that gives out at most `budget` bytes of decoded data.
    pub(super) fn new(bytes: &'b [u8], budget: usize) -> Self {
        Self { rest: bytes, budget }
    }

    /// Takes so many bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or("it is cut short")?;
        self.rest = rest;
        Ok(head)
    }

    /// Whether everything is read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<usize, Malformed> {
        Ok(usize::from(self.take(1)?[0]))
    }

    pub(super) fn word(&mut self) -> Result<u32, Malformed> {
        let (bytes, _) = self.take(4)?.as_chunks::<4>();
        Ok(u32::from_le_bytes(bytes[0]))
    }

    /// A count of things that take at least `bytes_each` bytes, here and in memory.
    fn count(&mut self, bytes_each: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.word()?).map_err(|_| "a count is too large")?;
        if count > self.rest.len() {
            return Err("a count is larger than what follows");
        }
        self.spend(count.saturating_mul(bytes_each))?;
        Ok(count)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.budget = self.budget.checked_sub(bytes).ok_or("it is larger than any proof")?;
        Ok(())
    }
}

fn push_count(bytes: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("proofs are shorter than 2^32 bytes");
    bytes.extend(count.to_le_bytes());
}

/// Count, then for each felt: id, length, and as many bytes of its value, the last one not zero.
pub(super) fn write_section(bytes: &mut Vec<u8>, section: &[(u32, [u32; 8])]) {
    push_count(bytes, section.len());
    for (id, limbs) in section {
        bytes.extend(id.to_le_bytes());
        let value: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        let length = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes.push(u8::try_from(length).expect("at most 32"));
        bytes.extend(&value[..length]);
    }
}

pub(super) fn read_section(reader: &mut Reader<'_>) -> Result<Section, Malformed> {
    let count = reader.count(size_of::<(u32, [u32; 8])>())?;
    let mut section = Vec::with_capacity(count);
    for _ in 0..count {
        let id = reader.word()?;
        let length = reader.byte()?;
        let mut value = [0; 32];
        let place = value.get_mut(..length).ok_or("a felt has more than 32 bytes")?;
        place.copy_from_slice(reader.take(length)?);
        if place.last() == Some(&0) {
            return Err("a felt has leading zeros");
        }
        let (limbs, _) = value.as_chunks::<4>();
        section.push((id, std::array::from_fn(|limb| u32::from_le_bytes(limbs[limb]))));
    }
    Ok(section)
}

/// Count, then the columns.
pub(super) fn write_columns(bytes: &mut Vec<u8>, columns: &[Vec<M31>]) {
    push_count(bytes, columns.len());
    columns.iter().for_each(|column| write_column(bytes, column));
}

pub(super) fn read_columns(reader: &mut Reader<'_>) -> Result<Columns, Malformed> {
    let count = reader.count(size_of::<Vec<M31>>())?;
    (0..count).map(|_| read_column(reader)).collect()
}

/// Length and number of distinct values, a byte each. The distinct values in order of their first appearance, and the index of
/// each value among them in as few bits as tell them apart; or, where that is no shorter, 0 in place of their number, and the
/// values as they are.
fn write_column(bytes: &mut Vec<u8>, column: &[M31]) {
    bytes.push(u8::try_from(column.len()).expect("there are fewer than 256 queries"));
    let (distinct, indices) = distinct(column);
    let width = width(distinct.len());
    if is_shorter(column.len(), distinct.len()) {
        bytes.push(u8::try_from(distinct.len()).expect("at most as many as values"));
        distinct.iter().for_each(|value| bytes.extend(value.0.to_le_bytes()));
        let first = bytes.len();
        bytes.resize(first + (column.len() * width).div_ceil(8), 0);
        for (at, index) in indices.into_iter().enumerate() {
            for bit in (0..width).filter(|bit| index >> bit & 1 == 1) {
                bytes[first + (at * width + bit) / 8] |= 1 << ((at * width + bit) % 8);
            }
        }
    } else {
        bytes.push(0);
        column.iter().for_each(|value| bytes.extend(value.0.to_le_bytes()));
    }
}

fn read_column(reader: &mut Reader<'_>) -> Result<Vec<M31>, Malformed> {
    let (length, count) = (reader.byte()?, reader.byte()?);
    reader.spend(length * size_of::<M31>())?;
    let mut values = |count: usize| {
        let bytes = reader.take(count * size_of::<M31>())?;
        let values = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        Ok::<_, Malformed>(values.map(M31::from_u32_unchecked).collect::<Vec<_>>())
    };
    let column = if count == 0 {
        values(length)?
    } else {
        let distinct = values(count)?;
        let width = width(count);
        let bits = reader.take((length * width).div_ceil(8))?;
        let bit = |at: usize| usize::from(bits[at / 8] >> (at % 8) & 1);
        let index = |at: usize| (0..width).map(|k| bit(at * width + k) << k).sum::<usize>();
        let value = |at| distinct.get(index(at)).copied().ok_or("an index points past its column");
        (0..length).map(value).collect::<Result<_, _>>()?
    };
    Ok(column)
}

/// The distinct values of a column in order of their first appearance, and for each value its index among them.
fn distinct(column: &[M31]) -> (Vec<M31>, Vec<usize>) {
    /// A hash table with room for twice the values of the longest column.
    const SLOTS: usize = 512;
    // One more than an index into `distinct`, or 0.
    let mut table = [0u8; SLOTS];
    let mut distinct: Vec<M31> = Vec::new();
    let mut indices = Vec::with_capacity(column.len());
    for value in column {
        // Multiplicative hashing (Knuth, TAOCP 6.4), then the next free slot.
        let mut slot = (value.0.wrapping_mul(0x9e37_79b1) >> 23) as usize;
        let index = loop {
            match usize::from(table[slot]) {
                0 => {
                    distinct.push(*value);
                    table[slot] = u8::try_from(distinct.len()).expect("at most as many as values");
                    break distinct.len() - 1;
                }
                next if distinct[next - 1].0 == value.0 => break next - 1,
                _ => slot = (slot + 1) % SLOTS,
            }
        };
        indices.push(index);
    }
    (distinct, indices)
}

/// Bits that tell so many things apart.
fn width(count: usize) -> usize {
    count.next_power_of_two().trailing_zeros() as usize
}

fn is_shorter(length: usize, distinct: usize) -> bool {
    distinct * size_of::<M31>() + (length * width(distinct)).div_ceil(8) < length * size_of::<M31>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[u32]) -> Vec<M31> {
        values.iter().copied().map(M31::from_u32_unchecked).collect()
    }

    #[test]
    fn columns_come_back_and_repeats_cost_bits() {
        let columns = vec![
            column(&[]),
            column(&[7]),
            column(&[0; 83]),
            column(&[1, 2, 1, 1, 3, 2, 1, 1]),
            column(&(0..83).collect::<Vec<_>>()),
            column(&(0..83).map(|k| k % 32).collect::<Vec<_>>()),
        ];
        let lengths = columns.iter().map(|column| {
            let mut bytes = vec![];
            write_column(&mut bytes, column);
            bytes.len()
        });
        let lengths: Vec<usize> = lengths.collect();
        assert_eq!(lengths, [2, 6, 6, 16, 334, 2 + 128 + 52]);
        let mut bytes = vec![];
        write_columns(&mut bytes, &columns);
        let mut reader = Reader::new(&bytes, 1 << 20);
        assert_eq!(read_columns(&mut reader), Ok(columns));
        assert!(reader.is_empty());
    }

    #[test]
    fn felts_come_back_without_leading_zeros() {
        let section = vec![(5, [0; 8]), (1 << 30, [1, 2, 0, 0, 0, 0, 0, 0]), (0, [u32::MAX; 8])];
        let mut bytes = vec![];
        write_section(&mut bytes, &section);
        assert_eq!(bytes.len(), 4 + 5 + (5 + 5) + (5 + 32));
        assert_eq!(read_section(&mut Reader::new(&bytes, 1 << 10)), Ok(section));
    }

    #[test]
    fn decoding_allocates_no_more_than_its_budget() {
        // Constant columns of 255 values, six bytes each.
        let columns = vec![column(&[9; 255]); 1000];
        let mut bytes = vec![];
        write_columns(&mut bytes, &columns);
        assert_eq!(bytes.len(), 6004);
        let error = read_columns(&mut Reader::new(&bytes, 1 << 19)).unwrap_err();
        assert_eq!(error, "it is larger than any proof");
        read_columns(&mut Reader::new(&bytes, 1 << 21)).unwrap();
        let counted = [u32::MAX.to_le_bytes(), [0; 4]].concat();
        read_columns(&mut Reader::new(&counted, 1 << 21)).unwrap_err();
        read_section(&mut Reader::new(&counted, 1 << 21)).unwrap_err();
    }
}
