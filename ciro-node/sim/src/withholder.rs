//! Certificates in silence: members propose to as few as they need, collect the Prepares, and show
//! what they have when it hurts most.

use std::sync::Arc;

use ciro_consensus::message::{Body, Message, State, ViewChange};
use ciro_consensus::{Epoch, ReplicaId, View};

use crate::byzantine::{Cargo, Outgoing, Target};
use crate::coalition::{Coalition, Known};
use crate::plan::Micros;
use crate::rng::Rng;

/// One of those who withhold.
#[derive(Clone, Debug)]
pub(crate) struct Withholder {
    id: ReplicaId,
    patience: Micros,
    rng: Rng,
}

impl Withholder {
    pub(crate) const fn new(id: ReplicaId, patience: Micros, rng: Rng) -> Self {
        Self { id, patience, rng }
    }

    /// Turns what an honest replica would send into what is sent.
    pub(crate) fn tamper(
        &mut self,
        known: Known<'_>,
        to: Target,
        message: &Arc<Message>,
    ) -> Vec<Outgoing> {
        let honest = vec![Outgoing::now(to, Arc::clone(message))];
        match &message.body {
            Body::PrePrepare(_) if to == Target::All => self.propose(&known, message),
            Body::PrePrepare(_) => Vec::new(),
            Body::Prepare(_) | Body::Commit(_) if self.rng.chance(800) => Vec::new(),
            Body::State(state) if !matches!(**state, State::NewView(_)) => Vec::new(),
            Body::ViewChange(truth) => self.ask(known, message.epoch, truth, to),
            // Late, or to some alone.
            Body::NewView(_) if self.rng.chance(200) => {
                let delay = self.patience * self.rng.between(50, 200) / 100;
                let cargo = Cargo::Message(Arc::clone(message));
                vec![Outgoing { to: Target::Half(self.rng.chance(500)), cargo, delay }]
            }
            _ => honest,
        }
    }

    /// Proposes to those alone whose Prepares make a certificate here, at once or just before their
    /// patience ends.
    fn propose(&mut self, known: &Known<'_>, message: &Arc<Message>) -> Vec<Outgoing> {
        let late = self.rng.chance(500);
        let delay = if late { self.patience * self.rng.between(50, 95) / 100 } else { 0 };
        let fellows = known.coalition.members().iter().copied();
        let receivers = known.coalition.victims(known.set).into_iter().chain(fellows);
        let send = |id| Outgoing {
            to: Target::One(id),
            cargo: Cargo::Message(Arc::clone(message)),
            delay,
        };
        receivers.map(send).collect()
    }

    /// Hides what a fellow's view would have to begin with, and shows it to everyone else's.
    fn ask(
        &mut self,
        known: Known<'_>,
        epoch: Epoch,
        truth: &ViewChange,
        to: Target,
    ) -> Vec<Outgoing> {
        let Known { coalition, set, params } = known;
        let view = truth.summary.view;
        let ours = |view: View| coalition.members().contains(&set.leader(epoch, view));
        let hide = if self.rng.chance(850) { ours(view) } else { self.rng.chance(500) };
        let claims = if hide {
            Vec::new()
        } else {
            let place = (epoch, view, truth.summary.stable_seq);
            coalition.claims(set, place, params.window())
        };
        let body = Coalition::with_claims(truth, claims);
        let message = coalition.view_change(self.id, epoch, body);
        vec![Outgoing::now(to, Arc::new(message))]
    }
}
