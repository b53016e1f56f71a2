//! A node that comes back, and validators that serve it another history than the certified one.

use std::cell::RefCell;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use ciro_consensus::crypto::Stark;
use ciro_consensus::{Digest, ReplicaId};
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::{ChainSpec, GenesisAccount, OPERATIONS_PER_BLOCK_MAX};
use ciro_protocol::economy::Offence;
use ciro_protocol::id::{Chain, KeyDigest, SubmitterId, ValidatorId};
use ciro_protocol::provider::{Asks, DIRECT_KEYS_MAX, DirectKeys, DirectTerms};
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::tx::{Body, SetAsks, SignedTx, Transaction, Transfer, TxHeader};
use ciro_protocol::wire::List;

use super::*;
use crate::bodies::{Bodies, Keep};
use crate::driver::{ExecutionThread, Shared, head_of};
use crate::ingress::{Pending, PendingLimits};
use crate::members::Members;
use crate::metrics::Metrics;
use crate::net::BLOCKS_MAX;
use crate::store::{HeadRow, LinkRow, StateStore, StoreError};

const START_MS: u64 = 1_700_000_000_000;

static CHAIN: LazyLock<Chain> = LazyLock::new(|| {
    let (genesis, _) = ciro_ledger::genesis(spec()).unwrap();
    genesis.chain().unwrap()
});

fn spec() -> ChainSpec {
    let key = |number: u8| SecretKey::from_seed(&[number]).address();
    let mut spec = crate::devnet::spec(&[0, 1, 2, 3].map(key), START_MS);
    let rich = GenesisAccount { address: key(9), amount: Amount::ciro(1_000) };
    spec.accounts = List::new(vec![rich]).unwrap();
    spec
}

/// A node that has executed nothing, and where consensus hears of it.
fn node(folder: &Path) -> (Worker, Receiver<Input>) {
    let (genesis, first) = ciro_ledger::genesis(spec()).unwrap();
    let chain = genesis.chain().unwrap();
    let store = StateStore::open(&folder.join("ledger.redb"), &genesis, &first).unwrap();
    let own = (chain, SubmitterId(0));
    let (bodies, _) = Bodies::open(&folder.join("bodies"), own, |_, _| Some(Keep::Place)).unwrap();
    let metrics = Metrics::new();
    let head = store.snapshot().unwrap().head().unwrap();
    let limits = PendingLimits { bytes: 1 << 20, per_account: 9 };
    let (answers, heard) = sync_channel(4);
    let spec = Arc::new(genesis.spec.clone());
    let own = spec.validators.first().unwrap();
    let members = Members::new(Arc::clone(&spec), (ReplicaId(own.id), own.key));
    let tools = ExecutionThread {
        spec,
        members: Arc::new(members),
        store: Arc::new(store),
        bodies: Arc::new(bodies),
        pending: Arc::new(Pending::new(limits, head.nonces.clone(), metrics.clone())),
        supply: None,
        answers,
        shared: Arc::new(Shared::new(head_of(&head, &genesis.spec.params()))),
        metrics,
    };
    (Worker::new(tools).unwrap(), heard)
}

/// A transfer; one with an even number came too late.
fn transfer(number: u8) -> SignedTx {
    let to = SecretKey::from_seed(&[7]).address();
    signed(number, Body::Transfer(Transfer { to, amount: Amount::CIRO }))
}

/// A transaction of two kilobytes.
fn long() -> SignedTx {
    let keys = List::new(vec![KeyDigest([0; 32]); DIRECT_KEYS_MAX]).unwrap();
    let direct = DirectTerms {
        keys: DirectKeys::Listed(keys),
        collateral_max: Amount::CIRO,
        lease_min_ms: 1_000,
        input_bytes_max: 1,
    };
    let asks = Asks { prices: List::default(), capacity: 1, direct: Some(direct), sealing: None };
    signed(1, Body::SetAsks(SetAsks { asks }))
}

