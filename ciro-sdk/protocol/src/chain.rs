//! What a network is: its parameters, its first validators and its first accounts.

use std::collections::BTreeSet;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::crypto::{Scheme, Stark};
use ciro_consensus::{
    ChainId, Digest, Params, ParamsError, ReplicaId, Validator, ValidatorSet, ValidatorSetError,
};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::economy::{EconomySpec, Tranche};
pub use crate::fees::{FeeSpec, PER_KEPT_BYTE_MAX};
use crate::id::Chain;
use crate::order::{ATTEMPTS_MAX, Route};
use crate::sign::Address;
use crate::text::Text;
use crate::wire::{List, Message};

/// The specification of a network. Its digest is part of the first state, and so of the network's
/// name under signatures.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSpec {
    /// The name, up to 31 bytes.
    pub name: Text<31>,
    /// Routes whose proofs validators verify. All validators verify the same set.
    pub routes: List<Route, 3>,
    /// The version of the verifier: which proofs count.
    pub verifier: u8,
    /// The least bits of security of an order.
    pub security_bits_min: u16,
    /// Ledger time before the first block, in ms since 1970.
    pub genesis_ms: u64,
    /// How blocks are agreed on.
    pub consensus: ConsensusSpec,
    /// Times.
    pub time: TimeSpec,
    /// Sizes.
    pub limits: LimitSpec,
    /// What transactions and jobs cost.
    pub fees: FeeSpec,
    /// How jobs are leased and ended.
    pub jobs: JobSpec,
    /// What providers put at stake.
    pub providers: ProviderSpec,
    /// Test money; absent on networks whose money is worth something.
    pub faucet: Option<FaucetSpec>,
    /// The first validators, who are the submitters too.
    pub validators: List<GenesisValidator, 256>,
    /// Accounts with money; the rest of the supply, or of the ecosystem's part of it, is in the
    /// treasury.
    pub accounts: List<GenesisAccount, 4096>,
    /// Stake, emission, grants and governance; absent where validators are not paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub economy: Option<EconomySpec>,
}

/// Parameters of consensus that all replicas share.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct ConsensusSpec {
    /// Blocks between two checkpoints.
    pub checkpoint_interval: u64,
    /// Blocks of an epoch.
    pub epoch_length: u64,
    /// Batches of a block, 1 to [`OPERATIONS_PER_BLOCK_MAX`].
    pub operations_per_block: u32,
    /// Submitters at most.
    pub clients: u32,
    /// How long the oldest operation may wait before a replica asks for another primary, in ms.
    pub progress_timeout_ms: u64,
}

/// Times of the ledger, in ms.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct TimeSpec {
    /// How often a validator submits a batch at least.
    pub tick_ms: u64,
    /// How far the clock moves in a block at most; two ticks or more.
    pub step_max_ms: u64,
    /// How far ahead a transaction may be valid.
    pub validity_max_ms: u64,
    /// How long what is taken from a bond stays bound.
    pub unbonding_ms: u64,
    /// How long a provider stays in jail.
    pub jail_ms: u64,
}

/// Sizes, in bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    /// A proof bundle.
    pub bundle_bytes: u64,
    /// A job's input.
    pub input_bytes: u64,
    /// A compiled model.
    pub model_bytes: u64,
    /// Timers that fire after a block, in number.
    pub timers_per_block: u32,
}

/// How jobs are leased and ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Attempts of a job at most, 1 to 8.
    pub attempts_max: u8,
    /// Renewals of a lease at most.
    pub renewals_max: u8,
    /// The shortest lease, in ms.
    pub lease_min_ms: u64,
    /// The longest lease, in ms.
    pub lease_max_ms: u64,
    /// How far ahead a deadline may lie, in ms.
    pub deadline_max_ms: u64,
    /// The least collateral of an order, in basis points of its highest price: without any, to give
    /// a job back or to let its lease end costs a part of nothing.
    pub collateral_min_bps: u16,
    /// The requester's part of the collateral of a job that is given back, in basis points.
    pub release_bps: u16,
    /// The part of the collateral that is burned when a lease ends, in basis points; the rest is
    /// the requester's.
    pub expiry_burn_bps: u16,
    /// The part of the bond that a fraud costs beside the collateral, in basis points.
    pub fraud_bond_bps: u16,
    /// The reporter's part of what a fraud costs, in basis points.
    pub reporter_bps: u16,
}

