//! Taking in what others have put into topics: orders of developers, transactions of providers.
//!
//! A record is taken care of once its transaction is durable, or once it waits in a retry topic or
//! is a dead letter. Whatever a record says, it goes through the gate that HTTP goes through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ciro_protocol::api::{Code, Problem};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::{Body, SignedTx};
use ciro_protocol::wire::Message as _;
use ciro_queue::kafka::dead::{Failure, Fate, due_in, failed, origin};
use ciro_queue::kafka::{Place, Reader, Record};
use tokio::task::JoinSet;

use super::{Common, PAUSE};
use crate::ingress::{Stage, Taken};

/// Records of one topic that are judged at once.
const AT_ONCE: usize = 256;
/// The pause before a gate that is full is tried again.
const FULL: Duration = Duration::from_millis(20);
/// How often the lag is measured.
const TELL: Duration = Duration::from_secs(1);
/// How long a record waits before a gate that is full until it goes to a retry topic, so that one
/// busy account does not hold up all others.
const FULL_MAX: Duration = Duration::from_secs(10);

/// Where records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Orders of developers.
    Submissions,
    /// Transactions of providers.
    Results,
    /// What is tried again after some time.
    Retry(usize),
}

/// What a record is allowed to be, by the topic that it was in at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Order,
    Result,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Taken,
    /// The ledger has an answer already: nothing more to do.
    Known,
    Failed(Failure),
    /// The node cannot judge now.
    Later,
}

impl Source {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let retries = ciro_queue::kafka::topics::RETRIES.len();
        [Self::Submissions, Self::Results].into_iter().chain((0..retries).map(Self::Retry))
    }
}

/// Reads for as long as the node runs; returns why it cannot go on.
pub(super) async fn run(common: Arc<Common>, source: Source) -> String {
    let topics = &common.topics;
    let (group, topic) = match source {
        Source::Submissions => (topics.node_group("ingress"), topics.submissions()),
        Source::Results => (topics.node_group("settle"), topics.results()),
        Source::Retry(level) => {
            let topic = topics.retry(level).unwrap_or_default();
            (topics.node_group("retry"), topic)
        }
    };
    let mut reader = match Reader::open(&common.settings, &group, vec![topic.clone()]) {
        Ok(reader) => reader,
        Err(error) => return error.to_string(),
    };
    let mut running: JoinSet<Place> = JoinSet::new();
    let mut tell = tokio::time::interval(TELL);
    loop {
        tokio::select! {
            _ = tell.tick() => common.parts.metrics.lag(&topic, reader.lag()),
            record = reader.next(), if running.len() < AT_ONCE => match record {
                Ok(record) => {
                    let (common, topic) = (Arc::clone(&common), topic.clone());
                    running.spawn(async move {
                        tokio::time::sleep(due_in(&record)).await;
                        see_to(&common, &topic, record).await
                    });
                }
                Err(error) => return format!("`{topic}`: {error}"),
            },
            Some(done) = running.join_next(), if !running.is_empty() => match done {
                Ok(place) => if let Err(error) = reader.finish(place) {
                    tracing::info!(%error, "the record is another node's now");
                },
                Err(error) => return format!("`{topic}`: judging a record panicked: {error}"),
            },
        }
    }
}

