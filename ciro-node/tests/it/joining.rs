//! A validator that registers while the network runs: it follows, it votes, and it leaves.

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{self, Page, TxState, TxStatus, ValidatorInfo};
use ciro_protocol::economy::{Commission, Possession};
use ciro_protocol::id::ValidatorId;
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::tx::{Body, RegisterValidator, Undelegate};

use crate::cluster::Cluster;
use crate::world::RICH;

/// The validators of the genesis have a hundred each.
const BOND: Amount = Amount::ciro(100);
/// What consensus counts of that.
const WEIGHT: u64 = 100_000_000_000;
/// The newcomer.
const FIFTH: ValidatorId = ValidatorId(4);

fn network() -> Cluster {
    Cluster::of_spec(&[0, 1, 2, 3], |spec| {
        spec.consensus.epoch_length = 16;
        let mut economy = ciro_node::devnet::economy(spec.genesis_ms);
        economy.params.stake.self_bond_min = BOND;
        economy.params.stake.unbonding_ms = 1_000;
        // However loaded the machine is: nobody is absent.
        economy.params.penalty.presence_bps = 0;
        spec.economy = Some(economy);
    })
}

fn register(cluster: &Cluster) -> Body {
    let (key, operator) = (Cluster::key(4), SecretKey::from_seed(RICH).address());
    let chain = cluster.genesis.chain().unwrap();
    let possession = Possession { chain, key: key.address(), operator };
    let possession = Signed::new(possession, &key).unwrap().signature;
    let commission = Commission { bps: 500, max_bps: 500, step_bps: 0 };
    let key = key.address();
    Body::RegisterValidator(Box::new(RegisterValidator { key, possession, commission, bond: BOND }))
}

/// Has a node's transaction executed, as all see it.
fn done(cluster: &mut Cluster, number: usize, body: Body) {
    let time = cluster.info(0).head.time_ms;
    let tx = cluster.sign(body, time);
    cluster.send(number, &tx);
    let path = api::transaction(tx.body.id());
    cluster.until("a transaction is not executed", || {
        let status: TxStatus = serde_json::from_slice(&cluster.get(0, &path)?.body).ok()?;
        let TxState::Executed { receipt, .. } = status.state else { return None };
        assert_eq!(receipt.refused, None);
        Some(())
    });
}

fn fifth(cluster: &Cluster) -> ValidatorInfo {
    let page: Page<ValidatorInfo> = cluster.get(0, api::VALIDATORS).unwrap().json();
    page.items.into_iter().find(|it| it.validator == FIFTH).unwrap()
}

/// Waits until the newcomer has a weight at a node.
fn wait_weight(cluster: &Cluster, weight: u64) {
    cluster.until("the weight does not change", || (fifth(cluster).weight == weight).then_some(()));
}

#[test]
fn a_validator_that_registers_follows_votes_and_leaves() {
    let mut cluster = network();
    (0..4).for_each(|number| cluster.wait_ready(number));
    let body = register(&cluster);
    done(&mut cluster, 1, body);
    assert_eq!((fifth(&cluster).weight, fifth(&cluster).counted), (0, false));

    // It follows without a vote, and takes no transactions.
    let number = cluster.add(FIFTH.0);
    cluster.start(number);
    let height = cluster.height(0);
    cluster.wait_height(number, height + 8);
    let answer = cluster.get(number, api::READY).unwrap();
    assert_eq!(answer.status, 503);
    assert!(String::from_utf8_lossy(&answer.body).contains("does not vote"));
    assert_eq!(fifth(&cluster).next_weight, 0, "it is in jail until its operator says more");

    done(&mut cluster, 2, Body::UnjailValidator);
    cluster.until("nobody elects it", || (fifth(&cluster).next_weight > 0).then_some(()));
    // Between the election and the epoch: what consensus was told of is told again.
    cluster.kill(1);
    cluster.start(1);
    // Who has proven nothing has a fifth of all others at most.
    wait_weight(&cluster, 4 * WEIGHT / 5);
    cluster.wait_ready(number);
    let carol = SecretKey::from_seed(b"carol").address();
    let time = cluster.info(0).head.time_ms;
    let tx = cluster.transfer(carol, time);
    cluster.send(number, &tx);
    (0..5).for_each(|it| cluster.wait_balance(it, carol, 1));

    // Three of the four hold 300 of 480, which is no quorum: it votes, and that counts.
    cluster.kill(3);
    let height = cluster.height(0);
    cluster.wait_height(0, height + 8);
    cluster.start(3);

    let left = Body::Undelegate(Undelegate { validator: FIFTH, amount: BOND });
    done(&mut cluster, 0, left);
    wait_weight(&cluster, 0);
    // It follows still.
    let height = cluster.height(0);
    cluster.wait_height(number, height + 20);
    (0..4).for_each(|it| cluster.wait_ready(it));
    cluster.check_roots();
    assert_eq!(cluster.metric(0, "ciro_consensus_evidence", ""), 0);
}
