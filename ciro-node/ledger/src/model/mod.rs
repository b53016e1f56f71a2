//! Models: registered for a deposit, listed, retired.

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::ModelId;
use ciro_protocol::model::{Listing, NextListing};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{RegisterModel, RetireModel, UpdateModel};

use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::{MODELS, ModelRecord};

/// The bytes that a deposit is counted in.
const MIB: u64 = 1 << 20;

impl Ledger<'_> {
    /// Registers a model. What its keys say was checked before the vote.
    pub(crate) fn register_model(
        &mut self,
        account: Address,
        body: &RegisterModel,
    ) -> Result<(), Stop> {
        let RegisterModel { card, listing } = body;
        if card.owner != account {
            return Err(Refusal::NotOwner.into());
        }
        let keys = || card.keys.iter().map(|entry| entry.facts.digest);
        let twice =
            keys().enumerate().any(|(place, key)| keys().skip(place + 1).any(|it| it == key));
        if card.keys.is_empty() || twice {
            return Err(Refusal::NoKeys.into());
        }
        if card.keys.iter().any(|entry| !self.spec.routes.contains(&entry.facts.route)) {
            return Err(Refusal::RouteClosed.into());
        }
        if card.bytes > self.spec.limits.model_bytes {
            return Err(Refusal::ModelTooLarge.into());
        }
        let model = card.id();
        if self.state.get(MODELS, &model)?.is_some() {
            return Err(Refusal::ModelExists.into());
        }
        let deposit = self.deposit(card.bytes).ok_or(Refusal::InsufficientFunds)?;
        let (from, to) = (Purse::Account(account), Purse::Deposit(model));
        self.pay(Movement { from, to, amount: deposit, why: Why::Deposit })?;
        let (card, listing) = (card.clone(), listing.clone());
        let record = ModelRecord { card, listing, next: None, retired: false };
        self.state.put(MODELS, &model, &record);
        self.events.push(Event::ModelListed { model });
        Ok(())
    }

    /// Replaces who may prove a model, and what was to follow. Jobs that are ordered already keep
    /// the listing that they were ordered under, and a listing that leaves somebody out begins once
    /// no order is valid any more that was signed before this.
    pub(crate) fn update_model(
        &mut self,
        account: Address,
        body: &UpdateModel,
    ) -> Result<(), Stop> {
        let mut record = self.own_model(account, body.model)?;
        let listing = body.listing.clone();
        if narrows(&record.listing, &listing) && !Mutation::NarrowedAtOnce.chosen() {
            let last_ms = self.chain.time_ms.saturating_add(self.spec.time.validity_max_ms);
            let from_ms = last_ms.saturating_add(1);
            record.next = Some(NextListing { from_ms, listing });
        } else {
            (record.listing, record.next) = (listing, None);
        }
        self.state.put(MODELS, &body.model, &record);
        self.events.push(Event::ModelListed { model: body.model });
        Ok(())
    }

    /// Ends a model. Jobs that are ordered already go on.
    pub(crate) fn retire_model(
        &mut self,
        account: Address,
        body: &RetireModel,
    ) -> Result<(), Stop> {
        let mut record = self.own_model(account, body.model)?;
        record.retired = true;
        self.state.put(MODELS, &body.model, &record);
        let from = Purse::Deposit(body.model);
        let amount = self.balance(from)?;
        self.pay(Movement { from, to: Purse::Account(account), amount, why: Why::Deposit })?;
        self.events.push(Event::ModelRetired { model: body.model });
        Ok(())
    }

    fn own_model(&self, account: Address, model: ModelId) -> Result<ModelRecord, Stop> {
        let record = self.state.get(MODELS, &model)?.ok_or(Refusal::ModelUnknown)?;
        if record.card.owner != account {
            return Err(Refusal::NotOwner.into());
        }
        if record.retired {
            return Err(Refusal::ModelRetired.into());
        }
        Ok(record.at(self.chain.time_ms))
    }

    fn deposit(&self, bytes: u64) -> Option<Amount> {
        self.spec.fees.deposit_per_mib.checked_mul(bytes.div_ceil(MIB))
    }
}

/// Whether a listing leaves somebody out whom the one before named.
fn narrows(before: &Listing, after: &Listing) -> bool {
    let (before, after) = (&before.providers, &after.providers);
    let kept = !before.is_empty() && before.iter().all(|it| after.contains(it));
    !after.is_empty() && !kept
}