/// Tries a record until there is an end, and returns once that is durable.
async fn see_to(common: &Common, topic: &str, record: Record) -> Place {
    let began = Instant::now();
    let first = origin(&record.headers).unwrap_or(topic);
    let kind = if first == common.topics.results() { Kind::Result } else { Kind::Order };
    loop {
        let failure = match judge(common, kind, &record.payload, began).await {
            End::Taken => {
                common.parts.metrics.ingress(topic, "taken");
                return record.place;
            }
            End::Known => {
                common.parts.metrics.ingress(topic, "known");
                return record.place;
            }
            End::Later => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            End::Failed(failure) => failure,
        };
        let letter = failed(&common.topics, topic, &record, &failure);
        match common.writer.send(std::slice::from_ref(&letter)).await {
            Ok(()) => {
                let to = if letter.topic == common.topics.dead() { "dead" } else { "retry" };
                common.parts.metrics.ingress(topic, to);
                let Failure { code, reason, .. } = failure;
                tracing::info!(topic, to, code, reason, "a record was not taken");
                return record.place;
            }
            Err(error) => tracing::warn!(%error, "a record is not in the retry topics yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn judge(common: &Common, kind: Kind, payload: &[u8], began: Instant) -> End {
    let tx = match read(kind, payload) {
        Ok(tx) => tx,
        Err(failure) => return End::Failed(failure),
    };
    loop {
        let problem = match common.parts.admission.admit(tx.clone()).await {
            Ok((Taken::Executed, _)) => return End::Known,
            Ok((Taken::Waiting(mut stage), _)) => {
                // Nobody tells any more once a block holds it.
                let settled = stage.wait_for(|stage| *stage != Stage::Waiting).await;
                let failed = settled.is_ok_and(|stage| *stage == Stage::Failed);
                return if failed { End::Later } else { End::Taken };
            }
            Err(refused) => Problem::from(refused),
        };
        let code = problem.known().unwrap_or(Code::Internal);
        if !is_full(code) {
            return end_of(kind, code, problem.detail);
        }
        if began.elapsed() > FULL_MAX {
            let (code, reason) = (code.name(), problem.detail);
            return End::Failed(Failure { code, reason, fate: Fate::Retry });
        }
        tokio::time::sleep(FULL).await;
    }
}

/// Reads the transaction of a record, and says why it is none that its topic is for.
fn read(kind: Kind, payload: &[u8]) -> Result<SignedTx, Failure> {
    let dead = |code, reason: String| Failure { code, reason, fate: Fate::Dead };
    let tx = SignedTx::from_bytes(payload).map_err(|error| dead("decode", error.to_string()))?;
    let fits = matches!(
        (&tx.body.body, kind),
        (Body::Order(_), Kind::Order)
            | (Body::Claim(_) | Body::Release(_) | Body::SubmitProof(_), Kind::Result)
    );
    let expected = match kind {
        Kind::Order => "`order`",
        Kind::Result => "`claim`, `release` or `submit_proof`",
    };
    let kind = tx.body.body.kind();
    if fits { Ok(tx) } else { Err(dead("kind", format!("a `{kind}`, expected {expected}"))) }
}

const fn is_full(code: Code) -> bool {
    matches!(code, Code::QueueFull | Code::AccountBusy)
}

/// Says what becomes of a record that the gate refuses.
fn end_of(kind: Kind, code: Code, reason: String) -> End {
    let failed = |fate| End::Failed(Failure { code: code.name(), reason, fate });
    match code {
        Code::Internal | Code::NotReady => End::Later,
        // Its blob may be on its way.
        Code::BlobMissing => failed(Fate::Retry),
        Code::Refused(Refusal::Duplicate) => End::Known,
        // A provider hears from the ledger what became of its attempt.
        Code::Refused(_) if kind == Kind::Result => End::Known,
        _ => failed(Fate::Dead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_mend_is_tried_again_and_all_else_is_dead() {
        let end = |kind, code| end_of(kind, code, "why".to_owned());
        let fate = |code| match end(Kind::Order, code) {
            End::Failed(failure) => Some((failure.code, failure.fate)),
            _ => None,
        };
        assert_eq!(fate(Code::BlobMissing), Some(("blob_missing", Fate::Retry)));
        assert_eq!(fate(Code::BadSignature), Some(("bad_signature", Fate::Dead)));
        assert_eq!(fate(Code::Refused(Refusal::Expired)), Some(("expired", Fate::Dead)));
        assert_eq!(end(Kind::Order, Code::Refused(Refusal::Duplicate)), End::Known);
        assert_eq!(end(Kind::Result, Code::Refused(Refusal::Expired)), End::Known);
        assert_eq!(end(Kind::Order, Code::Internal), End::Later);
        assert!(is_full(Code::AccountBusy) && !is_full(Code::Internal));
    }

    #[test]
    fn bytes_that_are_no_transaction_are_dead_letters() {
        let failure = read(Kind::Order, b"poison").unwrap_err();
        assert_eq!((failure.code, failure.fate), ("decode", Fate::Dead));
    }
}
