//! The proof system of the network: the SDK's verifier, with a memory of what it has accepted.
//!
//! A proof is looked at when its transaction comes in, and again when its batch is judged. The
//! second look finds the first one's answer. Only proofs that hold are remembered: they cost their
//! provider something, others cost a sender nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ciro_ledger::ProofSystem;
use ciro_ledger::validity::{Refused, Stated};
use ciro_protocol::id::KeyDigest;
use ciro_protocol::model::KeyFacts;
use ciro_protocol::order::Route;
use ciro_sdk::{Key, Policy, ProofBundle};
use sha2::{Digest as _, Sha256};

use crate::metrics::Metrics;
use crate::statement::{cells, input_digest, output_digest};

/// The version of the verifier that this build is.
pub const VERIFIER: u8 = 1;
/// Proofs that are remembered.
const REMEMBERED: usize = 4096;
/// What a proof is worth is a fact of its key, which an order compares with its policy.
const ANY: Policy = Policy { min_security_bits: 0, min_proven_bits: 0 };

/// The verifier.
#[derive(Debug)]
pub struct Verifier {
    held: Mutex<Held>,
    metrics: Metrics,
}

/// Proofs that held, the latest of them.
#[derive(Debug, Default)]
struct Held {
    stated: BTreeMap<[u8; 32], (u64, Stated)>,
    order: BTreeMap<u64, [u8; 32]>,
    clock: u64,
}

impl Verifier {
    /// Makes a verifier that has seen nothing.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { held: Mutex::default(), metrics }
    }

    /// Whether this build verifies proofs of a route.
    #[must_use]
    pub fn verifies(route: Route) -> bool {
        match route {
            Route::Tensor => ciro_sdk::Route::Tensor.is_built(),
            Route::Cairo => ciro_sdk::Route::Cairo.is_built(),
        }
    }

    fn judge(&self, key: &[u8], bundle: &[u8]) -> Result<Stated, Refused> {
        let key = read_key(key)?;
        let bundle = ProofBundle::from_bytes(bundle).map_err(|error| refused(&error))?;
        let started = Instant::now();
        let verified = ciro_sdk::verify_with(&bundle, &key, &ANY);
        self.metrics.verified(key.route().name(), started.elapsed());
        verified.map_err(|error| refused(&error))?;
        let statement = bundle.statement(&key).map_err(|error| refused(&error))?;
        Ok(Stated {
            key: KeyDigest(key.digest().0),
            input: input_digest(&statement),
            output: output_digest(&statement),
        })
    }
}

impl ProofSystem for Verifier {
    fn facts(&self, verifier: u8, key: &[u8]) -> Result<KeyFacts, Refused> {
        known(verifier)?;
        facts_of(&read_key(key)?)
    }

    fn verify(&self, verifier: u8, key: &[u8], bundle: &[u8]) -> Result<Stated, Refused> {
        known(verifier)?;
        let name = name_of(key, bundle);
        if let Some(stated) = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(stated);
        }
        let judged = self.judge(key, bundle);
        match &judged {
            Ok(stated) => {
                let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
                held.remember(name, *stated);
            }
            Err(_) => self.metrics.verify_rejected("proof"),
        }
        judged
    }
}

impl Held {
    fn get(&self, name: &[u8; 32]) -> Option<Stated> {
        self.stated.get(name).map(|(_, stated)| *stated)
    }

    fn remember(&mut self, name: [u8; 32], stated: Stated) {
        self.clock += 1;
        if let Some((place, _)) = self.stated.insert(name, (self.clock, stated)) {
            self.order.remove(&place);
        }
        self.order.insert(self.clock, name);
        if self.stated.len() > REMEMBERED
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.stated.remove(&oldest);
        }
    }
}

/// Returns what a card says of a key.
///
/// # Errors
///
/// [`Refused`] if the key is not one of the network's routes.
pub fn facts_of(key: &Key) -> Result<KeyFacts, Refused> {
    let route = match key.route() {
        ciro_sdk::Route::Tensor => Route::Tensor,
        ciro_sdk::Route::Cairo => Route::Cairo,
        other => return Err(Refused(format!("the network knows no route `{other}`"))),
    };
    let (security, bits) = (key.security(), |bits: u32| u16::try_from(bits).unwrap_or(u16::MAX));
    Ok(KeyFacts {
        digest: KeyDigest(key.digest().0),
        route,
        bits: bits(security.whole_conjectured_bits()),
        proven_bits: bits(security.whole_proven_bits()),
        batch: key.batch(),
        cells: cells(key),
    })
}

fn known(verifier: u8) -> Result<(), Refused> {
    if verifier == VERIFIER {
        Ok(())
    } else {
        Err(Refused(format!("verifier {verifier} is not known here, expected {VERIFIER}")))
    }
}

fn read_key(bytes: &[u8]) -> Result<Key, Refused> {
    Key::from_bytes(bytes).map_err(|error| refused(&error))
}

/// Names a pair of blobs.
fn name_of(key: &[u8], bundle: &[u8]) -> [u8; 32] {
    let hashes = [key, bundle].map(Sha256::digest);
    Sha256::digest(hashes.concat()).into()
}

/// Puts an error and its causes into one line.
fn refused(error: &dyn std::error::Error) -> Refused {
    Refused(crate::chain_of(error))
}
