//! Test vectors that a Cairo contract shares.
//!
//! `UPDATE_VECTORS=1 cargo test -p ciro-consensus vectors` writes the file anew; signatures are
//! deterministic, so it only changes when the format does.

use std::fs;
use std::path::Path;

use ciro_consensus::crypto::{PublicKey, Scheme, Stark};
use ciro_consensus::evidence::{Evidence, EvidenceDomain, verify_evidence};
use ciro_consensus::{ChainId, Digest, Kind};
use serde::{Deserialize, Serialize};

use crate::evidence::{
    OFFENDER, amnesia, check, claim, consistent, contradictory, double_sign, double_view,
    tampered_amnesias, tampered_double_signs, tampered_views,
};
use crate::support::{Lab, key};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    version: u32,
    chain: Digest,
    /// Blocks between low and high watermark.
    window: u64,
    /// The offender's public key in every vector.
    key: PublicKey,
    vectors: Vec<Vector>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    /// Absent if the evidence is valid, else why it is not.
    refused: Option<String>,
    evidence: Evidence,
    /// The canonical encoding in hexadecimal.
    bytes: String,
}

fn path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/evidence_v1.json"))
}

fn build() -> Vectors {
    let lab = Lab::new();
    let mut cases: Vec<(String, Evidence)> = Vec::new();
    for kind in [Kind::PrePrepare, Kind::Prepare, Kind::Commit, Kind::Checkpoint] {
        let evidence = Evidence::DoubleSign(double_sign(&lab, kind));
        cases.push((format!("two digests of kind {kind:?}"), evidence));
    }
    let amnesias = [
        ("a ViewChange without the entry", amnesia(&lab, 8, &[])),
        ("a ViewChange with an entry of an earlier view", amnesia(&lab, 8, &[claim(12, 0)])),
        ("a ViewChange whose window ends before the Commit", amnesia(&lab, 0, &[claim(3, 0)])),
        ("a ViewChange that remembers", amnesia(&lab, 8, &[claim(12, 1)])),
        ("a ViewChange whose checkpoint covers the Commit", amnesia(&lab, 12, &[])),
    ];
    cases.extend(amnesias.map(|(name, evidence)| (name.to_owned(), Evidence::Amnesia(evidence))));
    for (flaw, evidence, _) in tampered_double_signs(&lab) {
        cases.push((format!("double signature, {flaw}"), Evidence::DoubleSign(evidence)));
    }
    for (flaw, evidence, _) in tampered_amnesias(&lab) {
        cases.push((format!("amnesia, {flaw}"), Evidence::Amnesia(evidence)));
    }
    for kind in [Kind::ViewChange, Kind::NewView] {
        let evidence = Evidence::DoubleView(double_view(&lab, kind));
        cases.push((format!("two of kind {kind:?} for one view"), evidence));
    }
    for (story, evidence) in contradictory(&lab).into_iter().chain(consistent(&lab)) {
        cases.push((format!("two ViewChanges, {story}"), Evidence::ClaimChange(evidence)));
    }
    for (flaw, evidence, _) in tampered_views(&lab) {
        cases.push((format!("two views, {flaw}"), evidence));
    }
    let vectors = cases.into_iter().map(|(name, evidence)| Vector {
        name,
        refused: check(&lab, &evidence).err().map(|error| error.to_string()),
        bytes: hex(&evidence.to_bytes()),
        evidence,
    });
    Vectors {
        version: 1,
        chain: lab.genesis.chain.word(),
        window: lab.genesis.evidence_domain().window,
        key: Stark::public_key(&key(OFFENDER)),
        vectors: vectors.collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_published_vectors_are_what_this_code_makes() {
    let built = build();
    let json = serde_json::to_string_pretty(&built).unwrap() + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::create_dir_all(path().parent().unwrap()).unwrap();
        fs::write(path(), &json).unwrap();
    }
    let published: Vectors = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    assert_eq!(published, built);
}

/// Reads the vectors as a foreign verifier would: from the file alone.
#[test]
fn the_published_vectors_verify_from_the_file_alone() {
    let file: Vectors = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    let domain = EvidenceDomain { chain: ChainId::from_word(file.chain), window: file.window };
    let key = Stark::expand(&file.key).unwrap();
    for vector in &file.vectors {
        let refused = verify_evidence::<Stark>(&domain, &key, &vector.evidence).err();
        assert_eq!(refused.map(|error| error.to_string()), vector.refused, "{}", vector.name);
        let bytes: Vec<u8> = (0..vector.bytes.len() / 2)
            .map(|i| u8::from_str_radix(&vector.bytes[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        assert_eq!(Evidence::from_bytes(&bytes).as_ref(), Ok(&vector.evidence), "{}", vector.name);
    }
    let valid = file.vectors.iter().filter(|vector| vector.refused.is_none()).count();
    assert_eq!((valid, file.vectors.len()), (14, 57));
}
