//! `ciro-node network`: the folders of several validators on this machine.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;

use super::init::{InitError, finish, make_keys, new_network, peer_of};

/// Tries to find a port that is free for TCP and for UDP.
const TRIES_MAX: usize = 64;

/// Makes the folders `node0`, `node1` and so on of a network whose validators all run on this
/// machine, all of equal weight, and lets them know each other.
///
/// # Errors
///
/// [`InitError`]; folders that are half made must be removed before the next try.
pub fn network(
    folder: &Path,
    validators: u8,
    (spec, seed): (Option<&Path>, Option<&str>),
) -> Result<String, InitError> {
    let folders = (0..validators).map(|number| folder.join(format!("node{number}")));
    let folders: Vec<_> = folders.collect();
    let mut keys = Vec::with_capacity(folders.len());
    for (number, folder) in folders.iter().enumerate() {
        let seed = seed.map(|seed| format!("{seed} node{number}"));
        keys.push(make_keys(folder, seed.as_deref())?);
    }
    let addresses: Vec<_> = keys.iter().map(ciro_protocol::SecretKey::address).collect();
    let genesis = new_network(spec, &addresses)?;
    let ports = ports(folders.len()).map_err(InitError::Ports)?;
    let mut peers = Vec::with_capacity(folders.len());
    for (folder, port) in folders.iter().zip(&ports) {
        peers.push(format!("/ip4/127.0.0.1/tcp/{port}/p2p/{}", peer_of(folder)?));
    }
    let mut lines = Vec::with_capacity(folders.len());
    for (number, (folder, (key, port))) in folders.iter().zip(keys.iter().zip(&ports)).enumerate() {
        let listen =
            [format!("/ip4/127.0.0.1/tcp/{port}"), format!("/ip4/127.0.0.1/udp/{port}/quic-v1")];
        let others = peers.iter().enumerate().filter(|(other, _)| *other != number);
        let others: Vec<String> = others.map(|(_, peer)| peer.clone()).collect();
        let id = finish(folder, (key, None), &genesis, (&listen, &others))?;
        lines.push(format!("validator  {id}, key {}, {}", key.address(), folder.display()));
    }
    lines.push(
        "next       ciro-node start FOLDER --listen 127.0.0.1:0, for each of them".to_owned(),
    );
    Ok(lines.join("\n"))
}

/// Finds ports that are free for TCP and UDP, all different.
fn ports(count: usize) -> std::io::Result<Vec<u16>> {
    // Held until all are found: a port that is free is not found twice.
    let mut held: Vec<(TcpListener, UdpSocket)> = Vec::with_capacity(count);
    let mut ports = Vec::with_capacity(count);
    for tries in 0.. {
        if ports.len() == count {
            break;
        }
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = tcp.local_addr()?.port();
        match UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(udp) => {
                held.push((tcp, udp));
                ports.push(port);
            }
            Err(error) if tries >= TRIES_MAX + count => return Err(error),
            Err(_) => {}
        }
    }
    Ok(ports)
}
