//! What happens in a run: everything is decided here, from the seed, before the first event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::PublicKey;
use ciro_consensus::{
    ChainId, ClientId, Digest, Genesis, Nonce, Observers, Params, ReplicaId, StakeChange,
    Validator, ValidatorSet, ValidatorSetError,
};

use crate::app::{genesis_root, payload};
use crate::byzantine::Behaviour;
use crate::costs::Costs;
use crate::fault::{Cut, Fault, TimedFault};
use crate::profile::Profile;
use crate::rng::Rng;
use crate::scheme::Keyed;

/// Microseconds of virtual time.
pub type Micros = u64;

/// One second.
pub const SECOND: Micros = 1_000_000;
/// One millisecond.
pub const MILLISECOND: Micros = 1_000;

/// Everything that a run is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed, which also drives what happens by chance during the run.
    pub seed: u64,
    /// The profile it was made from.
    pub profile: Profile,
    /// The protocol's parameters.
    pub params: Params,
    /// The stake of each first validator, whose identities count from 0.
    pub stakes: Vec<u64>,
    /// Replicas without stake at first.
    pub observers: usize,
    /// Whether the application tells every replica of them, so that they may follow.
    pub announced: bool,
    /// When they start, everything before being missed; no later than the network heals.
    pub observers_start: Micros,
    /// Who misbehaves, and how.
    pub behaviours: BTreeMap<ReplicaId, Behaviour>,
    /// Stake changes and the operation that makes each.
    pub stake_operations: BTreeMap<(ClientId, Nonce), StakeChange>,
    /// The network before it heals.
    pub network: Network,
    /// How fast machines and links are.
    pub costs: Costs,
    /// Clock rates of the nodes, in parts per thousand.
    pub clock_rates: Vec<u64>,
    /// What goes wrong and when.
    pub faults: Vec<TimedFault>,
    /// When the network heals and nothing goes wrong any more.
    pub heal_at: Micros,
    /// How long after healing everything must be done.
    pub patience: Micros,
    /// The clients.
    pub clients: Clients,
    /// Blocks that every honest replica must execute.
    pub blocks: u64,
    /// Whether a fork is expected and must yield evidence, because more than a third of the stake
    /// is Byzantine.
    pub expects_fork: bool,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Least delay.
    pub delay_min: Micros,
    /// Greatest usual delay.
    pub delay_max: Micros,
    /// Messages of 1,000 that take longer.
    pub slow: u64,
    /// How many times longer they take at most; at least 2.
    pub slowdown: u64,
    /// Messages of 1,000 that are lost.
    pub loss: u64,
    /// Messages of 1,000 that arrive twice.
    pub duplicate: u64,
}

impl Network {
    /// A network without loss.
    pub const CALM: Self = Self {
        delay_min: 5 * MILLISECOND,
        delay_max: 60 * MILLISECOND,
        slow: 0,
        slowdown: 2,
        loss: 0,
        duplicate: 0,
    };
}

/// How clients behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clients {
    /// How many there are.
    pub count: u64,
    /// Operations each may have open.
    pub open: u64,
    /// Greatest pause between an execution and the next operation.
    pub think: Micros,
    /// Whether the last client sends different operations at one position to different replicas.
    pub equivocates: bool,
}

impl Plan {
    /// Decides a run.
    #[must_use]
    pub fn new(seed: u64, nodes: usize, blocks: u64, profile: Profile) -> Self {
        let mut rng = Rng::new(seed).fork(0x0050_4c41_4e00);
        let params = params(&mut rng, nodes);
        let stakes = stakes(&mut rng, nodes);
        let calm = Self {
            seed,
            profile,
            clock_rates: vec![1000; nodes],
            params,
            stakes,
            observers: 0,
            announced: false,
            observers_start: 0,
            behaviours: BTreeMap::new(),
            stake_operations: BTreeMap::new(),
            network: Network::CALM,
            costs: Costs::REAL,
            faults: Vec::new(),
            heal_at: 0,
            patience: 300 * SECOND,
            clients: Clients { count: 3, open: 2, think: 600 * MILLISECOND, equivocates: false },
            blocks,
            expects_fork: false,
        };
        profile.shape(calm, &mut rng)
    }

