//! The task that owns the swarm.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use ciro_consensus::{Input, ReplicaId};
use ciro_protocol::sign::KeyCache;
use ciro_protocol::wire::Message as _;
use libp2p::core::transport::ListenerId;
use libp2p::futures::StreamExt as _;
use libp2p::request_response::{Event, Message, OutboundRequestId, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, ping};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::allowance::Allowance;
use super::behaviour::{Protocol, Protocols, ProtocolsEvent};
use super::build::Nats;
use super::identity::{Addresses, Identity};
use super::names::{self, Found};
use super::outbox::{Outbox, messages};
use super::panics::End;
use super::places::ADDRESSES_MAX;
use super::reach::{Reach, Reachability, is_circuit};
use super::record::Hello;
use super::service::Service;
use super::targets::Targets;
use super::{Net, Outgoing, Queues, Request, build};
use crate::members::Roll;
use crate::metrics::Metrics;

/// How often connections are looked after.
const TICK: Duration = Duration::from_millis(250);

/// Why the network does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// A transport cannot be set up.
    #[error("the network cannot be set up: {0}")]
    Transport(String),
    /// An address is in use or none of this machine.
    #[error("cannot listen at `{address}`: {reason}")]
    Listen {
        /// Where.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
}

/// What the network begins with.
pub struct Opening {
    /// Who answers peers.
    pub service: Arc<Service>,
    /// The queues behind its handle.
    pub queues: Queues,
    /// This node's identity.
    pub identity: Identity,
    /// What it says about itself.
    pub hello: Hello,
    /// Where it listens, and whom it dials.
    pub addresses: Addresses,
    /// Whether it reaches validators behind NATs, and is reached behind one.
    pub nat: bool,
    /// Where messages of consensus go.
    pub inputs: SyncSender<Input>,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// The running network.
pub type Running = JoinHandle<()>;

/// Starts the network.
///
/// # Errors
///
/// [`NetError`] if it cannot listen.
pub fn start(opening: Opening) -> Result<Running, NetError> {
    let net = opening.service.net().clone();
    let nats = if opening.nat { Nats::Crossed } else { Nats::Ignored };
    let mut swarm = build::swarm(opening.identity, &net, nats)?;
    for address in opening.addresses.listen {
        let listening: Result<ListenerId, _> = swarm.listen_on(address.clone());
        listening.map_err(|error| NetError::Listen { address, reason: error.to_string() })?;
    }
    let targets = Targets::new(*swarm.local_peer_id(), opening.addresses.peers);
    let names = names::follow(targets.iter());
    for (peer, addresses) in targets.iter() {
        swarm.behaviour_mut().gate.places.expect(peer, addresses);
    }
    let members = net.peers.members().follow();
    let reach = Reach::new(net.peers.own(), members.borrow().voters().clone());
    net.metrics.net_reachability(Reachability::default().label());
    let service = Arc::clone(&opening.service);
    let end = End(move || service.fail("the task that speaks with other validators has panicked"));
    let task = Task {
        swarm,
        metrics: net.metrics.clone(),
        net,
        service: opening.service,
        hello: opening.hello.to_bytes(),
        inputs: opening.inputs,
        targets,
        reach,
        members,
        outboxes: BTreeMap::new(),
        allowances: BTreeMap::new(),
        waiting: HashMap::new(),
        keys: KeyCache::new(16),
    };
    let queues = opening.queues;
    Ok(tokio::spawn(async move {
        // Without others the node would not notice.
        let _end = end;
        task.run(queues, names).await;
    }))
}

pub(super) struct Task {
    pub(super) swarm: Swarm<Protocols>,
    pub(super) net: Net,
    pub(super) metrics: Metrics,
    service: Arc<Service>,
    hello: Vec<u8>,
    pub(super) inputs: SyncSender<Input>,
    pub(super) targets: Targets,
    pub(super) reach: Reach,
    pub(super) members: watch::Receiver<Arc<Roll>>,
    pub(super) outboxes: BTreeMap<ReplicaId, Outbox>,
    pub(super) allowances: BTreeMap<ReplicaId, Allowance>,
    waiting: HashMap<(Protocol, OutboundRequestId), oneshot::Sender<Vec<u8>>>,
    pub(super) keys: KeyCache,
}

impl Task {
    async fn run(mut self, mut queues: Queues, mut names: Receiver<Found>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                outgoing = queues.outgoing.recv() => match outgoing {
                    Some(outgoing) => self.send(&outgoing),
                    None => return,
                },
                request = queues.requests.recv() => match request {
                    Some(request) => self.request(request),
                    None => return,
                },
                Some((peer, found)) = names.recv() => {
                    self.swarm.behaviour_mut().gate.places.found(peer, &found);
                }
                event = self.swarm.select_next_some() => self.event(event),
                _ = tick.tick() => self.tick(),
            }
        }
    }

    /// Puts a message of consensus on its way.
    fn send(&mut self, outgoing: &Outgoing) {
        let now = Instant::now();
        let to = outgoing.to.map_or_else(|| self.net.peers.others(), |to| vec![to]);
        for id in to {
            let outbox = self.outboxes.entry(id).or_default();
            if self.net.peers.reach(id).is_none() {
                self.metrics.net_dropped("unreachable");
            } else if !outbox.push(Arc::clone(&outgoing.bytes), now) {
                self.metrics.net_dropped("peer_slow");
            }
            self.flush(id);
        }
    }

    fn flush(&mut self, id: ReplicaId) {
        let Some(peer) = self.net.peers.reach(id) else { return };
        let Some(outbox) = self.outboxes.get_mut(&id) else { return };
        let now = Instant::now();
        while let Some(frame) = outbox.frame(now) {
            let behaviour = self.swarm.behaviour_mut().of(Protocol::Consensus);
            outbox.sent(behaviour.send_request(&peer, frame), now);
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Ask { peer, protocol, bytes, answer } => {
                let id = self.swarm.behaviour_mut().of(protocol).send_request(&peer, bytes);
                self.waiting.insert((protocol, id), answer);
            }
            Request::Answer { protocol, channel, bytes } => self.answer(protocol, channel, bytes),
        }
    }

    fn answer(&mut self, protocol: Protocol, channel: ResponseChannel<Vec<u8>>, bytes: Vec<u8>) {
        // The peer may have left meanwhile: it asks again.
        let _ = self.swarm.behaviour_mut().of(protocol).send_response(channel, bytes);
    }

    fn event(&mut self, event: SwarmEvent<ProtocolsEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.established(connection_id, peer_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.reach.closed(connection_id);
                if num_established > 0 {
                    return;
                }
                if let Some(id) = self.net.peers.validator(peer_id) {
                    tracing::info!(validator = %id, "a validator is gone");
                    self.outboxes.entry(id).or_default().clear();
                }
                self.net.peers.gone(peer_id);
                self.unbound(peer_id);
                self.metrics.net_peers(self.net.peers.reachable().len());
            }
            // A relay sends as many addresses of a place as it likes.
            SwarmEvent::NewListenAddr { address, .. } if !is_circuit(&address) => {
                tracing::info!(%address, "listening for validators");
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                self.listener_closed(listener_id, reason);
            }
            _ => {}
        }
    }

    pub(super) fn connected(&mut self, peer: PeerId) {
        self.targets.connected(peer);
        self.introduce(peer);
    }

    /// Says who this node is.
    fn introduce(&mut self, peer: PeerId) {
        let hello = self.hello.clone();
        self.swarm.behaviour_mut().record.send_request(&peer, hello);
    }

    /// Counts why a peer is refused and closes its connections.
    pub(super) fn refuse(&mut self, peer: PeerId, reason: &'static str) {
        tracing::debug!(%peer, reason, "a peer is refused");
        self.metrics.net_refused(reason);
        // It may have left by itself.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn behaviour_event(&mut self, event: ProtocolsEvent) {
        match event {
            ProtocolsEvent::Record(event) => self.record_event(event),
            ProtocolsEvent::Consensus(event) => self.consensus_event(event),
            ProtocolsEvent::Batch(event) => self.served_event(Protocol::Batch, event),
            ProtocolsEvent::Blob(event) => self.served_event(Protocol::Blob, event),
            ProtocolsEvent::Block(event) => self.served_event(Protocol::Block, event),
            ProtocolsEvent::Ping(event) => self.ping_event(&event),
            ProtocolsEvent::Identify(event) => self.identify_event(&event),
            ProtocolsEvent::Nat(event) => self.nat_event(event),
            _ => {}
        }
    }

    /// Closes a connection whose other end has gone without a word, so that nothing waits for it.
    fn ping_event(&mut self, event: &ping::Event) {
        if matches!(event.result, Err(ping::Failure::Timeout | ping::Failure::Other { .. })) {
            tracing::debug!(peer = %event.peer, "a connection is dead");
            self.swarm.close_connection(event.connection);
        }
    }

    fn record_event(&mut self, event: Event<Vec<u8>, Vec<u8>>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                match self.bind(peer, &request) {
                    Ok(id) => {
                        self.answer(Protocol::Record, channel, vec![1]);
                        tracing::info!(validator = %id, %peer, "a validator is connected");
                        self.metrics.net_peers(self.net.peers.reachable().len());
                    }
                    Err(reason) => self.refuse(peer, reason),
                }
            }
            Event::Message { peer, message: Message::Response { response, .. }, .. }
                if response == [1] =>
            {
                self.net.peers.welcomed(peer);
                self.metrics.net_peers(self.net.peers.reachable().len());
            }
            Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "an answer did not arrive");
            }
            _ => {}
        }
    }

    fn consensus_event(&mut self, event: Event<Vec<u8>, Vec<u8>>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                let Some(id) = self.net.peers.validator(peer) else {
                    return self.metrics.net_refused("stranger");
                };
                match messages(&request) {
                    Ok(messages) => {
                        self.answer(Protocol::Consensus, channel, Vec::new());
                        self.take(id, messages);
                    }
                    Err(error) => {
                        tracing::warn!(validator = %id, %error, "a frame is refused");
                        self.refuse(peer, "consensus_malformed");
                    }
                }
            }
            Event::Message { peer, message: Message::Response { request_id, .. }, .. } => {
                self.acked(peer, request_id);
            }
            Event::OutboundFailure { peer, request_id, .. } => {
                self.metrics.net_dropped("lost");
                self.acked(peer, request_id);
            }
            Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "an answer did not arrive");
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn acked(&mut self, peer: PeerId, frame: OutboundRequestId) {
        if let Some(id) = self.net.peers.validator(peer) {
            self.outboxes.entry(id).or_default().ended(&frame);
            self.flush(id);
        }
    }

    /// Gives up what went to connections that are being closed, of which nobody hears again.
    fn give_up(&mut self, now: Instant) {
        self.waiting.retain(|_, answer| !answer.is_closed());
        for (id, outbox) in &mut self.outboxes {
            let lost = outbox.give_up(now);
            if lost > 0 {
                tracing::warn!(validator = %id, lost, "frames went to a dead connection");
                self.metrics.net_dropped("lost");
            }
        }
        // Their places are for what waits: no acknowledgement comes that would send it.
        let ids: Vec<_> = self.outboxes.keys().copied().collect();
        ids.into_iter().for_each(|id| self.flush(id));
    }

    /// Hands messages to consensus. If it has no room they are lost, and its replicas ask again.
    fn take(&mut self, peer: ReplicaId, messages: Vec<ciro_consensus::message::Message>) {
        let now = Instant::now();
        let allowance = self.allowances.entry(peer).or_insert_with(|| Allowance::new(now));
        for message in messages {
            if !allowance.take(now) {
                self.metrics.net_dropped("peer_fast");
                continue;
            }
            let input = Input::Message { peer, message: Arc::new(message) };
            match self.inputs.try_send(input) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => self.metrics.net_dropped("consensus_busy"),
                // The node stops.
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }

    fn served_event(&mut self, protocol: Protocol, event: Event<Vec<u8>, Vec<u8>>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                let Some(id) = self.net.peers.validator(peer) else {
                    return self.metrics.net_refused("stranger");
                };
                let (service, requests) = (Arc::clone(&self.service), self.net.requests.clone());
                tokio::spawn(async move {
                    // Without an answer the channel closes, and the peer sees that.
                    if let Some((bytes, turn)) = service.serve(id, protocol, request).await {
                        let answer = Request::Answer { protocol, channel, bytes };
                        // The node stops if nobody takes it.
                        let _ = requests.send(answer).await;
                        drop(turn);
                    }
                });
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                if let Some(answer) = self.waiting.remove(&(protocol, request_id)) {
                    // Whoever asked may have left.
                    let _ = answer.send(response);
                }
            }
            Event::OutboundFailure { request_id, error, peer, .. } => {
                tracing::debug!(%peer, %error, protocol = protocol.name(), "no answer");
                self.waiting.remove(&(protocol, request_id));
            }
            Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "an answer did not arrive");
            }
            Event::ResponseSent { .. } => {}
        }
    }

    /// Dials whoever is missing, says again who this node is, and sends away who says nothing.
    fn tick(&mut self) {
        let now = Instant::now();
        self.follow_members();
        self.give_up(now);
        self.look_after_reach(now);
        for connection in self.swarm.behaviour_mut().gate.places.silent(now) {
            self.metrics.net_refused("no_record");
            self.swarm.close_connection(connection);
        }
        for peer in self.targets.due(now) {
            if self.swarm.is_connected(&peer) {
                if !self.net.peers.is_welcome(peer) {
                    self.introduce(peer);
                    self.targets.postpone(peer, now + Duration::from_secs(1));
                }
                continue;
            }
            let mut addresses = self.targets.addresses(peer);
            let tries = self.targets.tries(peer);
            // Through relays if it cannot be reached otherwise.
            if let Some(failed) = tries.checked_sub(1) {
                addresses.extend(self.reach.circuits(peer, failed));
            }
            // Of many, others with each try.
            if addresses.len() > ADDRESSES_MAX {
                let first = tries.wrapping_mul(ADDRESSES_MAX) % addresses.len();
                addresses.rotate_left(first);
                addresses.truncate(ADDRESSES_MAX);
            }
            let dial = DialOpts::peer_id(peer)
                .addresses(addresses)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .build();
            // What fails is tried again.
            if let Err(error) = self.swarm.dial(dial) {
                tracing::debug!(%peer, %error, "cannot dial");
            }
            self.targets.dialled(peer, now);
        }
    }
}