/// What providers put at stake.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// The least bond.
    pub bond_min: Amount,
    /// The largest capacity that may be declared.
    pub capacity_max: u16,
    /// Leases that end within `strike_window_ms` before a provider goes to jail.
    pub strikes_max: u8,
    /// How long a strike counts, in ms.
    pub strike_window_ms: u64,
}

/// Test money.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct FaucetSpec {
    /// What an account gets, once.
    pub per_account: Amount,
    /// What all accounts get in a day of ledger time.
    pub per_day: Amount,
    /// What the faucet has in all.
    pub total: Amount,
}

/// A validator of the first epochs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// Its number; the same as a submitter.
    pub id: u32,
    /// Its key.
    pub key: Address,
    /// Its voting weight.
    pub stake: u64,
}

/// An account that has money from the start.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Whose.
    pub address: Address,
    /// How much.
    pub amount: Amount,
}

/// A specification with the state that follows from it: all that a light client trusts.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The specification.
    pub spec: ChainSpec,
    /// The root of the first state, which the ledger computes from the specification.
    pub state_root: Word,
}

/// A word of the STARK field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Word(pub Digest);

/// Why a specification is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A number is out of its range.
    #[error("`{name}` is {value}, expected {min} to {max}")]
    Range {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// An account is listed twice.
    #[error("account {0} is listed twice")]
    Account(Address),
    /// More money than there is.
    #[error(
        "accounts, faucet and bonds hold more than the supply, or than the ecosystem's part of it"
    )]
    Supply,
    /// More is granted than a tranche has, or the public's part is both granted and claimed.
    #[error("`economy.grants` grants more of the tranche {0:?} than there is to grant")]
    Grants(Tranche),
    /// The terms of the first validators contradict each other.
    #[error(
        "`economy.commission` has a rate or a step above its maximum, or a maximum above 10000"
    )]
    Commission,
    /// The least self-bond is too small to count rewards by, or more than operators can have.
    #[error("`economy.stake.self_bond_min` is not between 0.000000001 and 1000000")]
    SelfBond,
    /// The deposit of a proposal is more than anybody may pay.
    #[error("`economy.governance.deposit` is above 1000000")]
    Deposit,
    /// A byte that nodes keep costs more than anybody may be asked for.
    #[error("`{name}` is {value}, expected at most {PER_KEPT_BYTE_MAX}")]
    KeptByte {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: Amount,
    },
    /// A first validator has less stake than a validator must have.
    #[error("validator {0} has less stake than `economy.stake.self_bond_min`")]
    Bond(u32),
    /// A route is listed twice, or none is.
    #[error("`routes` names no route, or one twice")]
    Routes,
    /// A key is no point of the curve, or two validators have it.
    #[error("the key of validator {0} is no key, or another validator has it")]
    Key(u32),
    /// The validators form no set.
    #[error("bad `validators`")]
    Validators(#[from] ValidatorSetError),
    /// The parameters of consensus contradict each other.
    #[error("bad `consensus`")]
    Consensus(#[from] ParamsError),
}

/// The most batches of a block. Whoever was away gets a block in one answer, so that all of them
/// together must fit into it, each as long as a batch may be: 16 MiB.
pub const OPERATIONS_PER_BLOCK_MAX: usize = 64;

/// The greatest number of a first validator in a network with an economy: later ones get the
/// numbers after it.
pub const VALIDATOR_ID_MAX: u32 = u32::MAX / 2;

impl Message for ChainSpec {
    const NAME: &'static str = "CIRO_SPEC_V1";
    const BYTES_MAX: usize = 1 << 20;
}

impl Message for Genesis {
    const NAME: &'static str = "CIRO_GENESIS_V1";
    const BYTES_MAX: usize = ChainSpec::BYTES_MAX + 64;
}

impl ChainSpec {
    /// Checks every range and sum.
    ///
    /// # Errors
    ///
    /// [`SpecError`] naming the first thing that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        const DAY: u64 = 86_400_000;
        let (time, jobs, limits) = (&self.time, &self.jobs, &self.limits);
        let (year, operations) = (366 * DAY, self.consensus.operations_per_block.into());
        let ranges = [
            ("security_bits_min", self.security_bits_min.into(), 1, 256),
            ("genesis_ms", self.genesis_ms, 0, 1 << 48),
            ("consensus.operations_per_block", operations, 1, OPERATIONS_PER_BLOCK_MAX as u64),
            ("time.tick_ms", time.tick_ms, 1, 30_000),
            // Clocks that are looked at once a tick have moved by a tick.
            ("time.step_max_ms", time.step_max_ms, time.tick_ms.saturating_mul(2), 60_000),
            ("time.validity_max_ms", time.validity_max_ms, 1_000, 3_600_000),
            ("time.unbonding_ms", time.unbonding_ms, 1, year),
            ("time.jail_ms", time.jail_ms, 1, year),
            ("limits.bundle_bytes", limits.bundle_bytes, 1, 64 << 20),
            ("limits.input_bytes", limits.input_bytes, 1, 16 << 30),
            ("limits.model_bytes", limits.model_bytes, 1, 16 << 30),
            ("limits.timers_per_block", limits.timers_per_block.into(), 1, 65_536),
            ("jobs.attempts_max", jobs.attempts_max.into(), 1, ATTEMPTS_MAX.into()),
            ("jobs.lease_min_ms", jobs.lease_min_ms, 1, jobs.lease_max_ms),
            ("jobs.lease_max_ms", jobs.lease_max_ms, 1, 30 * DAY),
            ("jobs.deadline_max_ms", jobs.deadline_max_ms, 1, year),
            ("jobs.collateral_min_bps", jobs.collateral_min_bps.into(), 0, 10_000),
            ("jobs.release_bps", jobs.release_bps.into(), 0, 10_000),
            ("jobs.expiry_burn_bps", jobs.expiry_burn_bps.into(), 0, 10_000),
            ("jobs.fraud_bond_bps", jobs.fraud_bond_bps.into(), 0, 10_000),
            ("jobs.reporter_bps", jobs.reporter_bps.into(), 0, 10_000),
            ("fees.market_bps", self.fees.market_bps.into(), 0, 10_000),
            ("fees.burn_bps", self.fees.burn_bps.into(), 0, 10_000),
            ("providers.capacity_max", self.providers.capacity_max.into(), 1, 65_535),
            ("providers.strikes_max", self.providers.strikes_max.into(), 1, 64),
            ("providers.strike_window_ms", self.providers.strike_window_ms, 1, year),
        ];
        for (name, value, min, max) in ranges {
            range(name, value, min, max)?;
        }
        self.fees.check()?;
        let distinct: BTreeSet<Route> = self.routes.iter().copied().collect();
        if distinct.is_empty() || distinct.len() != self.routes.len() {
            return Err(SpecError::Routes);
        }
        self.params().validate()?;
        self.validators()?;
        if let Some(economy) = &self.economy {
            economy.check(time.tick_ms)?;
            for validator in self.validators.iter() {
                // Whoever registers later is numbered from the greatest on.
                let id = u64::from(validator.id);
                range("validators.id", id, 0, VALIDATOR_ID_MAX.into())?;
                if EconomySpec::bond(validator.stake)? < economy.params.stake.self_bond_min {
                    return Err(SpecError::Bond(validator.id));
                }
            }
        }
        self.treasury()?;
        Ok(())
    }

    /// Returns the parameters of consensus.
    #[must_use]
    pub fn params(&self) -> Params {
        let ConsensusSpec { checkpoint_interval, epoch_length, .. } = self.consensus;
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let clients = count(self.consensus.clients);
        let defaults = Params::default();
        Params {
            checkpoint_interval,
            epoch_length,
            operations_per_block: count(self.consensus.operations_per_block),
            pipeline_depth: defaults.pipeline_depth.min(checkpoint_interval),
            clients,
            // One submitter may park 1,024 operations behind a gap; the others must still find
            // room.
            pending: clients.saturating_mul(1024).min(1 << 24),
            progress_timeout: Duration::from_millis(self.consensus.progress_timeout_ms),
            ..defaults
        }
    }

    /// Returns the first validators.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if they form no set, or a key is none.
    pub fn validators(&self) -> Result<ValidatorSet, SpecError> {
        let mut keys = BTreeSet::new();
        for validator in self.validators.iter() {
            if !keys.insert(validator.key) || Stark::expand(&validator.key.0).is_err() {
                return Err(SpecError::Key(validator.id));
            }
        }
        let members = self.validators.iter().map(|validator| Validator {
            id: ReplicaId(validator.id),
            key: validator.key.0,
            stake: validator.stake,
        });
        Ok(ValidatorSet::new(members)?)
    }

    /// Returns what the treasury has at first: the supply, or the ecosystem's part of it, without
    /// accounts, faucet and bonds.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if they hold more than the supply, or an account is listed twice.
    pub fn treasury(&self) -> Result<Amount, SpecError> {
        let faucet = self.faucet.map_or(Amount::ZERO, |faucet| faucet.total);
        let mut rest = self.endowment().checked_sub(faucet).ok_or(SpecError::Supply)?;
        if self.economy.is_some() {
            for validator in self.validators.iter() {
                let bond = EconomySpec::bond(validator.stake)?;
                rest = rest.checked_sub(bond).ok_or(SpecError::Supply)?;
            }
        }
        let mut seen = BTreeSet::new();
        for account in self.accounts.iter() {
            if !seen.insert(account.address) {
                return Err(SpecError::Account(account.address));
            }
            rest = rest.checked_sub(account.amount).ok_or(SpecError::Supply)?;
        }
        Ok(rest)
    }
}

