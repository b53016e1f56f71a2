//! Lies that fit together.
//!
//! A strategist has its own keys and everything that was ever sent to it. What it sends is well
//! formed, signed where its key suffices, and true in all but one point: the point that one check
//! of an honest replica must find.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ciro_consensus::crypto::{Scheme, Signature};
use ciro_consensus::evidence::{DoubleSign, Evidence, SignedDigest};
use ciro_consensus::message::{
    Body, Claim, Fetch, Message, MessageDomain, NewView, PrePrepare, SignedSummary, State, Status,
    Summary, ViewChange,
};
use ciro_consensus::new_view::select;
use ciro_consensus::{
    Certificate, ClientId, CommittedBlock, Digest, Epoch, Kind, Nonce, Operation, Proposal,
    ReplicaId, Seq, Statement, View,
};

use crate::byzantine::{Outgoing, Target};
use crate::coalition::{Coalition, Known};
use crate::plan::key_of;
use crate::rng::Rng;
use crate::scheme::Keyed;

/// ViewChanges of others that a strategist remembers.
const REMEMBERED: usize = 64;

/// A replica that lies where a single check stands between it and harm.
#[derive(Clone, Debug)]
pub(crate) struct Strategist {
    id: ReplicaId,
    domain: MessageDomain,
    rng: Rng,
    heard: VecDeque<Arc<Message>>,
    /// Contents of claims that it made up, and who asked for them.
    made_up: BTreeMap<(Seq, Digest), Arc<Proposal>>,
    asked: Vec<(ReplicaId, Epoch, Seq, Digest)>,
}

impl Strategist {
    pub(crate) fn new(id: ReplicaId, domain: MessageDomain, rng: Rng) -> Self {
        let (heard, made_up, asked) = (VecDeque::new(), BTreeMap::new(), Vec::new());
        Self { id, domain, rng, heard, made_up, asked }
    }

    /// Remembers what others say.
    pub(crate) fn observe(&mut self, message: &Arc<Message>) {
        if let Body::Fetch(Fetch::Proposal { seq, digest }) = message.body
            && self.made_up.contains_key(&(seq, digest))
        {
            self.asked.push((message.sender, message.epoch, seq, digest));
        }
        if matches!(message.body, Body::ViewChange(_) | Body::NewView(_) | Body::PrePrepare(_)) {
            if self.heard.len() >= REMEMBERED {
                self.heard.pop_front();
            }
            self.heard.push_back(Arc::clone(message));
        }
    }

    /// Hands out what it made up to those who asked.
    pub(crate) fn answer(&mut self) -> Vec<Outgoing> {
        let asked = std::mem::take(&mut self.asked);
        let mut sent = Vec::new();
        for (asker, epoch, seq, digest) in asked {
            if let Some(proposal) = self.made_up.get(&(seq, digest)).cloned() {
                let body = Body::State(Arc::new(State::Proposal { seq, proposal }));
                sent.extend(self.say(Target::One(asker), epoch, body));
            }
        }
        sent
    }

    /// Turns what the honest replica would send into what is sent.
    pub(crate) fn tamper(
        &mut self,
        mut known: Known<'_>,
        to: Target,
        message: &Arc<Message>,
    ) -> Vec<Outgoing> {
        let epoch = message.epoch;
        let honest = vec![Outgoing::now(to, Arc::clone(message))];
        if self.rng.chance(250) {
            return honest;
        }
        match &message.body {
            Body::PrePrepare(body) => self.propose(epoch, body, to),
            Body::NewView(body) if self.rng.chance(400) => {
                self.start_twice(&mut known, epoch, body)
            }
            Body::NewView(body) => self.start(epoch, body),
            Body::ViewChange(body) if self.rng.chance(500) => self.ask_late(known, epoch, body),
            Body::ViewChange(body) => self.ask(epoch, body, honest),
            Body::State(state) => {
                let state = self.serve(state);
                state.map_or(honest, |state| self.say(to, epoch, Body::State(Arc::new(state))))
            }
            Body::Status(status) if self.rng.chance(300) => {
                let status = Status { view: View(self.rng.bits()), active: true, ..*status };
                self.say(to, epoch, Body::Status(status))
            }
            _ => honest,
        }
    }

