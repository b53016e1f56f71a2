//! The judge in Cairo says of evidence what `verify_evidence` says, and bonds are taken by it:
//! `tests/scenarios/bond`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use ciro_consensus::crypto::{PublicKey, Scheme, Signature, Stark, StarkSigningKey};
use ciro_consensus::evidence::{DoubleSign, Evidence, Rule, SignedDigest};
use ciro_consensus::{ChainId, Digest, Epoch, Kind, ReplicaId, Seq, Statement, View};
use ciro_contracts::{BOND, Package, Scenarios, TOKEN, evidence_to_felts};
use serde::Deserialize;
use starknet_types_core::felt::Felt as Felt252;

use crate::scenarios::{PROPS, played};

pub(crate) const COURT: Package = Package {
    name: "court",
    sources: &[
        ("lib.cairo", include_str!("../scenarios/bond/lib.cairo")),
        ("bonds.cairo", include_str!("../scenarios/bond/bonds.cairo")),
        ("captures.cairo", include_str!("../scenarios/bond/captures.cairo")),
    ],
};

static STAGE: LazyLock<Scenarios> =
    LazyLock::new(|| Scenarios::new(&[TOKEN, BOND, PROPS, COURT]).unwrap());

/// The vectors of the version of the day.
static VECTORS: LazyLock<Vectors> = LazyLock::new(|| {
    let path = "../ciro-node/consensus/tests/vectors/evidence_v1.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
});

#[derive(Deserialize)]
struct Vectors {
    chain: Digest,
    window: u64,
    key: PublicKey,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    refused: Option<String>,
    evidence: Evidence,
}

impl Vectors {
    /// The chain's word, its window, the offender's key.
    fn about(&self) -> Vec<Felt252> {
        vec![word(&self.chain), self.window.into(), word(&self.key.0)]
    }

    /// The first evidence of a rule, in felts.
    fn of(&self, rule: Rule) -> Vec<Felt252> {
        let is_of =
            |vector: &&Vector| vector.refused.is_none() && vector.evidence.rule() == Some(rule);
        evidence_to_felts(&self.vectors.iter().find(is_of).unwrap().evidence).unwrap()
    }
}

fn word(digest: &Digest) -> Felt252 {
    Felt252::from_bytes_be(digest.as_bytes())
}

fn signature(signature: &Signature) -> [Felt252; 2] {
    [signature.r, signature.s].map(|number| Felt252::from_bytes_be(&number))
}

/// What the judge of these packages says of evidence in felts: the rule, or why it refuses.
fn judged(stage: &Scenarios, evidence: &[Felt252]) -> Result<Felt252, String> {
    let said = stage.play("court::verdict", &[&VECTORS.about(), evidence]).unwrap();
    said.map(|values| values[0])
}

fn verdict(evidence: &[Felt252]) -> Result<Felt252, String> {
    judged(&STAGE, evidence)
}

/// The judge's word for what `verify_evidence` says.
fn expected(reason: &str) -> &'static str {
    WORDS.iter().find(|(start, _)| reason.starts_with(start)).expect("a reason of the judge's").1
}

/// How reasons of `verify_evidence` begin, and the judge's words.
const WORDS: [(&str, &str); 11] = [
    ("signing two messages", "kind"),
    ("a Checkpoint has view 0", "checkpoint view"),
    ("digests must differ", "digests"),
    ("ViewChange to view", "not later"),
    ("stable checkpoint", "covered"),
    ("prepared set has an entry", "remembered"),
    ("the opening of the prepared set has", "opening shape"),
    ("the opening does not lead", "opening"),
    ("the later ViewChange may follow", "consistent"),
    ("the first signature", "first signature"),
    ("the second signature", "second signature"),
];

/// What the judge has to say of a vector: nothing of numbers that are no felts.
fn due(vector: &Vector) -> Option<(Vec<Felt252>, Result<Felt252, String>)> {
    let Vector { name, refused, evidence } = vector;
    let Some(felts) = evidence_to_felts(evidence) else {
        assert_eq!(refused.as_deref(), Some("the first signature is invalid"), "{name}");
        return None;
    };
    let said = match refused {
        None => Ok((evidence.rule().unwrap() as u8).into()),
        Some(reason) => Err(expected(reason).to_owned()),
    };
    Some((felts, said))
}

#[test]
fn the_judge_passes_every_vector() {
    let mut said = BTreeSet::new();
    for vector in &VECTORS.vectors {
        let Some((felts, due)) = due(vector) else { continue };
        assert_eq!(verdict(&felts), due, "{}", vector.name);
        said.insert(due);
    }
    // A rule without a vector fails here, and so does a reason.
    let rules = Rule::ALL.map(|rule| Ok((rule as u8).into()));
    assert!(rules.iter().all(|rule| said.contains(rule)), "{said:?}");
    assert_eq!(said.len(), rules.len() + WORDS.len(), "{said:?}");
}

#[test]
fn every_felt_of_evidence_counts() {
    for rule in Rule::ALL {
        let honest = VECTORS.of(rule);
        for at in 0..honest.len() {
            let mut felts = honest.clone();
            felts[at] += Felt252::ONE;
            assert!(verdict(&felts).is_err(), "{rule:?}: felt {at}");
        }
        assert!(verdict(&honest[..honest.len() - 1]).is_err(), "{rule:?}: cut");
        let longer = [honest, vec![Felt252::ZERO]].concat();
        assert_eq!(verdict(&longer), Err("too long".to_owned()), "{rule:?}");
    }
}

/// The secret of a validator of the vectors; the offender is the third.
fn secret(id: u64) -> StarkSigningKey {
    let secret = Stark::hash(&[Digest::short_string("test secret"), Digest::from_u64(id)]);
    StarkSigningKey::from_bytes(secret.as_bytes()).unwrap()
}

