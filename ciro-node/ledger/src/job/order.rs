//! `order`: the requester pays the highest price into escrow, and the job waits; or a provider
//! takes it at once.

use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::JobId;
use ciro_protocol::model::{KeyFacts, Listing};
use ciro_protocol::order::{JobOrder, Mode, Policy};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::{JOBS, JobRecord, MODELS, PROVIDERS, Phase, TimerKind};

impl Ledger<'_> {
    pub(super) fn order(
        &mut self,
        id: JobId,
        by: Address,
        order: &JobOrder,
    ) -> Result<State, Stop> {
        let (facts, listing) = self.ordered_key(order)?;
        self.check_terms(order)?;
        let (amount, why) = (order.offer.price_max, Why::Escrow);
        self.pay(Movement { from: Purse::Account(by), to: Purse::Escrow(id), amount, why })?;
        let deadline = self.set_timer(order.offer.deadline_ms, TimerKind::Deadline(id))?;
        let record = JobRecord {
            requester: by,
            order: order.clone(),
            listed: listing.providers,
            class: facts.class(),
            opened_ms: self.chain.time_ms,
            attempt: 1,
            failed: Vec::new(),
            phase: Phase::Open,
            deadline,
        };
        let job = Job { id, record };
        match order.offer.mode {
            Mode::Open => {
                self.state.put(JOBS, &id, &job.record);
                self.events.push(Event::JobOpened { job: id, class: facts.class(), attempt: 1 });
                Ok(State::Open)
            }
            Mode::Direct(provider) => {
                let named = self.state.get(PROVIDERS, &provider)?;
                let named = named.ok_or(Refusal::ProviderUnknown)?;
                self.eligible(&job, provider, &named)?;
                // Nobody but the provider puts its bond at stake: by a claim, or by these terms.
                let terms = named.asks.direct.as_ref().ok_or(Refusal::DirectNotOffered)?;
                if !terms.keys.admit(order.key) && !Mutation::DirectForAnyKey.chosen() {
                    return Err(Refusal::DirectNotServed.into());
                }
                if !terms.admit(order, self.chain.time_ms) && !Mutation::DirectOnAnyTerms.chosen() {
                    return Err(Refusal::DirectTermsUnmet.into());
                }
                let ask = named.asks.price(job.record.class).ok_or(Refusal::ClassNotOffered)?;
                if ask > order.offer.price_max {
                    return Err(Refusal::AskAbovePrice.into());
                }
                self.hold(job, provider, ask)
            }
        }
    }

    /// Returns what the ordered key says, if it is one that the order may be about, and the
    /// model's listing of this moment: its owner may change it, and takes nobody's order away.
    fn ordered_key(&self, order: &JobOrder) -> Result<(KeyFacts, Listing), Stop> {
        let model = self.state.get(MODELS, &order.model)?.ok_or(Refusal::ModelUnknown)?;
        if model.retired {
            return Err(Refusal::ModelRetired.into());
        }
        let facts = model.card.key(order.key).ok_or(Refusal::KeyUnknown)?.facts;
        let Policy { bits, proven } = order.policy;
        if bits < self.spec.security_bits_min {
            return Err(Refusal::PolicyTooWeak.into());
        }
        let worth = if proven { facts.proven_bits } else { facts.bits };
        if worth < bits {
            return Err(Refusal::PolicyUnmet.into());
        }
        Ok((facts, model.at(self.chain.time_ms).listing))
    }

    /// Checks the numbers of an order against the network's.
    fn check_terms(&self, order: &JobOrder) -> Result<(), Refusal> {
        let (offer, jobs, now) = (&order.offer, &self.spec.jobs, self.chain.time_ms);
        if offer.price_min > offer.price_max {
            return Err(Refusal::PriceRange);
        }
        if !(jobs.lease_min_ms..=jobs.lease_max_ms).contains(&offer.lease_ms) {
            return Err(Refusal::LeaseRange);
        }
        let latest = now.saturating_add(jobs.deadline_max_ms);
        if offer.deadline_ms <= now || offer.deadline_ms > latest {
            return Err(Refusal::DeadlineRange);
        }
        let most = match offer.mode {
            Mode::Open => jobs.attempts_max,
            Mode::Direct(_) => 1,
        };
        if !(1..=most).contains(&offer.attempts_max) {
            return Err(Refusal::AttemptsRange);
        }
        // Otherwise whoever claims could end the job, or keep it from others, for nothing.
        if offer.collateral < jobs.collateral_min(offer.price_max) {
            return Err(Refusal::CollateralTooSmall);
        }
        if order.input.bytes > self.spec.limits.input_bytes {
            return Err(Refusal::InputTooLarge);
        }
        Ok(())
    }
}
