//! The part of the swarm that lets connections in, as [`Places`] says.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId, memory_connection_limits};

use super::build::Nats;
use super::places::{Caller, NoPlace, Places};
use crate::metrics::Metrics;

/// Memory of the process beyond which no stranger is let in, in bytes.
const MEMORY_MAX: usize = 8 << 30;

/// Lets connections in, or not.
pub(super) struct Gate {
    pub(super) places: Places,
    memory: memory_connection_limits::Behaviour,
    /// Connections that have to make room.
    leaving: VecDeque<(PeerId, ConnectionId)>,
    metrics: Metrics,
}

impl Gate {
    pub(super) fn new(metrics: &Metrics, nats: Nats) -> Self {
        let memory = memory_connection_limits::Behaviour::with_max_bytes(MEMORY_MAX);
        let (places, leaving) = (Places::new(nats), VecDeque::new());
        Self { places, memory, leaving, metrics: metrics.clone() }
    }

    fn enter(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        caller: Caller,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        let entered = self.places.enter(id, (peer, caller), Instant::now());
        if let Some((peer, leaves)) = entered.map_err(|error| self.deny(error))? {
            self.metrics.net_refused("made_room");
            self.leaving.push_back((peer, leaves));
        }
        Ok(dummy::ConnectionHandler)
    }

    fn deny(&self, error: NoPlace) -> ConnectionDenied {
        self.metrics.net_refused(error.label());
        ConnectionDenied::new(error)
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let caller = Caller::of(local, remote);
        if !self.places.is_home(caller.origin) {
            let room = self.memory.handle_pending_inbound_connection(id, local, remote);
            room.inspect_err(|_| self.metrics.net_refused("no_memory"))?;
        }
        self.places.knock(id, caller).map_err(|error| self.deny(error))
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.enter(id, peer, Caller::of(local, remote))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.places.dial(id, peer, addresses).map_err(|error| self.deny(error))?;
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.enter(id, peer, Caller::of(remote, remote))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.places.leave(closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.places.leave(failure.connection_id),
            FromSwarm::DialFailure(failure) => self.places.leave(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        match self.leaving.pop_front() {
            Some((peer_id, id)) => {
                let connection = CloseConnection::One(id);
                Poll::Ready(ToSwarm::CloseConnection { peer_id, connection })
            }
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use libp2p::swarm::{DialError, DialFailure};

    use super::*;
    use crate::net::identity::Identity;

    fn peer(number: u8) -> PeerId {
        Identity::from_secret([number; 32]).unwrap().peer()
    }

    /// Lets a connection knock and enter.
    fn connect(gate: &mut Gate, number: u8) -> Result<(), ConnectionDenied> {
        let id = ConnectionId::new_unchecked(number.into());
        let local: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        let remote = format!("/ip4/198.51.100.{number}/tcp/1").parse().unwrap();
        gate.handle_pending_inbound_connection(id, &local, &remote)?;
        gate.handle_established_inbound_connection(id, peer(number), &local, &remote)?;
        Ok(())
    }

    fn closed(gate: &mut Gate) -> Option<(PeerId, ConnectionId)> {
        match gate.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(id),
            }) => Some((peer_id, id)),
            _ => None,
        }
    }

    #[test]
    fn the_swarm_is_told_who_makes_room_and_why_somebody_is_not_let_in() {
        let metrics = Metrics::new();
        let mut gate = Gate::new(&metrics, Nats::Ignored);
        gate.places.expect(peer(99), &[]);
        for number in 1..=32 {
            connect(&mut gate, number).unwrap();
        }
        connect(&mut gate, 99).unwrap();
        assert_eq!(closed(&mut gate), None, "a validator takes nobody's place");
        connect(&mut gate, 33).unwrap();
        assert_eq!(closed(&mut gate), Some((peer(1), ConnectionId::new_unchecked(1))));
        assert_eq!(closed(&mut gate), None);
        for number in 0..9 {
            let id = ConnectionId::new_unchecked(1_000 + number);
            let address = "/ip4/203.0.113.1/tcp/1".parse().unwrap();
            let knocked = gate.handle_pending_inbound_connection(id, &address, &address);
            assert_eq!(knocked.is_ok(), number < 8);
        }
        let address: Multiaddr = "/ip4/203.0.113.1/tcp/1".parse().unwrap();
        let mut dial = |number, peer| {
            let id = ConnectionId::new_unchecked(number);
            let addresses = std::slice::from_ref(&address);
            gate.handle_pending_outbound_connection(id, peer, addresses, Endpoint::Dialer).is_ok()
        };
        assert!(dial(2_000, Some(peer(99))) && !dial(2_001, Some(peer(98))));
        let failed = ConnectionId::new_unchecked(2_000);
        assert!(dial(2_002, Some(peer(99))));
        let error = &DialError::NoAddresses;
        let failure = DialFailure { peer_id: Some(peer(99)), error, connection_id: failed };
        gate.on_swarm_event(FromSwarm::DialFailure(failure));
        let id = ConnectionId::new_unchecked(2_003);
        let again = gate.handle_pending_outbound_connection(
            id,
            Some(peer(99)),
            std::slice::from_ref(&address),
            Endpoint::Dialer,
        );
        assert!(again.is_ok(), "a dial that failed is over");
        let text = metrics.text().unwrap();
        for reason in ["made_room", "too_many_pending", "too_many_dialled"] {
            let counted = format!("ciro_net_refused_total{{reason=\"{reason}\"}} 1");
            assert!(text.contains(&counted), "{text}");
        }
    }
}
