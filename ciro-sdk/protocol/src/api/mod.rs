//! The HTTP interface of a node: where things are, and what is answered.
//!
//! Answers are JSON unless said otherwise; errors are [`Problem`]s. What is signed travels as the
//! bytes of [`Message`](crate::Message): `POST /v1/transactions` takes an encoded
//! [`SignedTx`](crate::SignedTx), and the proof of a receipt is an encoded
//! [`ReceiptProof`](crate::ReceiptProof). `ciro-node/openapi.yaml` describes the same for other
//! languages.

mod answer;
mod economy;
mod problem;

use std::time::Duration;

pub use answer::{
    Accepted, AccountInfo, BlobStatus, BlockInfo, BlockTx, ChainInfo, EventRecord, Finality, Head,
    Health, HealthCheck, HeldInfo, JobInfo, JobOffer, JobState, ModelInfo, Page, ProviderInfo,
    TxState, TxStatus,
};
pub use economy::{
    BucketInfo, EconomyInfo, GrantInfo, HoldingInfo, LaunchInfo, LeavingInfo, ProposalInfo,
    StakeInfo, TallyInfo, ValidatorInfo,
};
pub use problem::{Code, Problem};

use crate::blob::BlobId;
use crate::id::{JobId, ModelId, TxId};
use crate::order::Class;
use crate::sign::Address;

/// The network, its head and its specification: a [`ChainInfo`].
pub const CHAIN: &str = "/v1/chain";
/// `POST` takes an encoded [`SignedTx`](crate::SignedTx) and answers [`Accepted`] with status 202.
pub const TRANSACTIONS: &str = "/v1/transactions";
/// `POST` takes an encoded [`BlobList`](crate::BlobList) and answers a [`BlobStatus`].
pub const BLOBS: &str = "/v1/blobs";
/// Registered models: a [`Page`] of [`ModelInfo`].
pub const MODELS: &str = "/v1/models";
/// Jobs: a [`Page`] of [`JobInfo`].
pub const JOBS: &str = "/v1/jobs";
/// Registered providers: a [`Page`] of [`ProviderInfo`].
pub const PROVIDERS: &str = "/v1/providers";
/// Where the supply is: an [`EconomyInfo`].
pub const ECONOMY: &str = "/v1/economy";
/// Validators with their stake: a [`Page`] of [`ValidatorInfo`].
pub const VALIDATORS: &str = "/v1/validators";
/// Proposals: a [`Page`] of [`ProposalInfo`].
pub const PROPOSALS: &str = "/v1/proposals";
/// Launches: a [`Page`] of [`LaunchInfo`].
pub const LAUNCHES: &str = "/v1/launches";
/// What happens: server-sent events, each an [`EventRecord`] or a [`Head`].
pub const EVENTS: &str = "/v1/events";
/// Whether the process runs.
pub const LIVE: &str = "/livez";
/// Whether the node accepts and executes transactions: a [`Health`], with status 200 or 503.
pub const READY: &str = "/readyz";
/// Metrics in the text format of OpenMetrics.
pub const METRICS: &str = "/metrics";

/// The media type of encoded messages and blobs.
pub const OCTETS: &str = "application/octet-stream";
/// The media type of problems (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";
/// The media type of a queue's answer: one [`JobOffer`] a line.
pub const LINES: &str = "application/x-ndjson";

/// The longest that a request may wait for something to happen.
pub const WAIT_MAX: Duration = Duration::from_secs(30);
/// The most entries of a page, and the number without `limit`.
pub const PAGE_MAX: usize = 100;
/// The most offers of one answer of a queue.
pub const OFFERS_MAX: usize = 256;
/// The most bytes of a blob that travels in one request.
pub const WHOLE_BLOB_BYTES_MAX: usize = 4 << 20;

/// The name of a server-sent event that carries an [`EventRecord`].
pub const SSE_EVENT: &str = "event";
/// The name of a server-sent event that carries a [`Head`].
pub const SSE_HEAD: &str = "head";

