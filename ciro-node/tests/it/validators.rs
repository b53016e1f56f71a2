//! Four validators: what goes on when some are away, and what they come back to.

use ciro_protocol::SecretKey;

use crate::cluster::Cluster;

#[test]
fn what_any_validator_takes_is_executed_by_all_though_one_is_away() {
    let mut cluster = Cluster::new(&[0, 1, 2, 3]);
    let carol = SecretKey::from_seed(b"carol").address();
    (0..4).for_each(|number| cluster.wait_ready(number));
    let time = cluster.info(0).head.time_ms;
    for number in 0..4 {
        let tx = cluster.transfer(carol, time);
        cluster.send(number, &tx);
    }
    (0..4).for_each(|number| cluster.wait_balance(number, carol, 4));
    cluster.check_roots();
    // Each in turn is killed while something is under way, and comes back.
    for (round, away) in (0..4).enumerate() {
        let time = cluster.info(away).head.time_ms;
        let tx = cluster.transfer(carol, time);
        cluster.send((away + 1) % 4, &tx);
        cluster.kill(away);
        let tx = cluster.transfer(carol, time);
        cluster.send((away + 2) % 4, &tx);
        let coins = 4 + 2 * (round as u64 + 1);
        for number in (0..4).filter(|it| *it != away) {
            cluster.wait_balance(number, carol, coins);
        }
        cluster.start(away);
        cluster.wait_balance(away, carol, coins);
    }
    (0..4).for_each(|number| cluster.wait_ready(number));
    cluster.check_roots();
    assert_eq!(cluster.metric(0, "ciro_consensus_evidence", ""), 0);
}

#[test]
fn without_a_quorum_nothing_is_executed_and_nothing_is_lost() {
    let mut cluster = Cluster::new(&[0, 1, 2, 3]);
    let carol = SecretKey::from_seed(b"carol").address();
    (0..4).for_each(|number| cluster.wait_ready(number));
    cluster.kill(2);
    cluster.kill(3);
    let time = cluster.info(0).head.time_ms;
    // It is taken: the node's own disk holds it until a quorum is back.
    let taken = [cluster.transfer(carol, time), cluster.transfer(carol, time)];
    cluster.send(0, &taken[0]);
    cluster.send(1, &taken[1]);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let heights = [cluster.height(0), cluster.height(1)];
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(heights, [cluster.height(0), cluster.height(1)]);
    // One that held it is killed as well.
    cluster.kill(0);
    for number in [0, 2, 3] {
        cluster.start(number);
    }
    (0..4).for_each(|number| cluster.wait_balance(number, carol, 2));
    (0..4).for_each(|number| cluster.wait_ready(number));
    cluster.check_roots();
}

#[test]
fn a_validator_with_an_empty_disk_comes_to_the_same_state_after_epochs() {
    let mut cluster = Cluster::new(&[0, 1, 2]);
    let carol = SecretKey::from_seed(b"carol").address();
    (0..3).for_each(|number| cluster.wait_ready(number));
    let time = cluster.info(0).head.time_ms;
    let tx = cluster.transfer(carol, time);
    cluster.send(1, &tx);
    // The epoch has 32 blocks: nobody keeps messages of the first one any more.
    cluster.wait_height(0, 80);
    cluster.start(3);
    cluster.wait_balance(3, carol, 1);
    cluster.wait_height(3, 80);
    cluster.wait_ready(3);
    cluster.check_roots();
}