    /// Starts a view as two different quorums of true ViewChanges demand, towards each half as one
    /// of them does.
    fn start_twice(&self, known: &mut Known<'_>, epoch: Epoch, truth: &NewView) -> Vec<Outgoing> {
        let start = known.params.epoch_start(epoch);
        let mut sent = Vec::new();
        for odd in [false, true] {
            let place = (epoch, truth.view);
            let other = known.coalition.new_view(known.set, self.id, place, start);
            let body = Arc::new(other.unwrap_or_else(|| truth.clone()));
            sent.extend(self.say(Target::Half(odd), epoch, Body::NewView(body)));
        }
        sent
    }

    /// Asks for a view with what its fellows collected: true certificates that nobody has seen, or
    /// half a certificate.
    fn ask_late(&mut self, known: Known<'_>, epoch: Epoch, truth: &ViewChange) -> Vec<Outgoing> {
        let Known { coalition, set, params } = known;
        let place = (epoch, truth.summary.view, truth.summary.stable_seq);
        let claims = if self.rng.chance(500) {
            coalition.thin_claim(set, place).into_iter().collect()
        } else {
            coalition.claims(set, place, params.window())
        };
        for (claim, _) in &claims {
            if let Some(content) = coalition.content(claim.seq, claim.digest) {
                self.made_up.insert((claim.seq, claim.digest), Arc::clone(content));
            }
        }
        let body = Coalition::with_claims(truth, claims);
        let message = coalition.view_change(self.id, epoch, body);
        vec![Outgoing::now(Target::All, Arc::new(message))]
    }

    /// Proposes when another's turn it is, and starts views that others lead.
    pub(crate) fn out_of_turn(
        &mut self,
        known: &mut Known<'_>,
        (epoch, view, executed): (Epoch, View, Seq),
    ) -> Vec<Outgoing> {
        if self.rng.chance(700) {
            return Vec::new();
        }
        let next = view.next();
        if self.rng.chance(500) {
            let operations = vec![self.no_operation()];
            let proposal = Arc::new(Proposal { view, operations, ..Proposal::null() });
            let seq = executed.plus(1 + self.rng.below(3));
            let digest = proposal.digest::<Keyed>();
            let body = Body::PrePrepare(PrePrepare { view, seq, digest, proposal });
            return self.say(Target::All, epoch, body);
        }
        let start = known.params.epoch_start(epoch);
        let views = [next, view];
        let made =
            views.map(|view| known.coalition.new_view(known.set, self.id, (epoch, view), start));
        let made = made.into_iter().flatten().next();
        made.map_or_else(Vec::new, |body| {
            self.say(Target::All, epoch, Body::NewView(Arc::new(body)))
        })
    }

    fn say(&self, to: Target, epoch: Epoch, body: Body) -> Vec<Outgoing> {
        let key = key_of(self.id);
        let signed = Message::sign::<Keyed>((self.id, &key), &self.domain, epoch, body);
        vec![Outgoing::now(to, Arc::new(signed.expect("a keyed hash signs everything")))]
    }

    fn sign(&self, statement: &Statement) -> Signature {
        let signed = Keyed::sign(&key_of(self.id), &statement.hash::<Keyed>(self.domain.chain));
        signed.expect("a keyed hash signs everything")
    }

    /// A signature in another's name, which no check may accept.
    fn forge(&mut self) -> Signature {
        Signature { r: [self.rng.bits().to_le_bytes()[0] & 7; 32], s: [1; 32] }
    }

    /// Proposes what must not be proposed, or other content under the digest to every second
    /// replica.
    fn propose(&mut self, epoch: Epoch, body: &PrePrepare, to: Target) -> Vec<Outgoing> {
        let mut content = (*body.proposal).clone();
        let choice = self.rng.below(4);
        match choice {
            0 => content.operations.push(self.no_operation()),
            1 => content.evidence.push(self.false_evidence(epoch)),
            2 => {
                content.operations.reverse();
                content.operations.truncate(content.operations.len().max(2) - 1);
            }
            _ => return self.say(to, epoch, Body::PrePrepare(body.clone())),
        }
        let proposal = Arc::new(content);
        let digest = if choice == 2 { body.digest } else { proposal.digest::<Keyed>() };
        let (view, seq) = (body.view, body.seq);
        let other = Body::PrePrepare(PrePrepare { view, seq, digest, proposal });
        if choice < 2 {
            return self.say(to, epoch, other);
        }
        let odd = self.rng.chance(500);
        let mut sent = self.say(Target::Half(odd), epoch, other);
        sent.extend(self.say(Target::Half(!odd), epoch, Body::PrePrepare(body.clone())));
        sent
    }

