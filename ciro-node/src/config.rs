//! `node.toml`: how one node runs. What a network is stands in its genesis.

use std::net::SocketAddr;
use std::path::Path;

use ciro_consensus::Pin;
use ciro_queue::kafka::{KafkaSettings, KafkaSettingsError};
use ciro_sdk::network::{SettingsError, check_ranges, read_settings};
use serde::Deserialize;

/// The name of the file in a node's folder.
pub const CONFIG_FILE: &str = "node.toml";
/// The name of the genesis in a node's folder.
pub const GENESIS_FILE: &str = "genesis.json";
/// The name of the key in a node's folder.
pub const KEY_FILE: &str = "node.key";
/// The name of the file with the secret behind the node's libp2p identity.
pub const PEER_KEY_FILE: &str = "peer.key";
/// The name of the file that says where the interface listens, written once it does.
pub const ADDRESS_FILE: &str = "api.addr";

/// The settings of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The number under which this node's key is registered as a validator's. Default: the number
    /// that it has in the genesis.
    pub validator: Option<u32>,
    /// Who votes in an epoch, as somebody trusted says: `EPOCH:0xDIGEST`. Default: whoever the
    /// genesis leads to.
    pub pin: Option<Pin>,
    /// The HTTP interface.
    pub api: ApiConfig,
    /// Transactions that wait.
    pub mempool: MempoolConfig,
    /// Blobs on disk.
    pub blobs: BlobConfig,
    /// Verification.
    pub verify: VerifyConfig,
    /// What is done with Kafka; of use with `kafka` alone.
    pub bus: BusConfig,
    /// How to reach Kafka. Default: not at all.
    pub kafka: Option<KafkaSettings>,
    /// Other validators.
    pub net: NetConfig,
}

/// What a node does with Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BusConfig {
    /// Whether missing topics are created at the start. Default no: `ciro-node kafka topics` does.
    pub create_topics: bool,
    /// Brokers that each topic is on. Default 3, range 1 to 16.
    pub replication: u16,
    /// After how many ms a job that nobody claimed is offered again. Default 30,000, range 1,000 to
    /// 3,600,000.
    pub republish_ms: u64,
}

/// The HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Where it listens. Default `127.0.0.1:26610`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at once; an address has an eighth of them. Default 1,024, range 1 to 65,536.
    pub connections_max: usize,
    /// Requests that wait for something to happen at once, and twice as many as streams of events;
    /// an address has an eighth of each. Default 512, range 1 to 65,536.
    pub waiting_max: usize,
    /// Origins of pages that may use the interface. Default none.
    pub cors: Vec<String>,
}

/// Other validators.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetConfig {
    /// Where this node listens for them, as multiaddrs. Default TCP and QUIC on port 26611.
    pub listen: Vec<String>,
    /// Where they listen, as multiaddrs that end in `/p2p/` and their peer id. Default none.
    pub peers: Vec<String>,
    /// Whether this node reaches validators behind NATs, and is reached behind one. Default no.
    /// Change it where a validator of the network has no port that others can dial.
    pub nat: bool,
}

/// Transactions that wait.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MempoolConfig {
    /// Bytes of all of them. Default 16 MiB, range 64 KiB to 1 GiB.
    pub bytes_max: usize,
    /// Transactions of one account. Default 256, range 1 to 65,536.
    pub per_account_max: usize,
}

/// Blobs on disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlobConfig {
    /// Bytes of all of them, in whole blocks of 4 KiB. Default 20 GB, range 1 MB to 1 EB.
    pub bytes_max: u64,
    /// Their files, two for each: inodes of the disk. Default 1,000,000, range 1,000 to
    /// 1,000,000,000.
    pub files_max: u64,
}

/// Verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyConfig {
    /// Threads; 0 for one of each processor. Default 0, range 0 to 1,024.
    pub threads: usize,
}

impl Default for ApiConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 26_610));
        Self { listen, connections_max: 1_024, waiting_max: 512, cors: Vec::new() }
    }
}

impl Default for NetConfig {
    fn default() -> Self {
        let listen = ["/ip4/0.0.0.0/tcp/26611", "/ip4/0.0.0.0/udp/26611/quic-v1"];
        Self { listen: listen.map(str::to_owned).into(), peers: Vec::new(), nat: false }
    }
}

impl Default for MempoolConfig {
    fn default() -> Self {
        Self { bytes_max: 16 << 20, per_account_max: 256 }
    }
}

impl Default for BlobConfig {
    fn default() -> Self {
        Self { bytes_max: 20_000_000_000, files_max: 1_000_000 }
    }
}

