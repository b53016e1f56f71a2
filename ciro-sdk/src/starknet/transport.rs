//! Requests to a node of Starknet, with answers of a bounded length.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use starknet_rust_providers::ProviderRequestData;
use starknet_rust_providers::jsonrpc::{JsonRpcMethod, JsonRpcResponse, JsonRpcTransport};

/// The longest answer: a class of the greatest size that a chain takes, with its interface.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A node verifies a proof while a fee is estimated.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// A node, by its address.
#[derive(Clone)]
pub(super) struct Transport {
    client: reqwest::Client,
    /// It may hold a key of whoever runs the node.
    url: reqwest::Url,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// A request that was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    #[error("the node does not answer")]
    Http(#[source] reqwest::Error),
    #[error("the node answers with status {0}")]
    Status(u16),
    #[error("the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the request or the answer is no JSON of Starknet's interface")]
    Json(#[source] serde_json::Error),
    #[error("several requests at once are not sent")]
    Batch,
}

impl TransportError {
    /// Whether nobody knows what became of the request.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::TooLong | Self::Json(_) | Self::Batch => false,
        }
    }
}

#[derive(Serialize)]
struct Request<P> {
    id: u64,
    jsonrpc: &'static str,
    method: JsonRpcMethod,
    params: P,
}

impl Transport {
    pub(super) fn new(url: reqwest::Url) -> Result<Self, TransportError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("ciro/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none());
        let local = url.host_str().is_some_and(|host| host == "localhost" || host == "127.0.0.1");
        let client = if local { client.no_proxy() } else { client };
        Ok(Self { client: client.build().map_err(TransportError::Http)?, url })
    }

    async fn ask(&self, body: Vec<u8>) -> Result<Vec<u8>, TransportError> {
        let request = self.client.post(self.url.clone());
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        let broken = |error: reqwest::Error| TransportError::Http(error.without_url());
        let mut response = request.send().await.map_err(broken)?;
        if !response.status().is_success() {
            return Err(TransportError::Status(response.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(TransportError::TooLong);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

#[async_trait]
impl JsonRpcTransport for Transport {
    type Error = TransportError;

    async fn send_request<P, R>(
        &self,
        method: JsonRpcMethod,
        params: P,
    ) -> Result<JsonRpcResponse<R>, Self::Error>
    where
        P: Serialize + Send + Sync,
        R: DeserializeOwned + Send,
    {
        let request = Request { id: 1, jsonrpc: "2.0", method, params };
        let body = serde_json::to_vec(&request).map_err(TransportError::Json)?;
        serde_json::from_slice(&self.ask(body).await?).map_err(TransportError::Json)
    }

    /// Nothing here asks for several things at once.
    async fn send_requests<R>(
        &self,
        _requests: R,
    ) -> Result<Vec<JsonRpcResponse<serde_json::Value>>, Self::Error>
    where
        R: AsRef<[ProviderRequestData]> + Send + Sync,
    {
        Err(TransportError::Batch)
    }
}
