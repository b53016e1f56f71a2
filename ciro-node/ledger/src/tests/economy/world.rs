//! A small network with an economy.

use std::sync::LazyLock;

use ciro_consensus::crypto::Signature as RawSignature;
use ciro_consensus::evidence::{DoubleSign, DoubleView, Evidence, SignedDigest, SignedStart};
use ciro_consensus::{Digest, Epoch, Kind, ReplicaId, Seq, View as ConsensusView};
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::{ChainSpec, GenesisAccount, GenesisValidator};
use ciro_protocol::economy::{
    AirdropShare, AirdropSpec, Allocation, Commission, EconomyParams, EconomySpec, GenesisGrant,
    GovernanceParams, Offence, PenaltyParams, Possession, StakeParams, TallyParams, Tranche,
    VestingSpec, airdrop_root,
};
use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::{AirdropNode, SubmitterId, ValidatorId};
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::{Address, SecretKey, Signature, Signed};
use ciro_protocol::tx::{
    Body, Delegate, RegisterValidator, ReportOffence, SignedTx, Transaction, TxHeader, Undelegate,
};
use ciro_protocol::wire::{Bytes, List};

pub(super) use super::super::support::PEOPLE;
use super::super::support::{GENESIS_MS, chain, spec, units};
use crate::state::{CHAIN, Overlay, PURSES, PlainState, View as _};
use crate::{Block, Seat, check_invariants, execute, genesis};

// People: 0 to 3 operate the first validators, 4 to 7 may register one, 8 to 13 have money, 14 and
// 15 have none.

/// One unit of weight in consensus.
pub(super) const WEIGHT: u128 = 1_000_000_000;
/// What everybody has at first.
pub(crate) const WEALTH: u128 = 1_000 * WEIGHT;
/// Weights of the validators of the genesis; 0 to 3 are their operators.
pub(super) const WEIGHTS: [u64; 4] = [7, 4, 3, 2];
/// The length of an epoch of rewards.
pub(super) const EPOCH_MS: u64 = 20_000;

/// A key that belongs to no account.
fn secret(person: usize) -> SecretKey {
    SecretKey::from_seed(&[b'e', u8::try_from(person).unwrap()])
}

/// Keys of consensus that may be registered, with their signatures for the person of that number.
pub(super) static KEYS: LazyLock<Vec<(Address, Signature)>> = LazyLock::new(|| {
    let key = |person: usize| {
        let key = secret(person);
        let operator = PEOPLE[person];
        let body = Possession { chain: chain(), key: key.address(), operator };
        (key.address(), Signed::new(body, &key).unwrap().signature)
    };
    (0..16).map(key).collect()
});

/// A share of the airdrop, with its way to the root.
type Claimable = (AirdropShare, Vec<AirdropNode>);

/// The shares of the airdrop, with their ways to the root.
pub(super) static SHARES: LazyLock<(AirdropNode, Vec<Claimable>)> = LazyLock::new(|| {
    let share = |index: u32| AirdropShare {
        index,
        to: PEOPLE[8 + index as usize],
        amount: units(100 + u128::from(index)),
    };
    let shares: Vec<AirdropShare> = (0..6).map(share).collect();
    let (root, paths) = airdrop_root(&shares);
    (root, shares.into_iter().zip(paths).collect())
});

pub(crate) fn params() -> EconomyParams {
    EconomyParams {
        epoch_ms: EPOCH_MS,
        emission_ppb: 1_000_000,
        treasury_bps: 1_000,
        stake: StakeParams {
            self_bond_min: units(WEIGHT),
            validators_max: 6,
            seats: 5,
            commission_ms: 15_000,
            unbonding_ms: 30_000,
        },
        penalty: PenaltyParams {
            fork_bps: 500,
            delay_bps: 10,
            correlation_epochs: 1,
            bounty_bps: 1_000,
            slot_ms: 2_000,
            presence_bps: 5_000,
            downtime_bps: 100,
            jail_ms: 10_000,
        },
        governance: GovernanceParams {
            deposit: units(1_000),
            open_max: 2,
            voting_ms: 25_000,
            timelock_ms: 5_000,
            spend_bps: 4_000,
            tally: TallyParams { quorum_bps: 2_000, threshold_bps: 5_000, veto_bps: 3_340 },
        },
    }
}

