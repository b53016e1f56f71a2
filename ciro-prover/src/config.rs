//! `prover.toml`: how one worker runs.

use std::path::{Path, PathBuf};

use ciro_protocol::amount::Amount;
use ciro_protocol::id::ModelId;
use ciro_protocol::order::{Class, Region};
use ciro_protocol::provider::{Ask, Asks, DirectKeys, DirectTerms, SealingCard};
use ciro_protocol::sign::Signed;
use ciro_protocol::wire::{List, TooMany};
use ciro_queue::kafka::KafkaSettings;
use ciro_sdk::network::{SettingsError, check_ranges, read_settings};
use serde::Deserialize;

use crate::worker::Speed;

/// The name of the file in a worker's folder.
pub const CONFIG_FILE: &str = "prover.toml";

/// The settings of a worker. Paths are relative to the folder of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node that the worker talks to.
    pub node: String,
    /// The genesis of the network.
    pub genesis: PathBuf,
    /// The keystore of the provider's account.
    pub account: PathBuf,
    /// The file with its passphrase, readable by its owner alone.
    pub passphrase_file: PathBuf,
    /// Where models, inputs, proofs and the table are.
    pub data: PathBuf,
    /// Where offers come from.
    #[serde(default)]
    pub queue: QueueKind,
    /// How to reach Kafka, if offers come from there.
    pub kafka: Option<KafkaSettings>,
    /// What the provider says of itself.
    pub provider: ProviderConfig,
    /// What it takes on.
    pub work: WorkConfig,
}

/// Where offers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueKind {
    /// From the node.
    #[default]
    Node,
    /// From Apache Kafka.
    Kafka,
}

/// What the provider says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Its name, up to 64 bytes.
    pub name: String,
    /// ISO 3166-1 alpha-2 code of where it is.
    pub region: Region,
    /// What it puts at stake when it registers.
    pub bond: Amount,
    /// Its price of a direct order, by class. Classes that are left out are not taken.
    pub prices: Prices,
    /// What else it asks of direct orders; without it none is taken.
    pub direct: Option<DirectConfig>,
}

/// What direct orders must keep, beside `work.collateral_max` and `work.input_mb_max`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectConfig {
    /// The models that they may be for.
    pub models: Models,
    /// The shortest lease, in seconds, 1 to 86,400.
    pub lease_min_s: u32,
}

/// Models that are chosen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "this is neither \"any\" nor a list of ids of models")]
pub enum Models {
    /// Whatever is registered.
    Any(Any),
    /// These.
    Listed(Vec<ModelId>),
}

impl Default for Models {
    /// None.
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Models {
    /// Whether a model is among them.
    #[must_use]
    pub fn admit(&self, model: ModelId) -> bool {
        match self {
            Self::Any(_) => true,
            Self::Listed(models) => models.contains(&model),
        }
    }
}

/// The word for all models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Any {
    /// All of them.
    Any,
}

/// Prices by class.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Up to 2^20 cells.
    pub xs: Option<Amount>,
    /// Up to 2^23 cells.
    pub s: Option<Amount>,
    /// Up to 2^26 cells.
    pub m: Option<Amount>,
    /// More cells.
    pub l: Option<Amount>,
    /// The Cairo route.
    pub cairo: Option<Amount>,
}

/// What a worker takes on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkConfig {
    /// Jobs that are held at once, 1 to 1,024.
    pub capacity: u16,
    /// Children that prove at once, 1 to `capacity`.
    pub children: u16,
    /// Memory of one child, in MiB, 64 to 1,048,576.
    pub memory_mb: u32,
    /// Threads of one child, 0 to 1,024; 0 shares out the machine's.
    pub threads: u16,
    /// Cells that a child commits to in a second, 1 to 10^12.
    pub cells_per_s: u64,
    /// The least price for 2^30 cells.
    pub price_per_gcell: Amount,
    /// The most collateral that is put at stake for one job.
    pub collateral_max: Amount,
    /// The longest input, in MiB, 1 to 65,536.
    pub input_mb_max: u32,
    /// Bytes of an input that come in a second, 1 to 10^12.
    pub bytes_per_s: u64,
    /// Models that are proven; empty for all that come.
    #[serde(default)]
    pub models: Vec<ModelId>,
    /// Programs that are run and proven. Default none.
    #[serde(default)]
    pub programs: Models,
    /// The longest model that is fetched, in MiB, 1 to 2,048. Default 512.
    #[serde(default = "model_mb")]
    pub model_mb_max: u32,
    /// Whether jobs are looked at and never claimed.
    #[serde(default)]
    pub listen_only: bool,
    /// Whether jail is left as soon as its time is over.
    #[serde(default = "yes")]
    pub unjail: bool,
}

