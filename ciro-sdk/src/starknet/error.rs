//! What can go wrong between here and Starknet.

use std::time::Duration;

use ciro_stark::Felt;
use starknet_rust_providers::ProviderError;
use starknet_rust_providers::jsonrpc::JsonRpcClientError;

use super::keystore::KeyFileError;
use super::payer::URI_BYTES_MAX;
use super::settings::SettingsError;
use super::transport::TransportError;
use crate::advice::Advice;
use crate::printable;

/// A request to Starknet that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StarknetError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The account's key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The node does not answer, or answers something else.
    #[error("the node of Starknet at {url}: {reason}")]
    Node {
        /// The node's host.
        url: String,
        /// What it says, or what happened.
        reason: String,
    },
    /// The node is of another chain.
    #[error("the node is of the chain `{found}`, and the settings name `{expected}`")]
    Chain {
        /// The chain of the settings.
        expected: String,
        /// The node's.
        found: String,
    },
    /// Nothing is at the address.
    #[error("there is no contract `{name}` at {address}")]
    NoContract {
        /// The contract that was looked for.
        name: &'static str,
        /// The address of the settings.
        address: Felt,
    },
    /// The contract at the address is another one.
    #[error("the contract at {address} is not the `{name}` that this release knows")]
    OtherClass {
        /// The contract that was looked for.
        name: &'static str,
        /// The address of the settings.
        address: Felt,
    },
    /// The settings name no such contract.
    #[error("the settings for Starknet name no contract `{0}`")]
    Unnamed(&'static str),
    /// The settings name no account.
    #[error("the settings for Starknet name no account that pays")]
    NoAccount,
    /// The contract gives an answer of another form.
    #[error("the contract at {0} does not answer as its interface says")]
    Answer(Felt),
    /// The contract gives no answer.
    #[error("the contract at {address} gives no answer: {reason}")]
    Contract {
        /// Its address.
        address: Felt,
        /// Its reason.
        reason: String,
    },
    /// The transaction would fail, and was not sent.
    #[error("the transaction would fail, and was not sent: {0}")]
    WouldFail(String),
    /// The transaction may cost more than is allowed, and was not sent.
    #[error(
        "the transaction may cost up to {} STRK (estimated {}), more than the {} that are allowed: \
         it was not sent", strk(*most), strk(*estimated), strk(*allowed)
    )]
    Fee {
        /// What it may cost at most, in units of 10^-18 STRK.
        most: u128,
        /// What it would cost now.
        estimated: u128,
        /// What is allowed.
        allowed: u128,
    },
    /// The account cannot pay.
    #[error("the account holds less than the transaction may cost, {} STRK", strk(*.0))]
    Balance(u128),
    /// Another transaction of the account has the nonce, or an earlier attempt of the same has.
    #[error(
        "another transaction has the nonce of this one, or this one was executed and the node has no \
         receipt of it yet"
    )]
    Overtaken,
    /// The transaction was paid for, and failed.
    #[error("the transaction {transaction} failed, and cost {} STRK: {reason}", strk(*fee))]
    Reverted {
        /// Its hash.
        transaction: Felt,
        /// What it cost, in units of 10^-18 STRK.
        fee: u128,
        /// The contract's reason.
        reason: String,
    },
    /// The transaction is in no block yet.
    #[error(
        "the transaction {transaction} was sent, and is in no block after {} s: look for it before \
         anything is sent again", waited.as_secs()
    )]
    Pending {
        /// Its hash.
        transaction: Felt,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The node took the transaction, and its contract does not show what it did.
    #[error("the transaction {0} succeeded, and the contract does not show what it did")]
    Missing(Felt),
    /// The transaction cannot be made or signed.
    #[error("the transaction cannot be made: {0}")]
    Unmade(String),
    /// The text about a model's files is too long.
    #[error("the text about the model's files has {0} bytes, the contract takes {URI_BYTES_MAX}")]
    Uri(usize),
}

