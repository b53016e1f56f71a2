//! Weights that come as private arguments.
//!
//! Large constants are no part of the program: they come as arguments, and the program checks them against a commitment,
//! so that it still computes one model and no other. A felt comes as eight words of 32 bits, the lowest first; the commitment is
//! the Blake2s hash (RFC 7693, 32 bytes) of the words as little-endian bytes. A block holds a multiple of four felts: what two steps of the
//! hash take in.

use core::blake::{blake2s_compress, blake2s_finalize};
use core::box::BoxTrait;
use super::Tensor;
use super::slots::Slots;

/// What the program knows of a block of weights.
#[derive(Copy, Drop)]
pub struct Commitment {
    /// How many felts come as arguments.
    pub felts: usize,
    /// How many felts they expand to.
    pub expanded: usize,
    /// The Blake2s hash of the felts that come, as little-endian words.
    pub hash: [u32; 8],
}

/// The initial state of Blake2s with a digest of 32 bytes and no key.
const INITIAL_STATE: [u32; 8] = [
    0x6b08e647, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// What the next word of a felt counts.
const WORD: felt252 = 0x100000000;

/// A way to lay several rows of a packed matrix in one felt: the low bits of each slot belong to the first row, the next
/// ones to the second, and so on.
pub trait Rows {
    /// Takes the rows out of a felt and appends them.
    fn expand(felt: felt252, ref rows: Array<felt252>);
}

/// Takes a block of matrix weights from the front of the arguments, checks it, and expands it to one felt a row.
pub fn open<impl R: Rows>(ref arguments: Tensor, commitment: Commitment) -> Tensor {
    let block = take(ref arguments, commitment);
    let mut rows = array![];
    for felt in block {
        R::expand(*felt, ref rows);
    }
    rows.span().slice(0, commitment.expanded)
}

/// Takes a block of matrix weights that come as one felt a row from the front of the arguments, and checks it.
pub fn open_packed(ref arguments: Tensor, commitment: Commitment) -> Tensor {
    take(ref arguments, commitment).slice(0, commitment.expanded)
}

/// Takes a block of single values from the front of the arguments, checks it, and unpacks it.
pub fn open_values<impl S: Slots>(
    ref arguments: Tensor, commitment: Commitment, offset: felt252,
) -> Tensor {
    let block = take(ref arguments, commitment);
    let mut values = array![];
    for felt in block {
        S::unpack(*felt, offset, ref values);
    }
    values.span().slice(0, commitment.expanded)
}

/// Takes a block from the front of the arguments, 32 words at a time, and checks it.
fn take(ref arguments: Tensor, commitment: Commitment) -> Tensor {
    let bytes = commitment.felts * 32;
    let mut block = array![];
    let mut hashed: u32 = 64;
    let mut state = BoxTrait::new(INITIAL_STATE);
    let digest = loop {
        let words = arguments.multi_pop_front::<32>().expect('weights are missing');
        let [
            a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, c4, c5,
            c6, c7, d0, d1, d2, d3, d4, d5, d6, d7,
        ] = (*words).unbox();
        block.append(felt(a0, a1, a2, a3, a4, a5, a6, a7));
        block.append(felt(b0, b1, b2, b3, b4, b5, b6, b7));
        block.append(felt(c0, c1, c2, c3, c4, c5, c6, c7));
        block.append(felt(d0, d1, d2, d3, d4, d5, d6, d7));
        let first = BoxTrait::new(
            [
                word(a0), word(a1), word(a2), word(a3), word(a4), word(a5), word(a6), word(a7),
                word(b0), word(b1), word(b2), word(b3), word(b4), word(b5), word(b6), word(b7),
            ],
        );
        let second = BoxTrait::new(
            [
                word(c0), word(c1), word(c2), word(c3), word(c4), word(c5), word(c6), word(c7),
                word(d0), word(d1), word(d2), word(d3), word(d4), word(d5), word(d6), word(d7),
            ],
        );
        state = blake2s_compress(state, hashed, first);
        hashed += 64;
        if hashed == bytes {
            break blake2s_finalize(state, hashed, second);
        }
        state = blake2s_compress(state, hashed, second);
        hashed += 64;
    };
    assert(digest.unbox() == commitment.hash, 'weights are not the committed');
    block.span()
}

/// A word, which is checked to have 32 bits.
#[inline(always)]
fn word(argument: felt252) -> u32 {
    argument.try_into().expect('a weight is no word')
}

/// The felt whose words are given, the lowest first.
#[inline(always)]
fn felt(
    w0: felt252,
    w1: felt252,
    w2: felt252,
    w3: felt252,
    w4: felt252,
    w5: felt252,
    w6: felt252,
    w7: felt252,
) -> felt252 {
    let high = ((w7 * WORD + w6) * WORD + w5) * WORD + w4;
    (((high * WORD + w3) * WORD + w2) * WORD + w1) * WORD + w0
}
