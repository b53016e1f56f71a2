//! Operations, proposals and the chain of headers they leave.

use std::sync::Arc;

use crate::certificate::{Certificate, CertificateError, Committee};
use crate::crypto::Scheme;
use crate::evidence::{Evidence, Rule};
use crate::merkle;
use crate::params::{EVIDENCE_PER_BLOCK_MAX, OPERATIONS_PER_BLOCK_MAX};
use crate::statement::{Kind, Statement};
use crate::types::{ChainId, ClientId, Digest, Epoch, Nonce, ReplicaId, Seq, View};
use crate::wire::{Reader, Wire, WireError, put_list};

/// A client's request: an opaque payload at the client's next position (PBFT §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// Whose operation it is.
    pub client: ClientId,
    /// Its position among the client's operations: executed exactly once, in order, without gaps.
    pub nonce: Nonce,
    /// The digest of the payload, whose meaning only the application knows.
    pub payload: Digest,
}

impl Operation {
    /// Returns the word that stands for the operation in a block's Merkle tree.
    #[must_use]
    pub fn digest<S: Scheme>(&self) -> Digest {
        let position = u128::from(self.client.0) << 64 | u128::from(self.nonce.0);
        S::compress(&self.payload, &Digest::from_u128(position))
    }
}

/// What a primary proposes for one sequence number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The view it was first proposed in; a later view that takes it over keeps it unchanged.
    pub view: View,
    /// The operations in order.
    pub operations: Vec<Operation>,
    /// Evidence to punish.
    pub evidence: Vec<Evidence>,
}

impl Proposal {
    /// Returns the null proposal that fills a gap (PBFT §4.4).
    #[must_use]
    pub fn null() -> Self {
        Self::default()
    }

    /// Returns the roots over the content.
    #[must_use]
    pub fn content<S: Scheme>(&self) -> Content {
        let mut evidence = vec![Digest::short_string("CIRO_EVIDENCE_V1")];
        evidence.extend(self.evidence.iter().map(Evidence::digest::<S>));
        Content {
            view: self.view,
            operations: count(&self.operations),
            operations_root: operations_root::<S>(&self.operations),
            evidence_root: S::hash(&evidence),
        }
    }

    /// Returns the digest that PrePrepare, Prepare and Commit carry.
    #[must_use]
    pub fn digest<S: Scheme>(&self) -> Digest {
        self.content::<S>().digest::<S>()
    }
}

/// What a proposal's digest is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// The view of the first proposal.
    pub view: View,
    /// How many operations there are.
    pub operations: u64,
    /// The Merkle root over the operations.
    pub operations_root: Digest,
    /// The hash of the evidence.
    pub evidence_root: Digest,
}

impl Content {
    /// Returns the proposal's digest.
    #[must_use]
    pub fn digest<S: Scheme>(&self) -> Digest {
        S::hash(&[
            Digest::short_string("CIRO_PROPOSAL_V1"),
            Digest::from_u64(self.view.0),
            Digest::from_u64(self.operations),
            self.operations_root,
            self.evidence_root,
        ])
    }
}

/// What a block was and did, as its header says it: with the digest of the header before, it gives
/// that of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The digest of the proposal that was agreed on.
    pub proposal: Digest,
    /// What of the proposal was executed: see [`executed_digest`].
    pub executed: Digest,
    /// The application's state after the block.
    pub state_root: Digest,
}

impl Link {
    /// Returns the digest of the header that this link makes at `height` after `parent`.
    #[must_use]
    pub fn header<S: Scheme>(&self, height: Seq, parent: Digest) -> Digest {
        S::hash(&[
            Digest::short_string("CIRO_HEADER_V1"),
            Digest::from_u64(height.0),
            parent,
            self.proposal,
            self.executed,
            self.state_root,
        ])
    }
}

/// A fault as it is punished, once: its epoch, whose it is, and the rule.
pub type Breach = (Epoch, ReplicaId, Rule);

/// Returns the digest of what a block executes: operations in order, and faults that it punishes.
///
/// A proposal may hold operations and evidence that an earlier block had. Whoever has neither that
/// block nor the proposal still sees by this word what counted.
#[must_use]
pub fn executed_digest<S: Scheme>(
    operations: &[Operation],
    punish: impl IntoIterator<Item = Breach>,
) -> Digest {
    executed_under::<S>((count(operations), operations_root::<S>(operations)), punish)
}

/// Returns the digest of what a block executes, from the number of its operations and their root.
pub(crate) fn executed_under<S: Scheme>(
    (operations, root): (u64, Digest),
    punish: impl IntoIterator<Item = Breach>,
) -> Digest {
    let mut words =
        vec![Digest::short_string("CIRO_EXECUTED_V1"), Digest::from_u64(operations), root];
    words.extend(punish.into_iter().map(breach_word));
    S::hash(&words)
}

/// Returns the word that stands for a fault.
pub(crate) fn breach_word((epoch, offender, rule): Breach) -> Digest {
    let low = u64::from(offender.0) << 8 | u64::from(rule as u8);
    Digest::from_u128(u128::from(epoch.0) << 64 | u128::from(low))
}

/// Returns the Merkle root over operations.
pub(crate) fn operations_root<S: Scheme>(operations: &[Operation]) -> Digest {
    let leaves: Vec<Digest> = operations.iter().map(Operation::digest::<S>).collect();
    merkle::root::<S>(&leaves, merkle::depth_for(leaves.len()))
}

/// Counts operations.
pub(crate) fn count(operations: &[Operation]) -> u64 {
    u64::try_from(operations.len()).unwrap_or(u64::MAX)
}