    /// Returns the chain that the run's replicas share.
    ///
    /// # Errors
    ///
    /// [`ValidatorSetError`] when the stakes make no set.
    pub fn genesis(&self) -> Result<Genesis<Keyed>, ValidatorSetError> {
        let validators = ValidatorSet::new((0..).zip(&self.stakes).map(|(id, stake)| Validator {
            id: ReplicaId(id),
            key: key_of(ReplicaId(id)),
            stake: *stake,
        }))?;
        let chain = ChainId::new("ciro-sim");
        Ok(Genesis::new(chain, self.params.clone(), validators, genesis_root()))
    }

    /// Returns how long an operation may wait for its answer once the network is synchronous.
    ///
    /// With `p` the greatest patience (the progress timeout after all doublings, by the slowest
    /// clock) and `m` replicas that misbehave: a replica may just have begun to wait (`p`), every
    /// misbehaving one may lead a view in vain (`m p`), one more may propose in vain in a good view
    /// and another at the start of the next epoch (`2 p`), and the block itself takes some time, as
    /// does catching up (`p`, and five seconds).
    #[must_use]
    pub fn progress_bound(&self) -> Micros {
        let timeout = u64::try_from(self.params.progress_timeout.as_micros()).unwrap_or(SECOND);
        let slowest = self.clock_rates.iter().copied().min().unwrap_or(1000).max(1);
        let patience = (timeout << self.params.timeout_doublings) * 1000 / slowest;
        let misbehaving = u64::try_from(self.behaviours.len()).unwrap_or(u64::MAX);
        patience * (misbehaving + 4) + 5 * SECOND
    }

    /// Returns how many replicas there are, observers included and twins counted once.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.stakes.len() + self.observers
    }

    /// Whether a replica has no stake at first.
    #[must_use]
    pub fn is_observer(&self, id: ReplicaId) -> bool {
        usize::try_from(id.0).is_ok_and(|id| id >= self.stakes.len())
    }

    /// Returns who may follow without a vote.
    #[must_use]
    pub fn announced_observers(&self) -> Observers {
        let replicas = u32::try_from(self.replicas()).unwrap_or(u32::MAX);
        let ids = (0..replicas).map(ReplicaId).filter(|id| self.announced && self.is_observer(*id));
        Observers::new(ids.map(|id| (id, key_of(id))))
    }

    /// Returns the payloads that change stake.
    #[must_use]
    pub fn stake_payloads(&self) -> Arc<BTreeMap<Digest, StakeChange>> {
        let changes = self.stake_operations.iter();
        let changes =
            changes.map(|((client, nonce), change)| (payload(*client, *nonce, 0), *change));
        Arc::new(changes.collect())
    }

    /// Draws misbehaving validators that together hold less than a third of the stake.
    pub(crate) fn draw_byzantine(&mut self, rng: &mut Rng, behaviours: &[Behaviour]) {
        let total: u64 = self.stakes.iter().sum();
        let mut left = (total - 1) / 3;
        let mut order: Vec<usize> = (0..self.stakes.len()).collect();
        rng.shuffle(&mut order);
        let wanted = rng.index(self.stakes.len().div_ceil(3) + 1);
        for index in order.into_iter().take(wanted) {
            if self.stakes[index] <= left {
                left -= self.stakes[index];
                let id = ReplicaId(u32::try_from(index).unwrap_or(u32::MAX));
                self.behaviours.insert(id, *rng.pick(behaviours));
            }
        }
    }

    /// Draws replicas that join and leave, such that the misbehaving stay below a third whatever is
    /// executed when.
    pub(crate) fn draw_churn(&mut self, rng: &mut Rng) {
        let first = u32::try_from(self.stakes.len()).unwrap_or(u32::MAX);
        let joiners = rng.index(3);
        self.observers = joiners;
        let mut changes = Vec::new();
        for joiner in (first..).take(joiners) {
            changes.push(crate::app::stake_change(ReplicaId(joiner), *rng.pick(&self.stakes)));
        }
        let misbehaving: u64 =
            self.behaviours.keys().filter_map(|id| self.stakes.get(id.0 as usize)).sum();
        let leaver = ReplicaId(u32::try_from(rng.index(self.stakes.len())).unwrap_or(0));
        let total: u64 = self.stakes.iter().sum();
        let rest = total - self.stakes[leaver.0 as usize];
        if !self.behaviours.contains_key(&leaver) && 3 * misbehaving < rest && rng.chance(500) {
            changes.push(crate::app::stake_change(leaver, 0));
        }
        for (nonce, change) in (2..).zip(changes) {
            self.stake_operations.insert((ClientId(1), Nonce(nonce)), change);
        }
        self.draw_observers(rng);
        self.clock_rates.resize(self.replicas(), 1000);
    }

    /// Draws whether those without stake are announced, when they start, and often one more that
    /// never joins: it only follows, or misbehaves.
    fn draw_observers(&mut self, rng: &mut Rng) {
        self.announced = rng.chance(750);
        if rng.chance(600) {
            let id = ReplicaId(u32::try_from(self.replicas()).unwrap_or(u32::MAX));
            self.observers += 1;
            if rng.chance(500) {
                self.behaviours.insert(id, *rng.pick(&Behaviour::ALL));
            }
        }
        if self.announced && rng.chance(500) {
            self.observers_start = rng.below(self.heal_at.max(1));
        }
    }

    /// Draws crashes, pauses, disk errors and partitions up to the healing.
    pub(crate) fn draw_faults(&mut self, rng: &mut Rng, kinds: &[fn(&mut Rng, usize) -> Fault]) {
        let nodes = self.replicas();
        for _ in 0..rng.between(1, 6) {
            let at = rng.below(self.heal_at.max(1));
            let fault = rng.pick(kinds)(rng, nodes);
            self.faults.push(TimedFault { at, fault });
        }
        self.faults.sort_by_key(|fault| fault.at);
    }
}

