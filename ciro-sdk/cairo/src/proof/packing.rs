//! The large parts of a proof in few bits, one encoding for each value.
//!
//! - Small columns are lifted to the size of the largest one, so that queries meet the same few
//!   values again and again, and columns of one size in the same order. A column is its distinct
//!   values and the *pattern* that they come in.
//! - Whole columns, patterns, opened values and felts of a program repeat: each is written once.
//! - Felts are short numbers, most of them. Their ids count on, small and large ones for
//!   themselves.
//! - Elements of the field have 31 bits.
//!
//! A general compressor finds some of that, but writes one thing in many ways.

use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::SecureField;
use stwo_cairo_common::memory::LARGE_MEMORY_VALUE_ID_BASE;

use super::bits::{BitReader, BitWriter, Dictionary, Malformed};

/// A felt of public memory: its id and limbs, the lowest first.
type Felt = (u32, [u32; 8]);

/// Opened values: trees of columns, each opened at some points.
pub(super) type Samples = Vec<Vec<Vec<SecureField>>>;

/// Queried values: trees of columns.
pub(super) type Queries = Vec<Vec<Vec<M31>>>;

/// What a list takes in memory beside its elements.
const LIST_BYTES: usize = size_of::<Vec<M31>>();

/// The ids that the next felts have as a rule.
struct NextIds {
    small: u32,
    large: u32,
}

impl NextIds {
    fn new() -> Self {
        Self { small: 0, large: LARGE_MEMORY_VALUE_ID_BASE }
    }

    /// The next id of values as large as this one: stwo-cairo stores those below 2^72 apart.
    fn of(&mut self, value: &[u8; 32]) -> &mut u32 {
        if value[9..].iter().all(|&byte| byte == 0) { &mut self.small } else { &mut self.large }
    }
}

/// Two sections of public memory. For each its length; for each felt which earlier one it is, or
/// else its length in bytes, as many bytes, the last one not zero, and its id if it is not the next
/// one.
pub(super) fn write_sections(bits: &mut BitWriter, sections: [&[Felt]; 2]) {
    let (mut known, mut next) = (Dictionary::new(), NextIds::new());
    for section in sections {
        bits.push_count(section.len());
        for felt in section {
            if known.is_new(bits, *felt) {
                write_felt(bits, &mut next, felt);
            }
        }
    }
}

pub(super) fn read_sections(bits: &mut BitReader<'_>) -> Result<[Vec<Felt>; 2], Malformed> {
    let (mut known, mut next) = (Vec::new(), NextIds::new());
    let mut sections = [Vec::new(), Vec::new()];
    for section in &mut sections {
        for _ in 0..bits.count(size_of::<Felt>())? {
            let index = bits.index(known.len())?;
            if index == known.len() {
                known.push(read_felt(bits, &mut next)?);
            }
            section.push(known[index]);
        }
    }
    Ok(sections)
}

fn write_felt(bits: &mut BitWriter, next: &mut NextIds, (id, limbs): &Felt) {
    let mut value = [0; 32];
    let bytes = limbs.iter().flat_map(|limb| limb.to_le_bytes());
    value.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    let length = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bits.push(u32::try_from(length).expect("at most 32"), 6);
    value[..length].iter().for_each(|&byte| bits.push(byte.into(), 8));
    let next = next.of(&value);
    bits.push(u32::from(id == next), 1);
    if id != next {
        bits.push(*id, 32);
    }
    *next = id.wrapping_add(1);
}

fn read_felt(bits: &mut BitReader<'_>, next: &mut NextIds) -> Result<Felt, Malformed> {
    let length = bits.take(6)? as usize;
    let mut value = [0; 32];
    for place in value.get_mut(..length).ok_or("a felt has more than 32 bytes")? {
        *place = bits.take(8)?.to_le_bytes()[0];
    }
    if length > 0 && value[length - 1] == 0 {
        return Err("a felt has leading zeros");
    }
    let next = next.of(&value);
    let id = if bits.take(1)? == 1 { *next } else { bits.take(32)? };
    *next = id.wrapping_add(1);
    let (limbs, _) = value.as_chunks::<4>();
    Ok((id, std::array::from_fn(|limb| u32::from_le_bytes(limbs[limb]))))
}

/// Counts of trees and columns. For each column a one before each value, and a zero; for each value
/// which earlier one it is, or else its coordinates.
pub(super) fn write_samples(bits: &mut BitWriter, trees: &[Vec<Vec<SecureField>>]) {
    let mut known = Dictionary::new();
    bits.push_count(trees.len());
    for columns in trees {
        bits.push_count(columns.len());
        for column in columns {
            for value in column {
                bits.push(1, 1);
                let coordinates = value.to_m31_array();
                if known.is_new(bits, coordinates.map(|coordinate| coordinate.0)) {
                    coordinates.iter().for_each(|coordinate| write_element(bits, coordinate.0));
                }
            }
            bits.push(0, 1);
        }
    }
}