fn signed(number: u8, body: Body) -> SignedTx {
    let key = SecretKey::from_seed(&[9]);
    let header = TxHeader {
        chain: *CHAIN,
        account: key.address(),
        salt: [number; 16],
        valid_until_ms: if number.is_multiple_of(2) { 1 } else { START_MS + 1_000 },
        fee_max: Amount::CIRO,
    };
    Signed::new(Transaction { header, body }, &key).unwrap()
}

fn batch(submitter: u64, nonce: u64, txs: Vec<SignedTx>) -> Batch {
    Batch {
        chain: *CHAIN,
        submitter: SubmitterId(submitter),
        signer: SecretKey::from_seed(&[u8::try_from(submitter).unwrap()]).address(),
        nonce,
        time_ms: START_MS + 1,
        txs: List::new(txs).unwrap(),
        attachments: List::default(),
    }
}

fn offence(rule: u8) -> Offence {
    Offence { validator: ValidatorId(1), epoch: 0, rule }
}

fn row(height: u64, batches: Vec<Batch>, punish: Vec<Offence>) -> OrderedRow {
    let (batches, punish) = (List::new(batches).unwrap(), List::new(punish).unwrap());
    OrderedRow { height, batches, punish }
}

/// What four blocks executed. Every clock is set in the first, so that a further batch of a
/// submitter changes nothing in the state.
fn four_blocks() -> Vec<OrderedRow> {
    let clocks = (0..4).map(|submitter| batch(submitter, 1, vec![])).collect();
    vec![
        row(1, clocks, vec![]),
        row(2, vec![batch(0, 2, vec![transfer(1), transfer(3)])], vec![offence(1)]),
        row(3, vec![batch(0, 3, vec![transfer(2), transfer(4)]), batch(1, 2, vec![])], vec![]),
        row(4, vec![batch(2, 2, vec![transfer(5)])], vec![]),
    ]
}

/// Executes rows as an honest node did when they were ordered, believing all of them.
fn execute(node: &mut Worker, rows: &[OrderedRow]) {
    for row in rows {
        let ordered = Ordered {
            height: Seq(row.height),
            proposal: Digest::from_u64(1_000 + row.height),
            executed: row.executed().unwrap_or_default(),
            certified: None,
            batches: &row.batches,
            punish: &row.punish,
        };
        node.apply(&ordered, false).unwrap();
    }
}

/// What one validator says of history.
#[derive(Clone, Default)]
struct Said {
    links: Vec<LinkRow>,
    rows: Vec<OrderedRow>,
    /// Rows of one answer at most, if that is less than it is asked for.
    part: Option<usize>,
    /// How long each answer takes.
    delay: Duration,
}

/// Validators from 1 on, and what they were asked: whom, and from which height on.
#[derive(Default)]
struct Others {
    said: Vec<Said>,
    links: RefCell<Vec<(u32, u64)>>,
    rows: RefCell<Vec<(u32, u64)>>,
}

impl Others {
    fn new(said: Vec<Said>) -> Self {
        Self { said, ..Self::default() }
    }

    fn said(&self, source: ReplicaId) -> &Said {
        let said = &self.said[source.0 as usize - 1];
        std::thread::sleep(said.delay);
        said
    }
}

impl History for Others {
    fn sources(&self, _: &[ReplicaId]) -> Vec<ReplicaId> {
        (1..).take(self.said.len()).map(ReplicaId).collect()
    }

    fn links(&self, from: u64, max: usize, source: ReplicaId) -> Vec<LinkRow> {
        self.links.borrow_mut().push((source.0, from));
        let links = self.said(source).links.iter();
        links.skip(usize::try_from(from).unwrap() - 1).take(max).copied().collect()
    }

    fn rows(&self, from: u64, max: usize, source: ReplicaId) -> Vec<OrderedRow> {
        self.rows.borrow_mut().push((source.0, from));
        let said = self.said(source);
        let max = said.part.map_or(max, |part| part.min(max));
        said.rows.iter().skip(usize::try_from(from).unwrap() - 1).take(max).cloned().collect()
    }
}

/// A history that was executed: what an honest validator says of it, and where it ends.
struct Honest {
    said: Said,
    head: HeadRow,
    request: StateRequest,
}

