//! One machine: replica, store, application, clock.

use std::collections::BTreeMap;
use std::time::Duration;

use ciro_consensus::{Effect, Epoch, Genesis, Identity, OpenError, Replica, ReplicaId, Timer};
use ciro_store::{Keep, Opened, Recovery, Store, StoreError, StoreOptions};

use crate::app::{App, StakeOperations};
use crate::byzantine::Byzantine;
use crate::costs::Inbox;
use crate::disk::SimDisk;
use crate::plan::{Micros, key_of};
use crate::rng::Rng;
use crate::scheme::Keyed;

/// A machine of the simulation.
#[derive(Debug)]
pub(crate) struct Node {
    /// Whose key it has. Twins share one.
    pub(crate) id: ReplicaId,
    pub(crate) role: Role,
    pub(crate) power: Power,
    pub(crate) app: App,
    /// Counts starts, so that what was begun before a crash does not reach the replica after it.
    pub(crate) incarnation: u64,
    /// The latest request for each timer; older ones are void.
    pub(crate) timers: BTreeMap<Timer, u64>,
    pub(crate) paused_until: Micros,
    /// Until when it computes what it has begun.
    pub(crate) busy_until: Micros,
    /// What has arrived in the meantime.
    pub(crate) inbox: Inbox,
    /// Whether an event will take up what has arrived.
    pub(crate) will_serve: bool,
    /// Until when its uplink is taken.
    pub(crate) sending_until: Micros,
    /// Effects after which the node loses power, if it is to do so in the middle of a step.
    pub(crate) dies_after: Option<usize>,
    /// Parts per thousand by which the clock runs.
    pub(crate) clock_rate: u64,
}

/// Whether a node keeps to the protocol.
#[derive(Debug)]
pub(crate) enum Role {
    Honest,
    /// One of two instances with one key.
    Twin,
    Byzantine(Box<Byzantine>),
}

/// Whether a node runs.
#[derive(Debug)]
pub(crate) enum Power {
    On(Box<Running>),
    Off(SimDisk),
}

/// The running part of a node.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) replica: Replica<Keyed>,
    /// Misbehaving nodes have no store that could keep them from signing twice.
    pub(crate) store: Option<Store<Keyed, SimDisk>>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Node {
    pub(crate) fn new(id: ReplicaId, role: Role, app: StakeOperations, clock_rate: u64) -> Self {
        Self {
            id,
            role,
            power: Power::Off(SimDisk::default()),
            app: App::new(app),
            incarnation: 0,
            timers: BTreeMap::new(),
            paused_until: 0,
            busy_until: 0,
            inbox: Inbox::default(),
            will_serve: false,
            sending_until: 0,
            dies_after: None,
            clock_rate,
        }
    }

    pub(crate) const fn is_honest(&self) -> bool {
        matches!(self.role, Role::Honest)
    }

    pub(crate) const fn running(&self) -> Option<&Running> {
        match &self.power {
            Power::On(running) => Some(running),
            Power::Off(_) => None,
        }
    }

    pub(crate) const fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.power {
            Power::On(running) => Some(running),
            Power::Off(_) => None,
        }
    }

    /// Returns the node's own reading of the clock.
    pub(crate) const fn local(&self, now: Micros) -> Duration {
        Duration::from_micros(now * self.clock_rate / 1000)
    }

    /// Returns how long a local duration takes in true time, rounded up so that no timer fires
    /// early.
    pub(crate) fn true_micros(&self, local: Duration) -> Micros {
        let micros = u64::try_from(local.as_micros()).unwrap_or(u64::MAX / 2000);
        (micros * 1000).div_ceil(self.clock_rate) + 1
    }

    /// Starts the replica from what is on its disk and returns its first effects.
    pub(crate) fn start(
        &mut self,
        genesis: &Genesis<Keyed>,
        now: Micros,
        keep: Keep,
    ) -> Result<Vec<Effect>, StartError> {
        let Power::Off(disk) = &mut self.power else { return Ok(Vec::new()) };
        let disk = std::mem::take(disk);
        let (mut records, mut votes_from, mut store) = (Vec::new(), Epoch::ZERO, None);
        if self.is_honest() {
            let first = self.incarnation == 0;
            let recovery = if first { Recovery::NewKey } else { Recovery::Strict };
            let options = StoreOptions { recovery, keep };
            let opened: Opened<Keyed, SimDisk> =
                Store::open(disk, genesis.message_domain(), options)?;
            (records, votes_from, store) = (opened.records, opened.votes_from, Some(opened.store));
        }
        let identity = Identity { id: self.id, key: key_of(self.id), votes_from };
        let (replica, effects) = Replica::open(genesis, identity, self.local(now), records)?;
        self.power = Power::On(Box::new(Running { replica, store }));
        Ok(effects)
    }

    /// Loses power: memory is gone, the disk keeps what was synced and a part of what was not.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        self.incarnation += 1;
        self.timers.clear();
        self.inbox.clear();
        self.will_serve = false;
        self.busy_until = 0;
        self.dies_after = None;
        let power = std::mem::replace(&mut self.power, Power::Off(SimDisk::default()));
        let mut disk = match power {
            Power::On(running) => running.store.map(Store::into_disk).unwrap_or_default(),
            Power::Off(disk) => disk,
        };
        disk.crash(rng);
        self.power = Power::Off(disk);
    }
}
