//! Children run and prove programs within what their keys declare.

use std::path::Path;
use std::time::Duration;

use ciro_protocol::SecretKey;
use ciro_protocol::id::ProviderId;
use ciro_prover::executor::{Failure, Pool, PoolSettings, ProofTask, Task, Unsealing};
use ciro_sdk::network::{VERIFIER, verify_stated};
use ciro_sdk::program::Felt;
use ciro_sdk::program::job::{JobProgram, ProgramInput, ProgramJobKey};
use tempfile::TempDir;

/// The longest that a task may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Steps that are enough for what is ordered here.
const STEPS: u64 = 100_000;

struct Shop {
    folder: TempDir,
    pool: Pool,
    key: ProgramJobKey,
}

fn example() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs/fibonacci");
    folder.join("fibonacci.executable.json").to_str().unwrap().to_owned()
}

fn shop(steps: u64, memory_mb: u64) -> Shop {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bundles")).unwrap();
    let executable = std::fs::read(example()).unwrap();
    let pool = Pool::new(PoolSettings {
        program: crate::program(),
        children: 1,
        memory_mb,
        threads: 1,
        time_max: LIMIT,
    });
    let key = JobProgram::new(&executable, steps).unwrap().key().clone();
    Shop { folder, pool, key }
}

impl Shop {
    /// The task of a job with these arguments.
    fn task(&self, arguments: &[u64]) -> Task {
        let felts = arguments.iter().copied().map(Felt::from).collect();
        let input = ProgramInput::new(felts).unwrap();
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("input"), input.to_bytes()).unwrap();
        let proof = ProofTask {
            input: path("input"),
            statement: input.order_digest(&self.key),
            sealed: None,
            bundles: path("bundles"),
            bundle_bytes_max: 4 << 20,
        };
        Task { model: example(), key: self.key.to_bytes(), proof: Some(proof) }
    }

    /// What a worker finds that looks at a task before it claims the job.
    async fn refused(&self, task: &Task) -> String {
        match self.pool.look(task, LIMIT).await {
            Err(Failure::Input(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_program_is_run_on_what_the_order_states_and_then_proven() {
    let shop = shop(STEPS, 4096);
    let task = shop.task(&[10]);
    let prepared = shop.pool.prepare(&Task { proof: None, ..task.clone() }, LIMIT).await.unwrap();
    assert!(prepared.memory_mb >= 1_800 && prepared.prove_ms >= 4_000, "{prepared:?}");
    shop.pool.look(&task, LIMIT).await.unwrap();
    let proof = shop.pool.prove(&task).await.unwrap();
    assert!(proof.bundle_bytes <= prepared.proof_bytes);
    assert_eq!(proof.input, task.proof.as_ref().unwrap().statement);
    let file = shop.folder.path().join("bundles").join(proof.bundle.to_string());
    let bundle = std::fs::read(file).unwrap();
    let stated = verify_stated(VERIFIER, &task.key, &bundle).unwrap();
    assert_eq!((stated.key, stated.output), (proof.key, proof.output));
}

#[tokio::test]
async fn a_run_that_does_not_answer_its_order_is_not_claimed() {
    let shop = shop(STEPS, 4096);
    let mut other = shop.task(&[10]);
    other.proof.as_mut().unwrap().statement.0[0] ^= 1;
    assert!(shop.refused(&other).await.contains("others than the order states"));
    // It takes steps for ever, panics, or is none that the program takes.
    let long = shop.refused(&shop.task(&[u32::MAX.into()])).await;
    assert!(long.contains(&format!("more than {STEPS} steps")), "{long}");
    let none = shop.refused(&shop.task(&[])).await;
    assert!(none.contains("panicked"), "{none}");
    // The network would not take the bundle.
    let mut long = shop.task(&[10]);
    long.proof.as_mut().unwrap().bundle_bytes_max = 100_000;
    let long = shop.refused(&long).await;
    assert!(long.contains("the longest that is taken has 99"), "{long}");
    let sealed = shop.task(&[10]);
    let requester = SecretKey::from_seed(b"requester").address();
    let unsealing = Unsealing { provider: ProviderId(0), secret: [1; 32] };
    let proof = sealed.proof.map(|it| ProofTask { sealed: Some((requester, unsealing)), ..it });
    let sealed = Task { proof, model: sealed.model, key: sealed.key };
    assert!(shop.refused(&sealed).await.contains("sealed"));
    let task = shop.task(&[10]);
    std::fs::write(&task.proof.as_ref().unwrap().input, b"CIROARGS").unwrap();
    assert!(shop.refused(&task).await.contains("cut short"));
    // Whatever it was, the next one is looked at.
    shop.pool.look(&shop.task(&[10]), LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_program_runs_within_its_keys_steps_and_the_childs_memory_and_time() {
    // The runs take fewer steps than this, and more work.
    let small = shop(100, 4096);
    assert!(small.refused(&small.task(&[10])).await.contains("steps"));
    let poor = shop(STEPS, 1_024);
    let needs = poor.refused(&poor.task(&[10])).await;
    assert!(needs.contains("memory"), "{needs}");
    let shop = shop(STEPS, 4096);
    let late = shop.pool.look(&shop.task(&[10]), Duration::from_millis(1)).await.unwrap_err();
    assert!(late.to_string().contains("it took longer than"), "{late}");
    // An executable that is another program than the key's is not prepared.
    let mut other = shop.task(&[10]);
    let wrong = shop.folder.path().join("wrong.json");
    let text = std::fs::read_to_string(example()).unwrap();
    let (from, to) = ("\"0x480680017fff8000\",\"0x0\"", "\"0x480680017fff8000\",\"0x1\"");
    assert!(text.contains(from));
    std::fs::write(&wrong, text.replacen(from, to, 1)).unwrap();
    other.model = wrong.to_str().unwrap().to_owned();
    let told = shop.pool.prepare(&Task { proof: None, ..other }, LIMIT).await.unwrap_err();
    assert!(told.to_string().contains("another one than the key's"), "{told}");
}
