//! `ciro-node init`, `ciro-node genesis`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ciro_ledger::genesis::GenesisError;
use ciro_protocol::chain::{ChainSpec, Genesis, GenesisValidator};
use ciro_protocol::sign::Address;
use ciro_protocol::wire::List;
use ciro_store::{FileDisk, Recovery, Store, StoreOptions};

use crate::config::{CONFIG_FILE, Config, GENESIS_FILE, KEY_FILE};
use crate::node::{StartError, check_genesis, read_genesis};
use crate::secret::SecretError;

/// What a new node is made of.
#[derive(Clone, Debug, Default)]
pub struct InitSettings {
    /// The genesis of a network to join.
    pub genesis: Option<PathBuf>,
    /// The specification of a new network.
    pub spec: Option<PathBuf>,
    /// What the key is derived from.
    pub seed: Option<String>,
}

/// Why a node's folder is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The folder holds something.
    #[error("`{}` is not empty: a node's folder is made once", .0.display())]
    NotEmpty(PathBuf),
    /// A file operation failed.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no genesis or specification.
    #[error("`{}` is not usable: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key cannot be made.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is no first state.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The genesis is none that this node can run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The log of consensus cannot be begun.
    #[error("the log of consensus cannot be begun")]
    Log(#[from] ciro_store::StoreError),
}

/// Makes a node's folder and says what it made.
///
/// # Errors
///
/// [`InitError`]; a folder that is half made must be removed before the next try.
pub fn init(folder: &Path, settings: &InitSettings) -> Result<String, InitError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| InitError::File { operation, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let mut entries = fs::read_dir(folder).map_err(failed("list", folder))?;
    if entries.next().is_some() {
        return Err(InitError::NotEmpty(folder.to_owned()));
    }
    let key = crate::secret::create(&folder.join(KEY_FILE), settings.seed.as_deref())?;
    let genesis: Genesis = match &settings.genesis {
        Some(path) => read_json(path)?,
        None => new_network(settings.spec.as_deref(), key.address())?,
    };
    let id = check_genesis(&genesis, &key)?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(failed("write", &path))
    };
    write(GENESIS_FILE, &json(&genesis, &folder.join(GENESIS_FILE))?)?;
    write(CONFIG_FILE, Config::template())?;
    // The key is new: it has signed nothing. From now on an empty log means that one was lost.
    let disk = FileDisk::open(&folder.join("consensus")).map_err(ciro_store::StoreError::from)?;
    let consensus = genesis.consensus().map_err(StartError::from)?;
    let options = StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() };
    Store::<ciro_consensus::crypto::Stark, _>::open(disk, consensus.message_domain(), options)?;
    Ok(format!(
        "network    {} ({})\nvalidator  {id}, key {}\nfolder     {}\nnext       ciro-node start {}",
        &*genesis.spec.name,
        ciro_protocol::id::Chain(consensus.chain),
        key.address(),
        folder.display(),
        folder.display(),
    ))
}

/// Returns the genesis of a folder as JSON, or the specification alone.
pub(super) fn genesis(folder: &Path, spec: bool) -> anyhow::Result<String> {
    let genesis = read_genesis(folder)?;
    let text = if spec {
        serde_json::to_string_pretty(&genesis.spec)
    } else {
        serde_json::to_string_pretty(&genesis)
    };
    text.context("the genesis does not encode")
}

/// Begins a network of one validator.
fn new_network(spec: Option<&Path>, key: Address) -> Result<Genesis, InitError> {
    let mut spec: ChainSpec = match spec {
        Some(path) => read_json(path)?,
        None => crate::devnet::spec(&[key], crate::clock::now_ms()),
    };
    let validator = GenesisValidator { id: 0, key, stake: 1 };
    spec.validators = List::new(vec![validator]).unwrap_or_default();
    Ok(ciro_ledger::genesis(spec)?.0)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, InitError> {
    let text = fs::read_to_string(path).map_err(|source| InitError::File {
        operation: "read",
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_str(&text)
        .map_err(|error| InitError::Content { path: path.to_owned(), reason: error.to_string() })
}

fn json<T: serde::Serialize>(value: &T, path: &Path) -> Result<String, InitError> {
    serde_json::to_string_pretty(value)
        .map_err(|error| InitError::Content { path: path.to_owned(), reason: error.to_string() })
}