impl FeeSpec {
    /// Checks what a byte may cost that nodes keep.
    fn check(&self) -> Result<(), SpecError> {
        let kept = [
            ("fees.per_input_byte", self.per_input_byte),
            ("fees.per_bundle_byte", self.per_bundle_byte),
        ];
        match kept.into_iter().find(|(_, value)| *value > PER_KEPT_BYTE_MAX) {
            Some((name, value)) => Err(SpecError::KeptByte { name, value }),
            None => Ok(()),
        }
    }
}

impl JobSpec {
    /// Returns the least collateral of an order with this highest price, rounded down: a job for
    /// nothing, or for next to nothing, needs none.
    #[must_use]
    pub const fn collateral_min(&self, price_max: Amount) -> Amount {
        price_max.share(self.collateral_min_bps)
    }
}

/// Checks that a parameter is in its range.
pub(crate) const fn range(
    name: &'static str,
    value: u64,
    min: u64,
    max: u64,
) -> Result<(), SpecError> {
    if min <= value && value <= max {
        Ok(())
    } else {
        Err(SpecError::Range { name, value, min, max })
    }
}

impl Genesis {
    /// Returns what consensus starts from.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if the specification is none.
    pub fn consensus(&self) -> Result<ciro_consensus::Genesis<Stark>, SpecError> {
        self.spec.check()?;
        let name = ChainId::new(&self.spec.name);
        let validators = self.spec.validators()?;
        let root = self.state_root.0;
        Ok(ciro_consensus::Genesis::new(name, self.spec.params(), validators, root))
    }

    /// Returns the word that everything on this network is signed under.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if the specification is none.
    pub fn chain(&self) -> Result<Chain, SpecError> {
        self.consensus().map(|genesis| Chain(genesis.chain))
    }
}

impl BorshSerialize for Word {
    fn serialize<W: std::io::Write>(&self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(self.0.as_bytes())
    }
}

impl BorshDeserialize for Word {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        crate::id::read_word(reader, "a word").map(Self)
    }
}
