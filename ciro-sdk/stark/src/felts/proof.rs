//! Statements and proofs in felts.

use ciro_model::integer::Statement;
use stwo::core::vcs::blake2_hash::Blake2sHash;

use super::pack::{WORDS, base, extension, hashes};
use super::statement::Stated;
use super::{Felt, FeltsError};
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::{ProofShape, TREES};

/// Felts of one transaction that a key, a statement and a proof may take together: Starknet's limit
/// of 5,000 less what the account and the call around them need.
pub const PROOF_FELTS_MAX: usize = 4_980;

impl Proof {
    /// What the verifier on the chain reads: the key's felts, the statement's, the proof's.
    ///
    /// Whether the proof convinces is not asked; [`verify`](crate::verify()) says it.
    ///
    /// # Errors
    /// [`FeltsError`] if that verifier does not take the model, statement or proof do not have the
    /// key's form, or they do not fit into one transaction.
    pub fn to_felts(&self, key: &ModelKey, statement: &Statement) -> Result<Vec<Felt>, FeltsError> {
        let mut felts = key.to_felts()?;
        let stated = Stated::of(key, statement)?;
        let values = stated.values;
        felts.extend(stated.into_felts());
        self.append_proof(&mut felts, key)?;
        if felts.len() > PROOF_FELTS_MAX {
            let help = help(key, values);
            return Err(FeltsError::TooLong { felts: felts.len(), help });
        }
        Ok(felts)
    }

    fn append_proof(&self, felts: &mut Vec<Felt>, key: &ModelKey) -> Result<(), FeltsError> {
        let shape = ProofShape::of(key);
        shape.check(self).map_err(FeltsError::Structure)?;
        let stark = &self.stark.0;
        if stark.commitments[0].0 != key.root {
            return Err(FeltsError::Structure("the root of the model's columns"));
        }
        let queries = stark.queried_values[0].first().map_or(0, Vec::len);
        if stark.queried_values.iter().flatten().any(|column| column.len() != queries) {
            return Err(FeltsError::Structure("answers to queries"));
        }
        let nonces = self.nonces.iter().chain([&stark.proof_of_work]);
        felts.extend(nonces.map(|&nonce| Felt::number(nonce.into())));
        felts.extend(hashes(&self.hashes()));
        felts.extend(extension(stark.sampled_values.iter().flatten().flatten()));
        felts.extend(extension(stark.fri_proof.last_layer_poly.iter()));
        let orders: [Vec<usize>; TREES] = std::array::from_fn(|tree| by_size(&shape, tree));
        for query in 0..queries {
            for (tree, order) in orders.iter().enumerate() {
                let columns = &stark.queried_values[tree];
                felts.extend(base(order.iter().map(|&column| columns[column][query])));
            }
        }
        let fri = &stark.fri_proof;
        for layer in [&fri.first_layer].into_iter().chain(&fri.inner_layers) {
            felts.push(Felt::number(layer.fri_witness.len() as u128));
            felts.extend(extension(&layer.fri_witness));
        }
        Ok(())
    }

    /// Roots first, then paths.
    fn hashes(&self) -> Vec<Blake2sHash> {
        let stark = &self.stark.0;
        let fri = &stark.fri_proof;
        let layers = || [&fri.first_layer].into_iter().chain(&fri.inner_layers);
        let mut hashes = stark.commitments[1..].to_vec();
        hashes.extend(layers().map(|layer| layer.commitment));
        stark.decommitments.iter().for_each(|path| hashes.extend(&path.hash_witness));
        layers().for_each(|layer| hashes.extend(&layer.decommitment.hash_witness));
        hashes
    }
}

/// The columns of a tree by their sizes, as the leaves of stwo's trees hash them.
fn by_size(shape: &ProofShape, tree: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..shape.openings[tree].len()).collect();
    if let Some(sizes) = shape.sizes.get(tree) {
        order.sort_by_key(|&column| sizes[column]);
    }
    order
}

/// What would make a proof shorter.
fn help(key: &ModelKey, values: usize) -> String {
    let mut help = vec![];
    if key.preset() != Preset::Chain {
        help.push("use the preset `chain`".to_owned());
    }
    if key.batch() > 1 {
        help.push(format!("prove fewer than {} inferences at once", key.batch()));
    }
    let felts = values.div_ceil(WORDS);
    if felts > PROOF_FELTS_MAX / 10 {
        help.push(format!("show fewer inputs and outputs, which take {felts} felts"));
    }
    if help.is_empty() {
        help.push("use a model with fewer operators or parameters".to_owned());
    }
    help.join("; ")
}

#[cfg(test)]
#[cfg(feature = "prove")]
mod tests {
    use super::*;
    use crate::prover::TensorProver;
    use crate::prover::tests::models;

    fn proven(preset: Preset, batch: u32) -> (ModelKey, Statement, Proof) {
        let model = models::mlp();
        let inputs = vec![models::inputs(&model, 7); batch as usize];
        let prover = TensorProver::new(model, preset, batch).unwrap();
        let (statement, proof) = prover.prove(&inputs).unwrap();
        (prover.key().clone(), statement, proof)
    }

    #[test]
    fn every_part_has_its_felts() {
        let (key, statement, proof) = proven(Preset::FastTest, 1);
        let felts = proof.to_felts(&key, &statement).unwrap();
        let of_key = key.to_felts().unwrap();
        assert_eq!(felts[..of_key.len()], of_key);
        assert_eq!(felts[of_key.len()], Felt([0; 32]), "no context");
        // Every felt is below 2^248 but the context: nothing wraps around the Stark prime.
        assert!(felts.iter().all(|felt| felt.0[0] == 0));
    }

    #[test]
    fn proofs_of_another_form_are_refused() {
        let (key, statement, mut proof) = proven(Preset::FastTest, 1);
        proof.nonces.push(0);
        let error = proof.to_felts(&key, &statement).unwrap_err();
        assert_eq!(error, FeltsError::Structure("number of nonces"));
        proof.nonces.pop();
        proof.stark.0.queried_values[2][0].pop();
        let error = proof.to_felts(&key, &statement).unwrap_err();
        assert_eq!(error, FeltsError::Structure("answers to queries"));
    }

    #[test]
    fn proofs_that_do_not_fit_say_what_would_help() {
        let (key, statement, proof) = proven(Preset::Proven, 64);
        let error = proof.to_felts(&key, &statement).unwrap_err();
        let FeltsError::TooLong { felts, help } = error else { panic!("{error}") };
        assert!(felts > PROOF_FELTS_MAX);
        assert_eq!(help, "use the preset `chain`; prove fewer than 64 inferences at once");
    }
}
