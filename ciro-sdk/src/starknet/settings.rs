//! The file that says where Starknet is reached, which contracts are meant, and who pays.

use std::fmt;
use std::path::{Path, PathBuf};

use ciro_stark::Felt;
use serde::{Deserialize, Serialize};

use crate::advice::Advice;
use crate::client::Home;
use crate::network::{self, read_settings};

/// What one transaction may cost where nobody says: 5 STRK, in units of 10^-18.
pub const MAX_FEE_FRI: u128 = 5 * 10_u128.pow(18);

/// Starknet as one user reaches it: a file `NAME.toml`.
///
/// ```toml
/// rpc = "http://127.0.0.1:5050"
/// chain = "SN_SEPOLIA"
/// facts = "0x..."
/// models = "0x..."
///
/// [account]
/// address = "0x..."
/// keystore = "keystore.json"       # as starkli makes it
/// passphrase_file = "passphrase"   # one line, mode 600
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StarknetSettings {
    /// A node that answers Starknet's JSON-RPC, of version 0.9 or later. The address may hold a key
    /// of whoever runs the node, and is part of no error.
    pub rpc: String,
    /// The chain that the node has to be of, such as `SN_MAIN` or `SN_SEPOLIA`.
    pub chain: String,
    /// The contract that verifies proofs.
    pub facts: Felt,
    /// The directory of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Felt>,
    /// The contract that pays for inferences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escrow: Option<Felt>,
    /// Who pays; not needed to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
}

/// An account that pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The account's contract.
    pub address: Felt,
    /// Its key, encrypted: the Web3 Secret Storage that starkli writes. Relative paths begin at the
    /// folder of the settings.
    pub keystore: PathBuf,
    /// The keystore's passphrase: a file of one line that its owner alone can read.
    pub passphrase_file: PathBuf,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read, or has another form.
    #[error("the settings for Starknet")]
    File(#[from] network::SettingsError),
    /// The name is none.
    #[error(
        "`{0}` is no name of settings: letters, digits, `-` and `_`, at most 64; or a path that ends in `.toml`"
    )]
    Name(String),
    /// Nobody knows where the user's folder is.
    #[error(transparent)]
    Home(#[from] crate::client::HomeError),
    /// The node's address is none.
    #[error("`rpc` is no address of a node: expected one that begins with http:// or https://")]
    Rpc,
    /// The chain's name is none.
    #[error("`chain` is `{0}`: expected 1 to 31 characters of ASCII, such as `SN_SEPOLIA`")]
    Chain(String),
}

impl SettingsError {
    pub(crate) fn advice(&self) -> Option<Advice> {
        match self {
            Self::Home(error) => error.advice(),
            Self::File(_) => Some(Advice::of(
                "write the settings for Starknet: docs/starknet.md says what they hold",
            )),
            _ => None,
        }
    }
}

impl fmt::Debug for StarknetSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rpc: _, chain, facts, models, escrow, account } = self;
        f.debug_struct("StarknetSettings")
            .field("chain", chain)
            .field("facts", facts)
            .field("models", models)
            .field("escrow", escrow)
            .field("account", account)
            .finish_non_exhaustive()
    }
}

impl StarknetSettings {
    /// Reads the settings of a name, `$CIRO_HOME/starknet/NAME.toml`, or of a path that ends in
    /// `.toml`.
    ///
    /// # Errors
    /// [`SettingsError`] if there is no such file, or it says nothing that can be used.
    pub fn open(name: &str) -> Result<Self, SettingsError> {
        if name.ends_with(".toml") {
            return Self::load(Path::new(name));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return Err(SettingsError::Name(name.chars().take(100).collect()));
        }
        let folder = Home::of_user()?.path().join("starknet");
        Self::load(&folder.join(format!("{name}.toml")))
    }

    /// Reads the settings of a file.
    ///
    /// # Errors
    /// [`SettingsError`] if it cannot be read, or says nothing that can be used.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let mut settings: Self = read_settings(path)?;
        settings.check()?;
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Some(account) = &mut settings.account {
            account.keystore = folder.join(&account.keystore);
            account.passphrase_file = folder.join(&account.passphrase_file);
        }
        Ok(settings)
    }

    /// Checks what a file's form does not say.
    fn check(&self) -> Result<(), SettingsError> {
        let Self { rpc, chain, .. } = self;
        let shown = |text: &str| text.chars().take(200).collect();
        let url = reqwest::Url::parse(rpc).ok().filter(reqwest::Url::has_host);
        if url.is_none_or(|url| !matches!(url.scheme(), "http" | "https")) {
            return Err(SettingsError::Rpc);
        }
        let short =
            (1..=31).contains(&chain.len()) && chain.bytes().all(|it| it.is_ascii_graphic());
        if short { Ok(()) } else { Err(SettingsError::Chain(shown(chain))) }
    }
}
