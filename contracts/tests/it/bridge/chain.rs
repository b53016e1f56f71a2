//! A chain whose validators' keys the tests hold, with the types of consensus.

use std::sync::Arc;

use ciro_consensus::crypto::{Scheme as _, Signature, Stark, StarkSigningKey};
use ciro_consensus::{
    Certificate, ChainId, CheckpointRoots, Content, Digest, Epoch, EpochProof, Finality, Genesis,
    Header, Kind, Params, ReplicaId, Seq, StableCheckpoint, Statement, Validator, ValidatorSet,
    View,
};
use ciro_protocol::bridge::bridged_root;
use ciro_protocol::light::{StateWords, TreeRoot};
use starknet_types_core::felt::Felt as Felt252;

/// Blocks between checkpoints, and of an epoch.
const INTERVAL: u64 = 4;
pub(super) const LENGTH: u64 = 8;

/// The order of the STARK curve's group.
const ORDER: Felt252 = Felt252::from_hex_unchecked(
    "0x800000000000010ffffffffffffffffb781126dcae7b2321e66a241adc64d2f",
);

/// Signatures of members of a set, with their places in it.
pub(super) type Votes = Vec<(usize, Signature)>;

/// A block, and what its checkpoint says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// The epoch whose validators sign.
    pub(super) epoch: u64,
    pub(super) seq: u64,
    /// The ledger's time, in seconds.
    pub(super) now: u64,
    pub(super) outbox: Digest,
    /// The epoch of the next block, its validators, and those of the one after.
    pub(super) next: (u64, Digest, Digest),
}

pub(super) fn word(digest: &Digest) -> Felt252 {
    Felt252::from_bytes_be(digest.as_bytes())
}

pub(super) fn secret(id: u32) -> StarkSigningKey {
    let words = [Digest::short_string("bridge secret"), Digest::from_u64(id.into())];
    StarkSigningKey::from_bytes(Stark::hash(&words).as_bytes()).unwrap()
}

/// A set of members with these identities and stakes.
pub(super) fn set(members: impl IntoIterator<Item = (u32, u64)>) -> Arc<ValidatorSet> {
    let members = members.into_iter().map(|(id, stake)| {
        let key = Stark::public_key(&secret(id));
        Validator { id: ReplicaId(id), key, stake }
    });
    Arc::new(ValidatorSet::new(members).unwrap())
}

pub(super) fn digest(set: &ValidatorSet) -> Digest {
    set.digest::<Stark>()
}

pub(super) fn genesis(set: &ValidatorSet) -> Genesis<Stark> {
    let params = Params {
        checkpoint_interval: INTERVAL,
        epoch_length: LENGTH,
        pipeline_depth: 1,
        ..Params::default()
    };
    let name = ChainId::new("bridge-test");
    Genesis::new(name, params, set.clone(), Digest::from_u64(1))
}

impl Block {
    /// The checkpoint inside of an epoch.
    pub(super) fn inside(epoch: u64, outbox: Digest, sets: [&ValidatorSet; 2]) -> Self {
        let [current, next] = sets.map(digest);
        let seq = epoch * LENGTH + INTERVAL;
        Self { epoch, seq, now: 0, outbox, next: (epoch, current, next) }
    }

    /// The checkpoint that ends an epoch, which the first set signs and the other two follow.
    pub(super) fn ending(epoch: u64, sets: [&ValidatorSet; 2]) -> Self {
        let [current, next] = sets.map(digest);
        let seq = (epoch + 1) * LENGTH;
        Self { epoch, seq, now: 0, outbox: Digest::ZERO, next: (epoch + 1, current, next) }
    }

    pub(super) fn words(&self) -> StateWords {
        StateWords { tree: TreeRoot([0xa5; 32]), time_ms: 1_000 * self.now }
    }

    fn header(&self) -> Header {
        let content = Content {
            view: View(0),
            operations: 1,
            operations_root: Digest::from_u64(2),
            evidence_root: Digest::from_u64(3),
        };
        Header {
            height: Seq(self.seq),
            parent: Digest::from_u64(4),
            content,
            executed: Digest::from_u64(5),
            state_root: bridged_root(&self.words(), self.outbox),
        }
    }

    fn roots(&self) -> CheckpointRoots {
        let (epoch, current, next) = self.next;
        let (header, rest) = (self.header().digest::<Stark>(), Digest::from_u64(6));
        CheckpointRoots { header, epoch: Epoch(epoch), current, next, rest }
    }

