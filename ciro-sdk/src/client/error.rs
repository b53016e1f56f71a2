//! Why the network did not do what was asked.

use ciro_protocol::api::{Code, Problem};
use ciro_protocol::blob::{BlobError, BlobId};
use ciro_protocol::chain::SpecError;
use ciro_protocol::id::{Chain, JobId, ProviderId, TxId};
use ciro_protocol::light::ReceiptError;
use ciro_protocol::receipt::RefundReason;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::SignError;
use ciro_protocol::wire::DecodeError;

use super::sealing::SealError;
use crate::advice::Advice;
use crate::network::{ResultError, SecretInputError};

/// Why the network did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none.
    #[error("`{0}` is not the address of a node, such as http://127.0.0.1:26610")]
    Url(String),
    /// The node cannot be reached, or the connection broke.
    #[error("cannot reach the node at `{url}`")]
    Transport {
        /// Its address.
        url: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The node has the connection and says nothing.
    #[error("the node at `{url}` said nothing for {seconds} s")]
    Silent {
        /// Its address.
        url: String,
        /// How long.
        seconds: u64,
    },
    /// The node refuses.
    #[error(transparent)]
    Problem(#[from] Box<Problem>),
    /// The node's answer is none.
    #[error("the node's answer about {what} cannot be used: {reason}")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The node belongs to another network.
    #[error("the node is of the network {found}, the genesis at hand is of {expected}")]
    OtherChain {
        /// The user's network.
        expected: Chain,
        /// The node's.
        found: Chain,
    },
    /// The genesis is none.
    #[error("the genesis cannot be used")]
    Genesis(#[from] SpecError),
    /// Something cannot be signed.
    #[error("cannot sign the transaction")]
    Sign(#[from] SignError),
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// What came does not decode.
    #[error("what came does not decode")]
    Decode(#[from] DecodeError),
    /// What came is not the blob that was asked for.
    #[error("blob {blob} is another one")]
    Blob {
        /// The blob.
        blob: BlobId,
        /// What is wrong.
        #[source]
        source: BlobError,
    },
    /// Something is too long for the network.
    #[error("{what} has {found} bytes, this network takes at most {limit}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its length.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A text of a card or a proposal has another form than the protocol allows.
    #[error("the {what} cannot be `{value}`: {reason}")]
    Text {
        /// Which text.
        what: &'static str,
        /// What was given.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// A model has too many keys for a card.
    #[error("a model has 1 to {limit} keys on the network, not {found}")]
    Keys {
        /// How many were given.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// No model has such a key.
    #[error("no registered model has the key {0}")]
    NoModel(ciro_protocol::id::KeyDigest),
    /// Every model that has such a key is for some providers alone, as its owner says, who could
    /// have registered it for that.
    #[error("every registered model with the key {0} is for providers of its owner's choice alone")]
    Restricted(ciro_protocol::id::KeyDigest),
    /// The network has nothing of this number.
    #[error("there is no {what} {number}")]
    NotThere {
        /// What it would be.
        what: &'static str,
        /// Its number.
        number: u32,
    },
    /// A provider takes no sealed inputs.
    #[error("provider {0} publishes no key that inputs could be sealed with")]
    NoSealing(ProviderId),
    /// The key that a provider publishes is not its own.
    #[error("provider {provider}'s account does not vouch for the key that inputs are sealed with")]
    Sealing {
        /// The provider.
        provider: ProviderId,
        /// Why not.
        #[source]
        source: SignError,
    },
    /// An input cannot be sealed.
    #[error("cannot seal the input")]
    Seal(#[from] SealError),
    /// An input would not stay secret.
    #[error("the input would not stay secret")]
    SecretInput(#[from] SecretInputError),
    /// A list of shares does not serve for a claim.
    #[error("the share of the airdrop cannot be claimed: {0}")]
    Airdrop(&'static str),
    /// The ledger refused a transaction.
    #[error("the ledger refused transaction {tx}: {refusal} (`{}`)", refusal.name())]
    Refused {
        /// The transaction.
        tx: TxId,
        /// Why.
        refusal: Refusal,
    },
    /// A transaction was valid until a time that has passed, and no block has it.
    #[error("transaction {0} was not executed while it was valid, and never will be")]
    Expired(TxId),
    /// Nothing happened for as long as the user wanted to wait.
    #[error("{what} did not happen within {seconds} s")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// The job was paid back.
    #[error("job {job} was refunded: {}", refund(*reason))]
    Refunded {
        /// The job.
        job: JobId,
        /// Why.
        reason: RefundReason,
    },
    /// What came back is not the answer to what was ordered.
    #[error("the result of job {job} does not count")]
    Result {
        /// The job.
        job: JobId,
        /// What is wrong.
        #[source]
        source: Box<ResultError>,
    },
    /// The receipt is not proven.
    #[error("the receipt of job {job} is not proven")]
    Receipt {
        /// The job.
        job: JobId,
        /// Why not.
        #[source]
        source: ReceiptError,
    },
}

fn refund(reason: RefundReason) -> &'static str {
    match reason {
        RefundReason::Cancelled => "it was cancelled",
        RefundReason::Expired => "its deadline passed",
        RefundReason::AttemptsSpent => "as many providers failed as may try",
        RefundReason::InputUnavailable => {
            "the provider that it names could not get or read its input"
        }
        RefundReason::NotServed => "the provider that it names does not serve such orders",
    }
}

impl ClientError {
    /// Whether the same request may be served later, unchanged.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !source.is_builder(),
            Self::Silent { .. } => true,
            Self::Problem(problem) => {
                problem.known().map_or(problem.status >= 500, Code::is_transient)
            }
            _ => false,
        }
    }

    /// The node's reason, if it is one of this release.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Problem(problem) => problem.known(),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        let text = match self {
            Self::Problem(problem) => match problem.known() {
                Some(Code::Refused(refusal)) if problem.hint.is_none() => {
                    super::refused::advice(refusal)?.to_owned()
                }
                _ => problem.hint.clone()?,
            },
            Self::Refused { refusal, .. } => super::refused::advice(*refusal)?.to_owned(),
            Self::NotThere { what, .. } => format!("choose one of the list of {what}s"),
            Self::Airdrop(_) => {
                "take the list of shares as whoever began the network published it".to_owned()
            }
            Self::Transport { .. } | Self::Silent { .. } => {
                "check the address and that the node runs".to_owned()
            }
            Self::OtherChain { .. } => {
                "use the genesis of the node's network, or a node of the genesis' one".to_owned()
            }
            Self::NoModel(_) => "deploy the model first".to_owned(),
            Self::Restricted(_) => return Some(Advice::NameModel),
            Self::Result { .. } | Self::Receipt { .. } => return Some(Advice::DoNotRely),
            Self::Refunded { .. } => "order again, with a higher price or a later deadline".into(),
            _ => return None,
        };
        Some(Advice::Do(text.into()))
    }
}
