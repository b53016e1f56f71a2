//! Providers: their bond, what they take on, and jail.

mod bond;
mod jail;
mod register;

use ciro_protocol::id::ProviderId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;

use crate::block::{Ledger, Stop};
use crate::state::{OWNERS, PROVIDERS, ProviderRecord, StateError};

impl Ledger<'_> {
    /// Returns the provider that an account speaks for.
    pub(crate) fn provider_of(
        &self,
        account: Address,
    ) -> Result<(ProviderId, ProviderRecord), Stop> {
        let id = self.state.get(OWNERS, &account)?.ok_or(Refusal::ProviderUnknown)?;
        Ok((id, self.state.expect(PROVIDERS, &id)?))
    }

    /// Changes a provider that is known to exist.
    pub(crate) fn with_provider<T>(
        &mut self,
        id: ProviderId,
        change: impl FnOnce(&mut ProviderRecord) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let mut record = self.state.expect(PROVIDERS, &id)?;
        let result = change(&mut record)?;
        self.state.put(PROVIDERS, &id, &record);
        Ok(result)
    }
}
