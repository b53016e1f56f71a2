//! What replicas hold and prove, looked at before they say anything.

use ciro_consensus::message::{Body, NewView};
use ciro_consensus::new_view::select;
use ciro_consensus::{
    Certificate, Committee, Digest, Effect, Epoch, Kind, Proposal, Record, Seq, Statement,
    ValidatorSet, View,
};

use super::World;
use crate::node::Power;
use crate::oracle::Violation;
use crate::scheme::{Keyed, take_work};

impl World {
    /// Checks what an honest replica is about to put into its log: every certificate, and that
    /// contents are kept.
    pub(super) fn watch(&mut self, node: usize, epoch: Epoch, effects: &[Effect]) {
        for effect in effects {
            let Effect::Append(record) = effect else { continue };
            match &**record {
                Record::Prepared { claim, certificate } => {
                    let (view, seq, digest) = (claim.view, claim.seq, claim.digest);
                    let statement = Statement { epoch, kind: Kind::Prepare, view, seq, digest };
                    self.watch_certificate(node, &statement, certificate);
                    self.watch_content(node, (seq, digest));
                }
                Record::Committed(block) => {
                    let (view, seq, digest) =
                        (block.view, block.seq, block.proposal.digest::<Keyed>());
                    let statement = Statement { epoch, kind: Kind::Commit, view, seq, digest };
                    self.watch_certificate(node, &statement, &block.certificate);
                    self.watch_content(node, (seq, digest));
                }
                Record::Signed(message) => {
                    if let Body::NewView(body) = &message.body {
                        self.watch_claims(node, body);
                        self.watch_start(node, epoch, body);
                    }
                }
                Record::NewView(message) => {
                    if let Body::NewView(body) = &message.body {
                        self.watch_start(node, epoch, body);
                    }
                }
                _ => {}
            }
        }
        // What the judge computes costs nobody anything.
        take_work();
    }

    /// A certificate proves its statement to anyone who knows the validators.
    fn watch_certificate(&mut self, node: usize, statement: &Statement, certificate: &Certificate) {
        let Some(running) = self.nodes[node].running() else { return };
        if running.replica.epoch() != statement.epoch {
            return;
        }
        // The members alone: a set that counts wrongly must not judge itself.
        let Ok(set) = ValidatorSet::new(running.replica.validators().iter().copied()) else {
            return;
        };
        let committee = Committee::<Keyed>::new(std::sync::Arc::new(set));
        let hash = statement.hash::<Keyed>(self.genesis.chain);
        if let Err(error) = committee.verify_certificate(&hash, certificate) {
            let (seq, reason) = (statement.seq, error.to_string());
            self.oracle.violated(Violation::Unproven { node, seq, reason });
        }
    }

    /// A view that a replica enters begins with what is certified; what is settled here needs no
    /// look.
    fn watch_start(&mut self, node: usize, epoch: Epoch, body: &NewView) {
        let Some(running) = self.nodes[node].running() else { return };
        let stable = running.replica.stable().seq;
        let Some(selection) = select(body.view_changes.iter().map(|signed| &signed.summary)) else {
            return;
        };
        for (claim, certificate) in selection.chosen.iter().flatten().zip(&body.prepared) {
            let (view, seq, digest) = (claim.view, claim.seq, claim.digest);
            if seq > stable {
                let statement = Statement { epoch, kind: Kind::Prepare, view, seq, digest };
                self.watch_certificate(node, &statement, certificate);
            }
        }
    }

    /// What prepared is held by honest replicas that are a weak quorum with those that misbehave
    /// counted against them: more than a third of the stake voted for it, and whoever votes keeps
    /// it.
    fn watch_content(&mut self, node: usize, (seq, digest): (Seq, Digest)) {
        if self.plan.expects_fork || digest == Proposal::null().digest::<Keyed>() {
            return;
        }
        let Some(running) = self.nodes[node].running() else { return };
        let set = running.replica.validators();
        let serves = |node: &&crate::node::Node| match &node.power {
            Power::On(running) => running.replica.serves(seq, digest),
            // Its log has what it voted for.
            Power::Off(_) => true,
        };
        let holders = self.nodes.iter().filter(|it| it.is_honest()).filter(serves);
        let tally = set.tally(holders.map(|it| it.id));
        if !set.is_weak_quorum(&tally) {
            let holders = u64::try_from(tally.stake()).unwrap_or(u64::MAX);
            self.oracle.violated(Violation::ContentLost { node, seq, holders });
        }
    }

    /// An honest leader counts no claim whose content it could not hand out.
    fn watch_claims(&mut self, node: usize, body: &NewView) {
        let Some(running) = self.nodes[node].running() else { return };
        let replica = &running.replica;
        let null = Proposal::null().digest::<Keyed>();
        let claims = body.view_changes.iter().flat_map(|signed| &signed.summary.claims);
        let mut lacking =
            claims.filter(|it| it.digest != null && !replica.serves(it.seq, it.digest));
        // What the view begins with is taken over; claims that others outrank are dropped by then.
        let begins: Vec<Digest> = body.pre_prepares.iter().map(|(digest, _)| *digest).collect();
        let lacking = lacking.find(|it| begins.contains(&it.digest)).map(|it| it.seq);
        if let Some(seq) = lacking {
            let view: View = body.view;
            self.oracle.violated(Violation::CountedBlindly { node, view, seq });
        }
    }
}
