//! What a node counts and measures, by names that dashboards rely on.
//!
//! Transactions about money and about jobs are counted apart, and never added up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ciro_protocol::event::Event;
use ciro_protocol::receipt::{Outcome as Ended, TxReceipt};
use ciro_protocol::tx::Tally;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::blobs::Space;

/// Labels of one metric.
type Labels = Vec<(&'static str, String)>;
type Times = Family<Labels, Histogram, fn() -> Histogram>;

/// All metrics of a node.
#[derive(Clone)]
pub struct Metrics(Arc<All>);

struct All {
    registry: Registry,
    height: Gauge,
    view: Gauge,
    epoch: Gauge,
    certified: Gauge,
    evidence: Counter,
    persist: Histogram,
    group: Histogram,
    execute: Histogram,
    ops: Family<Labels, Counter>,
    settled: Family<Labels, Counter>,
    verify: Times,
    rejected: Family<Labels, Counter>,
    skew: Gauge<f64, AtomicU64>,
    mempool_txs: Gauge,
    mempool_bytes: Gauge,
    blob_bytes: Gauge,
    blob_files: Gauge,
    http: Family<Labels, Counter>,
    published: Family<Labels, Counter>,
    cursor: Family<Labels, Gauge>,
    ingress: Family<Labels, Counter>,
    lag: Family<Labels, Gauge>,
    lag_age: Family<Labels, Gauge>,
    net_peers: Gauge,
    net_refused: Family<Labels, Counter>,
    net_dropped: Family<Labels, Counter>,
    reach: Reach,
}

/// Whether others reach this node, and through whom.
#[derive(Default)]
struct Reach {
    reachability: Family<Labels, Gauge>,
    relays: Gauge,
    relayed: Gauge,
    circuits: Gauge,
    holepunch: Family<Labels, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Buckets from 100 µs to 26 s.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 19))
}

impl Reach {
    fn register(&self, r: &mut Registry) {
        let help = "1 for what other validators say: `public` if they can dial this node, `private`, `unknown`";
        r.register("ciro_net_reachability", help, self.reachability.clone());
        let help = "Relays at which this node can be reached";
        r.register("ciro_net_relays", help, self.relays.clone());
        let help = "Peers that are reached through relays alone";
        r.register("ciro_net_relayed", help, self.relayed.clone());
        let help = "Connections of others that this node relays";
        r.register("ciro_net_circuits", help, self.circuits.clone());
        let help = "Tries to make a direct connection of a relayed one, by result and transport";
        r.register("ciro_net_holepunch", help, self.holepunch.clone());
    }
}

impl All {
    fn register_net(&mut self) {
        let r = &mut self.registry;
        let help = "Other validators that can be reached";
        r.register("ciro_net_validators", help, self.net_peers.clone());
        let help = "What other peers sent and was refused, by reason";
        r.register("ciro_net_refused", help, self.net_refused.clone());
        let help = "Messages of consensus that were dropped, by reason";
        r.register("ciro_net_dropped", help, self.net_dropped.clone());
        self.reach.register(r);
    }

