//! Seeded damage to golden proofs and keys: none is accepted, and none makes the verifier panic.
//!
//! `CIRO_MUTATIONS=100000 cargo test -p ciro-stark mutations` runs as many as the number says.

use ciro_model::integer::Statement;
use ciro_stark::{ModelKey, Policy, Proof, verify};

use crate::damage::{damage, mutations};
use crate::golden::{names, read, statement};
use crate::models::Stream;

const TEST: Policy = Policy { min_security_bits: 0, min_proven_bits: 0 };

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

#[test]
fn no_damaged_proof_or_key_is_accepted() {
    let golden = Golden::all();
    let mut stream = Stream::new(2026);
    let [mut decoded, mut keys] = [0; 2];
    for trial in 0..mutations() {
        let Golden { name, key, statement, proof } = &golden[trial % golden.len()];
        let (honest_key, honest_proof) = (key.to_bytes(), proof.to_bytes());
        if stream.within(0, 3) == 0 {
            let bytes = damage(&honest_key, &mut |end| stream.below(end));
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
            let bytes = damage(&honest_proof, &mut |end| stream.below(end));
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
