//! Who is to blame for a fork: evidence from the logs of honest replicas.
//!
//! Every fork of pBFT with signatures leaves more than a third of the stake convicted in the logs
//! of two honest replicas on its two sides. Two blocks committed in one view share double Commits
//! (E3). If the second committed in a later view, then some view between them was started by
//! ViewChanges of a quorum that hide the first block, and the intersection of that quorum with the
//! first block's Commits is convicted by E4; or a certificate contradicts another of the same view
//! (E2), or the ViewChanges rest on a forged checkpoint (E5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::certificate::{Certificate, Committee};
use crate::crypto::{Scheme, Signature};
use crate::evidence::{
    Amnesia, DoubleSign, DoubleView, Evidence, EvidenceDomain, SignedDigest, SignedStart,
    verify_evidence,
};
use crate::message::{Body, Message, MessageDomain, NewView, Summary};
use crate::record::Record;
use crate::snapshot::StableCheckpoint;
use crate::statement::{Kind, Statement};
use crate::types::{Digest, Epoch, ReplicaId, Seq, View};

/// What signatures in logs amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForensicReport {
    /// Blocks that are committed with more than one digest.
    pub forked_blocks: BTreeMap<Seq, BTreeSet<Digest>>,
    /// Checkpoints that are certified with more than one digest.
    pub forked_checkpoints: BTreeMap<Seq, BTreeSet<Digest>>,
    /// Verified evidence: one piece for each culprit, epoch and rule.
    pub evidence: Vec<Evidence>,
    /// Whoever the evidence convicts.
    pub culprits: BTreeSet<ReplicaId>,
}

impl ForensicReport {
    /// Whether the logs contradict each other.
    #[must_use]
    pub fn is_fork(&self) -> bool {
        !self.forked_blocks.is_empty() || !self.forked_checkpoints.is_empty()
    }
}

/// A collector of signatures from logs.
#[derive(Debug)]
pub struct Forensics<S: Scheme> {
    domain: EvidenceDomain,
    committees: BTreeMap<Epoch, Arc<Committee<S>>>,
    said: BTreeMap<Position, BTreeMap<Digest, Signature>>,
    /// ViewChanges by view and signed digest: a liar may have sent several for one view.
    asked: BTreeMap<(Epoch, ReplicaId), Asked>,
    started: BTreeMap<(Epoch, ReplicaId, View), Started>,
    blocks: BTreeMap<Seq, BTreeSet<Digest>>,
    checkpoints: BTreeMap<Seq, BTreeSet<Digest>>,
}

/// ViewChanges of one author in one epoch.
type Asked = BTreeMap<(View, Digest), (Summary, Signature)>;

/// NewViews of one leader for one view, by checkpoint and signed digest.
type Started = BTreeMap<(Seq, Digest), Signature>;

/// Where a signer may say one thing only.
type Position = (Epoch, ReplicaId, Kind, View, Seq);

impl<S: Scheme> Forensics<S> {
    /// Starts with the validators of the chain's first two epochs.
    #[must_use]
    pub fn new(domain: EvidenceDomain, genesis: &Arc<Committee<S>>) -> Self {
        let committees = [0, 1].map(|epoch| (Epoch(epoch), Arc::clone(genesis)));
        Self {
            domain,
            committees: committees.into(),
            said: BTreeMap::new(),
            asked: BTreeMap::new(),
            started: BTreeMap::new(),
            blocks: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
        }
    }