impl StarknetError {
    pub(crate) fn advice(&self) -> Option<Advice> {
        match self {
            Self::Settings(error) => error.advice(),
            Self::Unnamed(_) | Self::NoAccount | Self::NoContract { .. } | Self::Chain { .. } => {
                Some(Advice::of("look at the settings: docs/starknet.md says what they hold"))
            }
            Self::OtherClass { .. } => Some(Advice::of(
                "do not rely on it, and pay nothing to it: `Facts` has one class in a release",
            )),
            Self::Fee { .. } => Some(Advice::of("wait for lower prices, or allow a higher fee")),
            Self::Balance(_) => Some(Advice::of("send STRK to the account")),
            Self::Overtaken => {
                Some(Advice::of("run it again: what is known already costs nothing"))
            }
            _ => None,
        }
    }

    pub(super) fn node(host: &str, error: &ProviderError) -> Self {
        Self::Node { url: host.to_owned(), reason: said(error) }
    }
}

/// What a node says, or what happened to the request: one line, bounded.
fn said(error: &ProviderError) -> String {
    let text = match error {
        ProviderError::Other(inner) => match inner.as_any().downcast_ref() {
            Some(JsonRpcClientError::<TransportError>::TransportError(error)) => {
                crate::error_chain(error)
            }
            _ => inner.to_string(),
        },
        ProviderError::StarknetError(error) => format!("{error}; {error:?}"),
        other => other.to_string(),
    };
    bounded(&text)
}

/// Whether nobody knows what became of a request.
pub(super) fn is_lost(error: &ProviderError) -> bool {
    match error {
        ProviderError::RateLimited => true,
        ProviderError::Other(inner) => match inner.as_any().downcast_ref() {
            Some(JsonRpcClientError::<TransportError>::TransportError(error)) => error.is_lost(),
            _ => false,
        },
        _ => false,
    }
}

/// The reasons that contracts give in the text of an execution that failed; the whole text,
/// bounded, if there are none.
pub(super) fn reasons(text: &str) -> String {
    // Those of accounts and of the virtual machine about what failed inside of them.
    let outer = ["", "ENTRYPOINT_FAILED", "argent/multicall-failed", "ENTRYPOINT_NOT_FOUND"];
    let mut found: Vec<&str> = Vec::new();
    for part in text.split("('").skip(1) {
        let Some((reason, _)) = part.split_once("')") else { continue };
        if reason.len() <= 31 && !found.contains(&reason) && !outer.contains(&reason) {
            found.push(reason);
        }
    }
    if found.is_empty() { bounded(text) } else { printable(&found.join(", ")).into_owned() }
}

fn bounded(text: &str) -> String {
    let short: String = text.chars().take(400).collect();
    printable(&short).into_owned()
}

/// An amount of STRK, of units of 10^-18, without trailing zeros.
pub(super) fn strk(fri: u128) -> String {
    const UNITS: u128 = 10_u128.pow(18);
    let (whole, rest) = (fri / UNITS, fri % UNITS);
    let rest = format!("{rest:018}");
    match rest.trim_end_matches('0') {
        "" => whole.to_string(),
        rest => format!("{whole}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_of_a_contract_are_found_in_what_nodes_say() {
        let text = "Error in the called contract (0x1): Execution failed. Failure reason: \
                    (0x617267656e742f6d756c746963616c6c2d6661696c6564 ('argent/multicall-failed'), \
                    0x0 (''), 0x636f6e73747261696e7473 ('constraints'), \
                    0x454e545259504f494e545f4641494c4544 ('ENTRYPOINT_FAILED')).";
        assert_eq!(reasons(text), "constraints");
        assert_eq!(reasons("out of gas"), "out of gas");
        assert!(reasons(&"x".repeat(10_000)).len() <= 400);
    }

    #[test]
    fn amounts_of_strk_are_exact() {
        assert_eq!(strk(0), "0");
        assert_eq!(strk(1), "0.000000000000000001");
        assert_eq!(strk(2_500_000_000_000_000_000), "2.5");
        assert_eq!(strk(u128::MAX), "340282366920938463463.374607431768211455");
    }
}