pub(crate) fn economy() -> EconomySpec {
    let grant = |tranche, person: usize| GenesisGrant {
        tranche,
        to: PEOPLE[person],
        amount: units(1_000_003),
    };
    let grants = vec![grant(Tranche::Team, 8), grant(Tranche::Investors, 9)];
    EconomySpec {
        allocation: Allocation {
            rewards_bps: 5_000,
            team_bps: 1_500,
            investors_bps: 1_500,
            ecosystem_bps: 1_500,
            public_bps: 500,
        },
        vesting: VestingSpec { start_ms: GENESIS_MS, cliff_ms: 20_000, duration_ms: 100_000 },
        grants: List::new(grants).unwrap(),
        airdrop: Some(AirdropSpec { root: SHARES.0, until_ms: GENESIS_MS + 60_000 }),
        commission: Commission { bps: 1_000, max_bps: 3_000, step_bps: 500 },
        params: params(),
    }
}

/// The specification: fees are nothing, so that what stake does to an account is all that there is.
pub(crate) fn network() -> ChainSpec {
    let mut spec = spec();
    spec.fees.base = Amount::ZERO;
    spec.fees.per_byte = Amount::ZERO;
    spec.fees.per_check = Amount::ZERO;
    spec.fees.per_input_byte = Amount::ZERO;
    spec.fees.per_bundle_byte = Amount::ZERO;
    spec.faucet = None;
    spec.limits.timers_per_block = 4;
    let validator =
        |(id, stake): (u32, u64)| GenesisValidator { id, key: PEOPLE[id as usize], stake };
    spec.validators = List::new((0..).zip(WEIGHTS).map(validator).collect()).unwrap();
    let account = |person: usize| GenesisAccount { address: PEOPLE[person], amount: units(WEALTH) };
    spec.accounts = List::new((0..14).map(account).collect()).unwrap();
    spec.economy = Some(economy());
    spec
}

/// A network whose every state keeps the invariants.
pub(super) struct World {
    pub(super) spec: ChainSpec,
    pub(super) state: PlainState,
    pub(super) height: u64,
    pub(super) now: u64,
    /// All that happened.
    pub(super) events: Vec<Event>,
    /// What the last block told consensus of who votes.
    pub(super) changes: Vec<Seat>,
    salt: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(network())
    }

    pub(super) fn of(spec: ChainSpec) -> Self {
        assert_eq!(spec.check(), Ok(()));
        let (_, writes) = genesis(spec.clone()).unwrap();
        let mut state = PlainState::default();
        state.apply(&writes);
        let (height, now, salt, events, changes) = (0, GENESIS_MS, 0, Vec::new(), Vec::new());
        let mut world = Self { spec, state, height, now, events, changes, salt };
        world.block(&[], vec![]);
        world
    }

    /// Executes a block with a batch of every validator.
    pub(super) fn block(
        &mut self,
        punish: &[Offence],
        bodies: Vec<(usize, Body)>,
    ) -> Vec<TxReceipt> {
        let members: Vec<u64> = self.spec.validators.iter().map(|it| it.id.into()).collect();
        self.block_of(&members, punish, bodies)
    }

    /// Executes a block with batches of some validators.
    pub(super) fn block_of(
        &mut self,
        members: &[u64],
        punish: &[Offence],
        bodies: Vec<(usize, Body)>,
    ) -> Vec<TxReceipt> {
        self.height += 1;
        let mut txs: Vec<SignedTx> = Vec::new();
        for (person, body) in bodies {
            self.salt += 1;
            txs.push(unsigned(person, self.salt, self.now, body));
        }
        let batch = |txs, submitter: u64| Batch {
            chain: chain(),
            submitter: SubmitterId(submitter),
            signer: PEOPLE[0],
            nonce: self.height,
            time_ms: self.now,
            txs: List::new(txs).unwrap(),
            attachments: List::default(),
        };
        let mut batches: Vec<Batch> = members.iter().map(|it| batch(vec![], *it)).collect();
        batches.push(batch(txs, 99));
        let block = Block { height: self.height, batches: &batches, punish };
        let outcome = execute(&self.spec, &self.state, &block).unwrap();
        self.state.apply(&outcome.writes);
        assert_eq!(check_invariants(&self.state), Ok(()));
        self.events.extend(outcome.events);
        self.changes = outcome.changes;
        outcome.receipts
    }

    /// Ledger time.
    pub(super) fn time(&self) -> u64 {
        Overlay::new(&self.state).expect(CHAIN, &()).unwrap().time_ms
    }

    /// Lets somebody do something and returns why it was refused.
    pub(super) fn act(&mut self, person: usize, body: Body) -> Option<Refusal> {
        self.block(&[], vec![(person, body)])[0].refused
    }

    /// Lets time pass, with blocks in which these validators are there.
    pub(super) fn wait_with(&mut self, ms: u64, members: &[u64]) {
        let end = self.now + ms;
        while self.now < end {
            self.now = end.min(self.now + 2_000);
            self.block_of(members, &[], vec![]);
        }
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.wait_with(ms, &[0, 1, 2, 3]);
    }

    /// Executes blocks without time until a consensus epoch.
    pub(super) fn until_epoch(&mut self, epoch: u64) {
        while self.spec.epoch_of(self.height) < epoch {
            self.block(&[], vec![]);
        }
    }

    pub(super) fn has(&self, purse: Purse) -> u128 {
        let key = PURSES.key(&purse);
        let value = self.state.get(&key);
        value.map_or(0, |value| PURSES.decode(&key, &value).unwrap().units())
    }

    pub(super) fn account(&self, person: usize) -> u128 {
        self.has(Purse::Account(PEOPLE[person]))
    }

    pub(super) fn stake(&self, validator: u32) -> u128 {
        self.has(Purse::Stake(ValidatorId(validator)))
    }
}

