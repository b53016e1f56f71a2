//! The specification of a network that is thrown away: short epochs, quick leases, test money.

use ciro_protocol::amount::Amount;
use ciro_protocol::chain::{
    ChainSpec, ConsensusSpec, FaucetSpec, FeeSpec, GenesisValidator, JobSpec, LimitSpec,
    ProviderSpec, TimeSpec,
};
use ciro_protocol::economy::{
    Allocation, Commission, EconomyParams, EconomySpec, GovernanceParams, PenaltyParams,
    StakeParams, TallyParams, VestingSpec,
};
use ciro_protocol::order::Route;
use ciro_protocol::sign::Address;
use ciro_protocol::text::Text;
use ciro_protocol::wire::List;

use crate::proofs::{VERIFIER, Verifier};

/// An hour in ms.
const HOUR: u64 = 3_600_000;

/// Returns the specification of a devnet with these validators, in the order of their numbers and
/// with one unit of stake each. It verifies what this build can verify.
///
/// # Panics
///
/// Never: 256 validators are cut off, and the name is short.
#[must_use]
pub fn spec(validators: &[Address], genesis_ms: u64) -> ChainSpec {
    let micro = |count: u128| Amount::from_units(count * 10_u128.pow(12)).unwrap_or_default();
    let routes = [Route::Tensor, Route::Cairo, Route::Program];
    let routes = routes.into_iter().filter(|it| Verifier::verifies(VERIFIER, *it));
    let validators = (0_u32..).zip(validators.iter().take(256));
    let validators = validators.map(|(id, key)| GenesisValidator { id, key: *key, stake: 1 });
    ChainSpec {
        name: Text::new("ciro-devnet").unwrap_or_default(),
        routes: List::new(routes.collect()).unwrap_or_default(),
        verifier: VERIFIER,
        security_bits_min: 100,
        genesis_ms,
        consensus: ConsensusSpec {
            checkpoint_interval: 8,
            epoch_length: 256,
            operations_per_block: 64,
            clients: 1024,
            progress_timeout_ms: 1_000,
        },
        time: TimeSpec {
            tick_ms: 1_000,
            step_max_ms: 5_000,
            validity_max_ms: 600_000,
            unbonding_ms: 120_000,
            jail_ms: 60_000,
        },
        limits: LimitSpec {
            bundle_bytes: 4 << 20,
            input_bytes: 256 << 20,
            model_bytes: 16 << 30,
            timers_per_block: 256,
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
            lease_min_ms: 5_000,
            lease_max_ms: HOUR,
            deadline_max_ms: 24 * HOUR,
            collateral_min_bps: 1_000,
            release_bps: 500,
            expiry_burn_bps: 5_000,
            fraud_bond_bps: 1_000,
            reporter_bps: 500,
        },
        providers: ProviderSpec {
            bond_min: Amount::ciro(100),
            capacity_max: 1_024,
            strikes_max: 3,
            strike_window_ms: 24 * HOUR,
        },
        faucet: Some(FaucetSpec {
            per_account: Amount::ciro(1_000),
            per_day: Amount::ciro(1_000_000),
            total: Amount::ciro(10_000_000),
        }),
        validators: List::new(validators.collect()).unwrap_or_default(),
        accounts: List::default(),
        economy: None,
    }
}

/// Returns an economy for a network that is thrown away: the supply divided as for good, epochs of
/// an hour, and periods that a person can wait for.
///
/// Its validators need a weight of a billion for each CIRO of their own stake.
#[must_use]
pub fn economy(genesis_ms: u64) -> EconomySpec {
    let tally = TallyParams { quorum_bps: 3_340, threshold_bps: 5_000, veto_bps: 3_340 };
    EconomySpec {
        allocation: Allocation::CIRO,
        vesting: VestingSpec {
            start_ms: genesis_ms,
            cliff_ms: 365 * 24 * HOUR,
            duration_ms: 1_461 * 24 * HOUR,
        },
        grants: List::default(),
        airdrop: None,
        commission: Commission { bps: 500, max_bps: 2_000, step_bps: 100 },
        params: EconomyParams {
            epoch_ms: HOUR,
            emission_ppb: 19_768,
            treasury_bps: 1_000,
            stake: StakeParams {
                self_bond_min: Amount::ciro(10_000),
                validators_max: 256,
                seats: 64,
                commission_ms: 24 * HOUR,
                unbonding_ms: HOUR / 30,
            },
            penalty: PenaltyParams {
                fork_bps: 500,
                delay_bps: 10,
                correlation_epochs: 2,
                bounty_bps: 500,
                slot_ms: 20_000,
                presence_bps: 5_000,
                downtime_bps: 1,
                jail_ms: HOUR / 60,
            },
            governance: GovernanceParams {
                deposit: Amount::ciro(100),
                open_max: 16,
                voting_ms: HOUR / 12,
                timelock_ms: HOUR / 60,
                spend_bps: 50,
                tally,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use ciro_protocol::SecretKey;

    use super::*;

    #[test]
    fn a_devnet_is_a_network() {
        let keys = ["a", "b", "c", "d"].map(|seed| SecretKey::from_seed(seed.as_bytes()).address());
        for count in [1, 4] {
            let spec = spec(&keys[..count], 1_700_000_000_000);
            assert_eq!(spec.check(), Ok(()));
            assert!(ciro_ledger::genesis(spec).is_ok());
        }
    }

    #[test]
    fn a_devnet_may_have_an_economy_whose_validators_have_stake() {
        let key = SecretKey::from_seed(b"a").address();
        let mut spec = spec(&[key], 1_700_000_000_000);
        spec.economy = Some(economy(spec.genesis_ms));
        assert!(spec.check().is_err(), "a unit of weight is no stake");
        let mut validators = spec.validators.into_inner();
        validators[0].stake = spec.economy.as_ref().unwrap().weight_min();
        spec.validators = List::new(validators).unwrap();
        assert_eq!(spec.check(), Ok(()));
        assert!(ciro_ledger::genesis(spec).is_ok());
    }
}
