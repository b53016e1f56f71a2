//! The airdrop: a share is paid out once, to whom the tree says.

use ciro_protocol::event::{Movement, Purse, Why};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::ClaimAirdrop;

use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::state::AIRDROPPED;

impl Ledger<'_> {
    pub(crate) fn claim_airdrop(&mut self, body: &ClaimAirdrop) -> Result<(), Stop> {
        let economy = self.spec.economy.as_ref().ok_or(Refusal::EconomyClosed)?;
        let open = economy.airdrop.filter(|airdrop| self.chain.time_ms <= airdrop.until_ms);
        let airdrop = open.ok_or(Refusal::AirdropClosed)?;
        let share = body.share;
        if share.amount.is_zero() || share.root(&body.path) != Some(airdrop.root) {
            return Err(Refusal::NoShare.into());
        }
        if self.state.get(AIRDROPPED, &share.index)?.is_some() && !Rule::ClaimedTwice.chosen() {
            return Err(Refusal::AirdropTaken.into());
        }
        // The tree of a careless genesis may promise more than there is.
        if self.balance(Purse::Airdrop)? < share.amount {
            return Err(Refusal::AirdropClosed.into());
        }
        self.state.put(AIRDROPPED, &share.index, &());
        let (from, to, amount) = (Purse::Airdrop, Purse::Account(share.to), share.amount);
        self.pay(Movement { from, to, amount, why: Why::Airdrop })
    }

    /// Gives the treasury what nobody has claimed.
    pub(crate) fn airdrop_ends(&mut self) -> Result<(), Stop> {
        let (from, to) = (Purse::Airdrop, Purse::Treasury);
        let amount = self.balance(from)?;
        self.pay(Movement { from, to, amount, why: Why::Airdrop })
    }
}
