//! All nodes as a client sees them: what one does not answer is asked of the next.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ciro_protocol::api::Code;
use ciro_protocol::chain::Genesis;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::{Body, SignedTx};
use ciro_sdk::client::{Client, ClientError, Executed};

/// How long one node has for one answer: one that is stopped gives none.
const ANSWER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Clients of all nodes.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    clients: Vec<Client>,
    /// How long something is asked for before this counts as broken.
    patience: Duration,
}

impl Fleet {
    pub(super) async fn connect(
        urls: &[String],
        genesis: &Genesis,
        patience: Duration,
    ) -> Result<Self> {
        let mut clients = Vec::new();
        for url in urls {
            let client = Client::connect(url, genesis.clone()).await?;
            clients.push(client.with_patience(Duration::ZERO));
        }
        Ok(Self { clients, patience })
    }

    pub(super) fn clients(&self) -> &[Client] {
        &self.clients
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Asks one node after the other, from the first one on, until one answers.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        ask: impl AsyncFn(&Client) -> Result<T, ClientError>,
    ) -> Result<T> {
        let begun = Instant::now();
        let mut last = None;
        while begun.elapsed() < self.patience {
            for client in &self.clients {
                match tokio::time::timeout(ANSWER, ask(client)).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(error)) if may_pass(&error) => last = Some(error),
                    Ok(Err(error)) => return Err(error).with_context(|| what.to_owned()),
                    Err(_) => {}
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        let late = format!("{what}: no node answers within {} s", self.patience.as_secs());
        Err(match last {
            Some(error) => anyhow::Error::from(error).context(late),
            None => anyhow::anyhow!(late),
        })
    }

    /// Signs a transaction of now.
    pub(super) async fn sign(&self, key: &SecretKey, body: &Body) -> Result<SignedTx> {
        self.ask("signing", async |client| client.sign_now(key, body.clone()).await).await
    }

    /// Sends a transaction until a block has it; `Err` inside is the ledger's refusal.
    pub(super) async fn execute(&self, tx: &SignedTx) -> Result<Result<Executed, Refusal>> {
        self.ask("executing a transaction", async |client| {
            let done = match client.send(tx).await {
                Ok(_) => client.executed(tx).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(done) => Ok(Ok(done)),
                Err(error) => match refusal(&error) {
                    Some(refusal) => Ok(Err(refusal)),
                    None => Err(error),
                },
            }
        })
        .await
    }

    /// Executes what must be executed in the end, though a node that lags may refuse it first.
    pub(super) async fn must(&self, key: &SecretKey, body: Body, what: &str) -> Result<Executed> {
        let begun = Instant::now();
        loop {
            let tx = self.sign(key, &body).await?;
            match self.execute(&tx).await.with_context(|| what.to_owned())? {
                Ok(done) => return Ok(done),
                Err(refusal) if begun.elapsed() > self.patience => {
                    bail!("{what}: the ledger refuses: {}", refusal.name())
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// The ledger's refusal, if that is what went wrong.
pub(super) fn refusal(error: &ClientError) -> Option<Refusal> {
    match (error, error.code()) {
        (ClientError::Refused { refusal, .. }, _) => Some(*refusal),
        (_, Some(Code::Refused(refusal))) => Some(refusal),
        _ => None,
    }
}

/// Whether another node, or the same one later, may answer otherwise.
fn may_pass(error: &ClientError) -> bool {
    let waits = matches!(
        error.code(),
        Some(Code::NotFound | Code::JobNotEnded | Code::NotCertified | Code::BlobMissing)
    );
    waits || error.is_transient() || matches!(error, ClientError::TimedOut { .. })
}
