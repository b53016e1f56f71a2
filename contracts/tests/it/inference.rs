//! Inferences of small models, to be proven in a context that a history names.

use std::sync::Arc;

use ciro_model::integer::{Claim, Committing, Context, StatedInput, StatedTensor, Statement};
use ciro_model::{IntegerModel, Interface, Tensor};
use ciro_stark::{Plan, Preset, SALT_BYTES, Salt, TensorProver, commit};
use starknet_types_core::felt::Felt as Felt252;
use starknet_types_core::hash::{Poseidon, StarkHash};

use crate::chain::id;
use crate::facts::{bundle, felt};

/// A model with one input, and what it is given.
pub(crate) struct Inference {
    prover: TensorProver,
    input: Tensor<i32>,
    committing: Committing,
}

/// A proof as `Facts` takes it behind the model's id, and the fact that the SDK names.
pub(crate) struct Shown {
    pub(crate) felts: Vec<Felt252>,
    pub(crate) fact: Felt252,
}

fn salt() -> Salt {
    Salt::from_bytes([7; SALT_BYTES])
}

/// Integers as felts.
pub(crate) fn felts(integers: &[i32]) -> Vec<Felt252> {
    integers.iter().map(|&integer| integer.into()).collect()
}

impl Inference {
    /// An inference whose input is shown, or committed to.
    pub(crate) fn new(
        model: Arc<IntegerModel>,
        input: Tensor<i32>,
        committing: Committing,
    ) -> Self {
        let interface = Interface::of(&model);
        let visibilities = interface.visibilities(&committing, &Committing::Nothing).unwrap();
        let plan = Plan::showing(model, Preset::Chain, 1, visibilities).unwrap();
        Self { prover: plan.commit(), input, committing }
    }

    fn inputs(&self) -> Vec<Tensor<i32>> {
        vec![self.input.clone()]
    }

    /// What the model gives.
    pub(crate) fn outputs(&self) -> Vec<Tensor<i32>> {
        let model = self.prover.model();
        let trace = model.trace(&self.inputs()).unwrap();
        model.outputs().iter().map(|output| trace.value(output.node).clone()).collect()
    }

    /// The integers of the only output.
    pub(crate) fn output(&self) -> Vec<Felt252> {
        felts(self.outputs()[0].data())
    }

    /// The felts of inputs and of outputs that a fact is about.
    fn stated(&self) -> [Vec<Felt252>; 2] {
        let claim = if self.committing.is_nothing() {
            Claim::public(self.inputs(), self.outputs())
        } else {
            let commitment = StatedTensor::Committed(commit(self.input.data(), salt()));
            let outputs = self.outputs().into_iter().map(StatedTensor::Public).collect();
            Claim { input: StatedInput::Mixed(vec![commitment]), outputs }
        };
        let statement = Statement::of(vec![claim]);
        let stated = self.prover.key().statement_to_felts(&statement).unwrap();
        [stated.inputs, stated.outputs].map(|felts| felts.iter().map(felt).collect())
    }

    /// The felt of the commitment to the input.
    pub(crate) fn commitment(&self) -> Vec<Felt252> {
        let [inputs, _] = self.stated();
        inputs
    }

    /// The model's id, and the hashes of inputs and of outputs.
    pub(crate) fn about(&self) -> Vec<Felt252> {
        let [inputs, outputs] = self.stated().map(|felts| Poseidon::hash_array(&felts));
        vec![id(self.prover.key()), inputs, outputs]
    }

    /// The key in felts.
    pub(crate) fn key(&self) -> Vec<Felt252> {
        self.prover.key().to_felts().unwrap().iter().map(felt).collect()
    }

    /// Proves it, bound to a context.
    pub(crate) fn prove(&self, context: Felt252) -> Shown {
        let context = Context::from_bytes(context.to_bytes_be()).unwrap();
        let salts = if self.committing.is_nothing() { vec![] } else { vec![salt()] };
        let (statement, proof) =
            self.prover.prove_committed(&[self.inputs()], context, &salts).unwrap();
        let (key, bundle) = bundle(&(self.prover.key().clone(), statement, proof));
        let calldata = bundle.calldata(&key).unwrap();
        // `Facts` takes the model's id apart.
        let felts = calldata.felts[1..].iter().map(felt).collect();
        Shown { felts, fact: felt(&calldata.fact) }
    }
}
