//! The parent's side: as many children as may prove at once, each used again, one more in which
//! models are prepared that nobody has checked, and one in which programs are run before they are
//! proven.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

use super::protocol::{
    Fault, MESSAGE_BYTES_MAX, Message, Prepared, Proof, Reply, Task, frame, read,
};

/// How children are.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The program: this one.
    pub program: PathBuf,
    /// Children at once.
    pub children: usize,
    /// Memory of each, in MiB.
    pub memory_mb: u64,
    /// Threads of each.
    pub threads: usize,
    /// The longest that a task may take: a last resort, since leases end before.
    pub time_max: Duration,
}

/// Children, idle or at work. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct Pool {
    settings: Arc<PoolSettings>,
    places: Arc<Semaphore>,
    /// The place of the child that prepares.
    desk: Arc<Semaphore>,
    /// The place of the child that looks.
    counter: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Worker>>>,
}

/// Why a child gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The input is not the order's, or none of the model's.
    #[error("the input does not fit: {0}")]
    Input(String),
    /// The model cannot be proven here.
    #[error("cannot prove: {0}")]
    Machine(String),
    /// The proof does not verify.
    #[error("the proof does not verify: {0}")]
    Unverified(String),
    /// The child ended, or said what nobody understands.
    #[error("the child ended without an answer: {0}")]
    Child(String),
}

/// A child and its pipes. Dropping it kills it.
#[derive(Debug)]
struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// Keys that it has prepared, roughly: a hint to whom to give what.
    keys: Vec<Vec<u8>>,
}

impl Pool {
    /// Makes a pool; children start when they are needed.
    #[must_use]
    pub fn new(settings: PoolSettings) -> Self {
        let places = Arc::new(Semaphore::new(settings.children.max(1)));
        let [desk, counter] = [1, 1].map(|places| Arc::new(Semaphore::new(places)));
        Self { settings: Arc::new(settings), places, desk, counter, idle: Arc::default() }
    }

    /// Prepares the prover of a key within a time, and says what its proofs take. Whoever orders
    /// chooses the model: it has a child of its own, one at a time, which takes no place from
    /// proofs, a quarter of their threads, and ends afterwards, so that children which prove keep
    /// what they have prepared.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the model is not that of the key, cannot be proven here, or takes too long.
    pub async fn prepare(&self, task: &Task, limit: Duration) -> Result<Prepared, Failure> {
        self.prepare_with(self.settings.threads.div_ceil(4), task, limit).await
    }

    /// As [`prepare`](Self::prepare), with as many threads as a child has that proves: what it
    /// takes is what a proof has to wait for, and nothing is proven meanwhile.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn prepare_alone(&self, task: &Task, limit: Duration) -> Result<Prepared, Failure> {
        self.prepare_with(self.settings.threads, task, limit).await
    }

    async fn prepare_with(
        &self,
        threads: usize,
        task: &Task,
        limit: Duration,
    ) -> Result<Prepared, Failure> {
        let place = self.desk.acquire().await;
        let _place = place.map_err(|error| Failure::Child(error.to_string()))?;
        let mut worker = self.spawn(threads)?;
        match worker.answer(&Message::Do(task.clone()), limit).await.and_then(done)? {
            Reply::Prepared(prepared) => Ok(prepared),
            _ => Err(other_answer()),
        }
    }

    /// Looks within a time whether a task can be done: a program is run on the input. Whoever
    /// orders chooses both, so that this has a child of its own as a preparation has, one at a
    /// time, with one thread.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it cannot, or that takes too long.
    pub async fn look(&self, task: &Task, limit: Duration) -> Result<(), Failure> {
        let place = self.counter.acquire().await;
        let _place = place.map_err(|error| Failure::Child(error.to_string()))?;
        let mut worker = self.spawn(1)?;
        match worker.answer(&Message::Look(task.clone()), limit).await.and_then(done)? {
            Reply::Looked => Ok(()),
            _ => Err(other_answer()),
        }
    }

    /// Proves. Dropping the future ends the child.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there is no proof.
    pub async fn prove(&self, task: &Task) -> Result<Proof, Failure> {
        match self.run(task).await? {
            Reply::Proven(proof) => Ok(proof),
            _ => Err(other_answer()),
        }
    }

    async fn run(&self, task: &Task) -> Result<Reply, Failure> {
        let place = self.places.acquire().await;
        let _place = place.map_err(|error| Failure::Child(error.to_string()))?;
        let mut worker = match self.take(&task.key) {
            Some(worker) => worker,
            None => self.spawn(self.settings.threads)?,
        };
        let message = Message::Do(task.clone());
        let reply = worker.answer(&message, self.settings.time_max).await?;
        worker.keys.retain(|key| *key != task.key);
        worker.keys.insert(0, task.key.clone());
        worker.keys.truncate(4);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        done(reply)
    }

    /// An idle child that lives: one that knows the key, if there is one.
    fn take(&self, key: &[u8]) -> Option<Worker> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|worker| matches!(worker.child.try_wait(), Ok(None)));
        let place = idle.iter().position(|worker| worker.keys.iter().any(|known| known == key));
        let place = place.or_else(|| idle.len().checked_sub(1))?;
        Some(idle.swap_remove(place))
    }

    fn spawn(&self, threads: usize) -> Result<Worker, Failure> {
        let failed = |reason: String| Failure::Child(reason);
        let PoolSettings { program, memory_mb, .. } = &*self.settings;
        let mut child = Command::new(program)
            .args(["child", "--memory-mb", &memory_mb.to_string()])
            .env("RAYON_NUM_THREADS", threads.max(1).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("cannot start `{}`: {error}", program.display())))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        Ok(Worker { child, input, output, keys: Vec::new() })
    }
}

fn other_answer() -> Failure {
    Failure::Child("it answered something else".to_owned())
}

/// What a child that lives says.
fn done(reply: Reply) -> Result<Reply, Failure> {
    match reply {
        Reply::Failed(Fault::Input, reason) => Err(Failure::Input(reason)),
        Reply::Failed(Fault::Machine, reason) => Err(Failure::Machine(reason)),
        Reply::Failed(Fault::Unverified, reason) => Err(Failure::Unverified(reason)),
        reply => Ok(reply),
    }
}

impl Worker {
    /// Has it do a task within a time. After an error it is not to be used again.
    async fn answer(&mut self, message: &Message, limit: Duration) -> Result<Reply, Failure> {
        match tokio::time::timeout(limit, self.ask(message)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                // How it ended is worth a word; one that talks nonsense ends here.
                let _ = self.child.start_kill();
                let ended =
                    self.child.wait().await.map_or_else(|_| String::new(), |it| it.to_string());
                Err(Failure::Child(format!("{error} ({ended})")))
            }
            Err(_) => Err(Failure::Child(format!("it took longer than {limit:?}"))),
        }
    }

    async fn ask(&mut self, message: &Message) -> std::io::Result<Reply> {
        self.input.write_all(&frame(message)?).await?;
        self.input.flush().await?;
        let length = self.output.read_u32_le().await?;
        if length > MESSAGE_BYTES_MAX {
            return Err(std::io::Error::other("its answer is too long"));
        }
        let mut body = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.output.read_exact(&mut body).await?;
        read(&body)
    }
}