const fn yes() -> bool {
    true
}

const fn model_mb() -> u32 {
    512
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first thing that is wrong.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let mut config: Self = read_settings(path)?;
        config.check()?;
        config
            .check_queue()
            .map_err(|reason| SettingsError::Parse { path: path.to_owned(), reason })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for path in [
            &mut config.genesis,
            &mut config.account,
            &mut config.passphrase_file,
            &mut config.data,
        ] {
            *path = folder.join(&path);
        }
        if let Some(kafka) = &mut config.kafka {
            kafka.beside(folder);
        }
        Ok(config)
    }

    fn check_queue(&self) -> Result<(), String> {
        match (self.queue, &self.kafka) {
            (QueueKind::Node, None) => Ok(()),
            (QueueKind::Node, Some(_)) => {
                Err("`[kafka]` has no use without `queue = \"kafka\"`".to_owned())
            }
            (QueueKind::Kafka, None) => {
                Err("`queue = \"kafka\"` needs the table `[kafka]` with `brokers`".to_owned())
            }
            (QueueKind::Kafka, Some(kafka)) => kafka.check().map_err(|error| error.to_string()),
        }
    }

    fn check(&self) -> Result<(), SettingsError> {
        let work = &self.work;
        let lease_min_s = self.provider.direct.as_ref().map_or(1, |direct| direct.lease_min_s);
        check_ranges(&[
            ("work.capacity", work.capacity.into(), 1, 1_024),
            ("work.children", work.children.into(), 1, work.capacity.into()),
            ("work.memory_mb", work.memory_mb.into(), 64, 1 << 20),
            ("work.threads", work.threads.into(), 0, 1_024),
            ("work.cells_per_s", work.cells_per_s, 1, 1_000_000_000_000),
            ("work.input_mb_max", work.input_mb_max.into(), 1, 1 << 16),
            ("work.bytes_per_s", work.bytes_per_s, 1, 1_000_000_000_000),
            ("work.model_mb_max", work.model_mb_max.into(), 1, 2_048),
            ("provider.direct.lease_min_s", lease_min_s.into(), 1, 86_400),
        ])
    }

    /// Returns the file with every field, its default, unit and range.
    #[must_use]
    pub const fn template() -> &'static str {
        include_str!("assets/prover.toml")
    }
}

impl Config {
    /// Returns the models that direct orders may be for, if they are named.
    pub(crate) fn direct_models(&self) -> &[ModelId] {
        match self.provider.direct.as_ref().map(|direct| &direct.models) {
            Some(Models::Listed(models)) => models,
            Some(Models::Any(_)) | None => &[],
        }
    }

    /// Returns what the provider takes on, as the ledger keeps it; direct orders for these keys.
    ///
    /// # Errors
    ///
    /// [`TooMany`] never, as there are as many classes as places.
    pub fn asks(&self, sealing: Signed<SealingCard>, keys: DirectKeys) -> Result<Asks, TooMany> {
        let prices = self.provider.prices.all();
        let prices = prices.into_iter().map(|(class, price)| Ask { class, price }).collect();
        let direct = self.provider.direct.as_ref().map(|direct| DirectTerms {
            keys,
            collateral_max: self.work.collateral_max,
            lease_min_ms: u64::from(direct.lease_min_s) * 1_000,
            input_bytes_max: self.work.input_bytes_max(),
        });
        let sealing = Some(sealing);
        Ok(Asks { prices: List::new(prices)?, capacity: self.work.capacity, direct, sealing })
    }
}

impl WorkConfig {
    /// Returns the length of the longest input, in bytes.
    #[must_use]
    pub const fn input_bytes_max(&self) -> u64 {
        (self.input_mb_max as u64) << 20
    }

    /// Returns the length of the longest model, in bytes.
    #[must_use]
    pub const fn model_bytes_max(&self) -> u64 {
        (self.model_mb_max as u64) << 20
    }

    /// Returns how fast the machine is.
    #[must_use]
    pub const fn speed(&self) -> Speed {
        Speed { cells_per_s: self.cells_per_s, bytes_per_s: self.bytes_per_s }
    }
}