/// Returns a replica's key.
#[must_use]
pub fn key_of(id: ReplicaId) -> PublicKey {
    PublicKey(Digest::from_u128(0x6b65_7900_0000_0000_u128 << 32 | u128::from(id.0)))
}

fn params(rng: &mut Rng, nodes: usize) -> Params {
    let checkpoint_interval = *rng.pick(&[2, 4, 8]);
    let epochs: &[u64] = if nodes > 10 { &[2, 4] } else { &[1, 2, 4] };
    Params {
        checkpoint_interval,
        epoch_length: checkpoint_interval * *rng.pick(epochs),
        operations_per_block: rng.between(1, 6).try_into().unwrap_or(1),
        evidence_per_block: 4,
        pipeline_depth: rng.between(1, checkpoint_interval),
        clients: 16,
        pending: 256,
        progress_timeout: Duration::from_millis(rng.between(800, 1500)),
        timeout_doublings: 4,
        resend_interval: Duration::from_millis(rng.between(200, 500)),
    }
}

/// Half of all runs have equal stakes, the others uneven ones up to one replica with nearly a
/// third.
fn stakes(rng: &mut Rng, nodes: usize) -> Vec<u64> {
    if rng.chance(500) {
        return vec![100; nodes];
    }
    let mut stakes: Vec<u64> = (0..nodes).map(|_| rng.between(40, 160)).collect();
    if rng.chance(300) {
        let others: u64 = stakes.iter().skip(1).sum();
        stakes[0] = others.div_ceil(2) - 1;
    }
    stakes
}

/// Returns a partition of some kind.
pub(crate) fn any_cut(rng: &mut Rng, nodes: usize) -> Fault {
    let mut order: Vec<usize> = (0..nodes).collect();
    rng.shuffle(&mut order);
    let (left, right) = order.split_at(rng.index(nodes.saturating_sub(1).max(1)) + 1);
    let left: BTreeSet<usize> = left.iter().copied().collect();
    let right: BTreeSet<usize> = right.iter().copied().collect();
    let cut = match rng.below(4) {
        0 => Cut::split(&left, &right),
        1 => Cut::one_way(&left, &right),
        2 => Cut::bridged(&left, &right, *rng.pick(&order)),
        _ => Cut::random(rng, nodes),
    };
    Fault::Cut { cut, lasts: rng.between(SECOND / 2, 6 * SECOND) }
}
