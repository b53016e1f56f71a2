//! Which node is asked, and who signs: what the user's folder says, unless the user says otherwise.

use std::path::PathBuf;

use ciro_protocol::sign::{Address, SecretKey};

use super::{Client, ClientError, Home, HomeError, Keystore, Network, Passphrase};
use crate::advice::Advice;

/// What the user says; the user's folder says the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// A node of the network in use.
    pub node: Option<String>,
    /// The account that signs.
    pub account: Option<String>,
    /// The file with its passphrase.
    pub passphrase_file: Option<PathBuf>,
}

/// A connection to the network in use, for a user who has accounts there.
#[derive(Debug)]
pub struct Session {
    /// Talks to the node.
    pub client: Client,
    network: Network,
    home: Home,
    choice: Choice,
}

/// Why there is no connection, or nobody signs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The user's folder does not say what has to be known.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The node does not answer, or is another network's.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The account's key cannot be used.
    #[error("account `{name}`")]
    Account {
        /// The account.
        name: String,
        /// Why not.
        #[source]
        source: HomeError,
    },
}

impl Session {
    /// Connects to a node of the network in use.
    ///
    /// # Errors
    /// [`SessionError`] if no network is in use, or the node is none of it.
    pub async fn open(home: Home, choice: Choice) -> Result<Self, SessionError> {
        let (network, genesis) = home.network()?;
        let url = choice.node.as_deref().unwrap_or(&network.url);
        let client = Client::connect(url, genesis).await?;
        Ok(Self { client, network, home, choice })
    }

    /// The address of the node.
    pub fn url(&self) -> &str {
        self.choice.node.as_deref().unwrap_or(&self.network.url)
    }

    /// The address of the account that signs, which no passphrase protects.
    ///
    /// # Errors
    /// [`SessionError`] if no account is named, or there is none of this name.
    pub fn address(&self) -> Result<Address, SessionError> {
        let (name, store) = self.keystore()?;
        let store = store.map_err(|source| SessionError::Account { name, source })?;
        Ok(store.address)
    }

    /// The name of the account that signs, and its keystore.
    fn keystore(&self) -> Result<(String, Result<Keystore, HomeError>), HomeError> {
        let named = self.choice.account.as_deref().or(self.network.account.as_deref());
        let name = named.ok_or(HomeError::NoAccount)?;
        Ok((name.to_owned(), self.home.account(name)))
    }

    /// Opens the key of the account that signs; takes the better part of a second, on purpose.
    ///
    /// # Errors
    /// [`SessionError`] if no account or passphrase is named, or they do not fit.
    pub fn key(&self) -> Result<SecretKey, SessionError> {
        let (name, store) = self.keystore()?;
        let kept = self.network.passphrase_file.as_ref();
        let file = self.choice.passphrase_file.as_ref().or(kept).ok_or(HomeError::NoPassphrase)?;
        let passphrase = Passphrase::read(file).map_err(HomeError::from)?;
        store
            .and_then(|store| Ok(store.open(&passphrase)?))
            .map_err(|source| SessionError::Account { name, source })
    }
}

impl HomeError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::NoNetwork => Some(Advice::ChooseNetwork),
            Self::NoAccount => Some(Advice::NameAccount),
            Self::NoPassphrase => Some(Advice::GivePassphrase),
            Self::File(error) => error.advice(),
            _ => None,
        }
    }
}

impl SessionError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Home(error) => error.advice(),
            Self::Client(error) => error.advice(),
            Self::Account { .. } => None,
        }
    }
}
