//! What is fetched and prepared for whoever orders: a node that counts what it is asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ciro_protocol::api::{self, ModelInfo};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, ModelId, ProviderId};
use ciro_protocol::model::{Listing, ModelCard};
use ciro_protocol::order::JobOrder;
use ciro_protocol::provider::DirectKeys;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::wire::{Bytes, List};
use ciro_sdk::client::{Client, ClientError, SealingSecret};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::catalog::{Catalog, CatalogError, CatalogSettings};
use super::{Direct, MESSAGES_MAX, Message, Shell, claimed};
use crate::config::{Any, Models};
use crate::executor::{Pool, PoolSettings, Unsealing};
use crate::journal::Journal;
use crate::queue::tests::{chain, reply};
use crate::queue::{AnyQueue, Delivery, JobOffer, Position};
use crate::worker::tests::{order, settings, units, world};
use crate::worker::{Denial, Place, Reason, Row, Settings, State, Worker};

/// What stands for a model's file.
const FILE: [u8; 10] = [7; 10];

/// A node with one model.
struct Node {
    client: Client,
    card: ModelCard,
    /// The paths that it was asked for.
    asked: Arc<Mutex<Vec<String>>>,
    /// While somebody holds it, nobody is told of the model.
    silence: Arc<tokio::sync::Mutex<()>>,
}

impl Node {
    async fn start() -> Self {
        Self::of(world::card(SecretKey::from_seed(b"owner").address())).await
    }

    /// A node with a program under the key of its model.
    async fn with_program() -> Self {
        let mut card = world::card(SecretKey::from_seed(b"owner").address());
        let mut keys = card.keys.to_vec();
        keys[0].bytes = Bytes::new(b"ciro-program-job/1\n...".to_vec()).unwrap();
        card.keys = List::new(keys).unwrap();
        Self::of(card).await
    }

    async fn of(card: ModelCard) -> Self {
        let (blob, bytes) = (BlobId::of(&FILE).unwrap(), FILE.len() as u64);
        let card = ModelCard { blob, bytes, ..card };
        let listing = Listing { providers: List::default(), price_hint: units(1) };
        let info =
            ModelInfo { model: card.id(), card: card.clone(), listing, next: None, retired: false };
        let (genesis, _) = ciro_ledger::genesis(world::test_spec()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let silence = Arc::new(tokio::sync::Mutex::new(()));
        let (chain, paths, silent) = (chain(&genesis), Arc::clone(&asked), Arc::clone(&silence));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                reply(stream, async |path| {
                    paths.lock().unwrap().push(path.to_owned());
                    if path == api::CHAIN {
                        chain.clone().into_bytes()
                    } else if path == api::model(info.model) {
                        drop(silent.lock().await);
                        serde_json::to_vec(&info).unwrap()
                    } else {
                        FILE.to_vec()
                    }
                })
                .await;
            }
        });
        let client = Client::connect(&url, genesis).await.unwrap();
        Self { client, card, asked, silence }
    }

    /// A catalog of models of at most so many bytes, in a worker whose children do not start.
    fn catalog(&self, folder: &Path, bytes_max: u64) -> Catalog {
        self.choosing(folder, bytes_max, (BTreeSet::new(), Models::default()))
    }

    /// The same with models and programs that are chosen.
    fn choosing(
        &self,
        folder: &Path,
        bytes_max: u64,
        (chosen, programs): (BTreeSet<ModelId>, Models),
    ) -> Catalog {
        let keys = DirectKeys::Listed(List::default());
        let direct = Direct { models: vec![], keys, input_bytes_max: 0 };
        let settings = CatalogSettings {
            folder: folder.to_owned(),
            chosen,
            programs,
            bytes_max,
            direct,
            worker: settings(),
        };
        Catalog::new(self.client.clone(), pool(), settings)
    }

    /// A worker that proves nothing yet, with what its tasks tell it.
    fn shell(&self, folder: &Path) -> (Shell, mpsc::Receiver<Message>) {
        let (key, provider) = (SecretKey::from_seed(b"me"), ProviderId(0));
        let settings = Settings { models: BTreeMap::new(), ..settings() };
        let (tx, rx) = mpsc::channel(MESSAGES_MAX);
        let shell = Shell {
            worker: Worker::new(settings.clone(), vec![]),
            journal: Journal::open(&folder.join("table")).unwrap().0,
            queue: AnyQueue::open(&self.client, None, (provider, &[])).unwrap(),
            unsealing: Unsealing { provider, secret: *SealingSecret::bytes_of(&key) },
            key: Arc::new(key),
            client: self.client.clone(),
            pool: pool(),
            catalog: Arc::new(self.catalog(folder, 10)),
            settings,
            running: HashMap::new(),
            waiting: BTreeMap::new(),
            tx,
            begun: Instant::now(),
            data: folder.to_owned(),
        };
        (shell, rx)
    }

    fn order(&self) -> JobOrder {
        JobOrder { model: self.card.id(), ..order(0) }
    }

    /// How often it was asked for the model's file.
    fn fetched(&self) -> usize {
        let path = api::blob(self.card.blob);
        self.asked.lock().unwrap().iter().filter(|asked| **asked == path).count()
    }
}

