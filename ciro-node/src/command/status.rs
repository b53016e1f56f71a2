//! `ciro-node status`: one request each to the node that runs in a folder.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use ciro_protocol::api::{CHAIN, ChainInfo, Health, READY};
use serde_json::json;

use crate::config::ADDRESS_FILE;

/// How long a node may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read: a genesis has 1 MiB at most, and JSON is longer.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// Returns what is printed, and whether the node is ready.
pub(super) fn status(folder: &Path, as_json: bool) -> anyhow::Result<(String, bool)> {
    let address = address(folder)?;
    let chain = get(address, CHAIN)?;
    let health = get(address, READY)?;
    let chain: ChainInfo = serde_json::from_slice(&chain).context("not the answer of a node")?;
    let health: Health = serde_json::from_slice(&health).context("not the answer of a node")?;
    if as_json {
        let status = json!({
            "address": address, "chain": chain.chain, "head": chain.head,
            "certified": chain.certified, "version": chain.version, "health": health,
        });
        return Ok((serde_json::to_string_pretty(&status)?, health.ready));
    }
    let mut text = format!(
        "network    {} ({})\naddress    {address}\nheight     {} (certified {}), epoch {}\n",
        &*chain.genesis.spec.name,
        chain.chain,
        chain.head.height,
        chain.certified,
        chain.head.epoch,
    );
    text += if health.ready { "ready      yes\n" } else { "ready      no\n" };
    for check in health.checks {
        let mark = if check.ok { "ok  " } else { "fail" };
        text += &format!("  {mark} {}: {}\n", check.name, check.detail);
    }
    Ok((text, health.ready))
}

/// Reads where the node of a folder listens.
pub(super) fn address(folder: &Path) -> anyhow::Result<SocketAddr> {
    let path = folder.join(ADDRESS_FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("no node has run in `{}`", folder.display()))?;
    text.trim().parse().with_context(|| format!("`{}` holds no address", path.display()))
}

/// Asks for one path over HTTP/1.0, in which an answer ends with its connection.
pub(super) fn get(address: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
    let failed = || format!("no node answers at {address}");
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).with_context(failed)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).with_context(failed)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).with_context(failed)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else { bail!("{address} does not speak HTTP") };
    ensure!(answer.starts_with(b"HTTP/1."), "{address} does not speak HTTP");
    Ok(answer.split_off(end + 4))
}
