//! A node of Starknet that loses answers, repeats itself, and lies.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use ciro_stark::Felt;
use serde_json::{Value, json};
use starknet_rust_core::types::Felt as Felt252;
use starknet_rust_core::utils::{cairo_short_string_to_felt, get_selector_from_name};
use starknet_rust_signers::SigningKey;

use super::calldata::Calldata;
use super::chain::felt;
use super::{Account, MAX_FEE_FRI, SettingsError, Starknet, StarknetError, StarknetSettings};

/// What the chain knows, and how its node behaves.
#[derive(Default)]
struct Chain {
    nonce: u64,
    /// The fact's time, once it was proven.
    proven_at: u64,
    /// Transactions that were executed, by their signature.
    executed: Vec<Value>,
    /// Transactions that came, whether they were executed or not.
    sent: usize,
    /// How many answers to transactions get lost on the way.
    lost: usize,
    /// Whether transactions are kept and not executed.
    slow: bool,
    /// Whether what was executed is in no block yet.
    unconfirmed: bool,
    /// What contracts say of them.
    fails: Option<&'static str>,
    reverts: Option<&'static str>,
    /// Prices in FRI.
    price: u128,
}

/// A node, and the chain behind it.
struct Node {
    chain: Arc<Mutex<Chain>>,
    settings: StarknetSettings,
    _folder: tempfile::TempDir,
}

const FACT_TIME: u64 = 1_800_000_000;

impl Chain {
    fn answer(&mut self, method: &str, params: &Value) -> Value {
        let hash = "0x7";
        match method {
            "starknet_chainId" => {
                let id = cairo_short_string_to_felt("SN_SEPOLIA").unwrap();
                json!({ "result": id.to_hex_string() })
            }
            "starknet_getNonce" => json!({ "result": format!("{:#x}", self.nonce) }),
            "starknet_call" => {
                let asked = params["request"]["entry_point_selector"].as_str().unwrap().to_owned();
                let proven_at = get_selector_from_name("proven_at").unwrap();
                assert_eq!(Felt252::from_hex(&asked).unwrap(), proven_at);
                let before = self.unconfirmed && params["block_id"] == "latest";
                json!({ "result": [format!("{:#x}", if before { 0 } else { self.proven_at })] })
            }
            "starknet_estimateFee" => match self.fails {
                Some(reason) => json!({ "error": {
                    "code": 41,
                    "message": "Transaction execution error",
                    "data": { "transaction_index": 0, "execution_error": reason },
                }}),
                None => json!({ "result": [{
                    "l1_gas_consumed": "0x0",
                    "l1_gas_price": "0x1",
                    "l2_gas_consumed": "0x64",
                    "l2_gas_price": format!("{:#x}", self.price),
                    "l1_data_gas_consumed": "0xa",
                    "l1_data_gas_price": "0x1",
                    "overall_fee": format!("{:#x}", 100 * self.price + 10),
                    "unit": "FRI",
                }]}),
            },
            "starknet_addInvokeTransaction" => {
                self.sent += 1;
                let transaction = params["invoke_transaction"].clone();
                let nonce = transaction["nonce"].as_str().unwrap().trim_start_matches("0x");
                let known = self.executed.contains(&transaction);
                if known {
                    return json!({ "error": { "code": 59, "message": "duplicate" } });
                }
                if u64::from_str_radix(nonce, 16).unwrap() != self.nonce {
                    return json!({ "error": { "code": 52, "message": "nonce", "data": "stale" } });
                }
                if !self.slow {
                    self.nonce += 1;
                    self.proven_at = FACT_TIME;
                    self.executed.push(transaction);
                }
                json!({ "result": { "transaction_hash": hash } })
            }
            "starknet_getTransactionReceipt" if self.executed.is_empty() => {
                json!({ "error": { "code": 29, "message": "not found" } })
            }
            "starknet_getTransactionReceipt" => self.receipt(&params["transaction_hash"]),
            other => panic!("{other} is not expected"),
        }
    }

    fn receipt(&self, transaction: &Value) -> Value {
        let mut receipt = json!({
            "type": "INVOKE",
            "transaction_hash": transaction,
            "actual_fee": { "amount": "0x3039", "unit": "FRI" },
            "finality_status": "ACCEPTED_ON_L2",
            "execution_status": "SUCCEEDED",
            "messages_sent": [],
            "events": [],
            "execution_resources": { "l1_gas": 0, "l1_data_gas": 10, "l2_gas": 100 },
            "block_hash": "0x5",
            "block_number": 4,
        });
        if let Some(reason) = self.reverts {
            receipt["execution_status"] = "REVERTED".into();
            receipt["revert_reason"] = reason.into();
        }
        json!({ "result": receipt })
    }
}

