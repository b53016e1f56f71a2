//! What the bridge does, and what it refuses.

use std::sync::Arc;

use ciro_consensus::crypto::{PublicKey, Scheme as _, Signature, Stark};
use ciro_consensus::{ChainId, Digest, Epoch, Kind, Seq, Statement, ValidatorSet, View};
use ciro_contracts::Scenarios;
use ciro_protocol::Amount;
use ciro_protocol::bridge::{BridgeId, Exit, Outbox, StarknetAddress, outbox_path};
use starknet_types_core::felt::Felt as Felt252;

use super::chain::{
    Block, LENGTH, digest, genesis, mirrored, numbers, secret, set, shown, votes, word,
};
use super::script::Comes::{self, Done, Refused, Returned};
use super::script::{Script, short, wide};
use crate::evidence;
use crate::scenarios::played;

/// Seconds: when the contracts are there, for how long nothing is paid, a day, for how long
/// validators are trusted, and by how much their clock may be ahead.
const START: u64 = 1_000;
const DELAY: u64 = 86_400;
const DAY: u64 = 86_400;
const TRUST: u64 = 1_209_600;
const AHEAD: u64 = 3_600;

/// A bridge, and the chain that it follows.
pub(super) struct World {
    pub(super) chain: ChainId,
    /// The validators of the first two epochs, and of two later ones.
    pub(super) sets: [Arc<ValidatorSet>; 3],
    id: BridgeId,
    bonds: Felt252,
    /// The signature with which the first validator's key puts up a bond.
    possession: Signature,
}