    /// An operation that no client asked for.
    fn no_operation(&mut self) -> Operation {
        let (client, nonce) = (ClientId(0), Nonce(1 + self.rng.below(20)));
        Operation { client, nonce, payload: Keyed::hash(&[Digest::from_u64(self.rng.bits())]) }
    }

    /// Accuses whoever else speaks with two signatures that it never gave.
    fn false_evidence(&mut self, epoch: Epoch) -> Evidence {
        let others: Vec<ReplicaId> =
            self.heard.iter().map(|it| it.sender).filter(|id| *id != self.id).collect();
        let offender = others.first().copied().unwrap_or(ReplicaId(u32::from(self.id.0 == 0)));
        let digest = Digest::from_u64(1);
        let statement = Statement { epoch, kind: Kind::Commit, view: View(0), seq: Seq(1), digest };
        let signature = self.forge();
        let other = SignedDigest { digest: Digest::from_u64(2), signature: self.forge() };
        Evidence::DoubleSign(DoubleSign::new(offender, &statement, signature, other))
    }

    /// Starts a view with something else than its ViewChanges demand, or demands it with
    /// ViewChanges that do not count.
    fn start(&mut self, epoch: Epoch, truth: &NewView) -> Vec<Outgoing> {
        let view = truth.view;
        let forgetful = self.forgetful(epoch, truth);
        let view_changes = match self.rng.below(5) {
            // True ViewChanges, and null blocks in place of what they demand.
            0 => truth.view_changes.clone(),
            // The own word alone, told as often as a quorum needs.
            1 => truth.view_changes.iter().map(|_| forgetful.clone()).collect(),
            // In others' names.
            2 => self.in_others_names(truth, &forgetful),
            // Too few of them.
            3 => self.too_few(truth, &forgetful),
            _ => return self.say(Target::All, epoch, Body::NewView(Arc::new(truth.clone()))),
        };
        let replaced = view_changes == truth.view_changes;
        let Some(selection) = select(view_changes.iter().map(|it| &it.summary)) else {
            return Vec::new();
        };
        let known = select(truth.view_changes.iter().map(|it| &it.summary));
        let known = known.iter().flat_map(|it| it.chosen.iter().flatten()).zip(&truth.prepared);
        let known: Vec<(Claim, Certificate)> = known.map(|(it, c)| (*it, c.clone())).collect();
        let certificate = |claim: &Claim| {
            let found = known.iter().find(|(known, _)| known == claim);
            found.map(|(_, certificate)| certificate.clone()).unwrap_or_default()
        };
        let prepared = selection.chosen.iter().flatten().map(certificate).collect();
        let null = Proposal::null().digest::<Keyed>();
        let pre_prepares = selection.iter().map(|(seq, claim)| {
            let digest = claim.filter(|_| !replaced).map_or(null, |claim| claim.digest);
            let kind = Kind::PrePrepare;
            (digest, self.sign(&Statement { epoch, kind, view, seq, digest }))
        });
        let pre_prepares = pre_prepares.collect();
        let checkpoint = truth.checkpoint.clone();
        let body = NewView { view, view_changes, checkpoint, prepared, pre_prepares };
        self.say(Target::All, epoch, Body::NewView(Arc::new(body)))
    }

    /// The own ViewChange with the last claim of all alone: everything before it becomes null.
    fn forgetful(&self, epoch: Epoch, truth: &NewView) -> SignedSummary {
        let selection = select(truth.view_changes.iter().map(|it| &it.summary));
        let last = selection.iter().flat_map(|it| it.chosen.iter().flatten()).last().copied();
        let highest = truth.view_changes.iter().max_by_key(|it| it.summary.stable_seq);
        let (stable_seq, stable_digest) = highest.map_or((Seq::ZERO, Digest::ZERO), |it| {
            (it.summary.stable_seq, it.summary.stable_digest)
        });
        let (view, claims) = (truth.view, last.into_iter().collect());
        let summary = Summary { view, stable_seq, stable_digest, claims };
        let signature = self.sign(&self.statement_of(epoch, &summary));
        SignedSummary { sender: self.id, summary, signature }
    }

