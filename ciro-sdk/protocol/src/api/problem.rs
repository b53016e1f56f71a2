//! Errors: problem details (RFC 9457) with a code that programs can rely on.

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Lists codes once: variant, name, status, title.
macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $title:literal)*) => {
        /// Why a request is not served.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("The code `", $name, "`: ", $title, ".")]
            $variant,)*
            /// The ledger would refuse the transaction now; the code is the refusal's name.
            Refused(Refusal),
        }

        impl Code {
            /// All codes but the ledger's.
            pub const OWN: &[Self] = &[$(Self::$variant),*];

            /// Returns the name in a problem's `code`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Refused(refusal) => refusal.name(),
                }
            }

            /// Returns the status of HTTP.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                    Self::Refused(_) => 422,
                }
            }

            /// Returns what the code says to people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)*
                    Self::Refused(_) => "the ledger would refuse the transaction",
                }
            }
        }
    };
}

codes! {
    BadParameter "bad_parameter" 400 "a part of the address is not what it should be"
    MalformedBody "malformed_body" 400 "the body is not the encoding of what belongs here"
    NotFound "not_found" 404 "there is nothing of this name"
    MethodNotAllowed "method_not_allowed" 405 "the method is not served here"
    Timeout "timeout" 408 "the request took too long"
    JobNotEnded "job_not_ended" 409 "the job is not settled or refunded yet"
    NotCertified "not_certified" 409 "no checkpoint certifies it yet"
    BlobIncomplete "blob_incomplete" 409 "chunks of the blob are missing"
    BodyTooLarge "body_too_large" 413 "the body has more bytes than belong here"
    MediaType "media_type" 415 "the body has another media type than belongs here"
    BadRange "bad_range" 416 "the range is not part of the blob"
    WrongChain "wrong_chain" 422 "the transaction is for another network"
    BadSignature "bad_signature" 422 "the transaction is not signed by its account"
    BadBlob "bad_blob" 422 "the bytes are not those that the id names"
    BlobMissing "blob_missing" 422 "a blob that the transaction names is not here: upload it first"
    ProofInvalid "proof_invalid" 422 "the proof does not hold, or states something else"
    KeyInvalid "key_invalid" 422 "a key of the card is not what the card says"
    ReportInvalid "report_invalid" 422 "the reported proof holds, or nobody signed it"
    AccountBusy "account_busy" 429 "too many transactions of the account wait, or they leave it no fee for another"
    TooManyWaiting "too_many_waiting" 429 "too many requests wait for something to happen"
    RateLimited "rate_limited" 429 "the address asks too often"
    Internal "internal" 500 "the node failed"
    QueueFull "queue_full" 503 "too much is waiting, come again"
    NotReady "not_ready" 503 "the node does not accept transactions now"
    StorageFull "storage_full" 507 "there is no room for the blob"
}

/// An error as it travels: the members of RFC 9457, and `code` and `hint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Problem {
    /// Names the kind of problem: `urn:ciro:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the kind means.
    pub title: String,
    /// The status of HTTP.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// The code: see [`Code`]. Newer nodes may know more of them.
    pub code: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Code {
    /// Reads a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let own = Self::OWN.iter().copied().find(|code| code.name() == name);
        let refusals = || Refusal::ALL.iter().copied().find(|refusal| refusal.name() == name);
        own.or_else(|| refusals().map(Self::Refused))
    }

    /// Whether the same request may be served later, unchanged.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self.status(), 408 | 429 | 500 | 503 | 507)
            || matches!(self, Self::JobNotEnded | Self::NotCertified)
    }
}

impl Problem {
    /// Says what is wrong.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:ciro:problem:{}", code.name()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code: code.name().to_owned(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the code, if this release knows it.
    #[must_use]
    pub fn known(&self) -> Option<Code> {
        Code::from_name(&self.code)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(Code::Refused(refusal), refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own() {
        let refusals = Refusal::ALL.iter().copied().map(Code::Refused);
        let codes: Vec<Code> = Code::OWN.iter().copied().chain(refusals).collect();
        let names: BTreeSet<&str> = codes.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), codes.len());
        for code in codes {
            assert_eq!(Code::from_name(code.name()), Some(code));
            assert!((400..600).contains(&code.status()), "{code:?}");
        }
        assert_eq!(Code::from_name("unheard_of"), None);
    }

    #[test]
    fn a_problem_has_the_members_of_its_standard() {
        let problem = Problem::from(Refusal::InsufficientFunds).hint("ask the faucet");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:ciro:problem:insufficient_funds");
        assert_eq!(json["status"], 422);
        assert_eq!(json["hint"], "ask the faucet");
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}