impl Prices {
    /// Returns the classes that are taken.
    #[must_use]
    pub fn classes(&self) -> Vec<Class> {
        self.all().into_iter().map(|(class, _)| class).collect()
    }

    /// Returns the classes that are taken, with their prices.
    #[must_use]
    pub fn all(&self) -> Vec<(Class, Amount)> {
        let Self { xs, s, m, l, cairo } = self;
        let prices = [*xs, *s, *m, *l, *cairo];
        Class::ALL
            .into_iter()
            .zip(prices)
            .filter_map(|(class, price)| Some((class, price?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_file_and_its_paths_are_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG_FILE);
        std::fs::write(&path, Config::template()).unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(config.data, folder.path().join("data"));
        assert_eq!(config.provider.prices.all().len(), 4);
        let direct = config.provider.direct.unwrap();
        assert_eq!(direct.models, Models::Listed(vec![]), "what is taken unseen is named");
    }

    #[test]
    fn models_of_direct_orders_are_named_or_any_in_so_many_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG_FILE);
        let read = |models: &str| {
            let text = Config::template().replacen("models = []", models, 1);
            std::fs::write(&path, text).unwrap();
            let config = Config::read(&path).map_err(|error| error.to_string());
            config.map(|config| config.provider.direct.unwrap().models)
        };
        assert_eq!(read("models = \"any\""), Ok(Models::Any(Any::Any)));
        let id = ModelId([7; 32]);
        assert_eq!(read(&format!("models = [\"{id}\"]")), Ok(Models::Listed(vec![id])));
        assert_eq!(read_programs(&folder, ""), Ok(Models::default()), "none unless they are named");
        assert_eq!(read_programs(&folder, "programs = \"any\""), Ok(Models::Any(Any::Any)));
        assert!(read_programs(&folder, "programs = \"all\"").unwrap_err().contains("neither"));
        for bad in ["models = \"all\"", "models = [\"any\"]", "models = 1"] {
            let error = read(bad).unwrap_err();
            assert!(error.contains("neither \"any\" nor a list"), "{error}");
        }
        let missing = read("").unwrap_err();
        assert!(missing.contains("models"), "{missing}");
    }

    /// Reads the programs of settings that say this of them.
    fn read_programs(folder: &tempfile::TempDir, programs: &str) -> Result<Models, String> {
        let path = folder.path().join("programs.toml");
        std::fs::write(&path, Config::template().replacen("programs = []", programs, 1)).unwrap();
        let config = Config::read(&path).map_err(|error| error.to_string());
        config.map(|config| config.work.programs)
    }

    #[test]
    fn settings_of_kafka_and_the_queue_that_is_named_must_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG_FILE);
        let read = |begin: &str, end: &str| {
            let text = format!("{begin}\n{}\n{end}", Config::template());
            std::fs::write(&path, text.replace("queue = \"node\"\n", "")).unwrap();
            Config::read(&path).map_err(|error| error.to_string())
        };
        let brokers = "[kafka]\nbrokers = \"a:1\"";
        assert!(read("queue = \"kafka\"", brokers).unwrap().kafka.is_some());
        assert!(read("queue = \"node\"", "").unwrap().kafka.is_none());
        assert!(read("queue = \"kafka\"", "").unwrap_err().contains("needs the table `[kafka]`"));
        assert!(read("", brokers).unwrap_err().contains("has no use without"));
        assert!(read("queue = \"kafak\"", "").unwrap_err().contains("kafak"));
        let bad = read("queue = \"kafka\"", "[kafka]\nbrokers = \"a\"").unwrap_err();
        assert!(bad.contains("`a` in `kafka.brokers` is no address"), "{bad}");
    }

    #[test]
    fn unknown_fields_and_numbers_out_of_range_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG_FILE);
        let refused = |from: &str, to: &str| {
            assert!(Config::template().contains(from), "{from}");
            std::fs::write(&path, Config::template().replace(from, to)).unwrap();
            Config::read(&path).unwrap_err().to_string()
        };
        let range = refused("children = 1", "children = 9");
        assert_eq!(range, "`work.children` is 9, expected 1 to 4");
        assert!(refused("capacity = 4", "capacty = 4").contains("capacty"));
        assert!(refused("bond = \"500\"", "bond = \"-1\"").contains("no amount"));
    }
}
