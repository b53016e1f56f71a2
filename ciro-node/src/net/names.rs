//! Where peers are that the settings name by a host: found again and again, since names move.

use std::net::IpAddr;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// The pause between two look-ups of all names.
const PAUSE: Duration = Duration::from_secs(60);
/// How long a look-up may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A peer, and the hosts by which the settings name it.
type Named = (PeerId, Vec<String>);

/// Where a peer is, as far as its names can be found.
pub(super) type Found = (PeerId, Vec<IpAddr>);

/// Begins to look up the names among the addresses of peers. Nothing comes for one whose addresses
/// are numbers, nor as long as no name of it can be found.
pub(super) fn follow<'a>(
    peers: impl Iterator<Item = (PeerId, &'a [Multiaddr])>,
) -> mpsc::Receiver<Found> {
    let hosts = |addresses: &[Multiaddr]| addresses.iter().filter_map(host).collect::<Vec<_>>();
    let named = peers.map(|(peer, addresses)| (peer, hosts(addresses)));
    let named: Vec<Named> = named.filter(|(_, hosts)| !hosts.is_empty()).collect();
    let (tx, rx) = mpsc::channel(16);
    if !named.is_empty() {
        tokio::spawn(look_up(named, tx));
    }
    rx
}

async fn look_up(named: Vec<Named>, tx: mpsc::Sender<Found>) {
    loop {
        for (peer, hosts) in &named {
            let mut found = Vec::new();
            for host in hosts {
                match timeout(PATIENCE, lookup_host((host.as_str(), 0))).await {
                    Ok(Ok(addresses)) => found.extend(addresses.map(|it| it.ip())),
                    Ok(Err(error)) => tracing::debug!(%peer, %host, %error, "a name is not found"),
                    Err(_) => tracing::debug!(%peer, %host, "a name is not found in time"),
                }
            }
            // Where it was before is better than nowhere.
            if !found.is_empty() && tx.send((*peer, found)).await.is_err() {
                return;
            }
        }
        sleep(PAUSE).await;
    }
}

/// Returns the host that an address names, if it has one.
fn host(address: &Multiaddr) -> Option<String> {
    address.iter().find_map(|part| match part {
        Protocol::Dns(host) | Protocol::Dns4(host) | Protocol::Dns6(host) => {
            Some(host.into_owned())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::identity::Identity;

    #[tokio::test]
    async fn peers_are_found_by_their_names() {
        let peers = [1, 2].map(|byte| Identity::from_secret([byte; 32]).unwrap().peer());
        let addresses: [Vec<Multiaddr>; 2] = [
            vec!["/dns/localhost/tcp/1".parse().unwrap(), "/ip4/192.0.2.1/tcp/1".parse().unwrap()],
            vec!["/ip4/192.0.2.2/tcp/1".parse().unwrap()],
        ];
        let named = peers.into_iter().zip(addresses.iter().map(|it| &it[..]));
        let mut found = follow(named);
        let (peer, ips) = found.recv().await.unwrap();
        assert_eq!(peer, peers[0]);
        assert!(!ips.is_empty() && ips.iter().all(IpAddr::is_loopback), "{ips:?}");
        let mut numbers = follow([(peers[1], &addresses[1][..])].into_iter());
        assert_eq!(numbers.recv().await, None, "numbers need no look-up");
    }
}
