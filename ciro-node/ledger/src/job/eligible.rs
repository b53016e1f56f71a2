//! Who may hold a job.

use ciro_protocol::event::Purse;
use ciro_protocol::id::ProviderId;
use ciro_protocol::refusal::Refusal;

use super::Job;
use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::{MODELS, ProviderRecord, StateError};

impl Ledger<'_> {
    /// Checks that a provider may take a job.
    pub(super) fn eligible(
        &self,
        job: &Job,
        id: ProviderId,
        provider: &ProviderRecord,
    ) -> Result<(), Stop> {
        let free = self.balance(Purse::Bond(id))?;
        let bond = free.checked_add(provider.locked).ok_or(StateError::Sum("bond"))?;
        if provider.jailed_until_ms.is_some() {
            return Err(Refusal::ProviderJailed.into());
        }
        if bond < self.spec.providers.bond_min {
            return Err(Refusal::ProviderInactive.into());
        }
        if job.record.failed.contains(&id) && !Mutation::FailedAgain.chosen() {
            return Err(Refusal::FailedBefore.into());
        }
        self.suits(job, id, provider)?;
        if provider.held >= provider.asks.capacity {
            return Err(Refusal::CapacityFull.into());
        }
        if free < job.record.order.offer.collateral {
            return Err(Refusal::CollateralUnaffordable.into());
        }
        Ok(())
    }

    /// Checks what the order and the model's owner want of a provider. What the listing said when
    /// the order came decides: otherwise an owner could draw orders with an open one, close it, and
    /// be the only one to claim them, at the highest price.
    fn suits(&self, job: &Job, id: ProviderId, provider: &ProviderRecord) -> Result<(), Stop> {
        let order = &job.record.order;
        if provider.asks.price(job.record.class).is_none() {
            return Err(Refusal::ClassNotOffered.into());
        }
        let regions = &order.needs.regions;
        if !regions.is_empty() && !regions.contains(&provider.profile.region) {
            return Err(Refusal::RegionMismatch.into());
        }
        if provider.profile.memory_mb < order.needs.memory_mb {
            return Err(Refusal::MemoryTooSmall.into());
        }
        let mut listed = job.record.listed.clone();
        if Mutation::ListedLater.chosen() {
            let model = self.state.expect(MODELS, &order.model)?;
            listed = model.at(self.chain.time_ms).listing.providers;
        }
        if !listed.is_empty() && !listed.contains(&id) {
            return Err(Refusal::NotListed.into());
        }
        let recipients = &order.input.recipients;
        if !recipients.is_empty() && !recipients.contains(&id) {
            return Err(Refusal::NotRecipient.into());
        }
        Ok(())
    }
}
