//! Peers that do not behave: strangers, liars, and a validator that sends what is not valid. The
//! network counts what it refuses and goes on.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use ciro_consensus::ReplicaId;
use ciro_node::net::{Addresses, BatchAnswer, BatchRequest, Hello, Identity};
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::{Batch, SignedBatch};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, SubmitterId};
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::tx::{Body, Proven, SubmitProof, Transaction, TxHeader};
use ciro_protocol::wire::{List, Message as _};
use libp2p::futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::request_response::{self, Codec, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::time::timeout;

use crate::cluster::{Cluster, PATIENCE};
use crate::flood::{Flood, connect, is_open};
use crate::market::Golden;

/// A codec without limits: what goes out is not held back.
#[derive(Clone, Copy, Default)]
struct Raw {
    /// The length that is claimed, if it is not the right one.
    claim: Option<u32>,
}

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: libp2p::futures::AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.take(1 << 20).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: libp2p::futures::AsyncRead + Unpin + Send,
    {
        let mut length = [0; 4];
        io.read_exact(&mut length).await?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        io.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()>
    where
        T: libp2p::futures::AsyncWrite + Unpin + Send,
    {
        let length = self.claim.unwrap_or(length(&bytes));
        io.write_all(&length.to_le_bytes()).await?;
        io.write_all(&bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()>
    where
        T: libp2p::futures::AsyncWrite + Unpin + Send,
    {
        io.write_all(&length(&bytes).to_le_bytes()).await?;
        io.write_all(&bytes).await
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Protocols {
    record: request_response::Behaviour<Raw>,
    consensus: request_response::Behaviour<Raw>,
    batch: request_response::Behaviour<Raw>,
}

/// A peer that may say anything.
struct Peer {
    swarm: Swarm<Protocols>,
    target: PeerId,
    hello: Vec<u8>,
}

#[derive(Clone, Copy)]
enum To {
    Record,
    Consensus,
    Batch,
}

fn behaviour(name: &'static str, claim: Option<u32>) -> request_response::Behaviour<Raw> {
    let protocol = (StreamProtocol::new(name), ProtocolSupport::Full);
    let config = request_response::Config::default();
    request_response::Behaviour::with_codec(Raw { claim }, [protocol], config)
}

impl Peer {
    /// Connects to a node, saying that it speaks for a validator whose key it has.
    async fn connect(cluster: &Cluster, number: usize, (id, key): (u32, &SecretKey)) -> Self {
        Self::with_claim(cluster, number, (id, key), None).await
    }

    async fn with_claim(
        cluster: &Cluster,
        number: usize,
        (id, key): (u32, &SecretKey),
        claim: Option<u32>,
    ) -> Self {
        let secret = u8::try_from(id).unwrap() + 100;
        Self::with_secret(cluster, number, ((id, key), secret), claim).await
    }

    async fn with_secret(
        cluster: &Cluster,
        number: usize,
        ((id, key), secret): ((u32, &SecretKey), u8),
        claim: Option<u32>,
    ) -> Self {
        let secret = [secret; 32];
        let identity = Identity::from_secret(secret).unwrap();
        let pair = libp2p::identity::Keypair::ed25519_from_bytes(secret).unwrap();
        let chain = cluster.genesis.chain().unwrap();
        let hello = Hello::new(chain, (ReplicaId(id), key), &identity, &Addresses::default());
        let mut swarm = SwarmBuilder::with_existing_identity(pair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| Protocols {
                record: behaviour("/ciro/record/1", None),
                consensus: behaviour("/ciro/consensus/1", claim),
                batch: behaviour("/ciro/batch/1", claim),
            })
            .unwrap()
            .with_swarm_config(|it| it.with_idle_connection_timeout(PATIENCE))
            .build();
        let address: Multiaddr = cluster.peer_address(number).parse().unwrap();
        let Some(libp2p::multiaddr::Protocol::P2p(target)) = address.iter().last() else {
            panic!("{address}");
        };
        swarm.dial(address).unwrap();
        let mut peer = Self { swarm, target, hello: hello.unwrap().to_bytes() };
        peer.run(|event| matches!(event, SwarmEvent::ConnectionEstablished { .. })).await;
        peer
    }

    /// Lets the swarm work until something happens.
    async fn run(&mut self, until: impl Fn(&SwarmEvent<ProtocolsEvent>) -> bool) {
        let wait = async { while !until(&self.swarm.select_next_some().await) {} };
        timeout(PATIENCE, wait).await.unwrap();
    }

    /// Asks, and returns the answer; `None` if the node gives none.
    async fn ask(&mut self, to: To, bytes: Vec<u8>) -> Option<Vec<u8>> {
        use request_response::{Event, Message};
        let target = self.target;
        let behaviour = self.swarm.behaviour_mut();
        let behaviour = match to {
            To::Record => &mut behaviour.record,
            To::Consensus => &mut behaviour.consensus,
            To::Batch => &mut behaviour.batch,
        };
        let asked = behaviour.send_request(&target, bytes);
        let wait = async {
            loop {
                let event = match self.swarm.select_next_some().await {
                    SwarmEvent::Behaviour(ProtocolsEvent::Record(event)) => event,
                    SwarmEvent::Behaviour(ProtocolsEvent::Consensus(event)) => event,
                    SwarmEvent::Behaviour(ProtocolsEvent::Batch(event)) => event,
                    _ => continue,
                };
                match event {
                    Event::Message {
                        message: Message::Response { request_id, response }, ..
                    } if request_id == asked => return Some(response),
                    Event::OutboundFailure { request_id, .. } if request_id == asked => {
                        return None;
                    }
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, wait).await.unwrap()
    }

    async fn push(&mut self, batch: SignedBatch, blobs: Vec<Vec<u8>>) -> Option<BatchAnswer> {
        let blobs = blobs.into_iter().map(|it| ciro_protocol::wire::Bytes::new(it).unwrap());
        let blobs = List::new(blobs.collect()).unwrap();
        let request = BatchRequest::Push { batch: Box::new(batch), blobs };
        let answer = self.ask(To::Batch, request.to_bytes()).await?;
        Some(BatchAnswer::from_bytes(&answer).unwrap())
    }
}

fn batch(cluster: &Cluster, nonce: u64, change: impl FnOnce(&mut Batch)) -> SignedBatch {
    let key = Cluster::key(3);
    let mut body = Batch {
        chain: cluster.genesis.chain().unwrap(),
        submitter: SubmitterId(3),
        signer: key.address(),
        nonce,
        time_ms: 1,
        txs: List::default(),
        attachments: List::default(),
    };
    change(&mut body);
    Signed::new(body, &key).unwrap()
}

/// Returns a batch with a proof of which one bit is changed, and the blobs behind it.
fn with_a_wrong_proof(cluster: &Cluster) -> (SignedBatch, Vec<Vec<u8>>) {
    let golden = Golden::read();
    let mut bundle = golden.bundle.clone();
    let last = bundle.len() - 40;
    bundle[last] ^= 1;
    let proven = Proven { bundle: BlobId::of(&bundle).unwrap(), ..golden.proven() };
    let attachments: BTreeSet<BlobId> = [proven.key_blob, proven.bundle].into();
    let key = SecretKey::from_seed(b"bob");
    let header = TxHeader {
        chain: cluster.genesis.chain().unwrap(),
        account: key.address(),
        salt: [0; 16],
        valid_until_ms: 1,
        fee_max: Amount::CIRO,
    };
    let submit = SubmitProof { job: JobId([1; 32]), attempt: 1, proven };
    let tx = Signed::new(Transaction { header, body: Body::SubmitProof(submit) }, &key).unwrap();
    let batch = batch(cluster, 1, |body| {
        body.txs = List::new(vec![tx]).unwrap();
        body.attachments = List::new(attachments.into_iter().collect()).unwrap();
    });
    (batch, vec![golden.key, bundle])
}

/// Waits until a node has refused something so many times.
fn wait_counted(cluster: &Cluster, reason: &str, count: u64) {
    cluster.until(&format!("{reason} is not counted {count} times"), || {
        (cluster.metric(0, "ciro_net_refused", reason) == count).then_some(())
    });
}

fn goes_on(cluster: &Cluster) {
    let height = cluster.height(0);
    cluster.wait_height(0, height + 5);
    cluster.check_roots();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn strangers_and_liars_are_refused_and_counted() {
    let cluster = Cluster::new(&[0, 1, 2]);
    (0..3).for_each(|number| cluster.wait_ready(number));
    let counted = |reason, count| wait_counted(&cluster, reason, count);
    runtime().block_on(async {
        // Somebody whose key is none of the network's.
        let stranger = SecretKey::from_seed(b"stranger");
        let mut peer = Peer::connect(&cluster, 0, (3, &stranger)).await;
        // It can say who it is, and nothing else is even read.
        assert_eq!(peer.ask(To::Consensus, vec![0; 9]).await, None);
        assert_eq!(peer.ask(To::Batch, vec![0; 9]).await, None);
        let hello = peer.hello.clone();
        assert_eq!(peer.ask(To::Record, hello).await, None);
        counted("record_key", 1);
        let mut peer = Peer::connect(&cluster, 0, (3, &stranger)).await;
        assert_eq!(peer.ask(To::Record, vec![7; 40]).await, None);
        counted("record_malformed", 1);
        // A validator's record in the mouth of another peer.
        let honest = Peer::connect(&cluster, 0, (3, &Cluster::key(3))).await;
        let mut thief = Peer::connect(&cluster, 0, (2, &stranger)).await;
        assert_eq!(thief.ask(To::Record, honest.hello.clone()).await, None);
        counted("record_peer", 1);
        // A frame that claims to be too long is refused before it is read.
        let claim = Some(u32::MAX);
        let key = Cluster::key(3);
        let mut peer = Peer::with_claim(&cluster, 0, (3, &key), claim).await;
        let hello = peer.hello.clone();
        assert_eq!(peer.ask(To::Record, hello).await, Some(vec![1]));
        assert_eq!(peer.ask(To::Consensus, vec![1; 8]).await, None);
        counted("frame_too_long", 1);
        goes_on(&cluster);
    });
}

/// Waits until a node lets nobody in from an address from which nobody has come.
fn wait_full(cluster: &Cluster, node: SocketAddr) {
    let runtime = runtime();
    cluster.until("strangers still get in", || {
        let stranger = connect(&runtime, 9, node)?;
        std::thread::sleep(Duration::from_millis(500));
        (!is_open(&stranger)).then_some(())
    });
}

/// Returns where a node listens, by its address among validators.
fn socket(address: &str) -> SocketAddr {
    let address: Multiaddr = address.parse().unwrap();
    let port = address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    ([127, 0, 0, 1], port.unwrap()).into()
}

/// Lets a node listen for others where nobody looks for it: whoever wants to be connected with it
/// waits until it comes.
fn hide(cluster: &Cluster, number: usize) {
    let file = cluster.data(number).join("node.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let port = socket(&cluster.peer_address(number)).port();
    let free = std::net::TcpListener::bind((std::net::Ipv4Addr::from([127, 0, 0, 1]), 0)).unwrap();
    let elsewhere = free.local_addr().unwrap().port();
    let hidden = settings
        .replace(&format!("/tcp/{port}\""), &format!("/tcp/{elsewhere}\""))
        .replace(&format!("/udp/{port}/"), &format!("/udp/{elsewhere}/"));
    assert_ne!(hidden, settings);
    std::fs::write(&file, hidden).unwrap();
}

#[test]
fn silent_connections_and_strangers_keep_no_validator_out() {
    let mut cluster = Cluster::new(&[0, 1, 2]);
    (0..3).for_each(|number| cluster.wait_ready(number));
    let node = socket(&cluster.peer_address(0));
    let _flood = Flood::begin(node);
    wait_full(&cluster, node);
    // Keeps the strangers connected.
    let runtime = runtime();
    let _strangers = runtime.block_on(async {
        let stranger = SecretKey::from_seed(b"stranger");
        let mut strangers = Vec::new();
        for number in 10..50 {
            strangers.push(Peer::connect(&cluster, 0, (number, &stranger)).await);
        }
        // Somebody whom this node has never seen speaks for a validator.
        let mut peer = Peer::connect(&cluster, 0, (3, &Cluster::key(3))).await;
        let hello = peer.hello.clone();
        assert_eq!(peer.ask(To::Record, hello).await, Some(vec![1]));
        strangers
    });
    // One that comes back, without which there is no quorum. Nobody else dials.
    cluster.kill(1);
    hide(&cluster, 1);
    wait_full(&cluster, node);
    cluster.start(1);
    cluster.wait_ready(1);
    wait_full(&cluster, node);
    goes_on(&cluster);
    // Those that were let in have said nothing in time.
    cluster.until("nobody is sent away", || {
        (cluster.metric(0, "ciro_net_refused", "no_record") > 0).then_some(())
    });
}

#[test]
fn a_validator_that_signs_for_many_peers_is_connected_with_one() {
    let cluster = Cluster::new(&[0, 1, 2]);
    (0..3).for_each(|number| cluster.wait_ready(number));
    runtime().block_on(async {
        let key = Cluster::key(3);
        let mut peers = Vec::new();
        for secret in 1..=4 {
            let mut peer = Peer::with_secret(&cluster, 0, ((3, &key), secret), None).await;
            let hello = peer.hello.clone();
            assert_eq!(peer.ask(To::Record, hello).await, Some(vec![1]));
            peers.push(peer);
            // Records of one validator are looked at once a second.
            tokio::time::sleep(Duration::from_millis(1_100)).await;
        }
        wait_counted(&cluster, "replaced", 3);
        let mut last = peers.pop().unwrap();
        let mut first = peers.swap_remove(0);
        first.run(|event| matches!(event, SwarmEvent::ConnectionClosed { .. })).await;
        let answer = last.push(batch(&cluster, 1, |_| {}), Vec::new()).await;
        assert!(matches!(answer, Some(BatchAnswer::Accepted)));
    });
    goes_on(&cluster);
}

#[test]
fn a_validator_that_sends_what_is_not_valid_is_refused_and_the_network_goes_on() {
    let cluster = Cluster::new(&[0, 1, 2]);
    (0..3).for_each(|number| cluster.wait_ready(number));
    let counted = |reason, count| wait_counted(&cluster, reason, count);
    runtime().block_on(async {
        let key = Cluster::key(3);
        let mut peer = Peer::connect(&cluster, 0, (3, &key)).await;
        let hello = peer.hello.clone();
        assert_eq!(peer.ask(To::Record, hello).await, Some(vec![1]));
        let is_refused = |answer| matches!(answer, Some(BatchAnswer::Refused(_)));
        // A batch under a number that is not its signer's, and one with another's signature.
        let other = batch(&cluster, 100, |body| body.submitter = SubmitterId(2));
        assert!(is_refused(peer.push(other, Vec::new()).await));
        // Whom nobody knows may be registered elsewhere already.
        let unknown = batch(&cluster, 1, |body| body.submitter = SubmitterId(9));
        assert!(matches!(peer.push(unknown, Vec::new()).await, Some(BatchAnswer::Busy)));
        let mut forged = batch(&cluster, 1, |_| {});
        forged.body.time_ms = 2;
        assert!(is_refused(peer.push(forged, Vec::new()).await));
        counted("batch_invalid", 2);
        // A proof that does not hold.
        let (wrong, blobs) = with_a_wrong_proof(&cluster);
        assert!(is_refused(peer.push(wrong, blobs).await));
        counted("batch_invalid", 3);
        // A blob that nobody asked for.
        let answer = peer.push(batch(&cluster, 1, |_| {}), vec![vec![1, 2, 3]]).await;
        assert!(is_refused(answer));
        counted("blob_not_named", 1);
        // Far ahead, and twice something else in one place.
        let far = batch(&cluster, 1_000_000, |_| {});
        assert!(matches!(peer.push(far, Vec::new()).await, Some(BatchAnswer::Busy)));
        let answer = peer.push(batch(&cluster, 1, |_| {}), Vec::new()).await;
        assert!(matches!(answer, Some(BatchAnswer::Accepted)));
        let second = batch(&cluster, 1, |body| body.time_ms = 9);
        assert!(is_refused(peer.push(second, Vec::new()).await));
        counted("batch_conflict", 1);
        // Garbage.
        assert_eq!(peer.ask(To::Batch, vec![0xFF; 100]).await, None);
        counted("request_malformed", 1);
        assert_eq!(peer.ask(To::Consensus, vec![0xFF; 100]).await, None);
        counted("consensus_malformed", 1);
    });
    std::thread::sleep(Duration::from_millis(100));
    goes_on(&cluster);
}
