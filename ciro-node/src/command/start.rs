//! `ciro-node start`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::node::Node;

/// Runs a node until a signal or a failure ends it. What it says goes to standard error; `RUST_LOG`
/// chooses how much.
pub(super) fn start(folder: &Path, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    // A program that runs several nodes has chosen already.
    let _ = subscriber.with_writer(std::io::stderr).try_init();
    if let Some(rule) = ciro_mutation::left_out() {
        tracing::warn!(rule, "this process may leave a rule out: it is part of a test");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the system gives no threads")?.block_on(run(folder, listen))
}

async fn run(folder: &Path, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("no signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("no signals")?;
    let node = Node::start(folder, listen).await?;
    let failure = tokio::select! {
        reason = node.failed() => Some(reason),
        _ = terminated.recv() => None,
        _ = interrupted.recv() => None,
    };
    tracing::info!("the node stops");
    node.stop().await;
    match failure {
        Some(reason) => bail!(reason),
        None => Ok(()),
    }
}