impl Default for BusConfig {
    fn default() -> Self {
        Self { create_topics: false, replication: 3, republish_ms: 30_000 }
    }
}

impl Config {
    /// Reads `node.toml` of a folder.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first thing that is wrong.
    pub fn read(folder: &Path) -> Result<Self, SettingsError> {
        let path = folder.join(CONFIG_FILE);
        let mut config: Self = read_settings(&path)?;
        config.check()?;
        if let Some(kafka) = &mut config.kafka {
            let refused = |error: KafkaSettingsError| SettingsError::Parse {
                path,
                reason: error.to_string(),
            };
            kafka.check().map_err(refused)?;
            kafka.beside(folder);
        }
        Ok(config)
    }

    /// Checks every range.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Range`].
    pub fn check(&self) -> Result<(), SettingsError> {
        let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        check_ranges(&[
            ("api.connections_max", size(self.api.connections_max), 1, 65_536),
            ("api.waiting_max", size(self.api.waiting_max), 1, 65_536),
            ("mempool.bytes_max", size(self.mempool.bytes_max), 64 << 10, 1 << 30),
            ("mempool.per_account_max", size(self.mempool.per_account_max), 1, 65_536),
            ("blobs.bytes_max", self.blobs.bytes_max, 1_000_000, 1_000_000_000_000_000_000),
            ("blobs.files_max", self.blobs.files_max, 1_000, 1_000_000_000),
            ("verify.threads", size(self.verify.threads), 0, 1_024),
            ("bus.replication", self.bus.replication.into(), 1, 16),
            ("bus.republish_ms", self.bus.republish_ms, 1_000, 3_600_000),
        ])
    }

    /// Returns the file with every field, its default, unit and range.
    #[must_use]
    pub const fn template() -> &'static str {
        include_str!("assets/node.toml")
    }

    /// Returns the template with a number and other addresses for validators; what is not given
    /// stays.
    #[must_use]
    pub fn filled(validator: Option<u32>, listen: &[String], peers: &[String]) -> String {
        let list = |texts: &[String]| {
            let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
            quoted.join(", ")
        };
        let mut text = Self::template().to_owned();
        if let Some(validator) = validator {
            text = text.replace("\n# validator = 7\n", &format!("\nvalidator = {validator}\n"));
        }
        if !listen.is_empty() {
            let own = list(&Self::default().net.listen);
            let (from, to) = (format!("listen = [{own}]"), format!("listen = [{}]", list(listen)));
            text = text.replace(&from, &to);
        }
        if !peers.is_empty() {
            text = text.replace("\npeers = []", &format!("\npeers = [{}]", list(peers)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_holds_the_defaults() {
        assert_eq!(toml::from_str::<Config>(Config::template()).unwrap(), Config::default());
        assert!(Config::default().check().is_ok());
        assert!(!Config::default().net.nat, "what libp2p does for it may be stopped by a relay");
    }

    #[test]
    fn the_template_is_filled_with_addresses() {
        let (listen, peers) = (["/ip4/127.0.0.1/tcp/1".to_owned()], ["/p2p/a".to_owned()]);
        let config: Config = toml::from_str(&Config::filled(Some(9), &listen, &peers)).unwrap();
        assert_eq!((&config.net.listen[..], &config.net.peers[..]), (&listen[..], &peers[..]));
        assert_eq!(config.validator, Some(9));
        assert_eq!(Config::filled(None, &[], &[]), Config::template());
    }

    #[test]
    fn unknown_fields_and_numbers_out_of_range_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(folder.path().join(CONFIG_FILE), text).unwrap();
            Config::read(folder.path()).map_err(|error| error.to_string())
        };
        assert!(read("[api]\nlisten = \"0.0.0.0:1\"").is_ok());
        assert!(read("[api]\nlistne = \"0.0.0.0:1\"").unwrap_err().contains("listne"));
        let refused = read("[mempool]\nper_account_max = 0").unwrap_err();
        assert_eq!(refused, "`mempool.per_account_max` is 0, expected 1 to 65536");
        let refused = read("[blobs]\nfiles_max = 999").unwrap_err();
        assert_eq!(refused, "`blobs.files_max` is 999, expected 1000 to 1000000000");
        assert!(read("[kafka]\nbrokers = \"a:1\"").unwrap().kafka.is_some());
        let refused = read("[kafka]\nbrokers = \"a\"").unwrap_err();
        assert!(refused.contains("`a` in `kafka.brokers` is no address"), "{refused}");
        assert!(read("[kafka]").unwrap_err().contains("brokers"));
    }
}
