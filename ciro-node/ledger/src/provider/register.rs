//! Registration and asks.

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::ProviderId;
use ciro_protocol::provider::Asks;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{RegisterProvider, SetAsks};

use crate::block::{Ledger, Stop};
use crate::state::{OWNERS, PROVIDERS, ProviderRecord, StateError};

impl Ledger<'_> {
    pub(crate) fn register_provider(
        &mut self,
        account: Address,
        body: &RegisterProvider,
    ) -> Result<(), Stop> {
        if self.state.get(OWNERS, &account)?.is_some() {
            return Err(Refusal::ProviderExists.into());
        }
        self.check_asks(&body.asks)?;
        if body.bond < self.spec.providers.bond_min {
            return Err(Refusal::BondTooSmall.into());
        }
        let provider = ProviderId(self.chain.next_provider);
        let next = self.chain.next_provider.checked_add(1);
        self.chain.next_provider = next.ok_or(StateError::Sum("providers"))?;
        let (from, to) = (Purse::Account(account), Purse::Bond(provider));
        self.pay(Movement { from, to, amount: body.bond, why: Why::Bond })?;
        let record = ProviderRecord {
            account,
            profile: body.profile.clone(),
            asks: body.asks.clone(),
            held: 0,
            locked: Amount::ZERO,
            strikes: Vec::new(),
            jailed_until_ms: None,
            settled: 0,
            lost: 0,
        };
        self.state.put(PROVIDERS, &provider, &record);
        self.state.put(OWNERS, &account, &provider);
        self.events.push(Event::ProviderChanged { provider });
        Ok(())
    }

    pub(crate) fn set_asks(&mut self, account: Address, body: &SetAsks) -> Result<(), Stop> {
        let (provider, mut record) = self.provider_of(account)?;
        self.check_asks(&body.asks)?;
        record.asks = body.asks.clone();
        self.state.put(PROVIDERS, &provider, &record);
        self.events.push(Event::ProviderChanged { provider });
        Ok(())
    }

    fn check_asks(&self, asks: &Asks) -> Result<(), Refusal> {
        let rising = asks.prices.windows(2).all(|pair| pair[0].class < pair[1].class);
        if rising && asks.capacity <= self.spec.providers.capacity_max {
            Ok(())
        } else {
            Err(Refusal::AsksRange)
        }
    }
}
