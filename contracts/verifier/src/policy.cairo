//! Which keys a contract takes: those with whose proofs each way to cheat has at least 100 bits,
//! under the conjecture that `docs/soundness.md` names.
//!
//! Whoever relies on a fact pins a key, and with it these parameters; this keeps weak keys from
//! having facts at all. The terms are those of the ledger in `ciro-stark`, which adds them up, and
//! gives keys of the preset `chain` 100 bits in all.
use super::air::shape::{Chip, Shape};
use super::field::pow2;
use super::key::Key;

/// Zero bits of the proof of work before the queries.
const QUERY_POW: u32 = 26;

/// Refuses a weak key.
#[inline(never)]
pub fn assert_strong(key: Box<Key>) {
    let k = key.unbox();
    // A query is worth more than 5.5 bits at blow-up 64, and more than 4.67 at 32 where the trace
    // is tall: 103 and 100.7 bits with the proof of work.
    let queries: u32 = if k.log_blowup == 6 {
        14
    } else {
        16
    };
    let tall = k.log_blowup == 5 && k.log_rows >= 16;
    assert(k.log_blowup == 6 || tall, 'weak key: blow-up');
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