    fn register_kafka(&mut self) {
        let r = &mut self.registry;
        let help = "Records that were published, by sink";
        r.register("ciro_kafka_published", help, self.published.clone());
        let help = "The last event that a sink has";
        r.register("ciro_kafka_cursor", help, self.cursor.clone());
        let help = "Records that were read, by topic and what became of them";
        r.register("ciro_kafka_ingress", help, self.ingress.clone());
        let help = "Records of a topic that this node has not taken care of";
        r.register("ciro_kafka_lag_records", help, self.lag.clone());
        let help = "The age of the oldest of a topic's records that this node has to take care of";
        r.register_with_unit("ciro_kafka_lag", help, Unit::Seconds, self.lag_age.clone());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Begins to count.
    #[must_use]
    pub fn new() -> Self {
        let mut all = All {
            registry: Registry::default(),
            height: Gauge::default(),
            view: Gauge::default(),
            epoch: Gauge::default(),
            certified: Gauge::default(),
            evidence: Counter::default(),
            persist: times(),
            group: Histogram::new(exponential_buckets(1.0, 2.0, 7)),
            execute: times(),
            ops: Family::default(),
            settled: Family::default(),
            verify: Times::new_with_constructor(times),
            rejected: Family::default(),
            skew: Gauge::default(),
            mempool_txs: Gauge::default(),
            mempool_bytes: Gauge::default(),
            blob_bytes: Gauge::default(),
            blob_files: Gauge::default(),
            http: Family::default(),
            published: Family::default(),
            cursor: Family::default(),
            ingress: Family::default(),
            lag: Family::default(),
            lag_age: Family::default(),
            net_peers: Gauge::default(),
            net_refused: Family::default(),
            net_dropped: Family::default(),
            reach: Reach::default(),
        };
        let build: Labels = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("verifier", crate::proofs::VERIFIER.to_string()),
        ];
        let r = &mut all.registry;
        r.register("ciro_build", "The release and its verifier", Info::new(build));
        r.register("ciro_consensus_height", "The last executed block", all.height.clone());
        r.register("ciro_consensus_view", "The view of consensus", all.view.clone());
        r.register("ciro_consensus_epoch", "The epoch of consensus", all.epoch.clone());
        let help = "The last block whose state is certified";
        r.register("ciro_consensus_certified_height", help, all.certified.clone());
        let help = "Validators caught breaking the protocol";
        r.register("ciro_consensus_evidence", help, all.evidence.clone());
        let seconds = || Unit::Seconds;
        let help = "Writing the log of consensus";
        r.register_with_unit("ciro_consensus_persist", help, seconds(), all.persist.clone());
        let help = "Inputs of consensus that share one write";
        r.register("ciro_consensus_group_size", help, all.group.clone());
        let help = "Executing a block and writing its state";
        r.register_with_unit("ciro_ledger_execute", help, seconds(), all.execute.clone());
        let help = "Executed transactions; `consensus` and `compute` are never added up";
        r.register("ciro_ledger_ops", help, all.ops.clone());
        r.register("ciro_jobs_settled", "Jobs that were proven and paid", all.settled.clone());
        r.register_with_unit("ciro_verify", "Verifying a proof", seconds(), all.verify.clone());
        r.register("ciro_verify_rejected", "Proofs that do not hold", all.rejected.clone());
        let help = "This machine's clock minus ledger time after the last block";
        r.register_with_unit("ciro_ledger_clock_skew", help, seconds(), all.skew.clone());
        r.register("ciro_mempool_txs", "Transactions that wait", all.mempool_txs.clone());
        let help = "Bytes of the transactions that wait";
        r.register("ciro_mempool_bytes", help, all.mempool_bytes.clone());
        let help = "Bytes of all blobs, in whole blocks";
        r.register("ciro_blob_bytes", help, all.blob_bytes.clone());
        r.register("ciro_blob_files", "Files of all blobs", all.blob_files.clone());
        r.register("ciro_http_requests", "Requests by route and status", all.http.clone());
        all.register_net();
        all.register_kafka();
        Self(Arc::new(all))
    }