/// One link of the chain that light clients follow.
///
/// The proposal is certified by Commits at once; the rest is certified by the next checkpoint,
/// whose digest covers the header. It is known only after execution, and agreement must not wait
/// for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sequence number of the block.
    pub height: Seq,
    /// The digest of the header before; zero for the first.
    pub parent: Digest,
    /// The proposal that was agreed on.
    pub content: Content,
    /// What of it was executed: see [`executed_digest`].
    pub executed: Digest,
    /// The application's state after the block.
    pub state_root: Digest,
}

impl Header {
    /// Returns what the block was and did.
    #[must_use]
    pub fn link<S: Scheme>(&self) -> Link {
        let Self { executed, state_root, .. } = *self;
        Link { proposal: self.content.digest::<S>(), executed, state_root }
    }

    /// Returns the digest that the next header and the checkpoint carry.
    #[must_use]
    pub fn digest<S: Scheme>(&self) -> Digest {
        self.link::<S>().header::<S>(self.height, self.parent)
    }
}

/// A proposal with the Commits of a quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedBlock {
    /// Its sequence number.
    pub seq: Seq,
    /// The view it committed in, which may be later than the proposal's.
    pub view: View,
    /// What was agreed on.
    pub proposal: Arc<Proposal>,
    /// Commits of a quorum of the epoch.
    pub certificate: Certificate,
}

impl CommittedBlock {
    /// Checks the Commits and returns the proposal's digest.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] when the certificate does not prove the block.
    pub fn verify<S: Scheme>(
        &self,
        chain: ChainId,
        epoch: Epoch,
        committee: &Committee<S>,
    ) -> Result<Digest, CertificateError> {
        let digest = self.proposal.digest::<S>();
        let (view, seq) = (self.view, self.seq);
        let statement = Statement { epoch, kind: Kind::Commit, view, seq, digest };
        committee.verify_certificate(&statement.hash::<S>(chain), &self.certificate)?;
        Ok(digest)
    }
}

impl Wire for Operation {
    fn put(&self, out: &mut Vec<u8>) {
        (self.client, self.nonce).put(out);
        self.payload.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (client, nonce) = Wire::get(input)?;
        Ok(Self { client, nonce, payload: Wire::get(input)? })
    }
}

impl Wire for Proposal {
    fn put(&self, out: &mut Vec<u8>) {
        self.view.put(out);
        put_list(&self.operations, out);
        put_list(&self.evidence, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            view: Wire::get(input)?,
            operations: input.list("operations", OPERATIONS_PER_BLOCK_MAX)?,
            evidence: input.list("evidence", EVIDENCE_PER_BLOCK_MAX)?,
        })
    }
}

impl Wire for CommittedBlock {
    fn put(&self, out: &mut Vec<u8>) {
        (self.seq, self.view).put(out);
        self.proposal.put(out);
        self.certificate.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (seq, view) = Wire::get(input)?;
        Ok(Self { seq, view, proposal: Wire::get(input)?, certificate: Wire::get(input)? })
    }
}

impl Wire for Header {
    fn put(&self, out: &mut Vec<u8>) {
        (self.height, self.parent).put(out);
        (self.content.view, self.content.operations).put(out);
        (self.content.operations_root, self.content.evidence_root).put(out);
        (self.executed, self.state_root).put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (height, parent) = Wire::get(input)?;
        let (view, operations) = Wire::get(input)?;
        let (operations_root, evidence_root) = Wire::get(input)?;
        let content = Content { view, operations, operations_root, evidence_root };
        let (executed, state_root) = Wire::get(input)?;
        Ok(Self { height, parent, content, executed, state_root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Stark;

    #[test]
    fn what_was_executed_has_another_digest_with_any_other_operation_or_fault() {
        let operation = |nonce| Operation {
            client: ClientId(1),
            nonce: Nonce(nonce),
            payload: Digest::from_u64(nonce),
        };
        let fault = |epoch, id, rule| (Epoch(epoch), ReplicaId(id), rule);
        let [first, second] = [operation(1), operation(2)];
        let cases: [(&[Operation], &[Breach]); 9] = [
            (&[], &[]),
            (&[first], &[]),
            (&[first, second], &[]),
            (&[second, first], &[]),
            (&[first], &[fault(1, 2, Rule::E1)]),
            (&[first], &[fault(1, 2, Rule::E2)]),
            (&[first], &[fault(1, 3, Rule::E1)]),
            (&[first], &[fault(2, 2, Rule::E1)]),
            (&[], &[fault(1, 2, Rule::E1), fault(1, 2, Rule::E2)]),
        ];
        let digests = cases.map(|(operations, punish)| {
            executed_digest::<Stark>(operations, punish.iter().copied())
        });
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "case {index}");
        }
    }

    #[test]
    fn each_part_of_a_link_and_its_place_are_part_of_the_header() {
        let [proposal, executed, state_root, parent] = [1, 2, 3, 4].map(Digest::from_u64);
        let link = Link { proposal, executed, state_root };
        let other = Digest::from_u64(9);
        let digests = [
            link.header::<Stark>(Seq(5), parent),
            link.header::<Stark>(Seq(6), parent),
            link.header::<Stark>(Seq(5), other),
            Link { proposal: other, ..link }.header::<Stark>(Seq(5), parent),
            Link { executed: other, ..link }.header::<Stark>(Seq(5), parent),
            Link { state_root: other, ..link }.header::<Stark>(Seq(5), parent),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "case {index}");
        }
    }
}
