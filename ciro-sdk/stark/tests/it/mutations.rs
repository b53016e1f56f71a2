//! Seeded damage to golden proofs and keys: none is accepted, and none makes the verifier panic.
//!
//! `CIRO_MUTATIONS=100000 cargo test -p ciro-stark mutations` runs as many as the number says.

use ciro_model::integer::Statement;
use ciro_stark::{ModelKey, Policy, Proof, verify};

use crate::golden::{names, read, statement};
use crate::models::Stream;

const TEST: Policy = Policy { min_security_bits: 0, min_proven_bits: 0 };

fn mutations() -> usize {
    std::env::var("CIRO_MUTATIONS").map_or(20_000, |count| count.parse().unwrap())
}

struct Golden {
    name: &'static str,
    key: ModelKey,
    statement: Statement,
    proof: Proof,
}

impl Golden {
    fn all() -> Vec<Self> {
        let golden = |name| {
            let key = ModelKey::from_bytes(&read(name, "key")).unwrap();
            let statement = statement(name);
            let proof = Proof::from_bytes(&read(name, "proof"), &key).unwrap();
            Self { name, key, statement, proof }
        };
        names().map(golden).collect()
    }
}

fn below(stream: &mut Stream, end: usize) -> usize {
    usize::try_from(stream.within(0, i64::try_from(end).unwrap() - 1)).unwrap()
}

/// Damages bytes in one place or two; most of them become others.
fn damage(bytes: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=below(stream, 2) {
        let at = below(stream, bytes.len());
        let word = at.min(bytes.len() - 4);
        match below(stream, 8) {
            0 => bytes[at] ^= 1 << below(stream, 8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(stream, 5)],
            // Neighbours of a number, and numbers at the edges.
            2 => {
                let value = u32::from_le_bytes(bytes[word..word + 4].try_into().unwrap());
                let next = value.wrapping_add([1, u32::MAX, 1 << 31][below(stream, 3)]);
                bytes[word..word + 4].copy_from_slice(&next.to_le_bytes());
            }
            3 => {
                let edge =
                    [0, 1, (1 << 31) - 2, (1 << 31) - 1, 1 << 31, u32::MAX][below(stream, 6)];
                bytes[word..word + 4].copy_from_slice(&edge.to_le_bytes());
            }
            4 => bytes.truncate(at.max(8)),
            5 => bytes.insert(at, 0),
            6 => drop(bytes.remove(at)),
            // A part of the bytes in another place.
            _ => {
                let length = [1, 4, 16, 32][below(stream, 4)].min(bytes.len());
                let [from, to] = [0, 1].map(|_| below(stream, bytes.len() - length + 1));
                bytes.copy_within(from..from + length, to);
            }
        }
    }
    bytes
}

#[test]
fn no_damaged_proof_or_key_is_accepted() {
    let golden = Golden::all();
    let mut stream = Stream::new(2026);
    let [mut decoded, mut keys] = [0; 2];
    for trial in 0..mutations() {
        let Golden { name, key, statement, proof } = &golden[trial % golden.len()];
        let (honest_key, honest_proof) = (key.to_bytes(), proof.to_bytes());
        if stream.within(0, 3) == 0 {
            let bytes = damage(&honest_key, &mut stream);
            let Ok(key) = ModelKey::from_bytes(&bytes) else { continue };
            if bytes == honest_key {
                continue;
            }
            keys += 1;
            // The proof as it is, and as it reads with the other key.
            assert!(verify(&key, statement, proof, &TEST).is_err(), "{name}, trial {trial}");
            if let Ok(proof) = Proof::from_bytes(&honest_proof, &key) {
                assert!(verify(&key, statement, &proof, &TEST).is_err(), "{name}, trial {trial}");
            }
        } else {
            let bytes = damage(&honest_proof, &mut stream);
            let Ok(proof) = Proof::from_bytes(&bytes, key) else { continue };
            if bytes == honest_proof {
                continue;
            }
            decoded += 1;
            assert_eq!(proof.to_bytes(), bytes, "{name}, trial {trial}");
            assert!(verify(key, statement, &proof, &TEST).is_err(), "{name}, trial {trial}");
        }
    }
    // The damage is such that the verifier itself is reached.
    assert!(decoded * 5 > mutations(), "{decoded} proofs were read");
    assert!(keys * 50 > mutations(), "{keys} keys were read");
}