    fn statement_of(&self, epoch: Epoch, summary: &Summary) -> Statement {
        Statement {
            epoch,
            kind: Kind::ViewChange,
            view: summary.view,
            seq: summary.stable_seq,
            digest: summary.digest::<Keyed>(self.domain.claims_depth),
        }
    }

    fn in_others_names(&mut self, truth: &NewView, lie: &SignedSummary) -> Vec<SignedSummary> {
        let senders: Vec<ReplicaId> = truth.view_changes.iter().map(|it| it.sender).collect();
        senders
            .into_iter()
            .map(|sender| {
                let signature = if sender == self.id { lie.signature } else { self.forge() };
                SignedSummary { sender, summary: lie.summary.clone(), signature }
            })
            .collect()
    }

    fn too_few(&mut self, truth: &NewView, lie: &SignedSummary) -> Vec<SignedSummary> {
        let mut others: Vec<&SignedSummary> =
            truth.view_changes.iter().filter(|it| it.sender != self.id).collect();
        others.sort_by_key(|it| it.summary.claims.len());
        others.truncate(others.len().div_ceil(2));
        let mut few: Vec<SignedSummary> = others.into_iter().cloned().collect();
        few.push(lie.clone());
        few.sort_by_key(|it| it.sender);
        few
    }

    /// Asks for a view with one story for some and another for others.
    fn ask(&mut self, epoch: Epoch, truth: &ViewChange, honest: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut lie = truth.clone();
        match self.rng.below(4) {
            0 => {
                lie.summary.claims.clear();
                lie.prepared.clear();
            }
            // A claim without a certificate, of the highest view there can be.
            1 => {
                let view = View(lie.summary.view.0.saturating_sub(1));
                let seq = lie.summary.stable_seq.next();
                let operation = self.no_operation();
                let content = Proposal { view, operations: vec![operation], ..Proposal::null() };
                let digest = content.digest::<Keyed>();
                self.made_up.insert((seq, digest), Arc::new(content));
                lie.summary.claims = vec![Claim { seq, view, digest }];
                lie.prepared = vec![truth.prepared.first().cloned().unwrap_or_default()];
            }
            // A checkpoint that nobody certified.
            2 => {
                lie.summary.stable_seq =
                    lie.summary.stable_seq.plus(1 << (self.domain.claims_depth - 1));
                lie.summary.stable_digest = Digest::from_u64(self.rng.bits());
                lie.summary.claims.clear();
                lie.prepared.clear();
                lie.checkpoint = Some(truth.checkpoint.clone().unwrap_or_default());
            }
            _ => return honest,
        }
        let odd = self.rng.chance(500);
        let mut sent = self.say(Target::Half(odd), epoch, Body::ViewChange(Arc::new(lie)));
        sent.extend(honest.into_iter().map(|it| Outgoing { to: Target::Half(!odd), ..it }));
        sent
    }

    /// Serves what looks like the answer.
    fn serve(&mut self, truth: &State) -> Option<State> {
        match truth {
            State::Blocks(blocks) => {
                Some(State::Blocks(blocks.iter().map(Self::other_block).collect()))
            }
            State::Proposal { seq, proposal } => {
                let mut proposal = (**proposal).clone();
                proposal.operations.pop();
                Some(State::Proposal { seq: *seq, proposal: Arc::new(proposal) })
            }
            State::Checkpoint { proofs, checkpoint } => {
                let mut checkpoint = checkpoint.clone();
                checkpoint.digest = Keyed::hash(&[checkpoint.digest]);
                Some(State::Checkpoint { proofs: proofs.clone(), checkpoint })
            }
            State::Snapshot { proofs, checkpoint, snapshot } => {
                let mut snapshot = (**snapshot).clone();
                snapshot.clients.insert(ClientId(self.rng.below(3)), Nonce(self.rng.below(9)));
                let (proofs, checkpoint) = (proofs.clone(), checkpoint.clone());
                Some(State::Snapshot { proofs, checkpoint, snapshot: Arc::new(snapshot) })
            }
            State::NewView(_) => None,
        }
    }

    fn other_block(block: &CommittedBlock) -> CommittedBlock {
        let mut proposal = (*block.proposal).clone();
        proposal.operations.pop();
        CommittedBlock { proposal: Arc::new(proposal), ..block.clone() }
    }
}
