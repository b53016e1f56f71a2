//! The brokers, Connect and PostgreSQL that `tools/kafka/kafka` has started, and their outages.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// From the death of one broker to that of the next.
const CHURN: Duration = Duration::from_secs(10);
/// How long a broker that was killed is away at least.
const AWAY: Duration = Duration::from_secs(2);

/// Reads what `.ci/run` has set.
pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: `.ci/run kafka_e2e` sets it"))
}

/// Runs the script of `tools/kafka`, and returns what it prints.
pub(super) fn tool(arguments: &str) -> String {
    let output = Command::new(variable("CIRO_KAFKA_TOOL"))
        .args(arguments.split_whitespace())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "kafka {arguments}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asks the database.
pub(super) fn sql(url: &str, query: &str) -> Option<String> {
    let output = Command::new("psql").args([url, "-qAtc", query]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| text.trim().to_owned())
}

/// One broker after the other is killed and started again.
pub(super) struct Churn {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Churn {
    pub(super) fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut killed = 0;
            while !stopped.load(Ordering::Acquire) {
                let begun = Instant::now();
                let broker = killed % 3 + 1;
                tool(&format!("kill {broker}"));
                std::thread::sleep(AWAY);
                tool(&format!("start {broker}"));
                killed += 1;
                std::thread::sleep(CHURN.saturating_sub(begun.elapsed()));
            }
            killed
        });
        Self { stop, thread }
    }

    /// Waits until all brokers are there; returns how often one was killed.
    pub(super) fn end(self) -> usize {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

/// Takes all brokers away for a time.
pub(super) fn outage(time: Duration) {
    for broker in 1..=3 {
        tool(&format!("kill {broker}"));
    }
    std::thread::sleep(time);
    // None of them answers before the others are there.
    tool("up --brokers 3");
}
