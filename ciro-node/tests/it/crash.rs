//! Killing the node while it works.

use std::time::Duration;

use ciro_protocol::api::{self, AccountInfo, TxState};
use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::{Body, Transfer};
use ciro_protocol::wire::Message as _;

use crate::http::request;
use crate::market::{ciro, the_state_keeps_its_invariants};
use crate::world::{RICH, World};

/// Sends transfers from several threads until the node is killed, and returns what it acknowledged.
fn send_until_killed(world: &mut World, after: Duration) -> Vec<ciro_protocol::TxId> {
    let to = SecretKey::from_seed(b"carol").address();
    let until = world.info().head.time_ms + 30_000;
    let body = || Body::Transfer(Transfer { to, amount: ciro(1) });
    let txs: Vec<_> = (0..200).map(|_| world.sign_until(RICH, body(), until)).collect();
    let address = world.address;
    let send = |txs: &[ciro_protocol::SignedTx]| {
        let mut acknowledged = Vec::new();
        for tx in txs {
            let (line, headers) =
                (format!("POST {}", api::TRANSACTIONS), [("Content-Type", api::OCTETS)]);
            match request(address, &line, &headers, Some(&tx.to_bytes())) {
                Some(answer) if answer.status == 202 => acknowledged.push(tx.body.id()),
                Some(answer) => panic!("{answer:?}"),
                None => break,
            }
        }
        acknowledged
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = txs.chunks(50).map(|part| scope.spawn(move || send(part))).collect();
        std::thread::sleep(after);
        world.kill();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    })
}

#[test]
fn what_was_acknowledged_outlasts_every_kill() {
    let mut world = World::new();
    let mut acknowledged = Vec::new();
    for after in [30, 90, 170] {
        acknowledged.extend(send_until_killed(&mut world, Duration::from_millis(after)));
        world.restart();
        for id in &acknowledged {
            let TxState::Executed { receipt, .. } = world.status(*id, "20s").state else {
                panic!("{id} is not executed");
            };
            assert_eq!(receipt.refused, None);
        }
    }
    assert!(!acknowledged.is_empty());
    // Once each: what was cut off may or may not be there, what was acknowledged is.
    let carol = SecretKey::from_seed(b"carol").address();
    let account: AccountInfo = world.get(&api::account(carol)).json();
    assert!(account.balance >= ciro(acknowledged.len() as u64));
    assert!(account.balance <= ciro(600));
    assert!(world.terminate());
    the_state_keeps_its_invariants(&world);
}
