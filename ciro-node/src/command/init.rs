//! `ciro-node init`, `ciro-node genesis`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ciro_consensus::ReplicaId;
use ciro_ledger::genesis::GenesisError;
use ciro_protocol::chain::{ChainSpec, Genesis, GenesisValidator};
use ciro_protocol::economy::EconomySpec;
use ciro_protocol::sign::{Address, SecretKey};
use ciro_protocol::wire::List;
use ciro_store::{FileDisk, Recovery, Store, StoreOptions};

use crate::config::{CONFIG_FILE, Config, GENESIS_FILE, KEY_FILE, PEER_KEY_FILE};
use crate::genesis::{check_genesis, read_genesis};
use crate::net::{Addresses, Identity};
use crate::secret::SecretError;
use crate::start_error::StartError;

/// What a new node is made of.
#[derive(Clone, Debug, Default)]
pub struct InitSettings {
    /// The genesis of a network to join.
    pub genesis: Option<PathBuf>,
    /// The specification of a new network.
    pub spec: Option<PathBuf>,
    /// What the key is derived from.
    pub seed: Option<String>,
    /// Where other validators listen.
    pub peers: Vec<String>,
    /// Where this node listens for them.
    pub listen: Vec<String>,
    /// The number under which the key is registered, if the genesis does not have it.
    pub validator: Option<u32>,
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
    /// There are no ports for validators on this machine.
    #[error("no free ports on this machine: {0}")]
    Ports(io::Error),
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
    let key = make_keys(folder, settings.seed.as_deref())?;
    let genesis: Genesis = match &settings.genesis {
        Some(path) => read_json(path)?,
        None => new_network(settings.spec.as_deref(), &[key.address()])?,
    };
    let id =
        finish(folder, (&key, settings.validator), &genesis, (&settings.listen, &settings.peers))?;
    let consensus = genesis.consensus().map_err(StartError::from)?;
    Ok(format!(
        "network    {} ({})\nvalidator  {id}, key {}\nfolder     {}\nnext       ciro-node start {}",
        &*genesis.spec.name,
        ciro_protocol::id::Chain(consensus.chain),
        key.address(),
        folder.display(),
        folder.display(),
    ))
}

/// Makes the keys of a folder, or reads those that [`keys`] made: nothing else may be there.
pub(super) fn make_keys(folder: &Path, seed: Option<&str>) -> Result<SecretKey, InitError> {
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        found.insert(entry.map_err(failed("list", folder))?.file_name());
    }
    let (key, peer) = (folder.join(KEY_FILE), folder.join(PEER_KEY_FILE));
    if seed.is_none() && found == [KEY_FILE, PEER_KEY_FILE].map(Into::into).into() {
        return Ok(crate::secret::read(&key)?);
    }
    if !found.is_empty() {
        return Err(InitError::NotEmpty(folder.to_owned()));
    }
    let made = crate::secret::create(&key, seed)?;
    let seed = seed.map(|seed| format!("{seed} peer"));
    crate::secret::create(&peer, seed.as_deref())?;
    Ok(made)
}

/// Makes the keys of a folder, before there is a genesis that names them, and says what others must
/// know of them.
///
/// # Errors
///
/// [`InitError`] if the folder holds something else.
pub fn keys(folder: &Path, seed: Option<&str>) -> Result<String, InitError> {
    let key = make_keys(folder, seed)?;
    let peer = peer_of(folder)?;
    Ok(format!("key   {}\npeer  {peer}", key.address()))
}

/// Returns the name of a folder's libp2p identity.
pub(super) fn peer_of(folder: &Path) -> Result<String, InitError> {
    let path = folder.join(PEER_KEY_FILE);
    let identity = Identity::from_secret(crate::secret::read_bytes(&path)?);
    let identity = identity.ok_or(SecretError::Content(path))?;
    Ok(identity.peer().to_string())
}

/// Writes everything but the keys, and begins the log of consensus.
pub(super) fn finish(
    folder: &Path,
    (key, validator): (&SecretKey, Option<u32>),
    genesis: &Genesis,
    (listen, peers): (&[String], &[String]),
) -> Result<ReplicaId, InitError> {
    let id = check_genesis(genesis, key, validator)?;
    Addresses::parse(listen, peers).map_err(StartError::Multiaddr)?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(failed("write", &path))
    };
    write(GENESIS_FILE, &json(genesis, &folder.join(GENESIS_FILE))?)?;
    write(CONFIG_FILE, &Config::filled(validator, listen, peers))?;
    // The key is new: it has signed nothing. From now on an empty log means that one was lost.
    let disk = FileDisk::open(&folder.join("consensus")).map_err(ciro_store::StoreError::from)?;
    let consensus = genesis.consensus().map_err(StartError::from)?;
    let options = StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() };
    Store::<ciro_consensus::crypto::Stark, _>::open(disk, consensus.message_domain(), options)?;
    Ok(id)
}

pub(super) fn failed(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> InitError + use<> {
    let path = path.to_owned();
    move |source| InitError::File { operation, path, source }
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

/// Begins a network of these validators, of equal weight: one unit each, or the least bond that a
/// validator of the economy has.
pub(super) fn new_network(spec: Option<&Path>, keys: &[Address]) -> Result<Genesis, InitError> {
    let mut spec: ChainSpec = match spec {
        Some(path) => read_json(path)?,
        None => {
            let now = crate::clock::now_ms();
            let economy = Some(crate::devnet::economy(now));
            ChainSpec { economy, ..crate::devnet::spec(keys, now) }
        }
    };
    let stake = spec.economy.as_ref().map_or(1, EconomySpec::weight_min);
    let validators = (0..).zip(keys).map(|(id, key)| GenesisValidator { id, key: *key, stake });
    spec.validators = List::new(validators.collect()).unwrap_or_default();
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
