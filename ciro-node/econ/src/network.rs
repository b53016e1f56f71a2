//! The network that is simulated: the parameters that `docs/economy.md` proposes. A day is a
//! minute of ledger time, for every duration alike, as a block may move the clock by a minute.

use ciro_protocol::amount::Amount;
use ciro_protocol::chain::{
    ChainSpec, ConsensusSpec, FeeSpec, GenesisAccount, GenesisValidator, JobSpec, LimitSpec,
    ProviderSpec, TimeSpec,
};
use ciro_protocol::economy::{
    Allocation, Commission, EconomyParams, EconomySpec, GenesisGrant, GovernanceParams,
    PenaltyParams, StakeParams, TallyParams, Tranche, VestingSpec,
};
use ciro_protocol::order::Route;
use ciro_protocol::sign::Address;
use ciro_protocol::text::Text;
use ciro_protocol::wire::{List, TooMany};

/// A day of the simulation, in ms of ledger time.
pub const DAY_MS: u64 = 60_000;
/// Ledger time before the first block.
pub const GENESIS_MS: u64 = 1_700_000_000_000;

/// Who is there from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// Operators of validators.
    pub operators: Vec<Address>,
    /// Who holds money.
    pub holders: Vec<Address>,
    /// Whose grants vest: the first half is the team, the others are investors.
    pub grantees: Vec<Address>,
    /// Who buys inference.
    pub requester: Address,
    /// Who proves it.
    pub provider: Address,
    /// Where CIRO is bought and sold.
    pub exchange: Address,
}

/// Returns the specification.
///
/// # Errors
///
/// [`TooMany`] if there are more people than a genesis holds.
pub fn spec(people: &People) -> Result<ChainSpec, TooMany> {
    let micro = |count: u128| Amount::from_units(count * 10_u128.pow(12)).unwrap_or_default();
    Ok(ChainSpec {
        name: Text::new("ciro-econ").unwrap_or_default(),
        routes: List::new(vec![Route::Tensor])?,
        verifier: 1,
        security_bits_min: 1,
        genesis_ms: GENESIS_MS,
        consensus: ConsensusSpec {
            checkpoint_interval: 4,
            epoch_length: 4,
            operations_per_block: 64,
            clients: 1024,
            progress_timeout_ms: 1_000,
        },
        time: TimeSpec {
            tick_ms: 1_000,
            step_max_ms: DAY_MS,
            validity_max_ms: 600_000,
            unbonding_ms: 21 * DAY_MS,
            jail_ms: DAY_MS,
        },
        limits: LimitSpec {
            bundle_bytes: 4 << 20,
            input_bytes: 1 << 20,
            model_bytes: 1 << 30,
            timers_per_block: 65_536,
        },
        fees: FeeSpec {
            base: micro(10),
            per_byte: Amount::from_units(10_u128.pow(10)).unwrap_or_default(),
            per_check: micro(100),
            per_input_byte: Amount::from_units(10_u128.pow(10)).unwrap_or_default(),
            per_bundle_byte: Amount::from_units(10_u128.pow(10)).unwrap_or_default(),
            deposit_per_mib: micro(10_000),
            market_bps: 200,
            burn_bps: 5_000,
        },
        jobs: JobSpec {
            attempts_max: 5,
            renewals_max: 3,
            lease_min_ms: 1_000,
            lease_max_ms: DAY_MS,
            deadline_max_ms: 10 * DAY_MS,
            // Nobody gives a job back here, and all providers together hold any number of them.
            collateral_min_bps: 0,
            release_bps: 500,
            expiry_burn_bps: 5_000,
            fraud_bond_bps: 1_000,
            reporter_bps: 500,
        },
        providers: ProviderSpec {
            bond_min: Amount::ciro(100),
            capacity_max: 1_024,
            strikes_max: 3,
            strike_window_ms: DAY_MS,
        },
        faucet: None,
        validators: List::new(validators(people))?,
        accounts: List::new(accounts(people))?,
        economy: Some(economy(people)?),
    })
}

fn validators(people: &People) -> Vec<GenesisValidator> {
    let validator = |(id, key): (u32, &Address)| GenesisValidator {
        id,
        key: *key,
        stake: 1_000_000 * 1_000_000_000,
    };
    (0..).zip(&people.operators).map(validator).collect()
}

fn accounts(people: &People) -> Vec<GenesisAccount> {
    let account = |address: &Address, count| GenesisAccount {
        address: *address,
        amount: Amount::ciro(count),
    };
    let mut accounts: Vec<GenesisAccount> =
        people.holders.iter().map(|it| account(it, 400_000)).collect();
    accounts.extend(people.operators.iter().map(|it| account(it, 10_000)));
    accounts.extend(people.grantees.iter().map(|it| account(it, 10)));
    accounts.push(account(&people.requester, 1_000_000));
    accounts.push(account(&people.provider, 1_000_000));
    accounts.push(account(&people.exchange, 30_000_000));
    accounts
}

fn economy(people: &People) -> Result<EconomySpec, TooMany> {
    let half = people.grantees.len() / 2;
    let count = u64::try_from(half.max(1)).unwrap_or(1);
    let grant = |(place, to): (usize, &Address)| GenesisGrant {
        tranche: if place < half { Tranche::Team } else { Tranche::Investors },
        to: *to,
        amount: Amount::ciro(150_000_000 / count),
    };
    Ok(EconomySpec {
        allocation: Allocation::CIRO,
        vesting: VestingSpec {
            start_ms: GENESIS_MS,
            cliff_ms: 365 * DAY_MS,
            duration_ms: 1_461 * DAY_MS,
        },
        grants: List::new(people.grantees.iter().enumerate().map(grant).collect())?,
        airdrop: None,
        commission: Commission { bps: 500, max_bps: 2_000, step_bps: 100 },
        params: EconomyParams {
            epoch_ms: DAY_MS,
            emission_ppb: 474_322,
            treasury_bps: 1_000,
            stake: StakeParams {
                self_bond_min: Amount::ciro(10_000),
                validators_max: 256,
                seats: 64,
                commission_ms: 7 * DAY_MS,
                unbonding_ms: 21 * DAY_MS,
            },
            penalty: PenaltyParams {
                fork_bps: 500,
                delay_bps: 10,
                correlation_epochs: 2,
                bounty_bps: 500,
                slot_ms: 20_000,
                presence_bps: 5_000,
                downtime_bps: 1,
                jail_ms: 2_500,
            },
            governance: GovernanceParams {
                deposit: Amount::ciro(10_000),
                open_max: 16,
                voting_ms: 7 * DAY_MS,
                timelock_ms: 7 * DAY_MS,
                spend_bps: 50,
                tally: TallyParams { quorum_bps: 3_340, threshold_bps: 5_000, veto_bps: 3_340 },
            },
        },
    })
}
