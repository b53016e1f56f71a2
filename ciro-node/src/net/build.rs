//! The swarm: its transports and protocols.

use std::error::Error;
use std::num::NonZeroU8;
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::Config;
use libp2p::{PeerId, Swarm, SwarmBuilder, Transport, noise, tcp, websocket, yamux};

use super::Net;
use super::behaviour::Protocols;
use super::identity::Identity;
use super::swarm::NetError;

/// How long a connection has to be set up: to show who it is to libp2p.
const SETUP_PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection lives on which nothing is said.
const IDLE_MAX: Duration = Duration::from_secs(86_400);
/// Addresses of a peer that are tried at once where holes are punched: all of them, since both ends
/// have to try the right one at the same moment, and others may have made the rest up.
const DIALS_AT_ONCE: NonZeroU8 = NonZeroU8::new(20).expect("not zero");
/// Bytes of a message of WebSocket, which is read before anybody has shown who it is. Noise writes
/// 200 kB at once at most. That is for those who come: from a server libp2p reads messages of 256
/// MiB, so that only those are dialled that the settings name.
const WEBSOCKET_BYTES_MAX: usize = 512 << 10;

/// A transport whose connections are encrypted and carry streams.
type Framed = Boxed<(PeerId, StreamMuxerBox)>;

/// Whether validators behind NATs are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Nats {
    /// The protocols for it are not there.
    #[default]
    Ignored,
    /// They are.
    Crossed,
}

/// Makes a swarm that speaks TCP, QUIC and WebSocket, directly and maybe through relays.
///
/// # Errors
///
/// [`NetError::Transport`].
pub(super) fn swarm(
    identity: Identity,
    net: &Net,
    nats: Nats,
) -> Result<Swarm<Protocols>, NetError> {
    let failed = |error: &dyn std::fmt::Display| NetError::Transport(error.to_string());
    let builder = SwarmBuilder::with_existing_identity(identity.0)
        .with_tokio()
        // Hole punching needs connections to leave from the port where this node listens, as they
        // do by default.
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| failed(&error))?
        .with_quic()
        .with_other_transport(web_socket)
        .map_err(|error| failed(&error))?
        .with_dns()
        .map_err(|error| failed(&error))?;
    let config = |config: Config| config.with_idle_connection_timeout(IDLE_MAX);
    Ok(match nats {
        Nats::Ignored => builder
            .with_behaviour(|key| Protocols::new(key, None, net))
            .map_err(|error| failed(&error))?
            .with_swarm_config(config)
            .with_connection_timeout(SETUP_PATIENCE)
            .build(),
        Nats::Crossed => builder
            .with_relay_client(noise::Config::new, yamux::Config::default)
            .map_err(|error| failed(&error))?
            .with_behaviour(|key, client| Protocols::new(key, Some(client), net))
            .map_err(|error| failed(&error))?
            .with_swarm_config(|it| config(it).with_dial_concurrency_factor(DIALS_AT_ONCE))
            .with_connection_timeout(SETUP_PATIENCE)
            .build(),
    })
}

/// WebSocket. libp2p's own would take messages of 256 MiB from strangers, and would go wherever a
/// server sends it.
fn web_socket(key: &Keypair) -> Result<Framed, Box<dyn Error + Send + Sync>> {
    let streams = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let mut transport = websocket::Config::new(streams);
    bound(&mut transport);
    let transport = transport
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key)?)
        .multiplex(yamux::Config::default());
    Ok(transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed())
}

fn bound(transport: &mut websocket::Config<tcp::tokio::Transport>) {
    transport.set_max_data_size(WEBSOCKET_BYTES_MAX).set_max_redirects(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::places::ADDRESSES_MAX;

    #[test]
    fn all_addresses_of_a_peer_are_tried_at_once() {
        assert_eq!(usize::from(DIALS_AT_ONCE.get()), ADDRESSES_MAX);
    }

    #[test]
    fn strangers_send_no_long_messages_and_servers_send_this_node_nowhere() {
        let streams = tcp::tokio::Transport::new(tcp::Config::default());
        let mut transport = websocket::Config::new(streams);
        bound(&mut transport);
        assert_eq!(transport.max_data_size(), WEBSOCKET_BYTES_MAX);
        assert_eq!(transport.max_redirects(), 0);
    }
}
