//! Apache Kafka for a devnet: one that runs already, or one that `tools/kafka/kafka` starts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::context::Failure;

/// Names the script, where it is not in the checkout at hand.
const TOOL: &str = "CIRO_KAFKA_TOOL";
/// Where the script is in a checkout.
const IN_CHECKOUT: &str = "tools/kafka/kafka";

/// The brokers of a devnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kafka {
    /// Where they are.
    pub(super) brokers: String,
    /// Who started them, and stops them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool: Option<Tool>,
}

/// The script and its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    program: PathBuf,
    data: PathBuf,
}

impl Kafka {
    /// Takes brokers, or starts one for `auto`.
    pub(super) fn of(brokers: &str, dir: &Path) -> Result<Self> {
        if brokers != "auto" {
            return Ok(Self { brokers: brokers.to_owned(), tool: None });
        }
        let program = match std::env::var_os(TOOL) {
            Some(path) => PathBuf::from(path),
            None => std::env::current_dir()?.join(IN_CHECKOUT),
        };
        if !program.is_file() {
            let message = format!("there is no `{}`", program.display());
            let hint = format!(
                "run it in a checkout, set {TOOL}, or give the brokers: `--kafka HOST:PORT`"
            );
            return Err(Failure::new(message, hint).into());
        }
        let tool = Tool { program, data: dir.join("kafka") };
        let brokers = tool.run("up")?;
        Ok(Self { brokers, tool: Some(tool) })
    }

    /// Stops the brokers, if they were started here.
    pub(super) fn stop(&self) -> Result<()> {
        self.tool.as_ref().map_or(Ok(()), |tool| tool.run("down").map(drop))
    }

    /// Lets a node publish, and read what others have written.
    pub(super) fn configure_node(&self, file: &Path) -> Result<()> {
        // One broker for each address: a topic cannot be on more of them.
        let replication = self.brokers.split(',').count().min(3);
        let count = format!("replication = {replication}");
        let changes =
            [("create_topics = false", "create_topics = true"), ("replication = 3", &count)];
        self.append(file, &changes)
    }

    /// Lets a worker read its offers there.
    pub(super) fn configure_prover(&self, file: &Path) -> Result<()> {
        self.append(file, &[("queue = \"node\"", "queue = \"kafka\"")])
    }

    fn append(&self, file: &Path, changes: &[(&str, &str)]) -> Result<()> {
        let failed = || format!("cannot change `{}`", file.display());
        let mut text = std::fs::read_to_string(file).with_context(failed)?;
        for (from, to) in changes {
            ensure!(text.contains(from), "`{}` has no line `{from}`", file.display());
            text = text.replacen(from, to, 1);
        }
        let brokers = toml_text(&self.brokers);
        text.push_str(&format!("\n[kafka]\nbrokers = {brokers}\n"));
        std::fs::write(file, text).with_context(failed)
    }
}

impl Tool {
    /// Runs the script and returns the last line that it prints.
    fn run(&self, action: &str) -> Result<String> {
        let output = Command::new(&self.program)
            .arg(action)
            .env("CIRO_KAFKA_DIR", &self.data)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run `{}`", self.program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().last().unwrap_or_default();
        ensure!(output.status.success(), "`{} {action}` failed: {said}", self.program.display());
        let printed = String::from_utf8_lossy(&output.stdout);
        Ok(printed.lines().last().unwrap_or_default().to_owned())
    }
}

/// Writes a text as TOML does: its escapes are those of JSON.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
