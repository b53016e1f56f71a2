//! Records for Kafka Connect: `{schema, payload}` in JSON, as its `JsonConverter` reads them.
//!
//! A record is one row, and writing it twice is writing it once: receipts are keyed by their job,
//! all others by the number of their event. Amounts are decimal numbers of CIRO in text, since
//! Connect's own decimals are base64 that nobody can read.

use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::JobId;
use ciro_protocol::receipt::Outcome;
use ciro_queue::kafka::{Outgoing, Topics, header, text};
use serde_json::{Map, Value, json};

use crate::store::EventRow;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Type {
    /// Text.
    Text,
    /// A number of up to 63 bits.
    Number,
    /// A time, in ms since 1970.
    Time,
}

/// A field: its name, its type, whether it may be absent, and its value.
type Field = (&'static str, Type, bool, Value);

/// Returns the record of a job that ended.
#[must_use]
pub fn receipt(topics: &Topics, seq: u64, row: &EventRow) -> Option<Outgoing> {
    let Event::JobEnded { receipt } = &row.event else { return None };
    let (state, reason, settled) = match &receipt.outcome {
        Outcome::Settled(settled) => ("settled", Value::Null, Some(settled)),
        Outcome::Refunded { reason } => ("refunded", name_of(reason), None),
    };
    let of_settled = |field: fn(&ciro_protocol::receipt::Settlement) -> Value| {
        settled.map_or(Value::Null, field)
    };
    let fields = [
        ("job", Type::Text, false, json!(receipt.job.to_string())),
        ("state", Type::Text, false, json!(state)),
        ("reason", Type::Text, true, reason),
        ("requester", Type::Text, false, json!(receipt.requester.to_string())),
        ("provider", Type::Number, true, of_settled(|it| json!(it.provider.0))),
        ("model", Type::Text, false, json!(receipt.model.to_string())),
        ("model_key", Type::Text, false, json!(receipt.key.to_string())),
        ("attempts", Type::Number, false, json!(receipt.attempts)),
        ("escrow_ciro", Type::Text, false, json!(receipt.escrow.to_string())),
        ("refund_ciro", Type::Text, false, json!(receipt.refund.to_string())),
        ("price_ciro", Type::Text, true, of_settled(|it| json!(it.price.to_string()))),
        ("fee_ciro", Type::Text, true, of_settled(|it| json!(it.market_fee.to_string()))),
        ("bundle", Type::Text, true, of_settled(|it| json!(it.bundle.to_string()))),
        ("opened_at", Type::Time, false, json!(receipt.opened_ms)),
        ("claimed_at", Type::Time, true, of_settled(|it| json!(it.claimed_ms))),
        ("ended_at", Type::Time, false, json!(receipt.ended_ms)),
        ("height", Type::Number, false, json!(receipt.height)),
        ("event_seq", Type::Number, false, json!(seq)),
    ];
    let key = [("job", Type::Text, false, json!(receipt.job.to_string()))];
    Some(outgoing(topics.receipts(), "receipt", (&key, &fields)))
}

/// Returns the record of an event, whatever it is.
#[must_use]
pub fn event(topics: &Topics, seq: u64, row: &EventRow) -> Outgoing {
    // An event has names of text alone: it always encodes.
    let detail = serde_json::to_value(&row.event).unwrap_or(Value::Null);
    let name = detail.get("event").cloned().unwrap_or(Value::Null);
    let (job, provider) = match &row.event {
        Event::JobOpened { job, .. } | Event::JobRenewed { job, .. } => (Some(*job), None),
        Event::JobClaimed { job, provider, .. } | Event::JobLost { job, provider, .. } => {
            (Some(*job), Some(*provider))
        }
        Event::JobEnded { receipt } => {
            let provider = match &receipt.outcome {
                Outcome::Settled(settled) => Some(settled.provider),
                Outcome::Refunded { .. } => None,
            };
            (Some(receipt.job), provider)
        }
        Event::Moved(movement) => (job_of(movement.from).or(job_of(movement.to)), None),
        Event::ProviderChanged { provider } | Event::ProviderJailed { provider, .. } => {
            (None, Some(*provider))
        }
        Event::ModelListed { .. }
        | Event::ModelRetired { .. }
        | Event::ValidatorChanged { .. }
        | Event::ValidatorJailed { .. }
        | Event::ValidatorConvicted { .. }
        | Event::ProposalChanged { .. }
        | Event::LaunchChanged { .. } => (None, None),
    };
    let fields = [
        ("event_seq", Type::Number, false, json!(seq)),
        ("height", Type::Number, false, json!(row.height)),
        ("at", Type::Time, false, json!(row.time_ms)),
        ("event", Type::Text, false, name),
        ("job", Type::Text, true, job.map_or(Value::Null, |job| json!(job.to_string()))),
        ("provider", Type::Number, true, provider.map_or(Value::Null, |it| json!(it.0))),
        ("detail", Type::Text, false, json!(detail.to_string())),
    ];
    outgoing(topics.events(), "event", (&key(seq), &fields))
}

/// Returns the record of money that moved.
#[must_use]
pub fn billing(topics: &Topics, seq: u64, row: &EventRow) -> Option<Outgoing> {
    let Event::Moved(movement) = &row.event else { return None };
    let (from, from_id) = purse(movement.from);
    let (to, to_id) = purse(movement.to);
    let job = job_of(movement.from).or(job_of(movement.to));
    let fields = [
        ("event_seq", Type::Number, false, json!(seq)),
        ("height", Type::Number, false, json!(row.height)),
        ("at", Type::Time, false, json!(row.time_ms)),
        ("why", Type::Text, false, name_of(&movement.why)),
        ("from_kind", Type::Text, false, json!(from)),
        ("from_id", Type::Text, true, from_id),
        ("to_kind", Type::Text, false, json!(to)),
        ("to_id", Type::Text, true, to_id),
        ("amount_ciro", Type::Text, false, json!(movement.amount.to_string())),
        ("job", Type::Text, true, job.map_or(Value::Null, |job| json!(job.to_string()))),
    ];
    Some(outgoing(topics.billing(), "billing", (&key(seq), &fields)))
}

fn key(seq: u64) -> [Field; 1] {
    [("event_seq", Type::Number, false, json!(seq))]
}

/// Returns the kind of a purse, and whose it is.
fn purse(purse: Purse) -> (&'static str, Value) {
    match purse {
        Purse::Account(address) => ("account", json!(address.to_string())),
        Purse::Escrow(job) => ("escrow", json!(job.to_string())),
        Purse::Collateral(job) => ("collateral", json!(job.to_string())),
        Purse::Bond(provider) => ("bond", json!(provider.0.to_string())),
        Purse::Unbonding(provider) => ("unbonding", json!(provider.0.to_string())),
        Purse::Deposit(model) => ("deposit", json!(model.to_string())),
        Purse::Faucet => ("faucet", Value::Null),
        Purse::Treasury => ("treasury", Value::Null),
        Purse::Burned => ("burned", Value::Null),
        Purse::Rewards => ("rewards", Value::Null),
        Purse::Reserve(tranche) => ("reserve", name_of(&tranche)),
        Purse::Vesting(grant) => ("vesting", json!(grant.0.to_string())),
        Purse::Airdrop => ("airdrop", Value::Null),
        Purse::Stake(validator) => ("stake", json!(validator.0.to_string())),
        Purse::Leaving(validator, _) => ("leaving", json!(validator.0.to_string())),
        Purse::Earned(validator) => ("earned", json!(validator.0.to_string())),
        Purse::Proposal(proposal) => ("proposal", json!(proposal.0.to_string())),
        Purse::Launch(launch) => ("launch", json!(launch.0.to_string())),
    }
}

const fn job_of(purse: Purse) -> Option<JobId> {
    match purse {
        Purse::Escrow(job) | Purse::Collateral(job) => Some(job),
        _ => None,
    }
}

/// Returns the name of a variant that has no fields.
fn name_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

fn outgoing(topic: String, kind: &str, (key, fields): (&[Field], &[Field])) -> Outgoing {
    let headers = vec![text(header::KIND, kind), text(header::VERSION, 1)];
    let payload = with_schema(&format!("ciro.{kind}.v1"), fields).into_bytes();
    let key = with_schema(&format!("ciro.{kind}.key.v1"), key).into_bytes();
    Outgoing { topic, key, payload, headers }
}

/// Writes fields with the schema that Connect asks for.
fn with_schema(name: &str, fields: &[Field]) -> String {
    let schema = fields.iter().map(|(name, kind, optional, _)| {
        let mut field = match kind {
            Type::Text => json!({ "type": "string" }),
            Type::Number => json!({ "type": "int64" }),
            Type::Time => json!({
                "type": "int64",
                "name": "org.apache.kafka.connect.data.Timestamp",
                "version": 1,
            }),
        };
        field["field"] = json!(name);
        field["optional"] = json!(optional);
        field
    });
    let schema: Vec<Value> = schema.collect();
    let payload: Map<String, Value> =
        fields.iter().map(|(name, _, _, value)| ((*name).to_owned(), value.clone())).collect();
    json!({
        "schema": { "type": "struct", "name": name, "optional": false, "fields": schema },
        "payload": payload,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use ciro_protocol::amount::Amount;
    use ciro_protocol::event::{Movement, Why};

    use super::*;

    fn moved() -> EventRow {
        let job = JobId([7; 32]);
        let (from, to) = (Purse::Escrow(job), Purse::Treasury);
        let movement = Movement { from, to, amount: Amount::CIRO, why: Why::MarketFee };
        EventRow { height: 3, time_ms: 1_000, event: Event::Moved(movement) }
    }

    #[test]
    fn a_row_has_its_schema_and_a_key_that_the_event_decides() {
        let topics = Topics::new("ciro");
        let record = billing(&topics, 41, &moved()).unwrap();
        let value: Value = serde_json::from_slice(&record.payload).unwrap();
        let fields = value["schema"]["fields"].as_array().unwrap();
        let payload = value["payload"].as_object().unwrap();
        assert_eq!(fields.len(), payload.len());
        for field in fields {
            let value = &payload[field["field"].as_str().unwrap()];
            assert!(field["optional"] == true || !value.is_null(), "{field}");
            let fits = match field["type"].as_str().unwrap() {
                "string" => value.is_string() || value.is_null(),
                _ => value.is_i64() || value.is_null(),
            };
            assert!(fits, "{field}: {value}");
        }
        assert_eq!((&payload["why"], &payload["amount_ciro"]), (&json!("market_fee"), &json!("1")));
        let key: Value = serde_json::from_slice(&record.key).unwrap();
        assert_eq!(key["payload"], json!({ "event_seq": 41 }));
        assert_eq!(billing(&topics, 41, &moved()).unwrap(), record, "published again: the same");
    }

    #[test]
    fn only_ends_of_jobs_have_receipts_and_everything_is_an_event() {
        let topics = Topics::new("ciro");
        assert!(receipt(&topics, 1, &moved()).is_none());
        let record = event(&topics, 1, &moved());
        let value: Value = serde_json::from_slice(&record.payload).unwrap();
        assert_eq!(value["payload"]["event"], json!("moved"));
        assert_eq!(value["payload"]["job"], json!(JobId([7; 32]).to_string()));
    }
}
