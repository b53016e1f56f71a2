//! Packed parts come back, cost what they should, and have one form.

use super::*;

const BUDGET: usize = 1 << 20;

fn column(values: &[u32]) -> Vec<M31> {
    values.iter().copied().map(M31::from_u32_unchecked).collect()
}

fn written(write: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
    let mut bits = BitWriter::default();
    write(&mut bits);
    bits.finish()
}

/// Decodes the bytes to their end.
fn read<T>(
    bytes: &[u8],
    budget: usize,
    read: impl FnOnce(&mut BitReader<'_>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let mut bits = BitReader::new(bytes, budget);
    let value = read(&mut bits)?;
    bits.finish()?;
    Ok(value)
}

#[test]
fn columns_come_back_and_repeats_cost_bits() {
    let lifted: Vec<u32> = (0..83).map(|k| k % 32).collect();
    let other: Vec<u32> = lifted.iter().map(|k| 1000 - k).collect();
    let all: Vec<u32> = (0..83).collect();
    let columns = [&[][..], &[7], &[0; 83], &lifted, &other, &all, &lifted].map(column).to_vec();
    let length =
        |columns: &[Vec<M31>]| written(|bits| write_queries(bits, &[columns.to_vec()])).len();
    // 32 values of 31 bits in a known pattern: an index of each kind beside them.
    assert!((124..=126).contains(&(length(&columns[..5]) - length(&columns[..4]))));
    assert!(length(&columns) - length(&columns[..6]) <= 1);
    let trees = vec![columns, vec![], vec![column(&lifted)]];
    let bytes = written(|bits| write_queries(bits, &trees));
    assert_eq!(read(&bytes, BUDGET, read_queries), Ok(trees));
}

#[test]
fn samples_come_back_and_repeats_cost_bits() {
    let value = |k: u32| SecureField::from_u32_unchecked(k, 1, P - 1, 0);
    let trees = vec![vec![vec![], vec![value(1), value(2)], vec![value(1)]], vec![]];
    let bytes = written(|bits| write_samples(bits, &trees));
    assert!(bytes.len() < 12 + 2 * 16 + 2);
    assert_eq!(read(&bytes, BUDGET, read_samples), Ok(trees));
}

#[test]
fn felts_come_back_with_ids_that_count_on() {
    let [one, two] = [[1, 0, 0, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0, 0]];
    let base = LARGE_MEMORY_VALUE_ID_BASE;
    let program = vec![(0, [0; 8]), (1, one), (1, one), (base, [u32::MAX; 8]), (2, two), (9, two)];
    let output = vec![(1, one), (u32::MAX, [u32::MAX; 8]), (0, [5; 8])];
    let bytes = written(|bits| write_sections(bits, [&program, &output]));
    let sections = [program, output];
    assert_eq!(read(&bytes, BUDGET, read_sections), Ok(sections));
    // 0, 1 and 1 again: three counts of bits for all that is known.
    let bytes = written(|bits| write_sections(bits, [&[(0, [0; 8]), (1, one), (1, one)], &[]]));
    assert_eq!(bytes.len(), (64 + 8 + 16 + 2_usize).div_ceil(8));
}

#[test]
fn other_forms_of_a_felt_are_refused_or_written_otherwise() {
    let section = [(0, [7, 0, 0, 0, 0, 0, 0, 0])];
    let bytes = written(|bits| write_sections(bits, [&section, &[]]));
    let form = |length: u32, value: &[u32], id: Option<u32>| {
        written(|bits| {
            bits.push_count(1);
            bits.push_index(0, 0);
            bits.push(length, 6);
            value.iter().for_each(|&byte| bits.push(byte, 8));
            bits.push(u32::from(id.is_none()), 1);
            id.into_iter().for_each(|id| bits.push(id, 32));
            bits.push_count(0);
        })
    };
    assert_eq!(form(1, &[7], None), bytes);
    assert_eq!(
        read(&form(2, &[7, 0], None), BUDGET, read_sections),
        Err("a felt has leading zeros")
    );
    read(&form(33, &[7; 33], None), BUDGET, read_sections).unwrap_err();
    // An id that is spelled out although it is the next one: equal, and so written otherwise.
    let spelled = form(1, &[7], Some(0));
    let [program, output] = read(&spelled, BUDGET, read_sections).unwrap();
    assert_eq!(written(|bits| write_sections(bits, [&program, &output])), bytes);
}

#[test]
fn columns_that_are_spelled_out_again_are_written_otherwise() {
    let trees = vec![vec![column(&[3, 3]); 2]];
    let spelled = written(|bits| {
        bits.push_count(1);
        bits.push_count(2);
        for (columns, pattern_known) in [(0, false), (1, true)] {
            bits.push_index(columns, columns);
            bits.push(u32::from(!pattern_known), 1);
            if !pattern_known {
                write_pattern(bits, &[0, 0]);
            }
            bits.push(3, 31);
        }
    });
    assert_eq!(read(&spelled, BUDGET, read_queries), Ok(trees.clone()));
    assert_ne!(written(|bits| write_queries(bits, &trees)), spelled);
    // A pattern that begins with a value before any is there.
    read(&[1, 0, 0, 0, 1, 0, 0, 0, 0b0000_1011, 0], BUDGET, read_queries).unwrap_err();
}

#[test]
fn elements_outside_the_field_are_refused() {
    for value in [P, P + 1, u32::MAX] {
        let trees = vec![vec![column(&[1, value])]];
        let bytes = written(|bits| write_queries(bits, &trees));
        let error = read(&bytes, BUDGET, read_queries).unwrap_err();
        assert_eq!(error, "a value is not below the modulus");
    }
}

#[test]
fn decoding_allocates_no_more_than_its_budget() {
    // A constant column of 255 values, and a thousand more in a bit each.
    let trees = vec![vec![column(&[9; 255]); 1000]];
    let bytes = written(|bits| write_queries(bits, &trees));
    assert!(bytes.len() < 300);
    let error = read(&bytes, BUDGET / 2, read_queries).unwrap_err();
    assert_eq!(error, "it is larger than any proof");
    read(&bytes, 2 * BUDGET, read_queries).unwrap();
    let counted = [u32::MAX.to_le_bytes(), [0; 4]].concat();
    read(&counted, BUDGET, read_queries).unwrap_err();
    read(&counted, BUDGET, read_samples).unwrap_err();
    read(&counted, BUDGET, read_sections).unwrap_err();
    let samples = vec![vec![vec![SecureField::default(); 4096]]];
    let samples = written(|bits| write_samples(bits, &samples));
    assert!(samples.len() < 1100);
    let error = read(&samples, 1 << 12, read_samples).unwrap_err();
    assert_eq!(error, "it is larger than any proof");
}