fn honest(rows: Vec<OrderedRow>) -> Honest {
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _heard) = node(folder.path());
    execute(&mut worker, &rows);
    let links = worker.tools.store.snapshot().unwrap().links(1, rows.len()).unwrap();
    let head = worker.head.clone();
    let seq = Seq(head.height);
    let headers = vec![(seq, head.header().unwrap())];
    let request = StateRequest { seq, state_root: head.words.root(), headers, sources: vec![] };
    Honest { said: Said { links, rows, ..Said::default() }, head, request }
}

fn patience() -> Patience {
    Patience { prompt: PROMPT, ..Patience::default() }
}

/// Longer than any answer takes that is not held back.
const PROMPT: Duration = Duration::from_secs(1);

/// Lets a new node catch up from a liar, and then from the liar and somebody honest: nothing of the
/// lie is executed.
fn check_refused(honest: &Honest, lie: &Said) {
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _heard) = node(folder.path());
    let before = worker.head.clone();
    let others = Others::new(vec![lie.clone()]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head, before);
    worker.doubted.clear();
    let others = Others::new(vec![lie.clone(), honest.said.clone()]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head, honest.head);
    assert_eq!(worker.doubted, [ReplicaId(1)].into());
    let (links, rows) = (others.links.into_inner(), others.rows.into_inner());
    let first = if links.len() > 1 { &links } else { &rows };
    assert_eq!(first[..], [(1, 1), (2, 1)], "the liar was asked first, and then once");
}

/// As [`check_refused`], of rows that the root of the state after them says nothing against.
fn check_row(change: impl FnOnce(&mut Vec<OrderedRow>)) {
    let honest = honest(four_blocks());
    let mut rows = honest.said.rows.clone();
    change(&mut rows);
    let folder = tempfile::tempdir().unwrap();
    let (mut deceived, _heard) = node(folder.path());
    execute(&mut deceived, &rows);
    assert_eq!(deceived.head.words, honest.head.words, "the root gives it away");
    check_refused(&honest, &Said { rows, ..honest.said.clone() });
}

fn change_list<T: Clone, const MAX: usize>(
    list: &mut List<T, MAX>,
    change: impl FnOnce(&mut Vec<T>),
) {
    let mut items = list.to_vec();
    change(&mut items);
    *list = List::new(items).unwrap();
}

#[test]
fn what_is_proven_is_executed_and_all_of_it_is_as_elsewhere() {
    let honest = honest(four_blocks());
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, heard) = node(folder.path());
    let others = Others::new(vec![honest.said.clone()]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head, honest.head);
    assert_eq!(worker.head.nonces, [(0, 3), (1, 2), (2, 2), (3, 1)].into());
    let snapshot = worker.tools.store.snapshot().unwrap();
    assert_eq!(snapshot.links(1, 9).unwrap(), honest.said.links);
    for row in &honest.said.rows {
        assert_eq!(snapshot.ordered(row.height).unwrap().unwrap().0, *row);
    }
    assert_eq!(worker.tools.shared.head().borrow().height, 4, "everybody hears of it");
    worker.fetch(&honest.request).unwrap();
    assert!(matches!(heard.try_recv(), Ok(Input::StateFetched { seq: Seq(4) })));
    // Without anybody to ask, what is not here is unavailable.
    let request = StateRequest { seq: Seq(5), ..honest.request };
    worker.fetch(&request).unwrap();
    assert!(matches!(heard.try_recv(), Ok(Input::StateUnavailable { seq: Seq(5) })));
}

#[test]
fn a_batch_that_was_added_is_refused() {
    check_row(|rows| {
        change_list(&mut rows[3].batches, |batches| batches.push(batch(0, 4, vec![])));
    });
}

#[test]
fn a_batch_that_was_dropped_is_refused() {
    check_row(|rows| change_list(&mut rows[2].batches, |batches| _ = batches.pop()));
}

