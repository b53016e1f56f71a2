//! The swarm: its transports and protocols.

use std::time::Duration;

use libp2p::futures::FutureExt as _;
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};

use super::Net;
use super::behaviour::Protocols;
use super::identity::Identity;
use super::swarm::NetError;

/// How long a connection has to be set up: to show who it is to libp2p.
const SETUP_PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection lives on which nothing is said.
const IDLE_MAX: Duration = Duration::from_secs(86_400);

/// Makes a swarm that speaks TCP, QUIC and WebSocket, directly and through relays.
///
/// # Errors
///
/// [`NetError::Transport`].
pub(super) fn swarm(identity: Identity, net: &Net) -> Result<Swarm<Protocols>, NetError> {
    let failed = |error: &dyn std::fmt::Display| NetError::Transport(error.to_string());
    let swarm = SwarmBuilder::with_existing_identity(identity.0)
        .with_tokio()
        // Hole punching needs connections to leave from the port where this node listens, as they
        // do by default.
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| failed(&error))?
        .with_quic()
        .with_dns()
        .map_err(|error| failed(&error))?
        .with_websocket(noise::Config::new, yamux::Config::default)
        // It waits for nothing.
        .now_or_never()
        .ok_or_else(|| failed(&"WebSocket"))?
        .map_err(|error| failed(&error))?
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .map_err(|error| failed(&error))?
        .with_behaviour(|key, client| Protocols::new(key, client, net))
        .map_err(|error| failed(&error))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_MAX))
        .with_connection_timeout(SETUP_PATIENCE);
    Ok(swarm.build())
}
