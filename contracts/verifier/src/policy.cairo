//! Which keys a contract takes: those with whose proofs each way to cheat has 99.6 bits or more,
//! under the conjecture that `docs/soundness.md` names.
//!
//! Whoever relies on a fact pins a key, and with it these parameters; this keeps weak keys from
//! having facts at all. The terms are those of the ledger in `ciro-stark`, which adds them up, and
//! gives every key of the preset `chain` 100 bits in all.
use super::air::shape::{Chip, Shape};
use super::field::pow2;
use super::key::Key;

/// Zero bits of the proof of work before the queries.
const QUERY_POW: u32 = 26;

/// Refuses a weak key.
#[inline(never)]
pub fn assert_strong(key: Box<Key>) {
    let k = key.unbox();
    // A query is worth more than 5.54 bits at blow-up 64, and more than 4.6 at 32: 103.5 and 99.6
    // bits with the proof of work. Keys of the preset have traces so tall at 32 that it is 100.9.
    let queries: u32 = if k.log_blowup == 6 {
        14
    } else {
        16
    };
    assert(k.log_blowup == 5 || k.log_blowup == 6, 'weak key: blow-up');
    assert(k.query_pow >= QUERY_POW && k.queries >= queries, 'weak key: queries');
    // FRI's folds err with 2^(log_domain + 1) / 2^124: 102 bits.
    assert(k.log_domain <= 21 + k.round_pow, 'weak key: rounds');
    // LogUp errs with 9 lookups / 2^124: 101.8 bits.
    let lookups: u128 = lookups(k.chips, k.shapes).try_into().expect('lookups');
    let most: u128 = pow2(19 + k.challenge_pow).try_into().expect('lookups');
    assert(lookups <= most, 'weak key: challenges');
}
/// An upper bound of the lookups of all rows.
#[inline(never)]
fn lookups(mut chips: Span<Chip>, mut shapes: Span<Shape>) -> felt252 {
    let mut sum = 0;
    while let Option::Some(chip) = chips.pop_front() {
        let shape = shapes.pop_front().expect('shape');
        let pairs: felt252 = (*shape.pairs).into();
        sum += 2 * pairs * pow2(*chip.log_size);
    };
    sum
}