    /// Reads one log or archived segment. Signatures are only trusted once evidence made of them
    /// verifies.
    pub fn read<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) {
        let mut epoch = Epoch::ZERO;
        for record in records {
            match record {
                Record::Base(base) => {
                    epoch = base.snapshot.epoch;
                    let sets = [
                        (Some(epoch), Some(&base.snapshot.current)),
                        (Some(epoch.next()), Some(&base.snapshot.next)),
                        (epoch.0.checked_sub(1).map(Epoch), base.previous.as_ref()),
                    ];
                    for (epoch, set) in sets {
                        if let (Some(epoch), Some(set)) = (epoch, set) {
                            let committee = || Arc::new(Committee::new(Arc::clone(set)));
                            self.committees.entry(epoch).or_insert_with(committee);
                        }
                    }
                    self.read_checkpoint(&base.checkpoint);
                    for proof in &base.proofs {
                        self.read_checkpoint(&proof.checkpoint);
                    }
                }
                Record::Signed(message) | Record::NewView(message) => self.read_message(message),
                Record::Accepted(it) => {
                    let (kind, view, seq, digest) = (Kind::PrePrepare, it.view, it.seq, it.digest);
                    let statement = Statement { epoch, kind, view, seq, digest };
                    self.note(it.proposer, &statement, it.signature);
                }
                Record::Prepared { claim, certificate } => {
                    let (kind, view, seq, digest) =
                        (Kind::Prepare, claim.view, claim.seq, claim.digest);
                    self.note_all(&Statement { epoch, kind, view, seq, digest }, certificate);
                }
                Record::Committed(block) => {
                    let digest = block.proposal.digest::<S>();
                    let (kind, view, seq) = (Kind::Commit, block.view, block.seq);
                    self.blocks.entry(seq).or_default().insert(digest);
                    self.note_all(
                        &Statement { epoch, kind, view, seq, digest },
                        &block.certificate,
                    );
                }
                Record::Stable(checkpoint) => self.read_checkpoint(checkpoint),
                Record::Epoch(proof) => self.read_checkpoint(&proof.checkpoint),
                Record::Content { .. } => {}
            }
        }
    }

    fn read_checkpoint(&mut self, checkpoint: &StableCheckpoint) {
        let StableCheckpoint { epoch, seq, digest, ref certificate } = *checkpoint;
        if seq > Seq::ZERO {
            self.checkpoints.entry(seq).or_default().insert(digest);
            let (kind, view) = (Kind::Checkpoint, View::ZERO);
            self.note_all(&Statement { epoch, kind, view, seq, digest }, certificate);
        }
    }

    fn read_message(&mut self, message: &Message) {
        let (epoch, sender, signature) = (message.epoch, message.sender, message.signature);
        match &message.body {
            Body::ViewChange(body) => {
                self.note_view_change((epoch, sender), &body.summary, signature);
            }
            Body::NewView(body) => {
                let statement = message.statement::<S>(&self.message_domain());
                let started = self.started.entry((epoch, sender, body.view)).or_default();
                started.insert((statement.seq, statement.digest), signature);
                self.read_new_view(epoch, sender, body);
            }
            Body::PrePrepare(_) | Body::Prepare(_) | Body::Commit(_) | Body::Checkpoint(_) => {
                self.note(sender, &message.statement::<S>(&self.message_domain()), signature);
            }
            Body::Fetch(_) | Body::State(_) | Body::Status(_) => {}
        }
    }

    fn read_new_view(&mut self, epoch: Epoch, leader: ReplicaId, body: &NewView) {
        let view = body.view;
        let start = body.stable_seq();
        for signed in &body.view_changes {
            self.note_view_change((epoch, signed.sender), &signed.summary, signed.signature);
        }
        for (offset, (digest, signature)) in (1..).zip(&body.pre_prepares) {
            let (kind, seq, digest) = (Kind::PrePrepare, start.plus(offset), *digest);
            self.note(leader, &Statement { epoch, kind, view, seq, digest }, *signature);
        }
        let summaries = body.view_changes.iter().map(|signed| &signed.summary);
        let Some(selection) = crate::new_view::select(summaries) else { return };
        for (claim, certificate) in selection.chosen.iter().flatten().zip(&body.prepared) {
            let (kind, view, seq, digest) = (Kind::Prepare, claim.view, claim.seq, claim.digest);
            self.note_all(&Statement { epoch, kind, view, seq, digest }, certificate);
        }
        if let Some(certificate) = &body.checkpoint {
            let (seq, digest) = (selection.stable_seq, selection.stable_digest);
            let certificate = certificate.clone();
            self.read_checkpoint(&StableCheckpoint { epoch, seq, digest, certificate });
        }
    }

    fn note_view_change(
        &mut self,
        author: (Epoch, ReplicaId),
        summary: &Summary,
        signature: Signature,
    ) {
        let digest = summary.digest::<S>(self.message_domain().claims_depth);
        let asked = self.asked.entry(author).or_default();
        asked.insert((summary.view, digest), (summary.clone(), signature));
    }

    const fn message_domain(&self) -> MessageDomain {
        MessageDomain {
            chain: self.domain.chain,
            claims_depth: self.domain.window.trailing_zeros(),
        }
    }

    fn note_all(&mut self, statement: &Statement, certificate: &Certificate) {
        for (signer, signature) in certificate.signatures() {
            self.note(*signer, statement, *signature);
        }
    }

    fn note(&mut self, signer: ReplicaId, statement: &Statement, signature: Signature) {
        let Statement { epoch, kind, view, seq, digest } = *statement;
        let said = self.said.entry((epoch, signer, kind, view, seq)).or_default();
        said.insert(digest, signature);
    }

    /// Compares everything read and names who signed what cannot stand together.
    #[must_use]
    pub fn report(&self) -> ForensicReport {
        let mut found: BTreeMap<_, Evidence> = BTreeMap::new();
        let views = self.double_view_changes().chain(self.double_new_views());
        for evidence in self.double_signs().chain(self.amnesias()).chain(views) {
            let key = (evidence.epoch(), evidence.offender(), evidence.rule());
            if !found.contains_key(&key) && self.holds(&evidence) {
                found.insert(key, evidence);
            }
        }
        let several = |map: &BTreeMap<Seq, BTreeSet<Digest>>| {
            let forked = map.iter().filter(|(_, digests)| digests.len() > 1);
            forked.map(|(seq, digests)| (*seq, digests.clone())).collect()
        };
        ForensicReport {
            forked_blocks: several(&self.blocks),
            forked_checkpoints: several(&self.checkpoints),
            culprits: found.values().map(Evidence::offender).collect(),
            evidence: found.into_values().collect(),
        }
    }

    fn holds(&self, evidence: &Evidence) -> bool {
        let committee = self.committees.get(&evidence.epoch());
        let key = committee.and_then(|committee| committee.key(evidence.offender()));
        key.is_some_and(|key| verify_evidence::<S>(&self.domain, key, evidence).is_ok())
    }

    fn double_signs(&self) -> impl Iterator<Item = Evidence> {
        self.said.iter().filter_map(|((epoch, signer, kind, view, seq), digests)| {
            let mut digests = digests.iter();
            let (digest, signature) = digests.next()?;
            let (other, other_signature) = digests.next()?;
            let (epoch, kind, view, seq, digest) = (*epoch, *kind, *view, *seq, *digest);
            let statement = Statement { epoch, kind, view, seq, digest };
            let other = SignedDigest { digest: *other, signature: *other_signature };
            Some(Evidence::DoubleSign(DoubleSign::new(*signer, &statement, *signature, other)))
        })
    }

    fn double_view_changes(&self) -> impl Iterator<Item = Evidence> {
        self.asked.iter().flat_map(move |((epoch, author), asked)| {
            let neighbours = asked.iter().zip(asked.iter().skip(1));
            let same = neighbours.filter(|(((one, _), _), ((other, _), _))| one == other);
            same.map(
                move |(
                    ((view, digest), (one, signature)),
                    ((_, other_digest), (other, other_signature)),
                )| {
                    let (epoch, kind, view, seq) =
                        (*epoch, Kind::ViewChange, *view, one.stable_seq);
                    let statement = Statement { epoch, kind, view, seq, digest: *digest };
                    let other = SignedStart {
                        seq: other.stable_seq,
                        digest: *other_digest,
                        signature: *other_signature,
                    };
                    Evidence::DoubleView(DoubleView::new(*author, &statement, *signature, other))
                },
            )
        })
    }

    fn double_new_views(&self) -> impl Iterator<Item = Evidence> {
        self.started.iter().filter_map(|((epoch, leader, view), starts)| {
            let mut starts = starts.iter();
            let ((seq, digest), signature) = starts.next()?;
            let ((other_seq, other_digest), other_signature) = starts.next()?;
            let (epoch, kind, view) = (*epoch, Kind::NewView, *view);
            let statement = Statement { epoch, kind, view, seq: *seq, digest: *digest };
            let (seq, digest, other) = (*other_seq, *other_digest, *other_signature);
            let other = SignedStart { seq, digest, signature: other };
            Some(Evidence::DoubleView(DoubleView::new(*leader, &statement, *signature, other)))
        })
    }

    fn amnesias(&self) -> impl Iterator<Item = Evidence> {
        let commits = self.said.iter().filter(|((_, _, kind, ..), _)| *kind == Kind::Commit);
        commits.flat_map(move |((epoch, signer, _, view, seq), digests)| {
            let commit = digests.iter().next();
            let commit = commit.map(|(d, s)| SignedDigest { digest: *d, signature: *s });
            let asked = self.asked.get(&(*epoch, *signer));
            let later =
                asked.into_iter().flat_map(|asked| asked.range((view.next(), Digest::ZERO)..));
            later.filter_map(move |(_, (summary, signature))| {
                let remembered = summary.claim(*seq).is_some_and(|claim| claim.view >= *view);
                let hidden = summary.stable_seq < *seq && !remembered;
                hidden.then_some(())?;
                let commit = commit?;
                Some(self.amnesia((*epoch, *signer), (*view, *seq, commit), summary, *signature))
            })
        })
    }

    fn amnesia(
        &self,
        (epoch, offender): (Epoch, ReplicaId),
        (commit_view, commit_seq, commit): (View, Seq, SignedDigest),
        summary: &Summary,
        signature: Signature,
    ) -> Evidence {
        let depth = self.message_domain().claims_depth;
        Evidence::Amnesia(Amnesia {
            offender,
            epoch,
            commit_view,
            commit_seq,
            commit,
            view: summary.view,
            stable_seq: summary.stable_seq,
            stable_digest: summary.stable_digest,
            claims_root: summary.claims_root::<S>(depth),
            signature,
            opening: summary.open::<S>(depth, commit_seq),
        })
    }
}
