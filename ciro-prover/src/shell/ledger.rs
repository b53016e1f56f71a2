//! What the ledger says, as it says it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ciro_protocol::api::{self, EventRecord, ProviderInfo};
use ciro_protocol::event::Event;
use ciro_protocol::id::ProviderId;
use ciro_protocol::sign::Address;
use ciro_sdk::client::{Client, ClientError};
use tokio::sync::mpsc;

use super::Message;
use crate::worker::{Head, Input, Place, Sighting};

/// The pause after a stream that broke off.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the other providers are looked at.
const PEERS: Duration = Duration::from_secs(10);
/// Pages of providers at most.
const PAGES_MAX: usize = 20;
/// How far ledger time may be behind this machine's and count as the same.
const LAG: Duration = Duration::from_secs(10);
/// The longest line of a stream.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Reads the stream of events and heads for ever, and goes on where it broke off.
pub(super) async fn listen(client: Client, account: Address, tx: mpsc::Sender<Message>) {
    let mut listener =
        Listener { client, account, tx, after: None, provider: None, active: true, behind: false };
    while !listener.tx.is_closed() {
        if let Err(error) = listener.read().await {
            tracing::warn!(%error, "the stream of events broke off");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Listener {
    client: Client,
    account: Address,
    tx: mpsc::Sender<Message>,
    after: Option<u64>,
    /// What the ledger said of this provider; absent when it may have changed.
    provider: Option<ProviderInfo>,
    /// Whether the provider could claim, as the last head said.
    active: bool,
    /// Whether the ledger's time was behind at the last head.
    behind: bool,
}

impl Listener {
    async fn read(&mut self) -> Result<(), ClientError> {
        let path = match self.after {
            Some(after) => format!("{}?after={after}", api::EVENTS),
            None => api::EVENTS.to_owned(),
        };
        let mut stream = self.client.stream(&path).await?;
        let mut event = String::new();
        while let Some(line) = stream.line(LINE_BYTES_MAX).await? {
            let line = String::from_utf8_lossy(&line);
            if let Some(name) = line.strip_prefix("event:") {
                name.trim().clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data:") {
                self.told(&event, data.trim()).await?;
            }
        }
        Ok(())
    }

    async fn told(&mut self, event: &str, data: &str) -> Result<(), ClientError> {
        let wrong = |error: serde_json::Error| ClientError::Answer {
            what: "events",
            reason: error.to_string(),
        };
        match event {
            api::SSE_EVENT => {
                let record: EventRecord = serde_json::from_str(data).map_err(wrong)?;
                self.after = Some(record.seq);
                if concerns_providers(&record.event) {
                    self.provider = None;
                }
                // Within a block events are in order; so are their numbers.
                let index = u32::try_from(record.seq & 0x7fff_ffff).unwrap_or_default();
                let place = Place { height: record.height, index };
                if let Some(sighting) = Sighting::of(&record.event, place, record.time_ms) {
                    self.tell(Input::Ledger(sighting)).await;
                }
            }
            api::SSE_HEAD => {
                let head: api::Head = serde_json::from_str(data).map_err(wrong)?;
                self.after.get_or_insert(head.events);
                let info = match self.provider.take() {
                    Some(info) => info,
                    None => self.client.provider(self.account).await?,
                };
                let least = self.client.spec().providers.bond_min;
                let behind = is_behind(head.time_ms, SystemTime::now());
                if !std::mem::replace(&mut self.behind, behind) && behind {
                    tracing::warn!(
                        "the ledger's time is behind this machine's: jobs count as twice as long"
                    );
                }
                let head = Head {
                    height: head.height,
                    time_ms: head.time_ms,
                    behind,
                    bond_free: info.bond,
                    active: info.may_claim(least),
                    jail_over: info.jailed_until_ms.is_some_and(|until| until <= head.time_ms),
                };
                self.warn(&info, head.active);
                self.provider = Some(info);
                self.tell(Input::Head(head)).await;
            }
            _ => {}
        }
        Ok(())
    }

    /// Says it once when the provider may claim no longer, or again.
    fn warn(&mut self, info: &ProviderInfo, active: bool) {
        if std::mem::replace(&mut self.active, active) == active {
            return;
        }
        let least = self.client.spec().providers.bond_min;
        match info.jailed_until_ms {
            _ if active => tracing::info!("the provider may claim again"),
            Some(until_ms) => {
                tracing::warn!(until_ms, "nothing is claimed: the provider is in jail");
            }
            None => tracing::warn!(
                bond = %info.bond,
                locked = %info.locked,
                %least,
                "nothing is claimed: the bond is below the network's least; raise `provider.bond` \
                 and run `ciro-prover register`"
            ),
        }
    }

    async fn tell(&self, input: Input) {
        // Nobody listens once the worker stops.
        let _ = self.tx.send(Message::Input(Box::new(input))).await;
    }
}

/// Whether ledger time is behind, or this machine's clock is ahead.
fn is_behind(time_ms: u64, now: SystemTime) -> bool {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(time_ms));
    time.is_some_and(|time| now.duration_since(time).is_ok_and(|lag| lag > LAG))
}

/// Whether an event may change what the ledger says of a provider.
fn concerns_providers(event: &Event) -> bool {
    !matches!(event, Event::ModelListed { .. } | Event::ModelRetired { .. })
}

/// Tells who else may claim, every few seconds.
pub(super) async fn watch_peers(client: Client, tx: mpsc::Sender<Message>) {
    while !tx.is_closed() {
        match peers(&client).await {
            Ok(peers) => {
                let _ = tx.send(Message::Input(Box::new(Input::Peers(peers)))).await;
            }
            Err(error) => tracing::warn!(%error, "the other providers are not known"),
        }
        tokio::time::sleep(PEERS).await;
    }
}

async fn peers(client: &Client) -> Result<BTreeMap<ProviderId, u16>, ClientError> {
    let providers = client.free_providers(PAGES_MAX).await?;
    Ok(providers.into_iter().map(|it| (it.provider, it.asks.capacity)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_is_behind_by_more_than_ten_seconds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let behind = [89_999, 90_000, 100_000, u64::MAX].map(|time_ms| is_behind(time_ms, now));
        assert_eq!(behind, [true, false, false, false]);
    }
}