/// Returns the path of a transaction's [`TxStatus`]; `?wait=20s` waits until it is executed.
#[must_use]
pub fn transaction(id: TxId) -> String {
    format!("{TRANSACTIONS}/{id}")
}

/// Returns the path of a blob: `GET` with `Range`, `HEAD`, and `PUT` of up to
/// [`WHOLE_BLOB_BYTES_MAX`] bytes at once.
#[must_use]
pub fn blob(id: BlobId) -> String {
    format!("{BLOBS}/{id}")
}

/// Returns the path of a blob's encoded [`BlobList`](crate::BlobList).
#[must_use]
pub fn blob_list(id: BlobId) -> String {
    format!("{BLOBS}/{id}/list")
}

/// Returns the path where a chunk of a blob is `PUT`, after its list; answers a [`BlobStatus`].
#[must_use]
pub fn blob_chunk(id: BlobId, index: u64) -> String {
    format!("{BLOBS}/{id}/chunks/{index}")
}

/// Returns the path of an [`AccountInfo`].
#[must_use]
pub fn account(address: Address) -> String {
    format!("/v1/accounts/{address}")
}

/// Returns the path of a [`StakeInfo`].
#[must_use]
pub fn stake(address: Address) -> String {
    format!("/v1/stake/{address}")
}

/// Returns the path of a [`ModelInfo`].
#[must_use]
pub fn model(id: ModelId) -> String {
    format!("{MODELS}/{id}")
}

/// Returns the path of a [`JobInfo`]; `?wait=20s` waits until the job is ended.
#[must_use]
pub fn job(id: JobId) -> String {
    format!("{JOBS}/{id}")
}

/// Returns the path of a job's encoded [`ReceiptProof`](crate::ReceiptProof); `?wait=20s` waits
/// until a checkpoint certifies it.
#[must_use]
pub fn job_receipt(id: JobId) -> String {
    format!("{JOBS}/{id}/receipt")
}

/// Returns the path of the [`ProviderInfo`] of the provider that an account speaks for.
#[must_use]
pub fn provider(address: Address) -> String {
    format!("{PROVIDERS}/{address}")
}

/// Returns the path of the open jobs of a class: [`LINES`] of [`JobOffer`], in the order of their
/// positions.
///
/// `?after=POSITION` leaves out what was seen, `&wait=20s` waits for one at least, and
/// `&provider=ID` adds the direct orders of that provider.
#[must_use]
pub fn queue(class: Class) -> String {
    format!("/v1/queue/{}", class.name())
}

/// Returns the path of a [`BlockInfo`].
#[must_use]
pub fn block(height: u64) -> String {
    format!("/v1/blocks/{height}")
}

/// Spells a time to wait as the parameter `wait` has it: milliseconds.
#[must_use]
pub fn wait(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// Reads the parameter `wait`: a whole number with the unit `s` or `ms`, up to [`WAIT_MAX`].
#[must_use]
pub fn parse_wait(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s')?, 1000),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let ms = digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(unit)?;
    Some(Duration::from_millis(ms)).filter(|wait| *wait <= WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_a_number_with_its_unit() {
        let read = |text: &str| parse_wait(text).map(|wait| wait.as_millis());
        assert_eq!(read("20s"), Some(20_000));
        assert_eq!(read(&wait(Duration::from_millis(250))), Some(250));
        let refused = ["", "s", "20", "31s", "-1s", "+1s", "1.5s", "1h", "99999999999999999999s"];
        assert_eq!(refused.map(read), [None; 9]);
    }

    #[test]
    fn paths_name_what_they_lead_to() {
        let id = TxId([1; 32]);
        assert_eq!(transaction(id), format!("/v1/transactions/0x{}", "01".repeat(32)));
        assert_eq!(queue(Class::Xs), "/v1/queue/xs");
        assert_eq!(blob_chunk(BlobId([0; 32]), 7).rsplit('/').next(), Some("7"));
    }
}