/// The validators of histories.
const VALIDATORS: [u64; 4] = [3, 1, 2, 4];

/// About the chain and the keys of validators, and their signatures for their owners, which the
/// first play of these packages asks for.
fn validators(stage: &Scenarios) -> [Vec<Felt252>; 2] {
    let secrets = VALIDATORS.map(secret);
    let keys = secrets.iter().map(|secret| word(&Stark::public_key(secret).0)).collect();
    let about = [VECTORS.about()[..2].to_vec(), keys].concat();
    assert_eq!(about[..3], VECTORS.about());
    let messages = played(stage, "court::bonds::possessions", &[&about]);
    let signed = secrets.iter().zip(messages).flat_map(|(secret, message)| {
        let message = Digest::from_bytes(message.to_bytes_be()).unwrap();
        // A number that is not below 2^251 cannot be signed.
        let by = Stark::sign(secret, &message).unwrap_or(Signature { r: [0; 32], s: [0; 32] });
        signature(&by)
    });
    let signatures = signed.collect();
    [about, signatures]
}

/// Plays a history with evidence.
fn court(stage: &Scenarios, name: &str, evidence: Vec<Vec<Felt252>>) -> Result<(), String> {
    let arguments = [validators(stage).to_vec(), evidence].concat();
    let arguments: Vec<&[Felt252]> = arguments.iter().map(Vec::as_slice).collect();
    stage.play(&format!("court::{name}"), &arguments).unwrap().map(drop)
}

/// Plays a history of bonds with evidence of these rules.
fn bonds(stage: &Scenarios, name: &str, rules: &[Rule]) -> Result<(), String> {
    let evidence = rules.iter().map(|&rule| VECTORS.of(rule)).collect();
    court(stage, &format!("bonds::{name}"), evidence)
}

/// Evidence that a key has signed two checkpoints of one block, which no honest validator does.
pub(crate) fn fork(chain: ChainId, secret: &StarkSigningKey) -> Vec<Felt252> {
    let digests = [1, 2].map(Digest::from_u64);
    let (epoch, kind, view, seq) = (Epoch(0), Kind::Checkpoint, View::ZERO, Seq(4));
    let [first, second] = digests.map(|digest| {
        let hash = Statement { epoch, kind, view, seq, digest }.hash::<Stark>(chain);
        SignedDigest { digest, signature: Stark::sign(secret, &hash).unwrap() }
    });
    // The contract asks for the key instead.
    let offender = ReplicaId(0);
    let fork = DoubleSign { offender, epoch, kind, view, seq, first, second };
    evidence_to_felts(&Evidence::DoubleSign(fork)).unwrap()
}

/// Plays a history of captures with a fork of each validator.
fn captures(stage: &Scenarios, name: &str) -> Result<(), String> {
    let chain = ChainId::from_word(VECTORS.chain);
    let forks = VALIDATORS.map(|id| fork(chain, &secret(id)));
    court(stage, &format!("captures::{name}"), forks.to_vec())
}

/// Every history of bonds, with evidence of which rules it is played.
const HISTORIES: [(&str, &[Rule]); 9] = [
    ("a_fork_costs_a_twentieth", &[Rule::E1, Rule::E2]),
    ("a_fork_costs_a_twentieth", &[Rule::E3, Rule::E4]),
    ("a_fork_costs_a_twentieth", &[Rule::E5, Rule::E1]),
    ("a_third_loses_everything", &[Rule::E3]),
    ("others_leave_and_a_convict_loses_no_more", &[Rule::E2]),
    ("a_third_keeps_everybody", &[Rule::E4]),
    ("a_delay_costs_a_hundredth", &[Rule::E6, Rule::E7]),
    ("a_delay_costs_a_hundredth", &[Rule::E8, Rule::E6]),
    ("bonds_that_cannot_be_are_refused", &[Rule::E1]),
];

/// Every history of captures.
const CAPTURES: [&str; 4] = [
    "little_captures_nothing",
    "a_capture_is_of_its_second",
    "who_was_here_is_of_it",
    "captures_follow_each_other",
];

#[test]
fn a_capture_is_paid_for_by_its_convicts() {
    for name in CAPTURES {
        assert_eq!(captures(&STAGE, name), Ok(()), "{name}");
    }
}

#[test]
fn bonds_are_taken_for_faults_alone() {
    for (name, rules) in HISTORIES {
        assert_eq!(bonds(&STAGE, name, rules), Ok(()), "{name}, {rules:?}");
    }
}

/// Whether what is signed of the greatest number that is a felt is what consensus signs.
fn signs_what_consensus_signs(stage: &Scenarios) -> bool {
    let most = -Felt252::ONE;
    let expected = word(&Digest::from_bytes_truncated(most.to_bytes_be()));
    assert_ne!(most, expected);
    stage.play("court::signed_of", &[&[most]]).unwrap() == Ok(vec![expected])
}

#[test]
fn hashes_are_signed_without_their_top_bits() {
    assert!(signs_what_consensus_signs(&STAGE));
}

/// Whether the judge of these packages passes every vector, and every history comes to its end.
pub(crate) fn all_is_well(stage: &Scenarios) -> bool {
    let mut dues = VECTORS.vectors.iter().filter_map(due);
    signs_what_consensus_signs(stage)
        && dues.all(|(felts, due)| judged(stage, &felts) == due)
        && HISTORIES.iter().all(|(name, rules)| bonds(stage, name, rules).is_ok())
        && CAPTURES.iter().all(|name| captures(stage, name).is_ok())
}