#[test]
fn other_offences_are_refused() {
    check_row(|rows| change_list(&mut rows[1].punish, |punish| punish[0].rule = 2));
    check_row(|rows| change_list(&mut rows[1].punish, |punish| punish[0].rule = 99));
    check_row(|rows| change_list(&mut rows[1].punish, Vec::clear));
    check_row(|rows| change_list(&mut rows[3].punish, |punish| punish.push(offence(1))));
}

#[test]
fn transactions_in_another_order_are_refused() {
    check_row(|rows| {
        change_list(&mut rows[2].batches, |batches| {
            change_list(&mut batches[0].txs, |txs| txs.reverse());
        });
    });
}

#[test]
fn blocks_in_another_place_are_refused() {
    let honest = honest(four_blocks());
    let mut rows = honest.said.rows.clone();
    rows[3].height = 3;
    check_refused(&honest, &Said { rows, ..honest.said.clone() });
    let mut rows = honest.said.rows.clone();
    rows.swap(2, 3);
    check_refused(&honest, &Said { rows, ..honest.said.clone() });
}

#[test]
fn links_that_do_not_lead_to_the_certified_header_are_refused() {
    let honest = honest(four_blocks());
    let changes: [fn(&mut Vec<LinkRow>); 5] = [
        |links| links[1].proposal = [1; 32],
        |links| links[3].executed = links[2].executed,
        |links| links[0].state_root = links[1].state_root,
        |links| links[2].proposal = [0xFF; 32],
        |links| _ = links.pop(),
    ];
    for change in changes {
        let mut links = honest.said.links.clone();
        change(&mut links);
        check_refused(&honest, &Said { links, ..honest.said.clone() });
    }
}

#[test]
fn a_certified_block_that_leads_elsewhere_here_stops_the_node_and_is_not_written() {
    let mut honest = honest(four_blocks());
    honest.said.links[2].state_root = [1; 32];
    let header = (1..).zip(&honest.said.links).fold(Digest::ZERO, |header, (height, link)| {
        link.link().unwrap().header::<Stark>(Seq(height), header)
    });
    honest.request.headers = vec![(Seq(4), header)];
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _heard) = node(folder.path());
    let others = Others::new(vec![honest.said]);
    let stopped = worker.catch_up(&honest.request, &others, patience());
    let error = stopped.unwrap_err();
    let height_3 = matches!(error, ExecutionError::Store(StoreError::OtherState { height: 3, .. }));
    assert!(height_3, "{error}");
    assert_eq!(worker.tools.store.snapshot().unwrap().head().unwrap().height, 2);
}

/// More blocks than one part holds.
fn many_blocks() -> Vec<OrderedRow> {
    let count = BLOCKS_MAX as u64 + 20;
    (1..=count).map(|height| row(height, vec![batch(0, height, vec![])], vec![])).collect()
}

#[test]
fn a_part_that_was_proven_stays_whoever_serves_the_next() {
    let honest = honest(many_blocks());
    let part = BLOCKS_MAX as u64;
    let first = Said { rows: honest.said.rows[..BLOCKS_MAX].to_vec(), ..honest.said.clone() };
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _heard) = node(folder.path());
    let others = Others::new(vec![first]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head.height, part);
    // It outlasts the process: this is what a crash would leave.
    let left = tempfile::tempdir().unwrap();
    let [file, copy] = [&folder, &left].map(|it| it.path().join("ledger.redb"));
    std::fs::copy(file, copy).unwrap();
    let (mut worker, _heard) = node(left.path());
    assert_eq!(worker.head.height, part);
    let others = Others::new(vec![honest.said.clone()]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head, honest.head);
    assert_eq!(others.links.into_inner(), [(1, part + 1)], "nothing is asked for twice");
    assert_eq!(others.rows.into_inner(), [(1, part + 1)]);
}

#[test]
fn certified_headers_on_the_way_are_stations() {
    let mut honest = honest(four_blocks());
    let half = honest.said.links[..2].iter().zip(1..).fold(Digest::ZERO, |header, (link, seq)| {
        link.link().unwrap().header::<Stark>(Seq(seq), header)
    });
    honest.request.headers.insert(0, (Seq(2), half));
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _heard) = node(folder.path());
    // This one lies about what comes after the first of them.
    let mut lie = honest.said.clone();
    lie.links[2].proposal = [1; 32];
    let others = Others::new(vec![lie]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head.height, 2, "what lies before is proven");
    let others = Others::new(vec![honest.said.clone()]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head, honest.head);
}

