//! Protocols that only peers who speak for a validator may use: whoever has not said who it is can
//! say that, and nothing else. A stranger's requests are never read. Those that begin by themselves
//! wait until the other end lets this node in.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::DeniedUpgrade;
use libp2p::futures::future::Either as Output;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::handler::{
    ConnectionEvent, FullyNegotiatedInbound, ListenUpgradeError, SendWrapper,
};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId,
    FromSwarm, NetworkBehaviour, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::time::{Sleep, sleep};

use super::panics::Fuse;
use super::peers::Peers;

/// How often one that waits looks whether the other end lets this node in.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// A behaviour whose protocols are closed to strangers.
pub(super) struct Admitted<B> {
    pub(super) inner: B,
    peers: Arc<Peers>,
    patience: Patience,
    /// Connections on which the protocol has panicked. They are closed: on another one it works.
    blown: VecDeque<(PeerId, ConnectionId)>,
}

/// When a protocol begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// At once: nobody begins before both ends know each other.
    None,
    /// Once both ends know each other.
    Waits,
}

impl<B> Admitted<B> {
    pub(super) const fn new(inner: B, peers: Arc<Peers>) -> Self {
        Self { inner, peers, patience: Patience::None, blown: VecDeque::new() }
    }

    /// The same, whose handlers begin by themselves: they wait until the other end lets them in.
    pub(super) const fn patient(inner: B, peers: Arc<Peers>) -> Self {
        Self { inner, peers, patience: Patience::Waits, blown: VecDeque::new() }
    }

    fn door<H: ConnectionHandler>(&self, peer: PeerId, inner: H) -> Door<H> {
        let peers = Arc::clone(&self.peers);
        let (patience, fuse) = (self.patience, Fuse::default());
        Door { inner, peers, peer, patience, waits: None, look: None, fuse, told: false }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Admitted<B> {
    type ConnectionHandler = Door<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let made = self.inner.handle_established_inbound_connection(id, peer, local, remote)?;
        Ok(self.door(peer, made))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
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
        let made = inner.handle_established_outbound_connection(id, peer, address, role, port)?;
        Ok(self.door(peer, made))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Some(event) => self.inner.on_connection_handler_event(peer, id, event),
            None => self.blown.push_back((peer, id)),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer_id, id)) = self.blown.pop_front() {
            let connection = CloseConnection::One(id);
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
        }
        self.inner.poll(cx)
    }
}

/// A connection's handler whose protocols are offered once the peer speaks for a validator.
pub(super) struct Door<H: ConnectionHandler> {
    inner: H,
    peers: Arc<Peers>,
    peer: PeerId,
    patience: Patience,
    /// A stream that is asked for once the peer lets this node in.
    waits: Option<SubstreamProtocol<H::OutboundProtocol, H::OutboundOpenInfo>>,
    /// When to look again whether it does.
    look: Option<Pin<Box<Sleep>>>,
    /// One that panics takes nothing down with it.
    fuse: Fuse,
    /// Whether it has said that it has panicked.
    told: bool,
}

