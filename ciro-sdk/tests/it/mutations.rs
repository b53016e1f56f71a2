//! Seeded damage to bundles and key files of both routes: none is accepted, and nothing panics.
//!
//! `CIRO_MUTATIONS=100000 cargo test -p ciro-sdk mutations` tries as many as the number says; of
//! the Cairo route, whose proofs take longer to verify, one for every hundred.

use ciro_sdk::inputs::Sample;
use ciro_sdk::{Key, ProofBundle, ProveSettings, Prover, Route, Tensor, verify};

use crate::support::weighted;

#[path = "../../stark/tests/it/damage.rs"]
pub(crate) mod damage;

/// A linear congruential generator.
struct Stream(u64);

impl Stream {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// A key and a bundle of `batch` inferences of `y = [1, 2] . x`.
fn proven(route: Route, batch: u32) -> (Key, ProofBundle) {
    let model = weighted(2);
    let settings = ProveSettings { route, batch, ..ProveSettings::default() };
    let prover = Prover::new(&model, &settings).unwrap();
    let sample = |at| vec![Tensor::new(vec![1, 2], vec![f64::from(at % 9), -2.0]).unwrap()];
    let samples: Vec<Sample> = (0..batch).map(sample).collect();
    (prover.key(), prover.prove(&samples).unwrap().bundle)
}

/// Damages a bundle, or the part of it before the proof, or its key, `trials` times.
fn nothing_damaged_is_accepted(route: Route, batch: u32, trials: usize) {
    let (key, bundle) = proven(route, batch);
    let (file, key_file) = (bundle.to_bytes(), key.to_bytes());
    let head = file.len() - bundle.proof.len();
    let mut stream = Stream(u64::from(batch) + 2026);
    let [mut read, mut keys] = [0; 2];
    for trial in 0..trials {
        let mut below = |end| stream.below(end);
        if below(4) == 0 {
            let damaged = damage::damage(&key_file, &mut below);
            if damaged != key_file
                && let Ok(key) = Key::from_bytes(&damaged)
            {
                keys += 1;
                assert!(verify(&bundle, &key).is_err(), "{route}, trial {trial}");
            }
            continue;
        }
        // Half of the damage is to the header and the claims, which are much shorter than the
        // proof.
        let damaged = match below(2) {
            0 => [&damage::damage(&file[..head], &mut below)[..], &file[head..]].concat(),
            _ => damage::damage(&file, &mut below),
        };
        if damaged != file
            && let Ok(bundle) = ProofBundle::from_bytes(&damaged)
        {
            read += 1;
            assert_eq!(bundle.to_bytes(), damaged, "{route}, trial {trial}");
            assert!(verify(&bundle, &key).is_err(), "{route}, trial {trial}");
        }
    }
    // The damage is such that keys and bundles are read.
    assert!(read * 5 > trials && keys * 100 > trials, "{read} bundles, {keys} keys of {trials}");
}

#[test]
fn no_damaged_bundle_or_key_of_the_tensor_route_is_accepted() {
    for batch in [1, 5] {
        nothing_damaged_is_accepted(Route::Tensor, batch, damage::mutations() / 2);
    }
}

#[cfg(feature = "cairo")]
#[test]
fn no_damaged_bundle_or_key_of_the_cairo_route_is_accepted() {
    nothing_damaged_is_accepted(Route::Cairo, 1, damage::mutations() / 100);
}
