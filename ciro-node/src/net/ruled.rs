//! A behaviour of libp2p, and what it is kept from: libp2p trusts whoever is connected. One that
//! panics all the same does no more until the node starts again, which goes on without it.

use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::panics::{Fuse, once};

/// Why a connection is closed before it begins.
#[derive(Debug, thiserror::Error)]
#[error("a protocol has panicked")]
struct Panicked;

fn denied() -> ConnectionDenied {
    ConnectionDenied::new(Panicked)
}

/// What a behaviour hears, and what it may do. Unless a rule says otherwise, all of it.
pub(super) trait Rules<B: NetworkBehaviour>: 'static {
    /// Whether it hears of something.
    fn hears(&mut self, _event: &FromSwarm<'_>) -> bool {
        true
    }

    /// Whether it hears what came over a connection.
    fn heeds(&mut self, _from: (PeerId, ConnectionId), _event: &THandlerOutEvent<B>) -> bool {
        true
    }

    /// Whether what it wants is done.
    fn lets(&mut self, _wish: &ToSwarm<B::ToSwarm, THandlerInEvent<B>>) -> bool {
        true
    }
}

/// A behaviour under rules.
pub(super) struct Ruled<B, R> {
    pub(super) inner: B,
    pub(super) rules: R,
    fuse: Fuse,
}

impl<B, R> Ruled<B, R> {
    pub(super) fn new(inner: B, rules: R) -> Self {
        Self { inner, rules, fuse: Fuse::default() }
    }
}

impl<B: NetworkBehaviour, R: Rules<B>> NetworkBehaviour for Ruled<B, R> {
    type ConnectionHandler = THandler<B>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let inner = &mut self.inner;
        once(|| inner.handle_pending_inbound_connection(id, local, remote))
            .unwrap_or_else(|| Err(denied()))
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = &mut self.inner;
        once(|| inner.handle_established_inbound_connection(id, peer, local, remote))
            .unwrap_or_else(|| Err(denied()))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let inner = &mut self.inner;
        once(|| inner.handle_pending_outbound_connection(id, peer, addresses, role))
            .unwrap_or_else(|| Err(denied()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = &mut self.inner;
        once(|| inner.handle_established_outbound_connection(id, peer, address, role, port))
            .unwrap_or_else(|| Err(denied()))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if self.rules.hears(&event) {
            self.fuse.run(|| self.inner.on_swarm_event(event));
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if self.rules.heeds((peer, id), &event) {
            self.fuse.run(|| self.inner.on_connection_handler_event(peer, id, event));
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match self.fuse.run(|| self.inner.poll(cx)) {
                Some(Poll::Ready(wish)) if !self.rules.lets(&wish) => {}
                polled => return polled.unwrap_or(Poll::Pending),
            }
        }
    }
}
