//! The proof system of the network: the SDK's verifier, with a memory of what it has accepted.
//!
//! A proof is looked at when its transaction comes in, and again when its batch is judged. The
//! second look finds the first one's answer. Only proofs that hold are remembered: they cost their
//! provider something, others cost a sender nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ciro_ledger::ProofSystem;
use ciro_ledger::validity::{Refused, Stated};
use ciro_protocol::model::KeyFacts;
use ciro_protocol::order::Route;
use ciro_sdk::error_chain;
use ciro_sdk::network;
use ciro_sdk::network::PROGRAMS_SINCE;
pub use ciro_sdk::network::VERIFIER;
use sha2::{Digest as _, Sha256};

use crate::metrics::Metrics;

/// Proofs that are remembered.
const REMEMBERED: usize = 4096;

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

    /// Whether this build verifies proofs of a route, as a version of the verifier.
    #[must_use]
    pub fn verifies(version: u8, route: Route) -> bool {
        let built = match route {
            Route::Tensor => ciro_sdk::Route::Tensor.is_built(),
            Route::Cairo | Route::Program => ciro_sdk::Route::Cairo.is_built(),
        };
        let since = if route == Route::Program { PROGRAMS_SINCE } else { 1 };
        built && version >= since
    }

    fn judge(&self, verifier: u8, key: &[u8], bundle: &[u8]) -> Result<Stated, Refused> {
        let started = Instant::now();
        let stated = guarded(|| network::verify_stated(verifier, key, bundle));
        // Bytes that are no key have no route, and take no time.
        let route = match network::is_program_key(key) {
            true => Some("program"),
            false => ciro_sdk::Route::of_key(key).map(ciro_sdk::Route::name),
        };
        if let Some(route) = route {
            self.metrics.verified(route, started.elapsed());
        }
        let network::Stated { key, input, output } = stated?;
        Ok(Stated { key, input, output })
    }
}

/// Asks the verifier. Bytes at which it panics are no proof and no key: it is a function of them,
/// so that all nodes of one build say the same.
fn guarded<T>(ask: impl FnOnce() -> Result<T, network::NotProven>) -> Result<T, Refused> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => answer.map_err(|error| refused(&error)),
        Err(_) => {
            tracing::error!("the verifier panicked: this is a fault of the node");
            Err(Refused("the verifier panicked".to_owned()))
        }
    }
}

impl ProofSystem for Verifier {
    fn facts(&self, verifier: u8, key: &[u8]) -> Result<KeyFacts, Refused> {
        let facts = guarded(|| network::facts(verifier, key));
        facts.inspect_err(|_| self.metrics.verify_rejected("key"))
    }

    fn verify(&self, verifier: u8, key: &[u8], bundle: &[u8]) -> Result<Stated, Refused> {
        let name = name_of(verifier, key, bundle);
        if let Some(stated) = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(stated);
        }
        let judged = self.judge(verifier, key, bundle);
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

/// Names a verifier with a pair of blobs.
fn name_of(verifier: u8, key: &[u8], bundle: &[u8]) -> [u8; 32] {
    let hashes = [key, bundle].map(Sha256::digest);
    Sha256::new_with_prefix([verifier]).chain_update(hashes.concat()).finalize().into()
}

fn refused(error: &(dyn std::error::Error + 'static)) -> Refused {
    Refused(error_chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_at_which_the_verifier_panics_are_refused() {
        let refused = guarded(|| -> Result<(), _> { panic!("a fault of ours") });
        assert!(matches!(refused, Err(Refused(reason)) if reason.contains("panicked")));
        assert!(guarded(|| Ok(7)).is_ok_and(|answer| answer == 7));
    }
}