pub(super) fn unsigned(person: usize, salt: u64, now: u64, body: Body) -> SignedTx {
    let mut salted = [0; 16];
    salted[..8].copy_from_slice(&salt.to_le_bytes());
    let header = TxHeader {
        chain: chain(),
        account: PEOPLE[person],
        salt: salted,
        valid_until_ms: now + 30_000,
        fee_max: Amount::ZERO,
    };
    let zero = RawSignature { r: [0; 32], s: [0; 32] };
    Signed { body: Transaction { header, body }, signature: Signature(zero) }
}

pub(super) fn delegate(validator: u32, amount: u128) -> Body {
    Body::Delegate(Delegate { validator: ValidatorId(validator), amount: units(amount) })
}

pub(super) fn undelegate(validator: u32, amount: u128) -> Body {
    Body::Undelegate(Undelegate { validator: ValidatorId(validator), amount: units(amount) })
}

pub(crate) fn register(person: usize, bond: u128) -> RegisterValidator {
    let (key, possession) = KEYS[person];
    let commission = Commission { bps: 100, max_bps: 1_000, step_bps: 200 };
    RegisterValidator { key, possession, commission, bond: units(bond) }
}

pub(crate) fn offence(validator: u32, epoch: u64, rule: u8) -> Offence {
    Offence { validator: ValidatorId(validator), epoch, rule }
}

/// Evidence of an offence of a validator of the genesis.
pub(super) fn report(offence: Offence) -> Body {
    report_of(PEOPLE[offence.validator.0 as usize], offence)
}

/// Evidence of an offence under a key as consensus encodes it, with signatures that execution does
/// not look at.
pub(super) fn report_of(key: Address, offence: Offence) -> Body {
    let signature = RawSignature { r: [1; 32], s: [1; 32] };
    let (offender, epoch) = (ReplicaId(offence.validator.0), Epoch(offence.epoch));
    let (view, seq) = (ConsensusView(0), Seq(1));
    let double = |kind| {
        let signed = |digest| SignedDigest { digest: Digest::from_u64(digest), signature };
        let (first, second) = (signed(1), signed(2));
        Evidence::DoubleSign(DoubleSign { offender, epoch, kind, view, seq, first, second })
    };
    let started = |kind| {
        let start = |digest| SignedStart { seq, digest: Digest::from_u64(digest), signature };
        let (first, second) = (start(1), start(2));
        Evidence::DoubleView(DoubleView { offender, epoch, kind, view, first, second })
    };
    let evidence = match offence.rule {
        1 => double(Kind::PrePrepare),
        2 => double(Kind::Prepare),
        3 => double(Kind::Commit),
        5 => double(Kind::Checkpoint),
        6 => started(Kind::ViewChange),
        _ => started(Kind::NewView),
    };
    assert_eq!(Offence::claimed(&evidence.to_bytes()), Some(offence));
    let evidence = Bytes::new(evidence.to_bytes()).unwrap();
    Body::ReportOffence(ReportOffence { key, evidence })
}
