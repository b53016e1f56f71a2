//! Children prove what the order states and nothing else, and what goes wrong in one of them stays
//! there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ciro_protocol::SecretKey;
use ciro_protocol::id::{InputDigest, ProviderId};
use ciro_prover::executor::{Failure, Pool, PoolSettings, ProofTask, Task, Unsealing, look};
use ciro_sdk::client::{SealingSecret, seal};
use ciro_sdk::inputs::Inputs;
use ciro_sdk::network::{SecretInput, VERIFIER, verify_stated};
use ciro_sdk::{
    BlindingSeed, CompileSettings, InputStatement, Key, Model, ProofBundle, ProveSettings, Secrecy,
};
use tempfile::TempDir;

/// The longest that a task may take.
const LIMIT: Duration = Duration::from_secs(120);

struct Shop {
    folder: TempDir,
    pool: Pool,
    task: Task,
    statement: InputDigest,
}

fn compiled(name: &str) -> (Model, Inputs) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name);
    let inputs = Inputs::read(&folder.join("inputs.npz")).unwrap();
    let calibration = Some(inputs.clone());
    let settings = CompileSettings { calibration, ..CompileSettings::default() };
    (Model::compile_file(&folder.join("model.onnx"), &settings).unwrap(), inputs)
}

fn shop(memory_mb: u64) -> Shop {
    shop_for(ProveSettings::default(), memory_mb)
}

/// A shop that is asked for proofs for this key.
fn shop_for(settings: ProveSettings, memory_mb: u64) -> Shop {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = compiled("linreg_diabetes");
    let samples = inputs.samples(&model.input_specs()).unwrap();
    let key = model.key(&settings).unwrap();
    let input = InputStatement::encode(&key, &samples[..1]).unwrap().statement;
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    model.save(Path::new(&path("model"))).unwrap();
    std::fs::write(path("input"), input.to_bytes()).unwrap();
    std::fs::create_dir(path("bundles")).unwrap();
    let statement = input.order_digest(&key);
    let proof = ProofTask {
        input: path("input"),
        statement,
        sealed: None,
        bundles: path("bundles"),
        bundle_bytes_max: 4 << 20,
    };
    let task = Task { model: path("model"), key: key.to_bytes(), proof: Some(proof) };
    let pool = Pool::new(PoolSettings {
        program: crate::program(),
        children: 1,
        memory_mb,
        threads: 1,
        time_max: LIMIT,
    });
    Shop { folder, pool, task, statement }
}

/// What a worker finds that looks at the input of a task before it claims the job.
fn looked(task: &Task) -> Result<(), String> {
    let proof = task.proof.as_ref().unwrap();
    let bytes = std::fs::read(&proof.input).unwrap();
    look(&bytes, &task.key, (proof.statement, proof.sealed.as_ref()))
}

/// Looks at an input, and asks a child for a proof of it: neither takes it.
async fn refused(pool: &Pool, task: &Task) {
    let proven = pool.prove(task).await;
    assert!(matches!(proven, Err(Failure::Input(_))), "{proven:?}");
    assert!(looked(task).is_err(), "a worker claims what its child does not prove");
}

#[tokio::test]
async fn a_child_proves_what_the_order_states_and_keeps_the_bundle_under_its_id() {
    let Shop { folder, pool, task, statement } = shop(2048);
    let prepared = pool.prepare(&Task { proof: None, ..task.clone() }, LIMIT).await.unwrap();
    assert!(prepared.memory_mb > 0 && prepared.prove_ms > 0);
    assert_eq!(looked(&task), Ok(()));
    let proof = pool.prove(&task).await.unwrap();
    assert_eq!(proof.input, statement);
    let file = folder.path().join("bundles").join(proof.bundle.to_string());
    let stated = verify_stated(VERIFIER, &task.key, &std::fs::read(file).unwrap()).unwrap();
    assert_eq!((stated.input, stated.output), (proof.input, proof.output));
    // The same question has the same answer: what is asked again is no second proof.
    assert_eq!(pool.prove(&task).await.unwrap().bundle, proof.bundle);
}

#[tokio::test]
async fn a_key_whose_proofs_hide_is_proven_so_and_the_same_question_has_two_answers() {
    let hiding = ProveSettings { secrecy: Secrecy::Hiding, ..ProveSettings::default() };
    let Shop { folder, pool, task, statement } = shop_for(hiding, 2048);
    let proofs = [pool.prove(&task).await.unwrap(), pool.prove(&task).await.unwrap()];
    for proof in &proofs {
        assert_eq!(proof.input, statement);
        let file = folder.path().join("bundles").join(proof.bundle.to_string());
        let bytes = std::fs::read(file).unwrap();
        let stated = verify_stated(VERIFIER, &task.key, &bytes).unwrap();
        assert_eq!((stated.input, stated.output), (proof.input, proof.output));
        assert!(ProofBundle::from_bytes(&bytes).unwrap().secrecy().hides());
    }
    assert_ne!(proofs[0].bundle, proofs[1].bundle);
    assert_eq!(proofs[0].output, proofs[1].output);
}

