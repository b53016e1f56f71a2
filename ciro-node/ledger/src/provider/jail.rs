//! Jail: for leases that ended too often, and for fraud.

use ciro_protocol::event::Event;
use ciro_protocol::id::ProviderId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;

use crate::block::{Ledger, Stop};
use crate::state::{PROVIDERS, StateError};

impl Ledger<'_> {
    pub(crate) fn unjail(&mut self, account: Address) -> Result<(), Stop> {
        let (provider, mut record) = self.provider_of(account)?;
        let until = record.jailed_until_ms.ok_or(Refusal::NotJailed)?;
        if self.chain.time_ms < until {
            return Err(Refusal::JailNotOver.into());
        }
        record.jailed_until_ms = None;
        self.state.put(PROVIDERS, &provider, &record);
        self.events.push(Event::ProviderChanged { provider });
        Ok(())
    }

    /// Counts a lease that ended; too many within the window lead to jail.
    pub(crate) fn strike(&mut self, provider: ProviderId) -> Result<(), StateError> {
        let (now, spec) = (self.chain.time_ms, &self.spec.providers);
        let (window, max) = (spec.strike_window_ms, usize::from(spec.strikes_max));
        let jailed = self.with_provider(provider, |record| {
            record.strikes.retain(|at| at.saturating_add(window) > now);
            record.strikes.push(now);
            let jailed = record.strikes.len() >= max;
            if jailed {
                record.strikes.clear();
            }
            Ok(jailed)
        })?;
        if jailed { self.jail(provider) } else { Ok(()) }
    }

    pub(crate) fn jail(&mut self, provider: ProviderId) -> Result<(), StateError> {
        let until_ms = self.chain.time_ms.saturating_add(self.spec.time.jail_ms);
        self.with_provider(provider, |record| {
            record.jailed_until_ms = Some(until_ms);
            Ok(())
        })?;
        self.events.push(Event::ProviderJailed { provider, until_ms });
        Ok(())
    }
}
