//! `submit`: a proof that was verified before the vote settles the job. This is bookkeeping, in one
//! step.

use ciro_protocol::event::{Movement, Purse, Why};
use ciro_protocol::id::TxId;
use ciro_protocol::receipt::{Outcome, Settlement};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::SubmitProof;

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::{PROVIDERS, StateError};

impl Ledger<'_> {
    /// Pays the provider. A proof that comes after its lease still counts as long as the job was
    /// not given to another.
    pub(super) fn submit(
        &mut self,
        job: &Job,
        by: Address,
        (tx, body): (TxId, &SubmitProof),
    ) -> Result<State, Stop> {
        let held = self.held_by(job, by, body.attempt)?;
        self.answers(job, body)?;
        let escrow = Purse::Escrow(job.id);
        let mut price = held.price;
        if Mutation::PaidInFull.chosen() {
            price = job.record.order.offer.price_max;
        }
        let market_fee = price.share(self.spec.fees.market_bps);
        self.pay_fee(escrow, market_fee, Why::MarketFee)?;
        let account = self.state.expect(PROVIDERS, &held.provider)?.account;
        let (to, amount) = (Purse::Account(account), price.saturating_sub(market_fee));
        self.pay(Movement { from: escrow, to, amount, why: Why::Price })?;
        self.free_collateral(job, &held)?;
        self.let_go(job, &held)?;
        self.with_provider(held.provider, |record| {
            record.settled = record.settled.checked_add(1).ok_or(StateError::Sum("settled"))?;
            Ok(())
        })?;
        let settlement = Settlement {
            provider: held.provider,
            price,
            market_fee,
            output: body.proven.output,
            bundle: body.proven.bundle,
            verifier: body.proven.verifier,
            claimed_ms: held.claimed_ms,
            tx,
        };
        self.end(job, Outcome::Settled(settlement))
    }

    /// Checks that the proof is the one that was ordered.
    fn answers(&self, job: &Job, body: &SubmitProof) -> Result<(), Refusal> {
        let (order, proven) = (&job.record.order, &body.proven);
        if self.chain.time_ms > order.offer.deadline_ms {
            return Err(Refusal::DeadlinePassed);
        }
        if proven.verifier != self.spec.verifier {
            return Err(Refusal::VerifierInactive);
        }
        if proven.key != order.key {
            return Err(Refusal::WrongKey);
        }
        if proven.input != order.input.statement {
            return Err(Refusal::WrongInput);
        }
        Ok(())
    }
}