    /// What a Checkpoint of it says.
    pub(super) fn statement(&self) -> Statement {
        Statement {
            epoch: Epoch(self.epoch),
            kind: Kind::Checkpoint,
            view: View::ZERO,
            seq: Seq(self.seq),
            digest: self.roots().digest::<Stark>(),
        }
    }

    /// What the contract is shown of it.
    pub(super) fn felts(&self) -> Vec<Felt252> {
        opened(&self.header(), &self.words(), self.outbox, &self.roots())
    }

    /// Signatures until they are a quorum.
    pub(super) fn certificate(&self, chain: ChainId, set: &ValidatorSet) -> Certificate {
        let votes = votes(set, &self.statement().hash::<Stark>(chain), 0..set.len());
        let ids: Vec<ReplicaId> = set.iter().map(|member| member.id).collect();
        let signatures = votes.iter().map(|(place, signature)| (ids[*place], signature));
        Certificate::collect(set, signatures).unwrap()
    }

    /// The arguments of `certify`.
    pub(super) fn calldata(&self, chain: ChainId, set: &ValidatorSet) -> Vec<Felt252> {
        let certificate = self.certificate(chain, set);
        [self.felts(), shown(set, &places(set, &certificate))].concat()
    }

    fn stable(&self, chain: ChainId, set: &ValidatorSet) -> StableCheckpoint {
        StableCheckpoint {
            epoch: Epoch(self.epoch),
            seq: Seq(self.seq),
            digest: self.roots().digest::<Stark>(),
            certificate: self.certificate(chain, set),
        }
    }

    /// The proof that light clients follow, of an epoch that these sets follow.
    pub(super) fn proof(
        &self,
        chain: ChainId,
        set: &ValidatorSet,
        [current, next]: [&Arc<ValidatorSet>; 2],
    ) -> EpochProof {
        EpochProof {
            checkpoint: self.stable(chain, set),
            roots: self.roots(),
            current: Arc::clone(current),
            next: Arc::clone(next),
        }
    }

    /// The proof that light clients take for the block.
    pub(super) fn finality(&self, chain: ChainId, set: &ValidatorSet) -> Finality {
        Finality {
            epochs: vec![],
            checkpoint: self.stable(chain, set),
            roots: self.roots(),
            header: self.header(),
        }
    }
}

/// A checkpoint as the contract takes it.
pub(super) fn opened(
    header: &Header,
    words: &StateWords,
    outbox: Digest,
    roots: &CheckpointRoots,
) -> Vec<Felt252> {
    let [high, low] = [&words.tree.0[..16], &words.tree.0[16..]].map(Felt252::from_bytes_be_slice);
    vec![
        header.height.0.into(),
        word(&header.parent),
        word(&header.content.digest::<Stark>()),
        word(&header.executed),
        high,
        low,
        words.time_ms.into(),
        word(&outbox),
        roots.epoch.0.into(),
        word(&roots.current),
        word(&roots.next),
        word(&roots.rest),
    ]
}

/// The signers of a certificate by their places.
pub(super) fn places(set: &ValidatorSet, certificate: &Certificate) -> Votes {
    let place = |id| set.iter().position(|member| member.id == id).unwrap();
    certificate.signatures().iter().map(|(id, signature)| (place(*id), *signature)).collect()
}

/// Signatures of the members at these places.
pub(super) fn votes(
    set: &ValidatorSet,
    hash: &Digest,
    places: impl IntoIterator<Item = usize>,
) -> Votes {
    let ids: Vec<u32> = set.iter().map(|member| member.id.0).collect();
    let sign = |place: usize| Stark::sign(&secret(ids[place]), hash).unwrap();
    places.into_iter().map(|place| (place, sign(place))).collect()
}

/// A certificate as the contract takes it.
pub(super) fn shown(set: &ValidatorSet, votes: &[(usize, Signature)]) -> Vec<Felt252> {
    let mut felts = vec![set.len().into()];
    for member in set.iter() {
        felts.extend([member.id.0.into(), word(&member.key.0), member.stake.into()]);
    }
    felts.push(votes.len().into());
    for (place, signature) in votes {
        felts.push((*place).into());
        felts.extend(numbers(signature));
    }
    felts
}

pub(super) fn numbers(Signature { r, s }: &Signature) -> [Felt252; 2] {
    [Felt252::from_bytes_be(r), Felt252::from_bytes_be(s)]
}

/// The second form of a signature, which anybody can compute.
pub(super) fn mirrored(Signature { r, s }: &Signature) -> Signature {
    Signature { r: *r, s: (ORDER - Felt252::from_bytes_be(s)).to_bytes_be() }
}
