//! What governance may change.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::VALIDATORS_MAX;
use serde::{Deserialize, Serialize};

use super::UNITS_PER_WEIGHT;
use crate::amount::Amount;
use crate::chain::{SpecError, range};

/// The whole of a fraction in parts per billion.
pub const PPB: u64 = 1_000_000_000;

/// The parameters of an economy. They are part of the state; a proposal that passes replaces them
/// as a whole.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct EconomyParams {
    /// How often rewards are released, in ms of ledger time.
    pub epoch_ms: u64,
    /// What of the pool is released in an epoch, in parts per billion of what is left.
    pub emission_ppb: u32,
    /// The treasury's part of a release, in basis points; the rest is the stakers'.
    pub treasury_bps: u16,
    /// What validators and delegators put at stake.
    pub stake: StakeParams,
    /// What misbehaviour costs.
    pub penalty: PenaltyParams,
    /// How proposals pass.
    pub governance: GovernanceParams,
}

/// What validators and delegators put at stake.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct StakeParams {
    /// What a validator must hold of its own stake to be paid.
    pub self_bond_min: Amount,
    /// Validators at most, whether consensus counts them or not.
    pub validators_max: u32,
    /// Validators that vote in consensus at most: those with the most stake, by their stake. 0: the
    /// set stays as it is, that of the genesis at first.
    pub seats: u32,
    /// How long a commission stays as it is, in ms.
    pub commission_ms: u64,
    /// How long stake that leaves stays bound at least, in ms; never less than evidence counts.
    pub unbonding_ms: u64,
}

/// What misbehaviour costs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct PenaltyParams {
    /// The part of the stake that a fault costs which can fork the chain, in basis points.
    pub fork_bps: u16,
    /// The part of the stake that a fault costs which can only delay, in basis points.
    pub delay_bps: u16,
    /// How many consensus epochs apart faults of several validators count together.
    pub correlation_epochs: u64,
    /// The part of what an offence costs that goes to whoever reports it, in basis points.
    pub bounty_bps: u16,
    /// The length of the slots in which a validator is there or not, in ms.
    pub slot_ms: u64,
    /// The part of an epoch's slots in which a validator must be there, in basis points.
    pub presence_bps: u16,
    /// The part of the stake that absence costs, in basis points.
    pub downtime_bps: u16,
    /// How long a validator stays in jail, in ms.
    pub jail_ms: u64,
}

/// How proposals pass.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct GovernanceParams {
    /// What a proposal costs until it is decided.
    pub deposit: Amount,
    /// Proposals that are voted on at a time.
    pub open_max: u8,
    /// How long a proposal is voted on, in ms.
    pub voting_ms: u64,
    /// How long a proposal that passed waits for its execution, in ms.
    pub timelock_ms: u64,
    /// The part of the treasury that proposals may pay out in an epoch of rewards, in basis points.
    pub spend_bps: u16,
    /// What counts as passed.
    pub tally: TallyParams,
}

/// What counts as passed, in basis points.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct TallyParams {
    /// The part of all stake that must vote.
    pub quorum_bps: u16,
    /// The part of yes, no and veto that yes must exceed.
    pub threshold_bps: u16,
    /// The part of all votes above which vetoes refuse a proposal and burn its deposit.
    pub veto_bps: u16,
}

impl EconomyParams {
    /// Checks every range, for a network of such ticks. Within them governance can still decide, so
    /// that what it changed it can change again.
    ///
    /// # Errors
    ///
    /// [`SpecError::Range`] naming the first parameter that is out of its range.
    pub fn check(&self, tick_ms: u64) -> Result<(), SpecError> {
        const DAY: u64 = 86_400_000;
        const YEAR: u64 = 366 * DAY;
        const ALL: u64 = 10_000;
        const TWO_THIRDS: u64 = 6_667;
        let (stake, penalty, governance) = (&self.stake, &self.penalty, &self.governance);
        let tally = &governance.tally;
        let ranges = [
            ("economy.epoch_ms", self.epoch_ms, 1_000, 31 * DAY),
            ("economy.emission_ppb", self.emission_ppb.into(), 0, PPB / 10),
            ("economy.treasury_bps", self.treasury_bps.into(), 0, ALL),
            ("economy.stake.validators_max", stake.validators_max.into(), 1, 4_096),
            ("economy.stake.seats", stake.seats.into(), 0, VALIDATORS_MAX as u64),
            ("economy.stake.commission_ms", stake.commission_ms, 1, YEAR),
            ("economy.stake.unbonding_ms", stake.unbonding_ms, 1_000, YEAR),
            ("economy.penalty.fork_bps", penalty.fork_bps.into(), 1, ALL),
            ("economy.penalty.delay_bps", penalty.delay_bps.into(), 0, ALL / 10),
            ("economy.penalty.correlation_epochs", penalty.correlation_epochs, 0, 64),
            // A reporter who is the offender must not get most of it back.
            ("economy.penalty.bounty_bps", penalty.bounty_bps.into(), 0, ALL / 2),
            // Who is there submits once in a tick, which is in every slot then.
            ("economy.penalty.slot_ms", penalty.slot_ms, 2 * tick_ms, self.epoch_ms),
            ("economy.penalty.presence_bps", penalty.presence_bps.into(), 0, ALL),
            ("economy.penalty.downtime_bps", penalty.downtime_bps.into(), 0, ALL / 10),
            ("economy.penalty.jail_ms", penalty.jail_ms, 1, YEAR),
            ("economy.governance.open_max", governance.open_max.into(), 1, 32),
            ("economy.governance.voting_ms", governance.voting_ms, 1, 31 * DAY),
            ("economy.governance.timelock_ms", governance.timelock_ms, 1, 31 * DAY),
            ("economy.governance.spend_bps", governance.spend_bps.into(), 0, ALL),
            ("economy.governance.tally.quorum_bps", tally.quorum_bps.into(), 1, TWO_THIRDS),
            (
                "economy.governance.tally.threshold_bps",
                tally.threshold_bps.into(),
                ALL / 2,
                TWO_THIRDS,
            ),
            ("economy.governance.tally.veto_bps", tally.veto_bps.into(), ALL / 5, ALL),
        ];
        for (name, value, min, max) in ranges {
            range(name, value, min, max)?;
        }
        if stake.self_bond_min > Amount::ciro(1_000_000) {
            return Err(SpecError::SelfBond);
        }
        if governance.deposit > Amount::ciro(1_000_000) {
            return Err(SpecError::Deposit);
        }
        // Rewards of a share are counted in 128 bits: a pool that is paid has enough shares for it.
        let least = Amount::from_units(UNITS_PER_WEIGHT.into()).unwrap_or_default();
        if stake.self_bond_min < least { Err(SpecError::SelfBond) } else { Ok(()) }
    }
}
