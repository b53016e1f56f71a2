//! `ciro-node doctor`: what keeps a node from running well, with what to do about it.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use ciro_protocol::api::{CHAIN, ChainInfo};
use ciro_sdk::error_chain;
use serde::Serialize;

use super::status;
use crate::config::{Config, KEY_FILE};
use crate::genesis::{check_genesis, read_genesis};
use crate::node::LEDGER_FILE;
use crate::store::{StateStore, StoreError};

/// Flushes that are measured.
const FLUSHES: usize = 20;
/// The slowest flush of a disk that is fit for consensus.
const FLUSH_MAX: Duration = Duration::from_millis(50);
/// The farthest that clock and ledger may be apart.
const SKEW_MAX_MS: u64 = 5_000;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    verdict: Verdict,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// Looks at a folder; false if something fails.
pub(super) fn doctor(folder: &Path, json: bool) -> anyhow::Result<(String, bool)> {
    let findings = [
        config(folder),
        genesis(folder),
        others(folder),
        flushes(folder),
        ledger(folder),
        running(folder),
    ];
    let well = findings.iter().all(|finding| finding.verdict != Verdict::Fail);
    if json {
        return Ok((serde_json::to_string_pretty(&findings)?, well));
    }
    let lines = findings.iter().map(|finding| {
        let mark = match finding.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        format!("{mark} {}: {}", finding.name, finding.detail)
    });
    Ok((lines.collect::<Vec<_>>().join("\n"), well))
}

fn config(folder: &Path) -> Finding {
    let name = "settings";
    match Config::read(folder) {
        Ok(config) => {
            let detail = format!("the interface listens at {}", config.api.listen);
            Finding { name, verdict: Verdict::Ok, detail }
        }
        Err(error) => failed(name, &error),
    }
}

/// Key and genesis belong together, and this build can run them.
fn genesis(folder: &Path) -> Finding {
    let name = "genesis and key";
    let key = match crate::secret::read(&folder.join(KEY_FILE)) {
        Ok(key) => key,
        Err(error) => return failed(name, &error),
    };
    let number = || Ok::<_, crate::StartError>(Config::read(folder)?.validator);
    let checked = number().and_then(|set| check_genesis(&read_genesis(folder)?, &key, set));
    match checked {
        Ok(id) => {
            let detail = format!("validator {id}, key {}", key.address());
            Finding { name, verdict: Verdict::Ok, detail }
        }
        Err(error) => failed(name, &error),
    }
}

/// Whether the settings name all other validators, and the folder has an identity for them.
fn others(folder: &Path) -> Finding {
    let name = "validators";
    let read = || {
        let (config, genesis) = (Config::read(folder)?, read_genesis(folder)?);
        crate::links::Remoteness::read(folder, &config, &genesis.spec)?;
        let validators = genesis.spec.validators.len();
        // Whoever joined later is found through one that is named.
        let others = if config.validator.is_some() { 1 } else { validators.saturating_sub(1) };
        Ok::<_, crate::StartError>((config.net.peers.len(), others))
    };
    match read() {
        Ok((named, expected)) => {
            let few = named < expected;
            let verdict = if few { Verdict::Warn } else { Verdict::Ok };
            let mend = if few { "; name all of them in `net.peers`" } else { "" };
            let detail = format!("{named} addresses for {expected} others{mend}");
            Finding { name, verdict, detail }
        }
        Err(error) => failed(name, &error),
    }
}

/// How long the disk takes to make 4 KiB durable.
fn flushes(folder: &Path) -> Finding {
    let name = "disk";
    let path = folder.join("doctor.tmp");
    let measured = measure(&path);
    // What is left over does no harm.
    let _ = fs::remove_file(&path);
    match measured {
        Ok(mut times) => {
            times.sort_unstable();
            let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
            let slow = slowest > FLUSH_MAX;
            let verdict = if slow { Verdict::Warn } else { Verdict::Ok };
            let mend =
                if slow { "; blocks wait for it: take a disk that flushes faster" } else { "" };
            let detail = format!("a flush takes {median:.1?}, the slowest {slowest:.1?}{mend}");
            Finding { name, verdict, detail }
        }
        Err(error) => failed(name, &error),
    }
}

fn measure(path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file: File = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    let mut times = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let started = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    Ok(times)
}

/// Whether every page of the ledger's file is what its checksum says.
fn ledger(folder: &Path) -> Finding {
    let name = "ledger";
    let path = folder.join(LEDGER_FILE);
    let ok = |detail: &str| Finding { name, verdict: Verdict::Ok, detail: detail.to_owned() };
    if !path.exists() {
        return ok("there is none yet");
    }
    match StateStore::check_file(&path) {
        Ok(true) => ok("the file is sound"),
        Ok(false) => {
            let detail = "the file was not sound, and is mended".to_owned();
            Finding { name, verdict: Verdict::Warn, detail }
        }
        Err(StoreError::Open { source, .. })
            if matches!(*source, redb::Error::DatabaseAlreadyOpen) =>
        {
            ok("the node that runs has it, and checked it when it started")
        }
        Err(error) => failed(name, &error),
    }
}

/// Whether the node runs, and how far its ledger's time is from this machine's.
fn running(folder: &Path) -> Finding {
    let name = "node";
    let asked = status::address(folder).and_then(|address| status::get(address, CHAIN));
    let Ok(answer) = asked else {
        let detail = "it does not run: `ciro-node start`".to_owned();
        return Finding { name, verdict: Verdict::Warn, detail };
    };
    match serde_json::from_slice::<ChainInfo>(&answer) {
        Ok(chain) => {
            let apart = crate::clock::now_ms().abs_diff(chain.head.time_ms);
            let far = apart > SKEW_MAX_MS;
            let verdict = if far { Verdict::Warn } else { Verdict::Ok };
            let mend = if far { "; set the clock, or let the ledger catch up" } else { "" };
            let height = chain.head.height;
            let detail = format!("block {height}; ledger time is {apart} ms from the clock{mend}");
            Finding { name, verdict, detail }
        }
        Err(error) => failed(name, &error),
    }
}

fn failed(name: &'static str, error: &(dyn std::error::Error + 'static)) -> Finding {
    Finding { name, verdict: Verdict::Fail, detail: error_chain(error) }
}