    /// Returns everything in the text format of OpenMetrics.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] if a metric does not encode.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    pub(crate) fn consensus(&self, height: u64, view: u64, epoch: u64) {
        self.0.height.set(signed(height));
        self.0.view.set(signed(view));
        self.0.epoch.set(signed(epoch));
    }

    pub(crate) fn certified(&self, height: u64) {
        self.0.certified.set(signed(height));
    }

    pub(crate) fn evidence(&self) {
        self.0.evidence.inc();
    }

    pub(crate) fn persisted(&self, took: Duration) {
        self.0.persist.observe(took.as_secs_f64());
    }

    pub(crate) fn group(&self, inputs: u32) {
        self.0.group.observe(f64::from(inputs));
    }

    /// Counts a block: how long it took, how far the clock is ahead, and what it did.
    pub(crate) fn executed(&self, took: Duration, skew_ms: i64) {
        self.0.execute.observe(took.as_secs_f64());
        let skew_ms = i32::try_from(skew_ms).unwrap_or(i32::MAX);
        self.0.skew.set(f64::from(skew_ms) / 1000.0);
    }

    pub(crate) fn op(&self, kind: &str, receipt: &TxReceipt) {
        let tally = match receipt.tally {
            Tally::Consensus => "consensus",
            Tally::Compute => "compute",
        };
        let code = receipt.refused.map_or("ok", ciro_protocol::Refusal::name);
        let labels = [("kind", tally), ("op", kind), ("code", code)];
        let labels = labels.map(|(name, value)| (name, value.to_owned())).to_vec();
        self.0.ops.get_or_create(&labels).inc();
    }

    pub(crate) fn event(&self, event: &Event) {
        if let Event::JobEnded { receipt } = event {
            let outcome = match &receipt.outcome {
                Ended::Settled(_) => "settled",
                Ended::Refunded { .. } => "refunded",
            };
            if outcome == "settled" {
                self.0.settled.get_or_create(&Vec::new()).inc();
            }
        }
    }

    pub(crate) fn verified(&self, route: &str, took: Duration) {
        let labels = vec![("route", route.to_owned())];
        self.0.verify.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn verify_rejected(&self, reason: &str) {
        self.0.rejected.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    pub(crate) fn mempool(&self, txs: usize, bytes: usize) {
        self.0.mempool_txs.set(i64::try_from(txs).unwrap_or(i64::MAX));
        self.0.mempool_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn blobs(&self, taken: Space) {
        self.0.blob_bytes.set(signed(taken.bytes));
        self.0.blob_files.set(signed(taken.files));
    }

    pub(crate) fn published(&self, sink: &'static str, records: usize, cursor: u64) {
        let labels = vec![("sink", sink.to_owned())];
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.0.published.get_or_create(&labels).inc_by(records);
        self.0.cursor.get_or_create(&labels).set(signed(cursor));
    }

    pub(crate) fn ingress(&self, topic: &str, end: &'static str) {
        let labels = vec![("topic", topic.to_owned()), ("end", end.to_owned())];
        self.0.ingress.get_or_create(&labels).inc();
    }

    pub(crate) fn lag(&self, topic: &str, lag: ciro_queue::Lag) {
        let labels = vec![("topic", topic.to_owned())];
        self.0.lag.get_or_create(&labels).set(signed(lag.records));
        self.0.lag_age.get_or_create(&labels).set(signed(lag.oldest_ms / 1000));
    }

    pub(crate) fn net_peers(&self, validators: usize) {
        self.0.net_peers.set(i64::try_from(validators).unwrap_or(i64::MAX));
    }

    pub(crate) fn net_refused(&self, reason: &'static str) {
        self.0.net_refused.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    pub(crate) fn net_dropped(&self, reason: &'static str) {
        self.0.net_dropped.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    /// Shows whether others can dial this node.
    pub(crate) fn net_reachability(&self, now: &'static str) {
        for status in ["unknown", "public", "private"] {
            let labels = vec![("status", status.to_owned())];
            self.0.reach.reachability.get_or_create(&labels).set((status == now).into());
        }
    }

    /// Shows at how many relays this node can be reached, and how many peers through relays alone.
    pub(crate) fn net_relays(&self, relays: usize, relayed: usize) {
        self.0.reach.relays.set(i64::try_from(relays).unwrap_or(i64::MAX));
        self.0.reach.relayed.set(i64::try_from(relayed).unwrap_or(i64::MAX));
    }

    /// Shows how many connections of others this node relays.
    pub(crate) fn net_circuits(&self, circuits: usize) {
        self.0.reach.circuits.set(i64::try_from(circuits).unwrap_or(i64::MAX));
    }

    pub(crate) fn net_holepunch(&self, result: &'static str, transport: &'static str) {
        let labels = vec![("result", result.to_owned()), ("transport", transport.to_owned())];
        self.0.reach.holepunch.get_or_create(&labels).inc();
    }

    pub(crate) fn request(&self, route: &str, status: u16) {
        let labels = vec![("route", route.to_owned()), ("status", status.to_string())];
        self.0.http.get_or_create(&labels).inc();
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