impl Node {
    fn start(chain: Chain) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let rpc = format!("http://{}", listener.local_addr().unwrap());
        let chain = Arc::new(Mutex::new(chain));
        let served = Arc::clone(&chain);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                serve(&stream, &served);
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let (keystore, words) = (folder.path().join("key.json"), folder.path().join("words"));
        let key = SigningKey::from_secret_scalar(Felt252::from(77));
        key.save_as_keystore(&keystore, "words").unwrap();
        std::fs::write(&words, "words").unwrap();
        std::fs::set_permissions(&words, std::fs::Permissions::from_mode(0o600)).unwrap();
        let account = Account { address: felt(Felt252::from(9)), keystore, passphrase_file: words };
        let settings = StarknetSettings {
            rpc,
            chain: "SN_SEPOLIA".to_owned(),
            facts: felt(Felt252::from(3)),
            models: None,
            escrow: None,
            account: Some(account),
        };
        Self { chain, settings, _folder: folder }
    }

    async fn connect(&self) -> Starknet {
        Starknet::without_contracts(self.settings.clone()).await.unwrap()
    }

    fn chain(&self) -> std::sync::MutexGuard<'_, Chain> {
        self.chain.lock().unwrap()
    }
}

/// Answers one request, or loses the answer.
fn serve(stream: &TcpStream, chain: &Mutex<Chain>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            // Whoever asked has left.
            return;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let mut chain = chain.lock().unwrap();
    let method = request["method"].as_str().unwrap();
    let mut answer = chain.answer(method, &request["params"]);
    answer["jsonrpc"] = "2.0".into();
    answer["id"] = 1.into();
    if method == "starknet_addInvokeTransaction" && chain.lost > 0 {
        chain.lost -= 1;
        return;
    }
    let body = answer.to_string();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ";
    let mut stream = stream;
    // Whoever asked may have left.
    let _ = write!(stream, "{head}{}\r\n\r\n{body}", body.len());
}

fn priced(price: u128) -> Chain {
    Chain { price, ..Chain::default() }
}

fn calldata() -> Calldata {
    let number = |number: u64| felt(Felt252::from(number));
    Calldata {
        model: number(1),
        fact: number(2),
        input_hash: number(3),
        output_hash: number(4),
        felts: vec![number(1), number(5)],
    }
}

#[tokio::test]
async fn a_fact_is_paid_for_once_however_often_answers_get_lost() {
    let node = Node::start(Chain { lost: 2, ..priced(1000) });
    let starknet = node.connect().await;
    let payer = starknet.payer(MAX_FEE_FRI).unwrap();
    let proved = payer.prove(&calldata()).await.unwrap();
    let paid = proved.paid.unwrap();
    assert_eq!((paid.fee, paid.l2_gas, paid.block), (12_345, 100, Some(4)));
    {
        let chain = node.chain();
        assert_eq!(chain.executed.len(), 1, "sent {} times", chain.sent);
        assert_eq!(chain.sent, 3, "two answers were lost");
        let bounds = &chain.executed[0]["resource_bounds"]["l2_gas"];
        assert_eq!(bounds, &json!({ "max_amount": "0x6e", "max_price_per_unit": "0x5dc" }));
    }
    // Whoever asks again pays nothing.
    let again = payer.prove(&calldata()).await.unwrap();
    assert_eq!((again.at, again.paid), (proved.at, None));
    assert_eq!(node.chain().sent, 3);
}

#[tokio::test]
async fn what_is_in_no_block_yet_is_not_proven_and_not_paid_for_again() {
    let node = Node::start(Chain { unconfirmed: true, ..priced(1000) });
    let starknet = node.connect().await;
    let payer = starknet.payer(MAX_FEE_FRI).unwrap();
    let proved = payer.prove(&calldata()).await.unwrap();
    assert_eq!(starknet.proven_at(proved.fact).await.unwrap(), None);
    assert_eq!(payer.prove(&calldata()).await.unwrap().paid, None);
    node.chain().unconfirmed = false;
    assert_eq!(starknet.proven_at(proved.fact).await.unwrap(), Some(proved.at));
}

/// The address of a node may hold a key of whoever runs it.
#[tokio::test]
async fn no_text_shows_the_address_of_a_node() {
    let node = Node::start(priced(1000));
    let rpc = format!("{}/v3/secret", node.settings.rpc);
    let settings = StarknetSettings { rpc, ..node.settings.clone() };
    let starknet = Starknet::without_contracts(settings.clone()).await.unwrap();
    assert!(!format!("{settings:?} {starknet:?}").contains("secret"));
}

#[tokio::test]
async fn an_attempt_that_was_given_up_and_its_repetition_share_a_nonce() {
    let node = Node::start(Chain { slow: true, ..priced(1000) });
    let starknet = node.connect().await;
    let payer = starknet.payer(MAX_FEE_FRI).unwrap();
    let call = calldata();
    let first = tokio::time::timeout(std::time::Duration::from_secs(3), payer.prove(&call)).await;
    assert!(first.is_err(), "{first:?}");
    {
        let mut chain = node.chain();
        assert_eq!((chain.sent, chain.nonce), (1, 0));
        chain.slow = false;
    }
    payer.prove(&call).await.unwrap();
    let chain = node.chain();
    assert_eq!((chain.sent, chain.executed.len()), (2, 1));
    assert_eq!(chain.executed[0]["nonce"], "0x0", "the chain takes one of the two");
}

