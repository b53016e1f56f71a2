//! Orders on their way into Kafka. This command links no Kafka client: `ciro-node kafka submit`
//! writes what it is told, and says what has arrived.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use crate::commands::network::program;

/// Orders that wait for the pipe.
const AHEAD_MAX: usize = 1_024;

/// The topic of submissions of a cluster. Its program ends with it.
pub(super) struct Topic {
    orders: mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>,
    _program: Child,
}

/// Who waits for which number.
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<()>>>>;

impl Topic {
    /// Starts the program. That no broker answers shows at the first order.
    pub(super) fn open(brokers: &str) -> Result<Self> {
        let path = program("ciro-node")?;
        let mut child = Command::new(&path)
            .args(["kafka", "submit", "--brokers", brokers])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start `{}`", path.display()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.context("the program has no pipes")?;
        let (orders, rx) = mpsc::channel(AHEAD_MAX);
        let waiting = Waiting::default();
        tokio::spawn(write(rx, stdin, Arc::clone(&waiting)));
        tokio::spawn(read(stdout, waiting));
        Ok(Self { orders, _program: child })
    }

    /// Sends an order; what is returned is told once the brokers have it.
    pub(super) async fn send(&self, order: &SignedTx) -> Result<oneshot::Receiver<()>> {
        let (told, arrived) = oneshot::channel();
        let sent = self.orders.send((order.to_bytes(), told)).await;
        sent.ok().context(ENDED)?;
        Ok(arrived)
    }

    /// Waits until the brokers have an order.
    pub(super) async fn arrived(arrived: oneshot::Receiver<()>) -> Result<()> {
        arrived.await.ok().context(ENDED)
    }
}

/// What went wrong the program has said itself.
const ENDED: &str = "`ciro-node kafka submit` has ended";

async fn write(
    mut orders: mpsc::Receiver<(Vec<u8>, oneshot::Sender<()>)>,
    mut stdin: ChildStdin,
    waiting: Waiting,
) {
    let mut number = 0;
    while let Some((order, told)) = orders.recv().await {
        waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, told);
        number += 1;
        if stdin.write_all(format!("{}\n", hex::encode(order)).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Tells those that wait; at the end, by forgetting them, the rest.
async fn read(stdout: ChildStdout, waiting: Waiting) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(number) = line.parse() else { continue };
        let told = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        // Whoever has given up hears nothing.
        let _ = told.map(|told| told.send(()));
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
