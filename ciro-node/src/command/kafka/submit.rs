//! `ciro-node kafka submit`: signed orders from standard input into the topic of submissions.

use std::io::{BufRead as _, Write};
use std::sync::Arc;

use anyhow::Context as _;
use ciro_queue::kafka::{KafkaError, KafkaSettings, Outgoing, Topics, Writer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Orders that are on their way at once.
const IN_FLIGHT_MAX: usize = 4_096;
/// Lines that are read ahead.
const AHEAD_MAX: usize = 64;

/// Reads one order in hexadecimal from each line, and says each one's number, from 0, once the
/// brokers have it. An order that they do not have within half a minute ends it.
pub(super) fn submit(settings: &KafkaSettings) -> anyhow::Result<String> {
    settings.check()?;
    let topic = Topics::new(&settings.prefix).submissions();
    let (tx, lines) = mpsc::channel(AHEAD_MAX);
    // It ends with its input, or at the first line after nobody listens.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if tx.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let written = runtime.block_on(async {
        let writer = Arc::new(Writer::open(settings)?);
        let send = |payload| {
            let (writer, topic) = (Arc::clone(&writer), topic.clone());
            async move {
                writer.send(&[Outgoing { topic, key: vec![], payload, headers: vec![] }]).await
            }
        };
        pass_on(lines, std::io::stdout(), send).await
    });
    Ok(format!("{} orders are in `{topic}`", written?))
}

/// Sends what the lines hold, and tells the number of each that has arrived; returns how many.
async fn pass_on<F: Future<Output = Result<(), KafkaError>> + Send + 'static>(
    mut lines: mpsc::Receiver<std::io::Result<String>>,
    mut output: impl Write,
    send: impl Fn(Vec<u8>) -> F,
) -> anyhow::Result<u64> {
    let mut running = JoinSet::new();
    let (mut read, mut ended) = (0_u64, false);
    while !ended || !running.is_empty() {
        tokio::select! {
            line = lines.recv(), if !ended && running.len() < IN_FLIGHT_MAX => {
                let Some(line) = line else {
                    ended = true;
                    continue;
                };
                let order = hex::decode(line.context("cannot read standard input")?.trim());
                let order = order.with_context(|| format!("line {read} is no hexadecimal"))?;
                let (number, sent) = (read, send(order));
                running.spawn(async move { (number, sent.await) });
                read += 1;
            }
            Some(done) = running.join_next(), if !running.is_empty() => {
                let (number, sent) = done?;
                sent.with_context(|| format!("order {number} has not arrived"))?;
                writeln!(output, "{number}")?;
                output.flush()?;
            }
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn passed(input: &[&str]) -> (anyhow::Result<u64>, String) {
        let (tx, lines) = mpsc::channel(8);
        for line in input {
            tx.send(Ok((*line).to_owned())).await.unwrap();
        }
        drop(tx);
        let send = |order: Vec<u8>| async move {
            let lost = order == b"lost";
            if lost { Err(KafkaError::Client("no".to_owned())) } else { Ok(()) }
        };
        let mut output = Vec::new();
        let passed = pass_on(lines, &mut output, send).await;
        (passed, String::from_utf8(output).unwrap())
    }

    #[tokio::test]
    async fn each_order_that_has_arrived_is_told_and_the_first_that_has_not_ends_it() {
        let (count, told) = passed(&["00", " 0a0b "]).await;
        let mut numbers: Vec<&str> = told.lines().collect();
        numbers.sort_unstable();
        assert_eq!((count.unwrap(), numbers), (2, vec!["0", "1"]));
        let (count, _) = passed(&["00", &hex::encode("lost")]).await;
        assert_eq!(count.unwrap_err().to_string(), "order 1 has not arrived");
        let (count, told) = passed(&["no hex"]).await;
        assert_eq!(count.unwrap_err().to_string(), "line 0 is no hexadecimal");
        assert!(told.is_empty());
    }
}
