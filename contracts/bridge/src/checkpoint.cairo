//! Checkpoints of the Ciro chain, and what certifies them, by the words of `ciro-consensus`.
//!
//! Invariant: `assert_certified` returns only if distinct members with more than two thirds of the
//! stake of a set signed this checkpoint, as a checkpoint, of this epoch, on this chain. That the
//! set is the epoch's, with keys that are no two members', says whoever knows its digest.
use bond::evidence::{Signature, kinds};
use bond::judge::{is_signed, signed_hash};
use core::poseidon::poseidon_hash_span;

/// A member of a validator set.
#[derive(Copy, Drop, Serde)]
pub struct Validator {
    pub id: u32,
    pub key: felt252,
    /// Units of stake.
    pub stake: u64,
}

/// The signature of a member.
#[derive(Copy, Drop, Serde)]
pub struct Vote {
    /// Its place in the set, the first being zero.
    pub place: u32,
    pub signature: Signature,
}

/// A set, and signatures of some of its members in their order.
#[derive(Copy, Drop, Serde)]
pub struct Certificate {
    pub validators: Span<Validator>,
    pub votes: Span<Vote>,
}

/// The state after a block: what opens the digest that is signed, down to the outbox.
#[derive(Copy, Drop, Serde)]
pub struct Checkpoint {
    /// The block.
    pub seq: u64,
    /// The header before.
    pub parent: felt252,
    pub proposal: felt252,
    pub executed: felt252,
    /// The root of the tree of all keys and values, by halves.
    pub tree_high: u128,
    pub tree_low: u128,
    /// The ledger's time, in ms.
    pub time_ms: u64,
    /// The root of the outbox.
    pub outbox: felt252,
    /// The epoch of the next block.
    pub epoch: u64,
    /// The digests of that epoch's validators, and of those of the one after.
    pub current: felt252,
    pub next: felt252,
    /// The hash of all else that consensus keeps.
    pub rest: felt252,
}

/// The digest of a set: its identities, keys and stakes in order.
pub fn set_digest(validators: Span<Validator>) -> felt252 {
    let mut words = array!['CIRO_VALIDATORS_V1'];
    for validator in validators {
        words.append((*validator.id).into());
        words.append(*validator.key);
        words.append((*validator.stake).into());
    };
    poseidon_hash_span(words.span())
}

/// The digest that a Checkpoint signs.
pub fn checkpoint_digest(checkpoint: Checkpoint) -> felt252 {
    let Checkpoint { tree_high, tree_low, time_ms, outbox, .. } = checkpoint;
    let words = array!['CIRO_STATE_V2', tree_high.into(), tree_low.into(), time_ms.into(), outbox];
    let state = poseidon_hash_span(words.span());
    let Checkpoint { seq, parent, proposal, executed, .. } = checkpoint;
    let words = array!['CIRO_HEADER_V1', seq.into(), parent, proposal, executed, state];
    let header = poseidon_hash_span(words.span());
    let Checkpoint { epoch, current, next, rest, .. } = checkpoint;
    let words = array!['CIRO_CHECKPOINT_V1', header, epoch.into(), current, next, rest];
    poseidon_hash_span(words.span())
}

/// Refuses a certificate that does not prove a checkpoint of an epoch.
pub fn assert_certified(
    chain: felt252, epoch: u64, checkpoint: Checkpoint, certificate: Certificate,
) {
    let Certificate { validators, votes } = certificate;
    let digest = checkpoint_digest(checkpoint);
    let kind = kinds::CHECKPOINT;
    // A Checkpoint has view 0.
    let words = array![
        'CIRO_PBFT_V1', chain, epoch.into(), kind.into(), 0, checkpoint.seq.into(), digest,
    ];
    let hash = signed_hash(words.span());
    let mut total: u128 = 0;
    for validator in validators {
        let stake: u128 = (*validator.stake).into();
        total += stake;
    };
    let mut signed: u128 = 0;
    // Places go up, so that nobody counts twice: a signature has a second form.
    let mut least = 0;
    for vote in votes {
        let Vote { place, signature } = *vote;
        assert(place >= least, 'vote: out of order');
        least = place + 1;
        let Validator { key, stake, .. } = *validators.at(place);
        assert(is_signed(key, hash, signature), 'vote: signature');
        let stake: u128 = stake.into();
        signed += stake;
    };
    assert(3 * signed > 2 * total, 'no quorum');
}
