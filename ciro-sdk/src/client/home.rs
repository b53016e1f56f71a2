//! Where a user keeps networks and accounts: one folder.
//!
//! ```text
//! network.json              the network in use
//! genesis/CHAIN.bin         the genesis of each network that was used
//! accounts/NAME.json        keystores
//! ```

use std::path::{Path, PathBuf};

use ciro_protocol::chain::{Genesis, SpecError};
use ciro_protocol::id::Chain;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::wire::{DecodeError, Message as _};
use serde::{Deserialize, Serialize};

use super::{Keystore, KeystoreError, Passphrase};
use crate::files::{self, FileError};

/// The folder.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

/// The network in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The address of a node.
    pub url: String,
    /// The network, whose genesis is kept beside.
    pub chain: Chain,
    /// The account that signs, by the name of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Where the account's passphrase is, if it is in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
}

/// What is wrong with the folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Nobody knows where it is.
    #[error("there is no home folder, and CIRO_HOME is not set")]
    NoHome,
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No network was chosen.
    #[error("no network is in use")]
    NoNetwork,
    /// A file has another form.
    #[error("`{}` cannot be used: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A genesis does not decode.
    #[error("`{}` is no genesis", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: DecodeError,
    },
    /// A genesis contradicts itself.
    #[error("the genesis cannot be used")]
    Genesis(#[from] SpecError),
    /// The name of an account is none.
    #[error("`{0}` is no name of an account: letters, digits, `-` and `_`, at most 64")]
    Name(String),
    /// No account was named.
    #[error("no account is named")]
    NoAccount,
    /// No passphrase was given.
    #[error("no passphrase")]
    NoPassphrase,
    /// A keystore cannot be used.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
}

impl Home {
    /// The folder in `$CIRO_HOME`, or `.ciro` in the user's home.
    ///
    /// # Errors
    /// [`HomeError::NoHome`] if there is neither.
    pub fn of_user() -> Result<Self, HomeError> {
        let named = std::env::var_os("CIRO_HOME").filter(|path| !path.is_empty());
        let home = || dirs::home_dir().map(|home| home.join(".ciro"));
        named.map(PathBuf::from).or_else(home).map(Self).ok_or(HomeError::NoHome)
    }

    /// This folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The network in use, with its genesis.
    ///
    /// # Errors
    /// [`HomeError`] if none was chosen, or its files were changed.
    pub fn network(&self) -> Result<(Network, Genesis), HomeError> {
        let path = self.0.join("network.json");
        if !path.exists() {
            return Err(HomeError::NoNetwork);
        }
        let network: Network = serde_json::from_slice(&files::read(&path, 1 << 16)?)
            .map_err(|error| HomeError::Form { path: path.clone(), reason: error.to_string() })?;
        let kept = self.genesis_path(network.chain);
        let genesis = read_genesis(&kept)?;
        if genesis.chain()? != network.chain {
            let reason = "it is the genesis of another network".to_owned();
            return Err(HomeError::Form { path: kept, reason });
        }
        Ok((network, genesis))
    }

    /// Uses a network from now on.
    ///
    /// # Errors
    /// [`HomeError`] if the folder cannot be written.
    pub fn use_network(&self, network: &Network, genesis: &Genesis) -> Result<(), HomeError> {
        let kept = self.genesis_path(network.chain);
        self.make_folder("genesis")?;
        files::write(&kept, &genesis.to_bytes())?;
        let path = self.0.join("network.json");
        let text = serde_json::to_vec_pretty(network)
            .map_err(|error| HomeError::Form { path: path.clone(), reason: error.to_string() })?;
        Ok(files::write(&path, &text)?)
    }

    /// The names of all accounts, in order.
    ///
    /// # Errors
    /// [`HomeError`] if the folder cannot be read.
    pub fn accounts(&self) -> Result<Vec<String>, HomeError> {
        let folder = self.0.join("accounts");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let failed = |source| FileError::Read { path: folder.clone(), source };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            names.extend(
                stem.filter(|_| path.extension().is_some_and(|it| it == "json")).map(str::to_owned),
            );
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The keystore of an account.
    ///
    /// # Errors
    /// [`HomeError`] if there is none of this name.
    pub fn account(&self, name: &str) -> Result<Keystore, HomeError> {
        Ok(Keystore::load(&self.account_path(name)?)?)
    }

    /// Makes a new account.
    ///
    /// # Errors
    /// [`HomeError`] if there is one of this name already.
    pub fn new_account(&self, name: &str, passphrase: &Passphrase) -> Result<Keystore, HomeError> {
        let path = self.account_path(name)?;
        self.make_folder("accounts")?;
        let (store, _) = Keystore::generate(passphrase)?;
        store.save(&path)?;
        Ok(store)
    }

    /// Keeps a key that was made elsewhere: the big-endian bytes of its secret scalar.
    ///
    /// # Errors
    /// [`HomeError`] if they are no key, or there is an account of this name already.
    pub fn import_account(
        &self,
        name: &str,
        secret: &[u8; 32],
        passphrase: &Passphrase,
    ) -> Result<(Keystore, SecretKey), HomeError> {
        let path = self.account_path(name)?;
        self.make_folder("accounts")?;
        let (store, key) = Keystore::seal(secret, passphrase)?;
        store.save(&path)?;
        Ok((store, key))
    }

    fn account_path(&self, name: &str) -> Result<PathBuf, HomeError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return Err(HomeError::Name(name.chars().take(80).collect()));
        }
        Ok(self.0.join("accounts").join(format!("{name}.json")))
    }

    fn genesis_path(&self, chain: Chain) -> PathBuf {
        self.0.join("genesis").join(format!("{chain}.bin"))
    }

    fn make_folder(&self, name: &str) -> Result<(), HomeError> {
        let path = self.0.join(name);
        let made = std::fs::create_dir_all(&path);
        Ok(made.map_err(|source| FileError::Write { path, source })?)
    }
}

/// Reads the genesis of a network from a file: its encoding, or the same as JSON.
fn read_genesis(path: &Path) -> Result<Genesis, HomeError> {
    let bytes = files::read(path, Genesis::BYTES_MAX as u64 * 4)?;
    if bytes.first() == Some(&b'{') {
        return serde_json::from_slice(&bytes)
            .map_err(|error| HomeError::Form { path: path.to_owned(), reason: error.to_string() });
    }
    Genesis::from_bytes(&bytes)
        .map_err(|source| HomeError::Decode { path: path.to_owned(), source })
}

impl Network {
    /// Reads a genesis file: the encoding, or the same as JSON.
    ///
    /// # Errors
    /// [`HomeError`] if it cannot be read or is none.
    pub fn read_genesis(path: &Path) -> Result<Genesis, HomeError> {
        read_genesis(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        let home = Home::at("/nowhere");
        for name in ["", "..", "a/b", "a.b", "a\0b", &"a".repeat(65)] {
            assert!(matches!(home.account(name), Err(HomeError::Name(_))), "{name}");
        }
        assert!(matches!(home.network(), Err(HomeError::NoNetwork)));
        assert_eq!(home.accounts().unwrap(), Vec::<String>::new());
    }
}