#[tokio::test]
async fn nothing_is_sent_that_may_cost_too_much_or_would_fail() {
    let node = Node::start(priced(10_u128.pow(18)));
    let starknet = node.connect().await;
    let payer = starknet.payer(MAX_FEE_FRI).unwrap();
    let refused = payer.prove(&calldata()).await;
    let Err(StarknetError::Fee { most, estimated, allowed }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(allowed, MAX_FEE_FRI);
    assert_eq!(estimated, 100 * 10_u128.pow(18) + 10);
    // A tenth more gas, at prices that are half as high again; a price of 1 has no half.
    assert_eq!(most, 110 * 15 * 10_u128.pow(17) + 11);
    node.chain().price = u128::MAX / 100;
    assert!(matches!(payer.prove(&calldata()).await, Err(StarknetError::Fee { .. })));
    node.chain().fails = Some("Execution failed. Failure reason: 0x1 ('constraints').");
    let refused = payer.prove(&calldata()).await;
    assert!(matches!(&refused, Err(StarknetError::WouldFail(why)) if why == "constraints"));
    assert_eq!(node.chain().sent, 0);
}

#[tokio::test]
async fn a_transaction_that_failed_says_what_it_cost_and_why() {
    let reason = "Failure reason: (0x1 ('argent/multicall-failed'), 0x2 ('fri root'), ...)";
    let node = Node::start(Chain { reverts: Some(reason), ..priced(1000) });
    let starknet = node.connect().await;
    let failed = starknet.payer(MAX_FEE_FRI).unwrap().prove(&calldata()).await;
    let Err(StarknetError::Reverted { fee, reason, .. }) = failed else { panic!("{failed:?}") };
    assert_eq!((fee, reason.as_str()), (12_345, "fri root"));
}

#[tokio::test]
async fn another_chain_and_no_account_are_told_apart() {
    let node = Node::start(priced(1));
    let elsewhere = StarknetSettings { chain: "SN_MAIN".to_owned(), ..node.settings.clone() };
    let refused = Starknet::without_contracts(elsewhere).await;
    assert!(
        matches!(&refused, Err(StarknetError::Chain { expected, found })
            if expected == "SN_MAIN" && found == "SN_SEPOLIA"),
        "{refused:?}"
    );
    let poor = StarknetSettings { account: None, ..node.settings.clone() };
    let starknet = Starknet::without_contracts(poor).await.unwrap();
    assert!(matches!(starknet.payer(1), Err(StarknetError::NoAccount)));
    let unnamed = starknet.registration(felt(Felt252::ONE)).await;
    assert!(matches!(unnamed, Err(StarknetError::Unnamed("Models"))));
    let nobody = StarknetSettings { rpc: "http://127.0.0.1:1".to_owned(), ..node.settings.clone() };
    let refused = Starknet::without_contracts(nobody).await;
    assert!(matches!(refused, Err(StarknetError::Node { .. })), "{refused:?}");
}

#[test]
fn settings_say_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("here.toml");
    let good = "rpc = \"http://127.0.0.1:5050\"\nchain = \"SN_SEPOLIA\"\nfacts = \"0x1\"\n";
    let account = "[account]\naddress = \"0x2\"\nkeystore = \"k.json\"\npassphrase_file = \"/w\"\n";
    std::fs::write(&path, format!("{good}{account}")).unwrap();
    let read = StarknetSettings::open(path.to_str().unwrap()).unwrap();
    let payer = read.account.unwrap();
    assert_eq!(payer.keystore, folder.path().join("k.json"));
    assert_eq!(payer.passphrase_file, std::path::Path::new("/w"));
    let bad = [
        good.replace("http://127.0.0.1:5050", "ftp://127.0.0.1"),
        good.replace("SN_SEPOLIA", ""),
        good.replace("0x1", "0x1g"),
        good.replace("0x1", &format!("0x{}", "f".repeat(64))),
        format!("{good}fact = \"0x1\"\n"),
        good.replace("facts", "fact"),
    ];
    for text in bad {
        std::fs::write(&path, &text).unwrap();
        assert!(StarknetSettings::load(&path).is_err(), "{text}");
    }
    for name in ["", "../here", "a b", &"n".repeat(65)] {
        assert!(matches!(StarknetSettings::open(name), Err(SettingsError::Name(_))), "{name}");
    }
    let felt: Felt =
        "0x800000000000011000000000000000000000000000000000000000000000000".parse().unwrap();
    assert_eq!(
        felt.to_string(),
        "0x800000000000011000000000000000000000000000000000000000000000000"
    );
    assert!(
        "0x800000000000011000000000000000000000000000000000000000000000001"
            .parse::<Felt>()
            .is_err()
    );
}
