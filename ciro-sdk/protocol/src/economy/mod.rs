//! What a network's money does: who has the supply at first, what stake earns and loses, and what
//! votes can change.
//!
//! A network without an economy has validators whose weights are its genesis' and whose work nobody
//! pays: a consortium's. `docs/economy.md` has the rules and the reasons of every parameter.

mod airdrop;
mod launch;
mod offence;
mod params;

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::Seq;
use serde::{Deserialize, Serialize};

pub use airdrop::{AIRDROP_DEPTH_MAX, AirdropShare, airdrop_root};
pub use launch::{LAUNCH_MS_MAX, LaunchStatus, MILESTONES_MAX};
pub use offence::{Offence, OffenceError, Possession, Severity};
pub use params::{EconomyParams, GovernanceParams, PPB, PenaltyParams, StakeParams, TallyParams};

use crate::amount::Amount;
use crate::chain::{ChainSpec, SpecError};
use crate::event::Purse;
use crate::id::{AirdropNode, GrantId, ValidatorId};
use crate::sign::Address;
use crate::wire::List;

/// Units of stake in one unit of a validator's weight in consensus, which counts in 64 bits.
pub const UNITS_PER_WEIGHT: u64 = 1_000_000_000;

/// The economy of a network.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EconomySpec {
    /// How the supply is divided.
    pub allocation: Allocation,
    /// When granted money becomes its owner's.
    pub vesting: VestingSpec,
    /// Grants of the team and of investors that are known from the start.
    pub grants: List<GenesisGrant, 1024>,
    /// Who may claim the public's part; without it, governance grants it.
    pub airdrop: Option<AirdropSpec>,
    /// What the first validators take from those who delegate to them.
    pub commission: Commission,
    /// What governance may change.
    pub params: EconomyParams,
}

/// How the supply is divided, in basis points that sum to 10,000.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// What is released to stakers over time.
    pub rewards_bps: u16,
    /// The team's, which vests.
    pub team_bps: u16,
    /// The investors', which vests.
    pub investors_bps: u16,
    /// The treasury's; accounts, faucet and stake of the genesis come out of it.
    pub ecosystem_bps: u16,
    /// The public's.
    pub public_bps: u16,
}

impl Allocation {
    /// As $CIRO is divided.
    pub const CIRO: Self = Self {
        rewards_bps: 5_000,
        team_bps: 1_500,
        investors_bps: 1_500,
        ecosystem_bps: 1_500,
        public_bps: 500,
    };
}

/// When granted money becomes its owner's: nothing before the cliff, then what is due since the
/// start, in proportion to time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct VestingSpec {
    /// Ledger time at which grants of the genesis start, in ms since 1970.
    pub start_ms: u64,
    /// How long nothing vests, in ms.
    pub cliff_ms: u64,
    /// When all has vested, in ms since the start.
    pub duration_ms: u64,
}

/// Whose part of the supply a grant comes from.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Tranche {
    /// The team's.
    Team,
    /// The investors'.
    Investors,
    /// The public's.
    Public,
}

/// A grant that is known from the start.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct GenesisGrant {
    /// Whose part it comes from.
    pub tranche: Tranche,
    /// Whose it becomes.
    pub to: Address,
    /// How much.
    pub amount: Amount,
}

/// Who may claim the public's part of the supply, and until when.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct AirdropSpec {
    /// The root of the tree over all shares: see [`airdrop_root`].
    pub root: AirdropNode,
    /// Ledger time after which what nobody claimed is the treasury's, in ms since 1970.
    pub until_ms: u64,
}

/// What a validator takes of the rewards of those who delegate to it, in basis points.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Commission {
    /// What it takes.
    pub bps: u16,
    /// The most that it will ever take.
    pub max_bps: u16,
    /// The most that a change changes.
    pub step_bps: u16,
}

impl Commission {
    /// Whether the terms are in order: no more than all, and no step beyond the most.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.max_bps <= 10_000 && self.bps <= self.max_bps && self.step_bps <= self.max_bps
    }
}

impl VestingSpec {
    /// Returns what of a grant has vested, `elapsed` ms after its start, rounded down.
    #[must_use]
    pub const fn vested(&self, amount: Amount, elapsed: u64) -> Amount {
        if elapsed < self.cliff_ms {
            return Amount::ZERO;
        }
        amount.fraction(elapsed, self.duration_ms)
    }
}