#[tokio::test]
async fn a_sealed_input_is_proven_by_its_recipient_and_by_nobody_else() {
    let Shop { folder, pool, task, .. } = shop_for(ProveSettings::default().sealed(), 2048);
    let key = Key::from_bytes(&task.key).unwrap();
    let path = PathBuf::from(&task.proof.as_ref().unwrap().input);
    let open_file = std::fs::read(&path).unwrap();
    let open = InputStatement::from_bytes(&open_file, &key).unwrap();
    let requester = SecretKey::from_seed(b"requester").address();
    let secret = SecretInput::new((&key, requester), open, BlindingSeed([9; 32])).unwrap();
    let account = SecretKey::from_seed(b"provider");
    let recipient = SealingSecret::of(&account).key();
    let sealed = seal(&secret.to_bytes(), &[(ProviderId(4), recipient)]).unwrap();
    let statement = secret.stated(&key).unwrap().order_digest(&key);
    let sealed_for = |provider, account: &SecretKey, file: &[u8]| {
        std::fs::write(&path, file).unwrap();
        let secret = *SealingSecret::bytes_of(account);
        let unsealing = Unsealing { provider: ProviderId(provider), secret };
        let sealed = Some((requester, unsealing));
        let proof = ProofTask { statement, sealed, ..task.proof.clone().unwrap() };
        Task { proof: Some(proof), ..task.clone() }
    };

    assert_eq!(looked(&sealed_for(4, &account, &sealed)), Ok(()));
    let proof = pool.prove(&sealed_for(4, &account, &sealed)).await.unwrap();
    assert_eq!(proof.input, statement);
    let file = folder.path().join("bundles").join(proof.bundle.to_string());
    let bundle = ProofBundle::from_bytes(&std::fs::read(file).unwrap()).unwrap();
    assert!(bundle.secrecy().hides());

    let stranger = SecretKey::from_seed(b"stranger");
    let unsealed = secret.to_bytes();
    for (provider, account, file) in
        [(4, &stranger, &sealed), (5, &account, &sealed), (4, &account, &unsealed)]
    {
        refused(&pool, &sealed_for(provider, account, file)).await;
    }
    // An open order under the same key: its proof would state something else than the order.
    std::fs::write(&path, &open_file).unwrap();
    refused(&pool, &task).await;
    // Somebody else's order for the same bytes and commitments, which would publish the outputs
    // though the owner took the order back.
    let mut again = sealed_for(4, &account, &sealed);
    again.proof.as_mut().unwrap().sealed.as_mut().unwrap().0 = stranger.address();
    refused(&pool, &again).await;
    // The same bytes and commitments under a key that commits to the outputs too.
    let (model, _) = compiled("linreg_diabetes");
    let settings = ProveSettings { commit_output: true, ..ProveSettings::default().sealed() };
    let another = model.key(&settings).unwrap();
    let mut replayed = sealed_for(4, &account, &sealed);
    replayed.key = another.to_bytes();
    let stated = secret.stated(&key).unwrap().order_digest(&another);
    replayed.proof.as_mut().unwrap().statement = stated;
    refused(&pool, &replayed).await;
    // The order commits to another input than the one that is sealed.
    let mut other = sealed_for(4, &account, &sealed);
    other.proof.as_mut().unwrap().statement.0[0] ^= 1;
    refused(&pool, &other).await;
}

#[tokio::test]
async fn whatever_is_not_the_orders_is_refused_and_the_child_lives_on() {
    let Shop { folder, pool, task, .. } = shop(2048);
    let changed = |change: fn(&mut ProofTask)| {
        let mut changed = task.clone();
        change(changed.proof.as_mut().unwrap());
        changed
    };
    let other = changed(|it| it.statement.0[0] ^= 1);
    refused(&pool, &other).await;
    let missing = changed(|it| it.input.push('x'));
    assert!(matches!(pool.prove(&missing).await, Err(Failure::Machine(_))));
    let short = changed(|it| it.bundle_bytes_max = 10);
    assert!(matches!(pool.prove(&short).await, Err(Failure::Machine(_))));
    // A card that promises another model than it brings.
    let (wrong, _) = compiled("logreg_iris");
    let path = folder.path().join("wrong");
    wrong.save(&path).unwrap();
    let lie = Task { model: path.to_str().unwrap().to_owned(), proof: None, ..task.clone() };
    // The key is prepared already, from the right model: it is another child's to be lied to.
    let fresh = shop(2048).pool;
    let told = fresh.prepare(&lie, LIMIT).await.unwrap_err().to_string();
    assert!(told.contains("another one than the key's"), "{told}");
    assert!(pool.prove(&task).await.is_ok());
}

#[tokio::test]
async fn a_model_that_takes_more_memory_than_a_child_has_fails_one_task() {
    let Shop { folder: _folder, pool, task, .. } = shop(1);
    let refused = pool.prepare(&Task { proof: None, ..task }, LIMIT).await.unwrap_err().to_string();
    assert!(refused.contains("memory"), "{refused}");
}

#[tokio::test]
async fn a_child_that_is_killed_fails_its_task_and_the_next_has_another() {
    let Shop { folder: _folder, pool, task, .. } = shop(2048);
    // Dropping what waits for a child ends the child.
    let dropped = tokio::time::timeout(Duration::from_millis(1), pool.prove(&task)).await;
    assert!(dropped.is_err());
    pool.prove(&task).await.unwrap();
}

/// Whoever orders chooses the model: one that is never ready keeps no proof waiting.
#[tokio::test]
async fn a_preparation_that_does_not_end_takes_no_place_and_is_killed_after_its_time() {
    let Shop { folder, pool, task, .. } = shop(2048);
    // Reading from a pipe that nobody writes to waits for ever.
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let stuck = Task { model: pipe.to_str().unwrap().to_owned(), proof: None, ..task.clone() };
    let preparing = {
        let (pool, stuck) = (pool.clone(), stuck.clone());
        tokio::spawn(async move { pool.prepare(&stuck, LIMIT).await })
    };
    // It has a child before the other one is asked.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(pool.prove(&task).await.is_ok());
    assert!(!preparing.is_finished());
    preparing.abort();
    let late = pool.prepare(&stuck, Duration::from_millis(200)).await.unwrap_err();
    assert!(late.to_string().contains("it took longer than"), "{late}");
    let ready = pool.prepare(&Task { proof: None, ..task }, LIMIT).await;
    assert!(ready.is_ok(), "{ready:?}");
}
