//! Executing one transaction: once, within its time, for its fee.

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Purse, Why};
use ciro_protocol::id::TxId;
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::{Body, SignedTx, TxHeader};

use super::{Ledger, Stop};
use crate::job::Act;
use crate::state::{SEEN, SeenKey, StateError};

impl Ledger<'_> {
    /// Executes a transaction. What is refused before the fee leaves no trace and may come again;
    /// what is refused after it costs the fee and is remembered.
    pub(crate) fn run(&mut self, tx: &SignedTx) -> Result<TxReceipt, StateError> {
        let (id, tally) = (tx.body.id(), tx.body.body.tally());
        let (fee, refused) = match self.admit(id, tx) {
            Ok(fee) => (fee, self.attempt(id, tx)?),
            Err(Stop::Refused(refusal)) => {
                self.state.drop();
                (Amount::ZERO, Some(refusal))
            }
            Err(Stop::Broken(error)) => return Err(error),
        };
        Ok(TxReceipt { id, tally, fee, refused })
    }

    /// Checks what all transactions must fulfil, takes the fee and remembers the transaction.
    fn admit(&mut self, id: TxId, tx: &SignedTx) -> Result<Amount, Stop> {
        let TxHeader { account, valid_until_ms, fee_max, .. } = tx.body.header;
        let now = self.chain.time_ms;
        if valid_until_ms < now {
            return Err(Refusal::Expired.into());
        }
        if valid_until_ms > now.saturating_add(self.spec.time.validity_max_ms) {
            return Err(Refusal::ValidityTooLong.into());
        }
        let seen = SeenKey { until_ms: valid_until_ms, id };
        if self.state.get(SEEN, &seen)?.is_some() {
            return Err(Refusal::Duplicate.into());
        }
        let fee = self.spec.fees.of(tx).ok_or(Refusal::FeeAboveMax)?;
        if fee > fee_max {
            return Err(Refusal::FeeAboveMax.into());
        }
        let from = Purse::Account(account);
        if self.balance(from)? < fee {
            return Err(Refusal::FeeUnaffordable.into());
        }
        self.pay_fee(from, fee, Why::Fee)?;
        self.state.put(SEEN, &seen, &());
        self.state.keep();
        Ok(fee)
    }

    /// Executes what the transaction is about, whole or not at all.
    fn attempt(&mut self, id: TxId, tx: &SignedTx) -> Result<Option<Refusal>, StateError> {
        let (chain, events) = (self.chain.clone(), self.events.len());
        match self.apply(id, tx) {
            Ok(()) => {
                self.state.keep();
                Ok(None)
            }
            Err(Stop::Refused(refusal)) => {
                self.state.drop();
                self.chain = chain;
                self.events.truncate(events);
                Ok(Some(refusal))
            }
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    fn apply(&mut self, id: TxId, tx: &SignedTx) -> Result<(), Stop> {
        let by = tx.body.header.account;
        match &tx.body.body {
            Body::Transfer(body) => self.transfer(by, body),
            Body::Faucet => self.faucet(by),
            Body::RegisterModel(body) => self.register_model(by, body),
            Body::UpdateModel(body) => self.update_model(by, body),
            Body::RetireModel(body) => self.retire_model(by, body),
            Body::RegisterProvider(body) => self.register_provider(by, body),
            Body::SetAsks(body) => self.set_asks(by, body),
            Body::AddBond(body) => self.add_bond(by, body),
            Body::Unbond(body) => self.unbond(by, body),
            Body::Unjail => self.unjail(by),
            Body::Order(order) => self.act(id.into(), Act::Order { by, order }),
            Body::Cancel(body) => self.act(body.job, Act::Cancel { by }),
            Body::Claim(body) => self.act(body.job, Act::Claim { by, attempt: body.attempt }),
            Body::Release(body) => self.act(body.job, Act::Release { by, body }),
            Body::Renew(body) => self.act(body.job, Act::Renew { by, attempt: body.attempt }),
            Body::SubmitProof(body) => self.act(body.job, Act::Submit { by, tx: id, body }),
            Body::ReportFraud(body) => self.act(body.submitted.job, Act::Fraud { by, body }),
            Body::ClaimGrant(body) => self.claim_grant(by, body),
            Body::ClaimAirdrop(body) => self.claim_airdrop(body),
            Body::RegisterValidator(body) => {
                self.register_validator(tx.body.header.chain, by, body)
            }
            Body::SetCommission(body) => self.set_commission(by, body),
            Body::Delegate(body) => self.delegate(by, body),
            Body::Undelegate(body) => self.undelegate(by, body),
            Body::Redelegate(body) => self.redelegate(by, body),
            Body::ClaimRewards(body) => self.claim_rewards(by, body),
            Body::UnjailValidator => self.unjail_validator(by),
            Body::ReportOffence(body) => self.report_offence(by, body),
            Body::Propose(body) => self.propose(by, body),
            Body::Vote(body) => self.vote(by, body),
        }
    }
}
