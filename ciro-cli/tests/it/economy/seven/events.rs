//! What a devnet's ledger has told of itself.

use ciro_protocol::api::{EVENTS, EventRecord, SSE_HEAD};
use ciro_protocol::chain::Genesis;
use ciro_sdk::client::{Client, ClientError, Network};
use serde_json::Value;

use crate::devnet::Devnet;

/// The longest line of a stream of events.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Returns all events until now, in order.
pub(super) fn events(devnet: &Devnet) -> Vec<EventRecord> {
    with_client(devnet, async |client| {
        let mut stream = client.stream(&format!("{EVENTS}?after=0")).await?;
        let mut events = Vec::new();
        while let Some(line) = stream.line(LINE_BYTES_MAX).await? {
            let text = str::from_utf8(&line).unwrap();
            // The head follows what has happened.
            if text.strip_prefix("event: ") == Some(SSE_HEAD) {
                break;
            }
            events.extend(text.strip_prefix("data: ").map(|it| serde_json::from_str(it).unwrap()));
        }
        Ok(events)
    })
    .unwrap()
}

/// Returns the network's head, as its first node sees it: its height and its epoch of consensus.
pub(super) fn head(devnet: &Devnet) -> (u64, u64) {
    let info = with_client(devnet, async |client| client.chain_info().await).unwrap();
    (info.head.height, info.head.epoch)
}

/// Reads what the network begins with.
pub(super) fn genesis(devnet: &Devnet) -> Genesis {
    Network::read_genesis(&devnet.dir().join("node0/genesis.json")).unwrap()
}

fn with_client<T>(
    devnet: &Devnet,
    work: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let text = std::fs::read_to_string(devnet.dir().join("devnet.json")).unwrap();
    let running: Value = serde_json::from_str(&text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        work(&Client::connect(running["url"].as_str().unwrap(), genesis(devnet)).await?).await
    })
}