#[test]
fn a_validator_that_serves_history_in_crumbs_is_not_asked_again() {
    let honest = honest(many_blocks());
    let crumbs = Said { part: Some(1), ..honest.said.clone() };
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _heard) = node(folder.path());
    let others = Others::new(vec![crumbs, honest.said.clone()]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head, honest.head);
    let next = BLOCKS_MAX as u64 + 1;
    assert_eq!(others.rows.into_inner(), [(1, 1), (2, 1), (2, next)]);
}

#[test]
fn a_slow_validator_goes_behind_the_others_and_stays_there() {
    let honest = honest(four_blocks());
    let slow = Said { delay: PROMPT * 2, ..honest.said.clone() };
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _heard) = node(folder.path());
    let others = Others::new(vec![slow, honest.said.clone()]);
    worker.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(worker.head, honest.head);
    assert_eq!(others.links.into_inner(), [(1, 1)]);
    assert_eq!(others.rows.into_inner(), [(2, 1)], "its links were sound, but late");
    assert_eq!(worker.doubted, [ReplicaId(1)].into());
    // The next time it comes last, though it is named first.
    let again = tempfile::tempdir().unwrap();
    let (mut other, _heard) = node(again.path());
    other.doubted = worker.doubted;
    let others = Others::new(vec![Said::default(), honest.said.clone()]);
    other.catch_up(&honest.request, &others, patience()).unwrap();
    assert_eq!(others.links.into_inner(), [(2, 1)]);
}

#[test]
fn nobody_is_asked_once_the_time_is_over() {
    let honest = honest(four_blocks());
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _heard) = node(folder.path());
    let others = Others::new(vec![honest.said.clone()]);
    let over = Patience { total: Duration::ZERO, ..patience() };
    worker.catch_up(&honest.request, &others, over).unwrap();
    assert_eq!((worker.head.height, others.links.take().len()), (0, 0));
    let hasty = Patience { links: Duration::ZERO, ..patience() };
    worker.catch_up(&honest.request, &others, hasty).unwrap();
    assert_eq!((worker.head.height, others.links.take().len()), (0, 1));
}

#[test]
fn a_part_is_short_only_if_it_is_full() {
    let small = row(1, vec![], vec![]);
    let large = row(1, vec![batch(0, 1, vec![long(); 40]); OPERATIONS_PER_BLOCK_MAX], vec![]);
    let next = row(2, vec![], vec![]);
    let link = |row: &OrderedRow| ciro_consensus::Link {
        proposal: Digest::ZERO,
        executed: row.executed().unwrap(),
        state_root: Digest::ZERO,
    };
    for (first, taken) in [(small, false), (large, true)] {
        let links = [link(&first), link(&next)];
        let served = Others::new(vec![Said { rows: vec![first], ..Said::default() }]);
        let folder = tempfile::tempdir().unwrap();
        let (mut worker, _heard) = node(folder.path());
        let tools = (Arc::clone(&worker.tools.shared), worker.tools.metrics.clone());
        let whom = (&[][..], &mut worker.doubted);
        let mut sources = Sources::new(&served, whom, patience(), tools);
        assert_eq!(sources.rows(1, &links).is_some(), taken);
    }
}

#[test]
fn what_a_block_ordered_and_did_not_execute_is_forgotten_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut node, _heard) = node(folder.path());
    let far = |number: u64| {
        let body = batch(3, 1_000_000 + number, vec![]);
        Arc::new(Signed::new(body, &SecretKey::from_seed(&[3])).unwrap())
    };
    for number in 0..4 {
        node.tools.bodies.append(far(number), Keep::Block(1)).unwrap();
    }
    execute(&mut node, &four_blocks()[..1]);
    node.settle().unwrap();
    let here = |number: u64| node.tools.bodies.contains(&far(number).body.operation().payload);
    assert!(!(0..4).any(here));
}
