//! Where the supply is at first, and how it comes among people: grants that vest, the airdrop, and
//! the pool of rewards. All of it was there from the first block: nothing is ever minted.

mod airdrop;
mod emission;
mod grant;

use ciro_protocol::economy::EconomyParams;
use ciro_protocol::refusal::Refusal;

use crate::block::{Ledger, Stop};
use crate::state::{ECONOMY, EconomyRecord, PARAMS, StateError, TimerKind};

impl Ledger<'_> {
    /// Returns what governance may change.
    pub(crate) fn params(&self) -> Result<EconomyParams, Stop> {
        Ok(self.state.get(PARAMS, &())?.ok_or(Refusal::EconomyClosed)?)
    }

    /// Changes the counters of the economy.
    pub(crate) fn with_economy<T>(
        &mut self,
        change: impl FnOnce(&mut EconomyRecord) -> Option<T>,
    ) -> Result<T, StateError> {
        let mut record = self.state.expect(ECONOMY, &())?;
        let result = change(&mut record).ok_or(StateError::Sum("economy"))?;
        self.state.put(ECONOMY, &(), &record);
        Ok(result)
    }

    /// Starts the clocks of the economy with the first block, whose time is the first that
    /// validators agree on: nobody is paid for the time before.
    pub(crate) fn start_economy(&mut self) -> Result<(), StateError> {
        let (Some(economy), 1) = (&self.spec.economy, self.chain.height) else { return Ok(()) };
        let airdrop = economy.airdrop;
        let first_ms = self.chain.time_ms.saturating_add(economy.params.epoch_ms);
        self.set_timer(first_ms, TimerKind::Emission)?;
        if let Some(airdrop) = airdrop {
            self.set_timer(airdrop.until_ms.saturating_add(1), TimerKind::AirdropEnds)?;
        }
        self.state.keep();
        Ok(())
    }
}