impl<H: ConnectionHandler> Door<H> {
    /// Returns what waited, once the peer lets this node in.
    fn poll_waiting(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<SubstreamProtocol<H::OutboundProtocol, H::OutboundOpenInfo>> {
        loop {
            if self.peers.is_met(self.peer)
                && let Some(protocol) = self.waits.take()
            {
                self.look = None;
                return Poll::Ready(protocol);
            }
            let look = self.look.get_or_insert_with(|| Box::pin(sleep(LOOK_PAUSE)));
            if look.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.look = None;
        }
    }
}

impl<H: ConnectionHandler> ConnectionHandler for Door<H> {
    type FromBehaviour = H::FromBehaviour;
    /// Nothing if it has panicked.
    type ToBehaviour = Option<H::ToBehaviour>;
    type InboundProtocol = Either<SendWrapper<H::InboundProtocol>, SendWrapper<DeniedUpgrade>>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = Option<H::InboundOpenInfo>;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    /// Asked anew for each stream that comes in.
    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        if self.peers.validator(self.peer).is_none() {
            return SubstreamProtocol::new(Either::Right(SendWrapper(DeniedUpgrade)), None);
        }
        let offered = self.inner.listen_protocol();
        offered.map_upgrade(|it| Either::Left(SendWrapper(it))).map_info(Some)
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn on_behaviour_event(&mut self, event: H::FromBehaviour) {
        self.fuse.run(|| self.inner.on_behaviour_event(event));
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<H::OutboundProtocol, H::OutboundOpenInfo, Self::ToBehaviour>>
    {
        if self.waits.is_none() {
            match self.fuse.run(|| self.inner.poll(cx)) {
                Some(Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol,
                })) if self.patience == Patience::Waits => self.waits = Some(protocol),
                Some(polled) => return polled.map(|event| event.map_custom(Some)),
                None => {}
            }
        }
        if self.fuse.is_blown() {
            let told = std::mem::replace(&mut self.told, true);
            let blown = ConnectionHandlerEvent::NotifyBehaviour(None);
            return if told { Poll::Pending } else { Poll::Ready(blown) };
        }
        let waited = self.poll_waiting(cx);
        waited.map(|protocol| ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        let closed = self.fuse.run(|| self.inner.poll_close(cx)).unwrap_or(Poll::Ready(None));
        closed.map(|event| event.map(Some))
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            H::OutboundProtocol,
            Self::InboundOpenInfo,
            H::OutboundOpenInfo,
        >,
    ) {
        let event = match event {
            ConnectionEvent::FullyNegotiatedInbound(negotiated) => {
                // A stream that was denied is never negotiated.
                let Output::Left(protocol) = negotiated.protocol;
                let Some(info) = negotiated.info else { return };
                ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info })
            }
            ConnectionEvent::ListenUpgradeError(failed) => {
                let Either::Left(error) = failed.error;
                let Some(info) = failed.info else { return };
                ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error })
            }
            ConnectionEvent::FullyNegotiatedOutbound(it) => {
                ConnectionEvent::FullyNegotiatedOutbound(it)
            }
            ConnectionEvent::AddressChange(it) => ConnectionEvent::AddressChange(it),
            ConnectionEvent::DialUpgradeError(it) => ConnectionEvent::DialUpgradeError(it),
            ConnectionEvent::LocalProtocolsChange(it) => ConnectionEvent::LocalProtocolsChange(it),
            ConnectionEvent::RemoteProtocolsChange(it) => {
                ConnectionEvent::RemoteProtocolsChange(it)
            }
            _ => return,
        };
        self.fuse.run(|| self.inner.on_connection_event(event));
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::str::FromStr as _;
    use std::task::Waker;

    use libp2p::ping;
    use libp2p::swarm::OneShotHandler;
    use tokio::time::timeout;

    use super::*;
    use crate::net::identity::Identity;
    use crate::net::peers;

    type Asks = OneShotHandler<DeniedUpgrade, DeniedUpgrade, Infallible>;

    /// The handler of a connection with a peer, which begins by itself.
    fn door(peers: &Arc<Peers>, peer: PeerId, patience: Patience) -> Door<Asks> {
        let protocol = SubstreamProtocol::new(DeniedUpgrade, ());
        let mut inner = Asks::new(protocol, libp2p::swarm::OneShotHandlerConfig::default());
        inner.send_request(DeniedUpgrade);
        let (peers, fuse) = (Arc::clone(peers), Fuse::default());
        Door { inner, peers, peer, patience, waits: None, look: None, fuse, told: false }
    }

    #[tokio::test]
    async fn a_protocol_that_begins_by_itself_waits_until_the_other_end_lets_it_in() {
        let who = Identity::from_secret([1; 32]).unwrap();
        let peers = Arc::new(peers::tests::with_bound(1, &who));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(door(&peers, who.peer(), Patience::None).poll(&mut cx).is_ready());
        let mut waiting = door(&peers, who.peer(), Patience::Waits);
        assert!(waiting.poll(&mut cx).is_pending() && waiting.poll(&mut cx).is_pending());
        peers.welcomed(who.peer());
        let asked = std::future::poll_fn(|cx| waiting.poll(cx));
        let asked = timeout(10 * LOOK_PAUSE, asked).await;
        assert!(matches!(asked, Ok(ConnectionHandlerEvent::OutboundSubstreamRequest { .. })));
        let stranger = Identity::from_secret([2; 32]).unwrap().peer();
        peers.welcomed(stranger);
        assert!(door(&peers, stranger, Patience::Waits).poll(&mut cx).is_pending());
    }

    #[tokio::test]
    async fn a_connection_on_which_a_protocol_has_panicked_is_closed() {
        let who = Identity::from_secret([1; 32]).unwrap();
        let peers = Arc::new(peers::tests::with_bound(1, &who));
        let mut cx = Context::from_waker(Waker::noop());
        for patience in [Patience::None, Patience::Waits] {
            let mut door = door(&peers, who.peer(), patience);
            if patience == Patience::Waits {
                assert!(door.poll(&mut cx).is_pending());
            }
            door.fuse.run(|| u32::from_str("x").expect("as libp2p does"));
            let told = door.poll(&mut cx);
            assert!(matches!(told, Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(None))));
            assert!(door.poll(&mut cx).is_pending(), "once");
            assert!(matches!(door.poll_close(&mut cx), Poll::Ready(None)));
        }
        let mut protocol = Admitted::new(ping::Behaviour::default(), peers);
        let blown = ConnectionId::new_unchecked(1);
        protocol.on_connection_handler_event(who.peer(), blown, None);
        let Poll::Ready(ToSwarm::CloseConnection { peer_id, connection }) = protocol.poll(&mut cx)
        else {
            panic!("it goes on with a protocol that is dead");
        };
        assert_eq!(peer_id, who.peer());
        assert!(matches!(connection, CloseConnection::One(id) if id == blown));
        assert!(protocol.poll(&mut cx).is_pending());
    }
}