/// What a history is about, and what happens in it.
pub(super) type History = (&'static str, fn(&World, &mut Script));

pub(super) const HISTORIES: [History; 7] = [
    ("deposits", deposits),
    ("exits", exits),
    ("too little", too_little),
    ("epochs", epochs),
    ("forged certificates", forged),
    ("trust", trust),
    ("captured", captured),
];

fn address(name: &str) -> StarknetAddress {
    StarknetAddress::new(Digest::short_string(name)).unwrap()
}

/// So many CIRO, in units.
const fn ciro(count: u128) -> u128 {
    count * Amount::CIRO.units()
}

fn amount(count: u128) -> Comes {
    Returned(wide(ciro(count)).to_vec())
}

/// A message, and what stands for it in calldata.
fn exit(index: u64, to: &str, count: u64) -> Exit {
    Exit { index, to: address(to), amount: Amount::ciro(count) }
}

fn message(exit: &Exit) -> [Felt252; 3] {
    [exit.index.into(), word(&exit.to.word()), exit.amount.units().into()]
}

/// The arguments of `exit`.
fn shows(seq: u64, exit: &Exit, path: &[Digest]) -> Vec<Felt252> {
    let mut felts = vec![seq.into()];
    felts.extend(message(exit));
    felts.push(path.len().into());
    felts.extend(path.iter().map(word));
    felts
}

/// The arguments of `exit` for a message at its place among these leaves.
fn asks(seq: u64, exit: &Exit, leaves: &[Digest]) -> Vec<Felt252> {
    let place = usize::try_from(exit.index & 0xffff_ffff).unwrap();
    shows(seq, exit, &outbox_path(leaves, place).unwrap())
}

/// The root over leaves.
fn root(leaves: &[Digest]) -> Digest {
    let mut outbox = Outbox::default();
    for leaf in leaves {
        outbox.append(*leaf).unwrap();
    }
    outbox.root()
}

/// Whom a guardian names.
fn named(epoch: u64, sets: [&ValidatorSet; 2]) -> Vec<Felt252> {
    let [current, next] = sets.map(|set| word(&digest(set)));
    vec![epoch.into(), current, next]
}

impl World {
    /// With a chain that these validators begin.
    pub(super) fn new(stage: &Scenarios, first: Arc<ValidatorSet>) -> Self {
        let sets = [first, set([(1, 4), (2, 2), (4, 5)]), set([(2, 1), (4, 2), (5, 2)])];
        let chain = genesis(&sets[0]).chain;
        let nowhere = BridgeId { network: Digest::short_string("SN_TEST"), contract: address("?") };
        let none = Signature { r: [0; 32], s: [0; 32] };
        let bonds = Felt252::ZERO;
        let mut world = Self { chain, sets, id: nowhere, bonds, possession: none };
        let key = word(&Stark::public_key(&secret(0)).0);
        let arguments: [&[Felt252]; 2] = [&world.about(), &[key, short("owner")]];
        let places = played(stage, "border::places", &arguments);
        let places: Vec<Digest> =
            places.iter().map(|felt| Digest::from_bytes(felt.to_bytes_be()).unwrap()).collect();
        world.id.contract = StarknetAddress::new(places[0]).unwrap();
        world.bonds = word(&places[1]);
        // A number that is not below 2^251 cannot be signed.
        world.possession = Stark::sign(&secret(0), &places[2]).unwrap_or(none);
        world
    }

    /// Of four validators: the first two have exactly two thirds of the stake.
    pub(super) fn of_four(stage: &Scenarios) -> Self {
        Self::new(stage, set([(0, 3), (1, 3), (2, 2), (3, 1)]))
    }

    fn about(&self) -> Vec<Felt252> {
        let first = word(&digest(&self.sets[0]));
        vec![word(&self.chain.word()), LENGTH.into(), Felt252::ZERO, first, first]
    }

    pub(super) fn arguments(&self, script: &Script) -> [Vec<Felt252>; 2] {
        [self.about(), script.felts()]
    }

    fn bridge(&self) -> Felt252 {
        word(&self.id.contract.word())
    }

    fn leaves(&self, exits: &[Exit]) -> Vec<Digest> {
        exits.iter().map(|exit| exit.leaf(&self.id)).collect()
    }

    /// Somebody shows a checkpoint that a set has certified.
    fn certifies(&self, s: &mut Script, block: &Block, set: &ValidatorSet, comes: Comes) {
        s.does("anyone", "certify", &block.calldata(self.chain, set), comes);
    }

    /// The bridge holds so much.
    fn filled(&self, s: &mut Script, count: u128) {
        let calldata = [&[self.bridge()][..], &wide(ciro(count))].concat();
        s.calls("holder", ("token", "transfer"), &calldata, Done);
    }

    /// The holder lets the bridge take so much.
    fn allowed(&self, s: &mut Script, count: u128) {
        let calldata = [&[self.bridge()][..], &wide(ciro(count))].concat();
        s.calls("holder", ("token", "approve"), &calldata, Done);
    }

    /// A message that leaves by a checkpoint of the first epoch, with what is asked for: for the
    /// measurement of costs.
    pub(super) fn first_exit(&self) -> (Block, Vec<Felt252>) {
        let exit = exit(0, "alice", 1);
        let leaves = self.leaves(&[exit]);
        let block = Block::inside(0, root(&leaves), [&self.sets[0], &self.sets[0]]);
        (block, asks(block.seq, &exit, &leaves))
    }

    /// What happens before and after the delay of a message.
    pub(super) fn with_money(&self, s: &mut Script) {
        s.at(START);
        self.filled(s, 100);
    }

    pub(super) fn later(s: &mut Script) {
        s.at(START + DELAY);
    }
}

fn deposits(w: &World, s: &mut Script) {
    let key = word(&Stark::public_key(&secret(9)).0);
    let words = (1..).map(Digest::from_u64);
    let off_curve = words.into_iter().find(|it| Stark::expand(&PublicKey(*it)).is_err()).unwrap();
    let deposit = |count: u128, to: Felt252| [Felt252::from(ciro(count)), to];
    s.at(START);
    w.allowed(s, 12);
    s.does("holder", "deposit", &deposit(0, key), Refused("no money"));
    s.does("holder", "deposit", &deposit(5, word(&off_curve)), Refused("to: no key"));
    s.does("holder", "deposit", &deposit(5, key), Returned(vec![Felt252::ZERO]));
    s.tells("Deposited", &[Felt252::ZERO, key, short("holder"), ciro(5).into()]);
    s.does("holder", "deposit", &deposit(7, key), Returned(vec![Felt252::ONE]));
    s.does("holder", "deposit", &deposit(1, key), Refused("not allowed"));
    s.does("anyone", "deposit", &deposit(1, key), Refused("not allowed"));
    s.has(w.bridge(), ciro(12));
    w.allowed(s, 2);
    s.at(START + TRUST - 1);
    s.does("holder", "deposit", &deposit(1, key), Returned(vec![Felt252::TWO]));
    s.at(START + TRUST);
    s.does("holder", "deposit", &deposit(1, key), Refused("nobody is trusted"));
}

fn exits(w: &World, s: &mut Script) {
    let first = &w.sets[0];
    let all = [
        exit(0, "alice", 40_000),
        exit(1, "bob", 80_000),
        exit(2, "alice", 40_000),
        exit((1 << 32) + 3, "carol", 1),
        exit(4, "carol", 2),
        exit(5, "carol", 3),
        exit(6, "carol", 4),
    ];
    let mut leaves = w.leaves(&all);
    leaves[5] = all[5].leaf(&BridgeId { network: Digest::short_string("SN_MAIN"), ..w.id });
    leaves[6] = all[6].leaf(&BridgeId { contract: address("another"), ..w.id });
    let block = Block::inside(0, root(&leaves), [first, first]);
    let asks = |at: usize| asks(4, &all[at], &leaves);
    let shown_at = 2_000;
    s.at(shown_at);
    w.filled(s, 300_000);
    w.certifies(s, &block, first, Done);
    s.tells("Certified", &[4.into(), 0.into(), word(&block.outbox)]);
    s.at(shown_at + 1);
    w.certifies(s, &block, first, Refused("certified already"));
    s.does("anyone", "outbox_of", &[4.into()], Returned(vec![word(&block.outbox), 2_000.into()]));
    s.at(shown_at + DELAY - 1);
    s.does("anyone", "exit", &asks(0), Refused("not yet"));
    s.at(shown_at + DELAY);
    let path = outbox_path(&leaves, 0).unwrap();
    let [long, other] = [[&path[..], &path[..1]].concat(), outbox_path(&leaves, 2).unwrap().into()];
    let forged: [(u64, Exit, &[Digest], &'static str); 7] = [
        (5, all[0], &path, "seq: not certified"),
        (4, Exit { amount: Amount::ciro(40_001), ..all[0] }, &path, "path: another root"),
        (4, Exit { to: address("bob"), ..all[0] }, &path, "path: another root"),
        (4, Exit { index: 2, ..all[0] }, &path, "path: another root"),
        (4, all[0], &other, "path: another root"),
        (4, all[0], &path[..31], "path: length"),
        (4, all[0], &long, "path: length"),
    ];
    for (seq, exit, path, refused) in forged {
        s.does("anyone", "exit", &shows(seq, &exit, path), Refused(refused));
    }
    s.does("anyone", "exit", &asks(3), Refused("path: beyond the tree"));
    s.does("anyone", "exit", &asks(5), Refused("path: another root"));
    s.does("anyone", "exit", &asks(6), Refused("path: another root"));
    // A tenth of what is held is less than 100,000.
    s.does("anyone", "left", &[], amount(100_000));
    s.does("anyone", "exit", &asks(0), amount(40_000));
    let paid = [&[Felt252::ZERO, short("alice")][..], &wide(ciro(40_000))].concat();
    s.tells("Exited", &paid);
    s.does("anyone", "exit", &asks(0), Refused("paid already"));
    s.does("bob", "exit", &asks(1), amount(60_000));
    s.does("anyone", "paid_of", &message(&all[1]), amount(60_000));
    s.does("anyone", "exit", &asks(2), Refused("not today"));
    w.filled(s, 2_000_000);
    s.does("anyone", "exit", &asks(1), Refused("not today"));
    s.at(shown_at + DELAY + DAY);
    s.does("anyone", "left", &[], amount(220_000));
    s.does("anyone", "exit", &asks(1), amount(20_000));
    s.does("anyone", "exit", &asks(1), Refused("paid already"));
    s.does("anyone", "exit", &asks(2), amount(40_000));
    s.does("anyone", "left", &[], amount(160_000));
    // What was shown in time is paid at any time.
    s.at(START + 20 * TRUST);
    s.does("anyone", "exit", &asks(4), amount(2));
    s.has(short("alice"), ciro(80_000));
    s.has(short("bob"), ciro(80_000));
    s.has(short("carol"), ciro(2));
}

/// What is not held is paid once it is, up to the day's limit.
fn too_little(w: &World, s: &mut Script) {
    let first = &w.sets[0];
    let all = [exit(0, "alice", 80_000), exit(1, "bob", 40_000)];
    let leaves = w.leaves(&all);
    let block = Block::inside(0, root(&leaves), [first, first]);
    let asks = |at: usize| asks(4, &all[at], &leaves);
    s.at(START);
    w.certifies(s, &block, first, Done);
    s.at(START + DELAY);
    s.does("anyone", "exit", &asks(0), Refused("nothing is held"));
    w.filled(s, 50_000);
    s.does("anyone", "exit", &asks(0), amount(50_000));
    s.does("anyone", "exit", &asks(0), Refused("nothing is held"));
    s.does("anyone", "paid_of", &message(&all[0]), amount(50_000));
    w.filled(s, 100_000);
    s.does("anyone", "exit", &asks(0), amount(30_000));
    s.does("anyone", "exit", &asks(0), Refused("paid already"));
    s.does("anyone", "exit", &asks(1), amount(20_000));
    s.does("anyone", "exit", &asks(1), Refused("not today"));
    s.has(short("alice"), ciro(80_000));
    s.has(short("bob"), ciro(20_000));
    s.has(w.bridge(), ciro(50_000));
}

fn epochs(w: &World, s: &mut Script) {
    let [first, second, third] = &w.sets;
    let end = Block::ending(0, [first, second]);
    let [one, two] = [first, second].map(|set| digest(set));
    s.at(START + 10);
    let other = Block { next: (2, one, two), ..end };
    w.certifies(s, &other, first, Refused("epoch: not the next"));
    let other = Block { next: (1, two, two), ..end };
    w.certifies(s, &other, first, Refused("validators: not the next"));
    for seq in [0, LENGTH + 1] {
        w.certifies(s, &Block { seq, ..end }, first, Refused("seq: another epoch"));
    }
    w.certifies(s, &end, first, Done);
    s.tells("Certified", &[LENGTH.into(), 0.into(), 0.into()]);
    s.does("anyone", "trusted", &[], Returned(named(1, [first, second])));
    let inside = Block::inside(1, Digest::from_u64(7), [first, second]);
    for seq in [LENGTH, 2 * LENGTH + 1] {
        w.certifies(s, &Block { seq, ..inside }, first, Refused("seq: another epoch"));
    }
    w.certifies(s, &inside, first, Done);
    s.does("anyone", "trusted", &[], Returned(named(1, [first, second])));
    // A certificate of an epoch that is over.
    let over = Block::inside(0, Digest::from_u64(7), [first, first]);
    w.certifies(s, &over, first, Refused("vote: signature"));
    w.certifies(s, &Block::ending(1, [second, third]), first, Done);
    s.does("anyone", "trusted", &[], Returned(named(2, [second, third])));
    let inside = Block::inside(2, Digest::from_u64(8), [second, third]);
    w.certifies(s, &inside, first, Refused("validators: not in charge"));
    w.certifies(s, &inside, third, Refused("validators: not in charge"));
    w.certifies(s, &inside, second, Done);
}

fn forged(w: &World, s: &mut Script) {
    let first = &w.sets[0];
    let block = Block::inside(0, Digest::from_u64(77), [first, first]);
    let (said, felts) = (block.statement(), block.felts());
    let hash = said.hash::<Stark>(w.chain);
    let good = votes(first, &hash, 0..4);
    let refuses = |s: &mut Script, votes: Vec<(usize, Signature)>, word: &'static str| {
        s.does("anyone", "certify", &[&felts[..], &shown(first, &votes)].concat(), Refused(word));
    };
    s.at(START + 10);
    // Two thirds are no quorum.
    refuses(s, vec![], "no quorum");
    refuses(s, vec![good[0], good[1]], "no quorum");
    refuses(s, vec![good[0], good[1], good[1]], "vote: out of order");
    refuses(s, vec![good[0], good[1], (1, mirrored(&good[1].1))], "vote: out of order");
    refuses(s, vec![good[1], good[0], good[2]], "vote: out of order");
    refuses(s, vec![good[0], good[1], (4, good[3].1)], "Index out of bounds");
    refuses(s, vec![(0, good[1].1), good[1], good[2]], "vote: signature");
    refuses(
        s,
        vec![good[0], good[1], (2, Signature { r: [0; 32], s: [0; 32] })],
        "vote: signature",
    );
    // Signatures under something else.
    let elsewhere = votes(first, &said.hash::<Stark>(ChainId::new("another")), 0..4);
    refuses(s, elsewhere, "vote: signature");
    let statements = [
        Statement { kind: Kind::Commit, ..said },
        Statement { kind: Kind::ViewChange, ..said },
        Statement { view: View(1), ..said },
        Statement { epoch: Epoch(1), ..said },
        Statement { seq: Seq(8), ..said },
        Statement { digest: Digest::from_u64(1), ..said },
    ];
    for statement in statements {
        let votes = votes(first, &statement.hash::<Stark>(w.chain), 0..4);
        refuses(s, votes, "vote: signature");
    }
    // Another checkpoint under the signatures.
    let certificate = shown(first, &good);
    for at in 0..felts.len() {
        let mut other = felts.clone();
        other[at] += Felt252::ONE;
        let calldata = [other, certificate.clone()].concat();
        s.does("anyone", "certify", &calldata, Refused("vote: signature"));
    }
    // Other validators.
    let sets = [
        set([(0, 3), (1, 3), (2, 2)]),
        set([(0, 30), (1, 3), (2, 2), (3, 1)]),
        set([(0, 3), (1, 3), (2, 2), (7, 1)]),
    ];
    for other in &sets {
        w.certifies(s, &block, other, Refused("validators: not in charge"));
    }
    let calldata = [&felts[..], &certificate].concat();
    let cut = &calldata[..calldata.len() - 1];
    s.does("anyone", "certify", cut, Refused("Failed to deserialize param #2"));
    let longer = [&calldata[..], &[Felt252::ZERO]].concat();
    s.does("anyone", "certify", &longer, Refused("Input too long for arguments"));
    // The second form of a signature counts as the first does.
    let mut votes = good;
    votes[0].1 = mirrored(&votes[0].1);
    s.does("anyone", "certify", &[&felts[..], &shown(first, &votes)].concat(), Done);
}

fn trust(w: &World, s: &mut Script) {
    let [first, second, third] = &w.sets;
    let all = [exit(0, "alice", 10), exit(1, "bob", 20)];
    let leaves = w.leaves(&all);
    let block = Block::inside(0, root(&leaves), [first, first]);
    let now = 2_000;
    s.at(now);
    w.filled(s, 1_000);
    let early = Block { now: now + AHEAD + 1, ..block };
    w.certifies(s, &early, first, Refused("time: not yet"));
    w.certifies(s, &Block { now: now + AHEAD, ..block }, first, Done);
    let until = now + AHEAD + TRUST;
    s.does("anyone", "trusted_until", &[], Returned(vec![until.into()]));
    // An older time takes nothing back.
    w.certifies(s, &Block::ending(0, [first, first]), first, Done);
    s.does("anyone", "trusted_until", &[], Returned(vec![until.into()]));
    s.at(now + DELAY);
    s.does("anyone", "exit", &asks(4, &all[0], &leaves), amount(10));
    s.at(until - 1);
    let renewed = named(5, [second, third]);
    s.does("guardian", "renew", &renewed, Refused("still trusted"));
    w.certifies(s, &Block::inside(1, Digest::ZERO, [first, first]), first, Done);
    s.at(until);
    let end = Block::ending(1, [first, first]);
    w.certifies(s, &end, first, Refused("nobody is trusted"));
    s.does("holder", "renew", &renewed, Refused("not the guardian"));
    s.does("guardian", "renew", &renewed, Done);
    s.tells("Renewed", &renewed);
    s.does("anyone", "trusted", &[], Returned(renewed.clone()));
    s.does("anyone", "trusted_until", &[], Returned(vec![(until + TRUST).into()]));
    s.does("guardian", "renew", &renewed, Refused("still trusted"));
    s.does("anyone", "exit", &asks(4, &all[1], &leaves), Refused("seq: not certified"));
    s.does("anyone", "outbox_of", &[4.into()], Returned(vec![Felt252::ZERO; 2]));
    let again = Block::inside(5, root(&leaves), [second, third]);
    w.certifies(s, &again, second, Done);
    s.at(until + DELAY);
    s.does("anyone", "exit", &asks(again.seq, &all[0], &leaves), Refused("paid already"));
    s.does("anyone", "exit", &asks(again.seq, &all[1], &leaves), amount(20));
    s.has(short("alice"), ciro(10));
    s.has(short("bob"), ciro(20));
}

fn captured(w: &World, s: &mut Script) {
    let [first, second, third] = &w.sets;
    let all = [exit(0, "alice", 10), exit(1, "bob", 20)];
    let leaves = w.leaves(&all);
    let now = 2_000;
    s.at(now);
    w.filled(s, 1_000);
    w.allowed(s, 2);
    // The least that captures.
    let least = wide(ciro(100_000));
    let calldata = [&[short("owner")][..], &least].concat();
    s.calls("holder", ("token", "transfer"), &calldata, Done);
    s.calls("owner", ("token", "approve"), &[&[w.bonds][..], &least].concat(), Done);
    let key = word(&Stark::public_key(&secret(0)).0);
    let convict = [vec![key], evidence::fork(w.chain, &secret(0))].concat();
    let bond = [&[key][..], &least, &numbers(&w.possession)].concat();
    s.calls("owner", ("bonds", "bond"), &bond, Done);
    let block = Block::inside(0, root(&leaves), [first, first]);
    w.certifies(s, &block, first, Done);
    let deposit = [Felt252::from(ciro(1)), key];
    s.does("holder", "deposit", &deposit, Done);
    s.at(now + DELAY);
    s.does("anyone", "exit", &asks(4, &all[0], &leaves), amount(10));
    s.calls("anyone", ("bonds", "convict"), &convict, Returned(vec![0.into(), 5.into()]));
    s.does("holder", "deposit", &deposit, Refused("captured"));
    w.certifies(s, &Block::ending(0, [first, first]), first, Refused("captured"));
    s.does("anyone", "exit", &asks(4, &all[1], &leaves), Refused("captured"));
    let renewed = named(7, [second, third]);
    s.does("holder", "renew", &renewed, Refused("not the guardian"));
    // In the second of the conviction it may have come later.
    s.does("guardian", "renew", &renewed, Done);
    let again = Block::inside(7, root(&leaves), [second, third]);
    w.certifies(s, &again, second, Refused("captured"));
    s.at(now + DELAY + 1);
    s.does("guardian", "renew", &renewed, Done);
    s.does("guardian", "renew", &renewed, Refused("still trusted"));
    w.certifies(s, &again, second, Done);
    s.does("holder", "deposit", &deposit, Returned(vec![Felt252::ONE]));
    s.does("anyone", "exit", &asks(4, &all[1], &leaves), Refused("seq: not certified"));
    s.at(now + 2 * DELAY + 1);
    s.does("anyone", "exit", &asks(again.seq, &all[0], &leaves), Refused("paid already"));
    s.does("anyone", "exit", &asks(again.seq, &all[1], &leaves), amount(20));
}
