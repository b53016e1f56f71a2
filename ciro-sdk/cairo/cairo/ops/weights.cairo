//! Weights that come as private arguments.
//!
//! Large constants are no part of the program: they come as arguments, and the program checks them against a commitment,
//! so that it still computes one model and no other. The commitment is the Poseidon hash of the felts as they come,
//! `core::poseidon::poseidon_hash_span`.

use core::poseidon::hades_permutation;
use super::Tensor;
use super::slots::Slots;

/// What the program knows of a block of weights.
#[derive(Copy, Drop)]
pub struct Commitment {
    /// How many felts come as arguments.
    pub felts: usize,
    /// How many felts they expand to.
    pub expanded: usize,
    /// The Poseidon hash of the felts that come.
    pub hash: felt252,
}

/// A way to lay several rows of a packed matrix in one felt: the low bits of each slot belong to the first row, the next
/// ones to the second, and so on.
pub trait Rows {
    /// Takes the rows out of a felt, given in two halves, and appends them.
    fn expand(low: u128, high: u128, ref rows: Array<felt252>);
}

/// Takes a block of matrix weights from the front of the arguments, checks it, and expands it to one felt a row.
pub fn open<impl R: Rows>(ref arguments: Tensor, commitment: Commitment) -> Tensor {
    let block = take(ref arguments, commitment);
    let mut rows = array![];
    for felt in block {
        let u256 { low, high } = (*felt).into();
        R::expand(low, high, ref rows);
    }
    rows.span().slice(0, commitment.expanded)
}

/// Takes a block of matrix weights that come as one felt a row from the front of the arguments, and checks it.
pub fn open_packed(ref arguments: Tensor, commitment: Commitment) -> Tensor {
    take(ref arguments, commitment)
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

fn take(ref arguments: Tensor, commitment: Commitment) -> Tensor {
    let block = arguments.slice(0, commitment.felts);
    arguments = arguments.slice(commitment.felts, arguments.len() - commitment.felts);
    assert(hash(block) == commitment.hash, 'weights are not the committed');
    block
}

/// `poseidon_hash_span`, eight felts at a time.
fn hash(mut felts: Tensor) -> felt252 {
    let (mut s0, mut s1, mut s2) = (0, 0, 0);
    while let Some(f8) = felts.multi_pop_front::<8>() {
        let [f0, f1, f2, f3, f4, f5, f6, f7] = (*f8).unbox();
        let (t0, t1, t2) = hades_permutation(s0 + f0, s1 + f1, s2);
        let (t0, t1, t2) = hades_permutation(t0 + f2, t1 + f3, t2);
        let (t0, t1, t2) = hades_permutation(t0 + f4, t1 + f5, t2);
        let (t0, t1, t2) = hades_permutation(t0 + f6, t1 + f7, t2);
        s0 = t0;
        s1 = t1;
        s2 = t2;
    }
    loop {
        let Some(f0) = felts.pop_front() else {
            let (digest, _, _) = hades_permutation(s0 + 1, s1, s2);
            break digest;
        };
        let Some(f1) = felts.pop_front() else {
            let (digest, _, _) = hades_permutation(s0 + *f0, s1 + 1, s2);
            break digest;
        };
        let (t0, t1, t2) = hades_permutation(s0 + *f0, s1 + *f1, s2);
        s0 = t0;
        s1 = t1;
        s2 = t2;
    }
}