/// Children that do not start.
fn pool() -> Pool {
    Pool::new(PoolSettings {
        program: PathBuf::from("/is/not/there"),
        children: 1,
        memory_mb: 64,
        threads: 1,
        time_max: Duration::from_secs(60),
    })
}

/// Brings an order as the job of a number.
async fn bring(shell: &mut Shell, number: u8, order: JobOrder) {
    let offer = JobOffer { job: JobId([number; 32]), attempt: 1, order };
    let position = Position { partition: 0, offset: number.into() };
    shell.offered(Delivery { position, offer: Ok(offer) }).await.unwrap();
}

/// How many offers wait for a key.
fn waiting(shell: &Shell) -> usize {
    shell.waiting.values().map(Vec::len).sum()
}

/// Whoever orders first could choose a price at which nobody prepares the model, and every other
/// order of its key would be gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_pays_too_little_says_nothing_of_those_behind_it() {
    let (node, folder) = (Node::start().await, tempfile::tempdir().unwrap());
    let (mut shell, mut rx) = node.shell(folder.path());
    let mut cheap = node.order();
    cheap.offer.price_max = units(149);
    let silence = node.silence.lock().await;
    bring(&mut shell, 1, cheap.clone()).await;
    bring(&mut shell, 2, cheap.clone()).await;
    bring(&mut shell, 3, node.order()).await;
    assert_eq!((waiting(&shell), node.fetched()), (3, 0));
    drop(silence);
    // The card says what the work is: all that pay too little are gone at once.
    let message = rx.recv().await.unwrap();
    shell.hear(message).await.unwrap();
    assert_eq!((waiting(&shell), shell.worker.rows().count()), (1, 2));
    let denied = Some(Reason::Denied(Denial::NotServed));
    assert!(shell.worker.rows().all(|row| row.reason == denied));
    bring(&mut shell, 4, cheap).await;
    assert_eq!(waiting(&shell), 1, "another one of them does not wait");
    // The good one has the model fetched. No child starts here, which is known then.
    let message = rx.recv().await.unwrap();
    shell.hear(message).await.unwrap();
    assert_eq!((waiting(&shell), node.fetched()), (0, 1));
    assert_eq!(shell.worker.rows().count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_come_again_whose_model_could_not_be_had() {
    let (node, folder) = (Node::start().await, tempfile::tempdir().unwrap());
    let (mut shell, _rx) = node.shell(folder.path());
    bring(&mut shell, 1, node.order()).await;
    bring(&mut shell, 2, node.order()).await;
    let (what, reason) = ("the model", "none".to_owned());
    let failed = Err(CatalogError::Client(ClientError::Answer { what, reason }));
    let order = node.order();
    shell.hear(Message::Learned((order.model, order.key), failed)).await.unwrap();
    assert_eq!((waiting(&shell), shell.worker.rows().count()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_proven_is_tried_once_and_leaves_no_file() {
    let (node, folder) = (Node::start().await, tempfile::tempdir().unwrap());
    let (catalog, order) = (node.catalog(folder.path(), 10), node.order());
    assert!(!catalog.has_tried(order.model, order.key));
    let failed = catalog.learn_for(&order).await;
    assert!(matches!(failed, Err(CatalogError::Key(_))), "{failed:?}");
    assert!(catalog.has_tried(order.model, order.key), "the next order goes to the worker");
    assert_eq!((node.fetched(), std::fs::read_dir(folder.path()).unwrap().count()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_too_long_is_not_asked_for() {
    let (node, folder) = (Node::start().await, tempfile::tempdir().unwrap());
    let (catalog, order) = (node.catalog(folder.path(), 9), node.order());
    let failed = catalog.learn_for(&order).await;
    assert!(matches!(failed, Err(CatalogError::TooLong { bytes: 10, max: 9 })), "{failed:?}");
    assert!(catalog.has_tried(order.model, order.key));
    assert_eq!(node.fetched(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_not_asked_for_if_its_order_pays_too_little() {
    let (node, folder) = (Node::start().await, tempfile::tempdir().unwrap());
    let (catalog, mut order) = (node.catalog(folder.path(), 10), node.order());
    order.offer.price_max = units(149);
    let failed = catalog.learn_for(&order).await;
    assert!(matches!(failed, Err(CatalogError::Denied(Denial::PriceMax))), "{failed:?}");
    assert!(!catalog.has_tried(order.model, order.key), "another order may be worth it");
    assert_eq!(node.fetched(), 0);
}

/// It is a stranger's code.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_not_asked_for_unless_the_operator_names_it() {
    let (node, folder) = (Node::with_program().await, tempfile::tempdir().unwrap());
    let (order, model) = (node.order(), node.card.id());
    let other = ModelId([7; 32]);
    for programs in [Models::default(), Models::Listed(vec![other])] {
        // That it is chosen as a model makes it no program of the operator's choice.
        let chosen = (BTreeSet::from([model]), programs);
        let catalog = node.choosing(folder.path(), 10, chosen);
        let failed = catalog.learn_for(&order).await;
        assert!(matches!(failed, Err(CatalogError::Program)), "{failed:?}");
        assert!(catalog.has_tried(order.model, order.key));
        assert_eq!(node.fetched(), 0);
    }
    for programs in [Models::Listed(vec![other, model]), Models::Any(Any::Any)] {
        let before = node.fetched();
        let catalog = node.choosing(folder.path(), 10, (BTreeSet::from([other]), programs));
        assert!(catalog.wants(model));
        // No child starts here.
        let failed = catalog.learn_for(&order).await;
        assert!(matches!(failed, Err(CatalogError::Key(_))), "{failed:?}");
        assert_eq!(node.fetched(), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_any_program_still_proves_the_models_alone_that_it_names() {
    let (node, folder) = (Node::start().await, tempfile::tempdir().unwrap());
    let chosen = (BTreeSet::from([ModelId([7; 32])]), Models::Any(Any::Any));
    let catalog = node.choosing(folder.path(), 10, chosen);
    let (order, failed) = (node.order(), catalog.learn_for(&node.order()).await);
    assert!(matches!(failed, Err(CatalogError::NotChosen)), "{failed:?}");
    assert!(catalog.has_tried(order.model, order.key));
    assert_eq!(node.fetched(), 0);
}

/// Whatever orders were open when a worker stopped, what it holds is gone on with at once.
#[test]
fn what_was_not_claimed_is_let_go_by_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let (mut journal, _) = Journal::open(&path).unwrap();
    for (state, number) in State::ALL.into_iter().zip(0..) {
        let row = Row {
            job: JobId([number; 32]),
            attempt: 1,
            order: order(0),
            state,
            reason: None,
            claim_until_ms: 0,
            lease_until_ms: 0,
            proven: None,
            heard: Place::default(),
        };
        journal.save(&row).unwrap();
    }
    journal.sync().unwrap();
    let (mut journal, rows) = Journal::open(&path).unwrap();
    assert_eq!(rows.len(), State::ALL.len());
    let kept = claimed(&mut journal, rows).unwrap();
    assert!(kept.iter().all(|row| !matches!(row.state, State::Seen | State::Waiting)));
    assert_eq!(kept.len(), State::ALL.len() - 2);
    journal.sync().unwrap();
    assert_eq!(Journal::open(&path).unwrap().1, kept);
}
