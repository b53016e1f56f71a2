//! Transactions: signed once, sent until a block has them.

use std::time::{Duration, Instant};

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{self, Accepted, Code, TxState, TxStatus};
use ciro_protocol::id::TxId;
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::tx::{Body, SignedTx, Transaction, TxHeader};
use ciro_protocol::wire::Message as _;
use reqwest::Method;

use super::{Client, ClientError};

/// How long a transaction that is sent at once is valid, by the ledger's time; less where the
/// network allows less.
pub(super) const AT_ONCE: Duration = Duration::from_secs(60);

/// A transaction that a block holds and that changed what it was to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The transaction.
    pub id: TxId,
    /// The block.
    pub height: u64,
    /// What became of it.
    pub receipt: TxReceipt,
}

impl Client {
    /// Signs a transaction, with the fee that it costs.
    ///
    /// # Errors
    /// [`ClientError::Sign`] if it cannot be signed.
    pub fn sign(
        &self,
        key: &SecretKey,
        body: Body,
        (salt, valid_until_ms): ([u8; 16], u64),
    ) -> Result<SignedTx, ClientError> {
        let (chain, account) = (self.chain(), key.address());
        let header = TxHeader { chain, account, salt, valid_until_ms, fee_max: Amount::ZERO };
        let unpaid = Signed::new(Transaction { header, body }, key)?;
        // Every amount has the same length, so that the fee does not depend on itself.
        let fee_max = self.spec().fees.of(&unpaid).unwrap_or(Amount::SUPPLY);
        let Transaction { header, body } = unpaid.body;
        Ok(Signed::new(Transaction { header: TxHeader { fee_max, ..header }, body }, key)?)
    }

    /// Signs a transaction of now.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not tell the ledger's time.
    pub async fn sign_now(&self, key: &SecretKey, body: Body) -> Result<SignedTx, ClientError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(ClientError::Random)?;
        let now = self.chain_info().await?.head.time_ms;
        self.sign(key, body, (salt, now.saturating_add(self.validity_ms(AT_ONCE))))
    }

    /// For how long a transaction is valid that is to be valid for `wanted`, in ms of the ledger's
    /// time.
    pub(super) fn validity_ms(&self, wanted: Duration) -> u64 {
        // A quarter stays for the ledger's clock to differ from what the node has seen of it.
        let most = self.spec().time.validity_max_ms / 4 * 3;
        u64::try_from(wanted.as_millis()).unwrap_or(u64::MAX).min(most)
    }

    /// Sends a transaction; sending it again is harmless.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not take it.
    pub async fn send(&self, tx: &SignedTx) -> Result<TxId, ClientError> {
        let sent = self.http.send(Method::POST, api::TRANSACTIONS, tx.to_bytes()).await;
        match sent {
            Ok(Accepted { .. }) => Ok(tx.body.id()),
            // It was executed before: by an earlier try whose answer was lost.
            Err(error) if error.code() == Some(Code::Refused(Refusal::Duplicate)) => {
                Ok(tx.body.id())
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until a block holds a transaction, and sends it again while none does.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it changed nothing, [`ClientError::Expired`] if it never will,
    /// [`ClientError::TimedOut`] after a minute.
    pub async fn executed(&self, tx: &SignedTx) -> Result<Executed, ClientError> {
        const PATIENCE: Duration = Duration::from_secs(60);
        let id = tx.body.id();
        let path = format!("{}?wait={}", api::transaction(id), api::wait(Duration::from_secs(5)));
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.http.get::<TxStatus>(&path).await {
                Ok(TxStatus { state: TxState::Executed { height, receipt, .. }, .. }) => {
                    return match receipt.refused {
                        Some(refusal) => Err(ClientError::Refused { tx: id, refusal }),
                        None => Ok(Executed { id, height, receipt }),
                    };
                }
                Ok(_) => {}
                Err(error) if error.code() == Some(Code::NotFound) => {
                    if self.chain_info().await?.head.time_ms > tx.body.header.valid_until_ms {
                        return Err(ClientError::Expired(id));
                    }
                    self.send(tx).await?;
                }
                Err(error) => return Err(error),
            }
        }
        let what = "the transaction's execution";
        Err(ClientError::TimedOut { what, seconds: PATIENCE.as_secs() })
    }

    /// Signs, sends and waits.
    ///
    /// # Errors
    /// As [`Self::executed`].
    pub async fn execute(&self, key: &SecretKey, body: Body) -> Result<Executed, ClientError> {
        let tx = self.sign_now(key, body).await?;
        self.send(&tx).await?;
        self.executed(&tx).await
    }
}
