//! A node's client: deploys models, orders jobs, and verifies whatever comes back.
//!
//! Nothing that a node says is believed. The network is the one whose genesis the user holds; a
//! result counts once its proof verifies here against the key that the user computed or pinned; a
//! receipt counts once validators certified it, which the genesis alone decides.

mod blob;
mod economy;
mod error;
mod home;
mod http;
mod input;
pub(crate) mod job;
mod keystore;
mod model;
mod receipt;
mod refused;
mod sealing;
mod session;
mod terms;
#[cfg(test)]
mod tests;
mod tx;

use std::time::Duration;

use ciro_protocol::api::{
    self, AccountInfo, BlockInfo, ChainInfo, Health, ModelInfo, Page, ProviderInfo,
};
use ciro_protocol::chain::{ChainSpec, Genesis};
use ciro_protocol::id::{Chain, ModelId};
use ciro_protocol::sign::Address;

pub use crate::network::{ResultError, check_result};
pub use error::ClientError;
pub use home::{Home, HomeError, Network};
pub use http::Stream;
pub use input::{OrderInput, ProviderName, ProviderNameError, Recipient};
pub use job::{Job, Settled, Submission};
pub use keystore::{Keystore, KeystoreError, Passphrase, read_key};
pub use model::{Deployed, Deployment, default_name};
pub use receipt::{CertificateError, Certified, verify_receipt};
pub use sealing::{SealError, SealingSecret, seal};
pub use session::{Choice, Session, SessionError};
pub use terms::{Terms, Wish};
pub use tx::Executed;

use http::Http;

/// Pages of providers that are read at most.
const PROVIDER_PAGES_MAX: usize = 10;

/// The longest answer that is no blob, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Talks to one node of a network.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http,
    genesis: Genesis,
    chain: Chain,
}

impl Client {
    /// Connects to a node of the network that begins with this genesis.
    ///
    /// # Errors
    /// [`ClientError::OtherChain`] if the node is of another network, or any error of the
    /// connection.
    pub async fn connect(url: &str, genesis: Genesis) -> Result<Self, ClientError> {
        let chain = genesis.chain()?;
        let client = Self { http: Http::new(url)?, genesis, chain };
        let found = client.chain_info().await?.chain;
        if found != chain {
            return Err(ClientError::OtherChain { expected: chain, found });
        }
        Ok(client)
    }

    /// Asks a node for its genesis, on its word alone: whoever pins it compares the network's name
    /// with what it knows from elsewhere.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer, or names another network than its genesis.
    pub async fn genesis_of(url: &str) -> Result<Genesis, ClientError> {
        let info: ChainInfo = Http::new(url)?.get(api::CHAIN).await?;
        let (expected, found) = (info.genesis.chain()?, info.chain);
        if expected == found {
            Ok(info.genesis)
        } else {
            Err(ClientError::OtherChain { expected, found })
        }
    }

    /// The client with another patience: for how long a request that fails is repeated.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.http = self.http.with_patience(patience);
        self
    }

    /// The network.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The genesis that the user pinned.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The network's specification.
    pub fn spec(&self) -> &ChainSpec {
        &self.genesis.spec
    }

    /// The network's head, as the node sees it.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn chain_info(&self) -> Result<ChainInfo, ClientError> {
        self.http.get(api::CHAIN).await
    }

    /// How a node is, ready or not; asked once.
    ///
    /// # Errors
    /// [`ClientError`] if it does not answer.
    pub async fn health(url: &str) -> Result<Health, ClientError> {
        Http::new(url)?.health().await
    }

    /// A block, by its height from 1.
    ///
    /// # Errors
    /// [`ClientError`] if the node has none of this height yet.
    pub async fn block(&self, height: u64) -> Result<BlockInfo, ClientError> {
        self.http.get(&api::block(height)).await
    }

    /// An account.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn account(&self, address: Address) -> Result<AccountInfo, ClientError> {
        self.http.get(&api::account(address)).await
    }

    /// A model.
    ///
    /// # Errors
    /// [`ClientError`] if there is none, or the card is not the one that the id names.
    pub async fn model(&self, id: ModelId) -> Result<ModelInfo, ClientError> {
        let info: ModelInfo = self.http.get(&api::model(id)).await?;
        if info.card.id() == id {
            Ok(info)
        } else {
            Err(ClientError::Answer { what: "the model", reason: "another card".to_owned() })
        }
    }

    /// The provider that an account speaks for.
    ///
    /// # Errors
    /// [`ClientError`] if there is none.
    pub async fn provider(&self, account: Address) -> Result<ProviderInfo, ClientError> {
        self.http.get(&api::provider(account)).await
    }

    /// A page of providers: those that follow `after`, or the first ones.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn providers(&self, after: Option<&str>) -> Result<Page<ProviderInfo>, ClientError> {
        self.http.get(&paged(api::PROVIDERS, after)).await
    }

    /// The providers that may claim, from so many pages at most: neither in jail nor below the
    /// network's least bond, so that no provider counts that puts nothing at stake.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn free_providers(&self, pages: usize) -> Result<Vec<ProviderInfo>, ClientError> {
        let (mut found, mut after) = (Vec::new(), None);
        let least = self.spec().providers.bond_min;
        for _ in 0..pages {
            let page = self.providers(after.as_deref()).await?;
            found.extend(page.items.into_iter().filter(|it| it.may_claim(least)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// A page of models: those that follow `after`, or the first ones.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn models(&self, after: Option<&str>) -> Result<Page<ModelInfo>, ClientError> {
        self.http.get(&paged(api::MODELS, after)).await
    }

    /// What the node counts and measures, as Prometheus reads it.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let bytes = self.http.bytes(api::METRICS, ANSWER_BYTES_MAX).await?;
        let wrong = |error: std::string::FromUtf8Error| ClientError::Answer {
            what: "its metrics",
            reason: error.to_string(),
        };
        String::from_utf8(bytes).map_err(wrong)
    }

    /// Begins to read a long answer, such as server-sent events; `path` begins with `/v1/`.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn stream(&self, path: &str) -> Result<Stream, ClientError> {
        self.http.stream(path).await
    }
}

fn paged(path: &str, after: Option<&str>) -> String {
    after.map_or_else(|| path.to_owned(), |after| format!("{path}?after={after}"))
}