impl EconomySpec {
    /// Checks every range and sum but those that concern the rest of the specification, for a
    /// network of such ticks.
    ///
    /// # Errors
    ///
    /// [`SpecError`] naming the first thing that is wrong.
    pub fn check(&self, tick_ms: u64) -> Result<(), SpecError> {
        const YEARS: u64 = 20 * 366 * 86_400_000;
        let Allocation { rewards_bps, team_bps, investors_bps, ecosystem_bps, public_bps } =
            self.allocation;
        let parts = [rewards_bps, team_bps, investors_bps, ecosystem_bps, public_bps];
        let sum: u64 = parts.into_iter().map(u64::from).sum();
        crate::chain::range("economy.allocation", sum, 10_000, 10_000)?;
        let VestingSpec { start_ms, cliff_ms, duration_ms } = self.vesting;
        crate::chain::range("economy.vesting.start_ms", start_ms, 0, 1 << 48)?;
        crate::chain::range("economy.vesting.duration_ms", duration_ms, 1, YEARS)?;
        crate::chain::range("economy.vesting.cliff_ms", cliff_ms, 0, duration_ms)?;
        if !self.commission.is_sound() {
            return Err(SpecError::Commission);
        }
        for tranche in [Tranche::Team, Tranche::Investors, Tranche::Public] {
            self.reserve(tranche)?;
        }
        if self.airdrop.is_some() && self.grants.iter().any(|it| it.tranche == Tranche::Public) {
            return Err(SpecError::Grants(Tranche::Public));
        }
        self.params.check(tick_ms)
    }

    /// Returns a tranche's part of the supply.
    #[must_use]
    pub const fn part(&self, tranche: Tranche) -> Amount {
        Amount::SUPPLY.share(match tranche {
            Tranche::Team => self.allocation.team_bps,
            Tranche::Investors => self.allocation.investors_bps,
            Tranche::Public => self.allocation.public_bps,
        })
    }

    /// Returns what of a tranche is not granted from the start.
    ///
    /// # Errors
    ///
    /// [`SpecError::Grants`] if more is granted than there is.
    pub fn reserve(&self, tranche: Tranche) -> Result<Amount, SpecError> {
        let mut rest = self.part(tranche);
        for grant in self.grants.iter().filter(|it| it.tranche == tranche) {
            rest = rest.checked_sub(grant.amount).ok_or(SpecError::Grants(tranche))?;
        }
        Ok(rest)
    }

    /// Returns the least weight in consensus whose bond is what a validator must have.
    #[must_use]
    pub fn weight_min(&self) -> u64 {
        let units = self.params.stake.self_bond_min.units();
        u64::try_from(units.div_ceil(UNITS_PER_WEIGHT.into())).unwrap_or(u64::MAX)
    }

    /// Returns the bond that stands behind a weight in consensus.
    ///
    /// # Errors
    ///
    /// [`SpecError::Supply`] if there is not as much money.
    pub fn bond(weight: u64) -> Result<Amount, SpecError> {
        let unit = Amount::from_units(UNITS_PER_WEIGHT.into()).unwrap_or_default();
        unit.checked_mul(weight).ok_or(SpecError::Supply)
    }
}

impl ChainSpec {
    /// Returns the epoch of consensus that a block belongs to.
    #[must_use]
    pub fn epoch_of(&self, height: u64) -> u64 {
        self.params().epoch_of(Seq(height)).0
    }

    /// Returns where the whole supply is before the first block.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if more is given out than there is, or an account is listed twice.
    pub fn purses(&self) -> Result<BTreeMap<Purse, Amount>, SpecError> {
        let accounts = self.accounts.iter().map(|it| (Purse::Account(it.address), it.amount));
        let faucet = self.faucet.map(|faucet| (Purse::Faucet, faucet.total));
        let treasury = [(Purse::Treasury, self.treasury()?)];
        let mut purses: BTreeMap<_, _> = accounts.chain(faucet).chain(treasury).collect();
        if let Some(economy) = &self.economy {
            let rewards = Amount::SUPPLY.share(economy.allocation.rewards_bps);
            purses.insert(Purse::Rewards, rewards);
            for tranche in [Tranche::Team, Tranche::Investors, Tranche::Public] {
                let claimed = tranche == Tranche::Public && economy.airdrop.is_some();
                let purse = if claimed { Purse::Airdrop } else { Purse::Reserve(tranche) };
                purses.insert(purse, economy.reserve(tranche)?);
            }
            for (number, grant) in (0..).zip(economy.grants.iter()) {
                purses.insert(Purse::Vesting(GrantId(number)), grant.amount);
            }
            for member in self.validators.iter() {
                let bond = EconomySpec::bond(member.stake)?;
                purses.insert(Purse::Stake(ValidatorId(member.id)), bond);
            }
        }
        purses.retain(|_, amount| !amount.is_zero());
        Ok(purses)
    }

    /// Returns the part of the supply that accounts, faucet and bonds of the genesis come out of.
    #[must_use]
    pub fn endowment(&self) -> Amount {
        let economy = self.economy.as_ref();
        economy.map_or(Amount::SUPPLY, |it| Amount::SUPPLY.share(it.allocation.ecosystem_bps))
    }
}