pub(super) fn read_samples(bits: &mut BitReader<'_>) -> Result<Samples, Malformed> {
    let mut known: Vec<SecureField> = Vec::new();
    let mut read_column = |bits: &mut BitReader<'_>| {
        let mut column = Vec::new();
        while bits.take(1)? == 1 {
            bits.spend(size_of::<SecureField>())?;
            let index = bits.index(known.len())?;
            if index == known.len() {
                let mut coordinates = [M31::default(); 4];
                for coordinate in &mut coordinates {
                    *coordinate = read_element(bits)?;
                }
                known.push(SecureField::from_m31_array(coordinates));
            }
            column.push(known[index]);
        }
        Ok(column)
    };
    read_trees(bits, &mut read_column)
}

/// Counts of trees and columns. For each column which earlier one it is, or else which earlier
/// pattern, or else a new one, and its distinct values in order of their first appearance.
pub(super) fn write_queries(bits: &mut BitWriter, trees: &[Vec<Vec<M31>>]) {
    let (mut columns_known, mut patterns_known) = (Dictionary::new(), Dictionary::new());
    bits.push_count(trees.len());
    for columns in trees {
        bits.push_count(columns.len());
        for column in columns {
            let values: Vec<u32> = column.iter().map(|value| value.0).collect();
            let (distinct, pattern) = distinct(&values);
            if !columns_known.is_new(bits, values) {
                continue;
            }
            if patterns_known.is_new(bits, pattern.clone()) {
                write_pattern(bits, &pattern);
            }
            distinct.into_iter().for_each(|value| write_element(bits, value));
        }
    }
}

pub(super) fn read_queries(bits: &mut BitReader<'_>) -> Result<Queries, Malformed> {
    let mut columns_known: Vec<Vec<M31>> = Vec::new();
    let mut patterns_known: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut read_column = |bits: &mut BitReader<'_>| {
        let at = bits.index(columns_known.len())?;
        if let Some(column) = columns_known.get(at) {
            bits.spend(column.len() * size_of::<M31>())?;
            return Ok(column.clone());
        }
        let index = bits.index(patterns_known.len())?;
        if index == patterns_known.len() {
            patterns_known.push(read_pattern(bits)?);
        }
        let (distinct, pattern) = &patterns_known[index];
        bits.spend(pattern.len() * size_of::<M31>())?;
        let distinct: Vec<M31> =
            (0..*distinct).map(|_| read_element(bits)).collect::<Result<_, _>>()?;
        let column: Vec<M31> = pattern.iter().map(|&value| distinct[usize::from(value)]).collect();
        columns_known.push(column.clone());
        Ok(column)
    };
    read_trees(bits, &mut read_column)
}

/// Counts of trees and columns, and the columns.
fn read_trees<T>(
    bits: &mut BitReader<'_>,
    read_column: &mut impl FnMut(&mut BitReader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<Vec<T>>, Malformed> {
    let mut trees = Vec::new();
    for _ in 0..bits.count(LIST_BYTES)? {
        let columns = bits.count(LIST_BYTES)?;
        trees.push((0..columns).map(|_| read_column(bits)).collect::<Result<_, _>>()?);
    }
    Ok(trees)
}

/// Length, and for each place which distinct value it has: an earlier one or the next.
fn write_pattern(bits: &mut BitWriter, pattern: &[u8]) {
    bits.push(u32::try_from(pattern.len()).expect("there are fewer than 256 queries"), 8);
    let mut known = 0;
    for &index in pattern {
        let index = usize::from(index);
        bits.push_index(index, known);
        known = known.max(index + 1);
    }
}

/// The number of distinct values, and the pattern.
fn read_pattern(bits: &mut BitReader<'_>) -> Result<(usize, Vec<u8>), Malformed> {
    let (mut known, mut pattern) = (0, Vec::new());
    for _ in 0..bits.take(8)? {
        let index = bits.index(known)?;
        known = known.max(index + 1);
        pattern.push(u8::try_from(index).map_err(|_| "a pattern is too long")?);
    }
    Ok((known, pattern))
}

/// An element of the field in 31 bits. What is none becomes [`P`], which no decoder takes.
fn write_element(bits: &mut BitWriter, value: u32) {
    bits.push(value.min(P), 31);
}

fn read_element(bits: &mut BitReader<'_>) -> Result<M31, Malformed> {
    let value = bits.take(31)?;
    if value < P {
        Ok(M31::from_u32_unchecked(value))
    } else {
        Err("a value is not below the modulus")
    }
}

/// The distinct values of a column in order of their first appearance, and for each value its index
/// among them.
fn distinct(column: &[u32]) -> (Vec<u32>, Vec<u8>) {
    /// A hash table with room for twice the values of the longest column.
    const SLOTS: usize = 512;
    // One more than an index into `distinct`, or 0.
    let mut table = [0u8; SLOTS];
    let mut distinct = Vec::new();
    let mut pattern = Vec::with_capacity(column.len());
    for &value in column {
        // Multiplicative hashing (Knuth, TAOCP 6.4), then the next free slot.
        let mut slot = (value.wrapping_mul(0x9e37_79b1) >> 23) as usize;
        let index = loop {
            match table[slot] {
                0 => {
                    distinct.push(value);
                    table[slot] =
                        u8::try_from(distinct.len()).expect("there are fewer than 256 queries");
                    break table[slot] - 1;
                }
                next if distinct[usize::from(next - 1)] == value => break next - 1,
                _ => slot = (slot + 1) % SLOTS,
            }
        };
        pattern.push(index);
    }
    (distinct, pattern)
}

#[cfg(test)]
mod tests;
