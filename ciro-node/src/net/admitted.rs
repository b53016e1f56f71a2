//! Protocols that only peers who speak for a validator may use: whoever has not said who it is can
//! say that, and nothing else. A stranger's requests are never read.

use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::DeniedUpgrade;
use libp2p::futures::future::Either as Output;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::handler::{
    ConnectionEvent, FullyNegotiatedInbound, ListenUpgradeError, SendWrapper,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::peers::Peers;

/// A behaviour whose protocols are closed to strangers.
pub(super) struct Admitted<B> {
    pub(super) inner: B,
    peers: Arc<Peers>,
}

impl<B> Admitted<B> {
    pub(super) const fn new(inner: B, peers: Arc<Peers>) -> Self {
        Self { inner, peers }
    }

    fn door<H>(&self, peer: PeerId, inner: H) -> Door<H> {
        Door { inner, peers: Arc::clone(&self.peers), peer }
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
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}

/// A connection's handler whose protocols are offered once the peer speaks for a validator.
pub(super) struct Door<H> {
    inner: H,
    peers: Arc<Peers>,
    peer: PeerId,
}

impl<H: ConnectionHandler> ConnectionHandler for Door<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = H::ToBehaviour;
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
        self.inner.on_behaviour_event(event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<H::OutboundProtocol, H::OutboundOpenInfo, H::ToBehaviour>>
    {
        self.inner.poll(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<H::ToBehaviour>> {
        self.inner.poll_close(cx)
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
        self.inner.on_connection_event(event);
    }
}
