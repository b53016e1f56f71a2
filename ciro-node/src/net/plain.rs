//! Where this node dials though its settings do not name it.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// Whether an address leads to one port of one host by TCP or QUIC, and nowhere else. Others choose
/// it: what they say in records, for holes and to AutoNAT. WebSocket sends its path to whoever
/// listens there, and reads messages of 256 MiB from servers; a `/dnsaddr` is any address.
pub(super) fn is_plain(address: &Multiaddr) -> bool {
    let parts: Vec<_> = address.iter().collect();
    let way = match &parts[..] {
        [way @ .., Protocol::P2p(_)] => way,
        way => way,
    };
    let [host, transport @ ..] = way else { return false };
    let host = matches!(
        host,
        Protocol::Ip4(_)
            | Protocol::Ip6(_)
            | Protocol::Dns(_)
            | Protocol::Dns4(_)
            | Protocol::Dns6(_)
    );
    host && matches!(transport, [Protocol::Tcp(_)] | [Protocol::Udp(_), Protocol::QuicV1])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::net::identity::Identity;

    /// Addresses that nobody dials unless the settings name them.
    pub(in crate::net) fn odd() -> Vec<Multiaddr> {
        let texts = [
            "/ip4/192.0.2.1/tcp/443/ws",
            "/ip4/192.0.2.1/tcp/443/wss",
            "/ip4/192.0.2.1/tcp/443/tls/ws",
            "/dns4/example.org/tcp/443/tls/sni/example.org/ws",
            "/ip4/192.0.2.1/tcp/1/ip4/10.0.0.1/tcp/22",
            "/ip4/192.0.2.1/tcp/1/tcp/22",
            "/ip4/192.0.2.1/udp/1",
            "/ip4/192.0.2.1/udp/1/quic",
            "/ip4/192.0.2.1/tcp/1/p2p-circuit",
            "/ip4/192.0.2.1",
            "/dnsaddr/example.org",
            "/dnsaddr/example.org/tcp/1",
            "/unix/tmp",
            "/tcp/1",
        ];
        let mut odd: Vec<Multiaddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let request = Protocol::Ws("/ HTTP/1.1\r\nHost: localhost\r\n\r\n".into());
        odd.push("/ip4/127.0.0.1/tcp/80".parse::<Multiaddr>().unwrap().with(request));
        odd.push(Multiaddr::empty());
        odd
    }

    #[test]
    fn one_port_of_one_host_is_dialled_and_nothing_else() {
        let peer = Identity::from_secret([1; 32]).unwrap().peer();
        for host in
            ["ip4/192.0.2.1", "ip6/::1", "dns/a.example", "dns4/a.example", "dns6/a.example"]
        {
            for way in ["tcp/1", "udp/1/quic-v1"] {
                let address: Multiaddr = format!("/{host}/{way}").parse().unwrap();
                assert!(is_plain(&address), "{address}");
                let named = address.with(Protocol::P2p(peer));
                assert!(is_plain(&named), "{named}");
                assert!(!is_plain(&named.clone().with(Protocol::P2p(peer))), "{named} twice");
            }
        }
        for address in odd() {
            assert!(!is_plain(&address), "{address}");
            assert!(!is_plain(&address.clone().with(Protocol::P2p(peer))), "{address}");
        }
    }
}
