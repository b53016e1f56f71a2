//! Who this node is to libp2p, and where nodes are.

use std::fmt;

use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::reach::is_circuit;

/// The libp2p identity of a node. It encrypts connections; what a validator says is signed with
/// another key.
#[derive(Clone)]
pub struct Identity(pub(super) Keypair);

impl Identity {
    /// Makes the identity of a secret; `None` if it makes none.
    #[must_use]
    pub fn from_secret(secret: [u8; 32]) -> Option<Self> {
        Keypair::ed25519_from_bytes(secret).ok().map(Self)
    }

    /// Returns its name.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.0.public().to_peer_id()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer())
    }
}

/// Where a node listens, and where it looks for others.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    pub(super) listen: Vec<Multiaddr>,
    pub(super) peers: Vec<(PeerId, Multiaddr)>,
}

impl Addresses {
    /// Returns whom the settings name.
    pub(crate) fn named(&self) -> impl Iterator<Item = PeerId> {
        self.peers.iter().map(|(peer, _)| *peer)
    }

    /// Reads settings. Each of `peers` must end with the identity that is expected there.
    ///
    /// # Errors
    ///
    /// The first that is no address, or names nobody, or is at a relay: a node looks for places at
    /// relays by itself. Or one of TLS at which no certificate would be right.
    pub fn parse(listen: &[String], peers: &[String]) -> Result<Self, String> {
        let plain = |text: &String| {
            let address: Option<Multiaddr> = text.parse().ok();
            address.filter(|address| !is_circuit(address)).ok_or_else(|| text.clone())
        };
        let named = |text: &String| {
            let address: Multiaddr = text.parse().ok()?;
            match address.iter().last()? {
                Protocol::P2p(peer) if !is_never_verified(&address) => Some((peer, address)),
                _ => None,
            }
        };
        Ok(Self {
            listen: listen.iter().map(plain).collect::<Result<_, _>>()?,
            peers: peers
                .iter()
                .map(|text| named(text).ok_or_else(|| text.clone()))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// Whether an address leads by TLS to a host that it names: libp2p looks the name up first, and
/// then wants a certificate for the number that it has found. `/tls/sni/NAME/ws` wants one for the
/// name.
fn is_never_verified(address: &Multiaddr) -> bool {
    let has = |wanted: fn(&Protocol<'_>) -> bool| address.iter().any(|part| wanted(&part));
    let named =
        has(|part| matches!(part, Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)));
    let secured = has(|part| matches!(part, Protocol::Tls | Protocol::Wss(_)));
    named && secured && !has(|part| matches!(part, Protocol::Sni(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_without_an_identity_are_refused() {
        let peer = Identity::from_secret([7; 32]).unwrap().peer();
        let good = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}");
        let parse = |peers: &[&str]| {
            let peers: Vec<String> = peers.iter().map(|it| (*it).to_owned()).collect();
            Addresses::parse(&["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()], &peers)
        };
        assert_eq!(parse(&[&good]).unwrap().peers[0].0, peer);
        for bad in ["/ip4/127.0.0.1/tcp/1", "127.0.0.1:1", "", "/p2p/zz"] {
            assert_eq!(parse(&[&good, bad]).unwrap_err(), bad);
        }
    }

    #[test]
    fn peers_whose_certificates_nobody_verifies_are_refused() {
        let peer = Identity::from_secret([7; 32]).unwrap().peer();
        let parse = |way: &str| {
            let text = format!("{way}/p2p/{peer}");
            Addresses::parse(&[], std::slice::from_ref(&text)).map_err(|error| error == text)
        };
        for bad in ["/dns4/a.example/tcp/443/wss", "/dns/a.example/tcp/443/tls/ws"] {
            assert!(parse(bad).unwrap_err(), "{bad}");
        }
        for good in [
            "/dns4/a.example/tcp/443/tls/sni/a.example/ws",
            "/dns4/a.example/tcp/443/ws",
            "/ip4/192.0.2.1/tcp/443/wss",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn nobody_listens_at_a_relay_by_its_settings() {
        let peer = Identity::from_secret([7; 32]).unwrap().peer();
        let circuit = format!("/ip4/192.0.2.1/tcp/1/p2p/{peer}/p2p-circuit");
        assert_eq!(Addresses::parse(std::slice::from_ref(&circuit), &[]).unwrap_err(), circuit);
    }
}
