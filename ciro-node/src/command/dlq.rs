//! `ciro-node dlq`: records that nobody could take care of.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::Message as _;
use ciro_queue::OfferRecord;
use ciro_queue::kafka::dead::{self, DeadLetter};
use ciro_queue::kafka::{KafkaSettings, header};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::config::Config;

/// Letters of one partition that `list` shows.
const LETTERS_MAX: usize = 1_000;

/// What is done with dead letters. A letter is named by partition and offset: `2:17`.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Lists dead letters, the oldest first.
    List {
        /// The node's folder.
        folder: PathBuf,
        /// Prints JSON, one object a line.
        #[arg(long)]
        json: bool,
    },
    /// Shows one: its headers, and what its bytes are.
    Show {
        /// The node's folder.
        folder: PathBuf,
        /// Which.
        letter: String,
    },
    /// Puts one back into the topic that it came from.
    Requeue {
        /// The node's folder.
        folder: PathBuf,
        /// Which.
        letter: String,
    },
}

pub(super) fn run(action: &Action) -> anyhow::Result<String> {
    match action {
        Action::List { folder, json } => list(&settings(folder)?, *json),
        Action::Show { folder, letter } => {
            let letter = find(&settings(folder)?, letter)?;
            Ok(serde_json::to_string_pretty(&describe(&letter, true))?)
        }
        Action::Requeue { folder, letter } => {
            let settings = settings(folder)?;
            let letter = find(&settings, letter)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let topic = runtime.block_on(dead::requeue(&settings, &letter))?;
            Ok(format!("the record is in `{topic}` again"))
        }
    }
}

/// Reads how a node reaches Kafka.
pub(super) fn settings(folder: &Path) -> anyhow::Result<KafkaSettings> {
    let kafka = Config::read(folder)?.kafka;
    kafka
        .with_context(|| format!("`{}` has no table `[kafka]`", folder.join("node.toml").display()))
}

fn list(settings: &KafkaSettings, as_json: bool) -> anyhow::Result<String> {
    let letters = dead::list(settings, LETTERS_MAX)?;
    let mut text = String::new();
    for letter in &letters {
        if as_json {
            writeln!(text, "{}", describe(letter, false))?;
        } else {
            let [code, error, origin] = [header::ERROR_CODE, header::ERROR, header::ORIGIN]
                .map(|name| header_of(letter, name));
            writeln!(text, "{}  {code}  {origin}  {error}", name(letter))?;
        }
    }
    if letters.is_empty() && !as_json {
        text.push_str("there are no dead letters\n");
    }
    Ok(text)
}

fn find(settings: &KafkaSettings, place: &str) -> anyhow::Result<DeadLetter> {
    let parsed = place.split_once(':');
    let parsed = parsed.and_then(|(it, at)| Some((it.parse().ok()?, at.parse().ok()?)));
    let Some(place): Option<(i32, i64)> = parsed else {
        bail!("`{place}` names no dead letter, expected `PARTITION:OFFSET` as in `dlq list`");
    };
    let letters = dead::list(settings, LETTERS_MAX)?;
    let found = letters.into_iter().find(|letter| letter.place == place);
    found.with_context(|| format!("there is no dead letter {}:{}", place.0, place.1))
}

fn name(letter: &DeadLetter) -> String {
    format!("{}:{}", letter.place.0, letter.place.1)
}

/// Returns a header as text that a terminal can show: whoever wrote it is nobody to trust.
fn header_of(letter: &DeadLetter, name: &str) -> String {
    let found = letter.record.headers.iter().find(|(key, _)| key == name);
    let value = found.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    value.unwrap_or_else(|| "-".to_owned()).chars().filter(|it| !it.is_control()).collect()
}

fn describe(letter: &DeadLetter, whole: bool) -> Value {
    let names = letter.record.headers.iter().map(|(key, _)| key.as_str());
    let headers: serde_json::Map<String, Value> =
        names.map(|name| (name.to_owned(), json!(header_of(letter, name)))).collect();
    let payload = &letter.record.payload;
    let mut value = json!({
        "letter": name(letter),
        "time_ms": letter.record.time_ms,
        "key": hex::encode(&letter.record.key),
        "bytes": payload.len(),
        "headers": headers,
    });
    if whole {
        let tx = SignedTx::from_bytes(payload).ok();
        let offer = OfferRecord::from_bytes(payload).ok();
        value["transaction"] = json!(tx);
        value["offer"] = json!(offer.map(|it| json!({ "order": it.order, "attempt": it.attempt })));
        value["payload"] = json!(hex::encode(payload));
    }
    value
}
