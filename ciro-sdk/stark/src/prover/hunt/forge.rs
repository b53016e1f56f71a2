//! A prover that lies: values of its choice, everything behind them computed from the lie, every
//! multiplicity chosen so that it balances.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ciro_model::integer::{Claim, NodeId, Statement, Visibilities};
use ciro_model::{IntegerModel, Interface, Tensor};
use stwo::core::fields::m31::P;

use super::record::{lookups, rebalance};
use crate::air::Relation;
use crate::commitment::{SALT_BYTES, Salt};
use crate::field::embed;
use crate::key::ModelKey;
use crate::layout::Address;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::prover::check::faults;
use crate::prover::{Plan, TensorProver};
use crate::rows::Column;
use crate::verify::{Policy, VerificationError, verify};

/// Values of the caller's choice: sample, node, element, value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lie {
    pub(super) sample: usize,
    pub(super) node: NodeId,
    pub(super) element: usize,
    pub(super) value: i32,
}

/// A model with inputs, and what the prover says it computed.
#[derive(Debug)]
pub(super) struct Forge {
    pub(super) model: Arc<IntegerModel>,
    pub(super) prover: Arc<TensorProver>,
    inputs: Vec<Vec<Tensor<i32>>>,
    /// For each sample the values of all nodes.
    pub(super) nodes: Vec<Vec<Tensor<i32>>>,
    pub(super) witness: Vec<Vec<Column>>,
    pub(super) statement: Statement,
    /// Those of committed tensors.
    salts: Vec<Salt>,
}

impl Forge {
    /// The honest prover, at the preset whose proofs are made fastest. `Err` with the layout's
    /// error if the model cannot be proven.
    pub(super) fn honest(
        model: &Arc<IntegerModel>,
        inputs: Vec<Vec<Tensor<i32>>>,
    ) -> Result<Self, String> {
        Self::at(Preset::FastTest, model, inputs)
    }

    /// The honest prover at a preset.
    pub(super) fn at(
        preset: Preset,
        model: &Arc<IntegerModel>,
        inputs: Vec<Vec<Tensor<i32>>>,
    ) -> Result<Self, String> {
        Self::showing(preset, model, inputs, Visibilities::public(&Interface::of(model)))
    }

    /// The honest prover of proofs that show inputs and outputs like this.
    pub(super) fn showing(
        preset: Preset,
        model: &Arc<IntegerModel>,
        inputs: Vec<Vec<Tensor<i32>>>,
        visibilities: Visibilities,
    ) -> Result<Self, String> {
        let batch = u32::try_from(inputs.len()).unwrap();
        let plan = Plan::showing(Arc::clone(model), preset, batch, visibilities);
        let prover = Arc::new(plan.map_err(|error| error.to_string())?.commit());
        let nodes = evaluate(model, &inputs, &[]);
        Ok(Self::of(model, prover, inputs, nodes))
    }

    /// The same prover with lies. `None` if they lead where the interpreter has no value.
    pub(super) fn lying(&self, lies: &[Lie]) -> Option<Self> {
        catch_unwind(AssertUnwindSafe(|| {
            let nodes = evaluate(&self.model, &self.inputs, lies);
            Self::of(&self.model, Arc::clone(&self.prover), self.inputs.clone(), nodes)
        }))
        .ok()
    }

    fn of(
        model: &Arc<IntegerModel>,
        prover: Arc<TensorProver>,
        inputs: Vec<Vec<Tensor<i32>>>,
        nodes: Vec<Vec<Tensor<i32>>>,
    ) -> Self {
        let sample = |(inputs, values): (&Vec<Tensor<i32>>, &Vec<Tensor<i32>>)| {
            let outputs = model.outputs().iter().map(|o| values[o.node.index()].clone()).collect();
            Claim::public(inputs.clone(), outputs)
        };
        let statement = Statement::of(inputs.iter().zip(&nodes).map(sample).collect());
        let salts = prover.layout().salts.iter().zip(1..);
        let salts: Vec<Salt> = salts.map(|(_, at)| Salt::from_bytes([at; SALT_BYTES])).collect();
        let statement = prover.key().state(statement, &salts);
        let (model, witness) = (Arc::clone(model), vec![]);
        let mut this = Self { model, prover, inputs, nodes, witness, statement, salts };
        this.witness = this.prover.witness(&this.memory());
        this
    }

    /// The value of every address.
    pub(super) fn memory(&self) -> Vec<i32> {
        let layout = self.prover.layout();
        let mut values = vec![];
        for nodes in &self.nodes {
            for (base, tensor) in layout.bases.iter().zip(nodes) {
                if base.is_some() {
                    values.extend_from_slice(tensor.data());
                }
            }
        }
        values.extend_from_slice(&layout.extra);
        layout.fill(&mut values, &self.salts);
        values
    }

    /// The tensor element at an address; `None` for constants and values between steps.
    pub(super) fn element(&self, address: Address) -> Option<(usize, NodeId, usize)> {
        let layout = self.prover.layout();
        let per_sample: usize = self
            .model
            .iter()
            .map(|(id, node)| if layout.bases[id.index()].is_some() { node.len() } else { 0 })
            .sum();
        let address = address as usize;
        if address >= per_sample * self.nodes.len() {
            return None;
        }
        let (sample, at) = (address / per_sample, address % per_sample);
        self.model.iter().find_map(|(id, node)| {
            let base = layout.bases[id.index()]? as usize;
            (base..base + node.len()).contains(&at).then(|| (sample, id, at - base))
        })
    }

    /// The nodes of committed inputs.
    pub(super) fn committed_inputs(&self) -> Vec<NodeId> {
        let visibilities = self.prover.key().visibilities();
        let inputs = self.model.inputs().iter().enumerate();
        let committed = inputs.filter(|(at, _)| visibilities.commits_input(*at));
        committed.flat_map(|(_, input)| input.views.iter().map(|(id, _)| *id)).collect()
    }

    /// Lets every producer write what its readers read.
    pub(super) fn settle(&mut self) {
        let values = self.memory();
        for lookup in lookups(self.prover.layout(), &self.witness) {
            let count = lookup.multiplicity.value.0;
            if lookup.relation == Relation::Memory
                && count != 0
                && count != P - 1
                && let Some(column) = lookup.values[1].column
            {
                let address = lookup.values[0].value.0 as usize;
                self.witness[lookup.chip][column][lookup.row] = embed(values[address]);
            }
        }
    }

    /// Chooses all multiplicities that are the prover's to choose.
    pub(super) fn rebalance(&mut self) {
        rebalance(self.prover.layout(), &mut self.witness);
    }

    /// What a white-box check finds wrong with the trace.
    pub(super) fn faults(&self) -> Vec<String> {
        faults(&self.prover.layout().chips, &self.witness, &self.statement)
    }

    /// A proof of the trace as it stands, with its key and statement.
    pub(super) fn proof(&self) -> (ModelKey, Statement, Proof) {
        let proof = self.prover.prove_unchecked(&self.statement, &self.witness);
        (self.prover.key().clone(), self.statement.clone(), proof)
    }

    /// What a verifier says of a proof of the trace as it stands.
    pub(super) fn verdict(&self) -> Result<(), VerificationError> {
        let (key, statement, proof) = self.proof();
        let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
        verify(&key, &statement, &proof, &policy)
    }

    /// Whether the statement is false: about an output, or about a committed input, which the
    /// statement has as it is and the trace as the prover says.
    pub(super) fn lies(&self) -> bool {
        let honest = evaluate(&self.model, &self.inputs, &[]);
        let outputs = self.model.outputs().iter().map(|output| output.node);
        let inputs = self.model.input_nodes().map(|(id, _)| id);
        outputs.chain(inputs).any(|node| {
            let at = node.index();
            honest.iter().zip(&self.nodes).any(|(honest, said)| honest[at] != said[at])
        })
    }

    /// Whether a verifier accepts a false statement.
    pub(super) fn is_forgery(&self) -> bool {
        self.lies() && self.faults().is_empty() && self.verdict().is_ok()
    }
}

/// The values of all nodes for each sample, with lies put in and everything behind them computed
/// from them.
fn evaluate(
    model: &IntegerModel,
    inputs: &[Vec<Tensor<i32>>],
    lies: &[Lie],
) -> Vec<Vec<Tensor<i32>>> {
    let order: Vec<NodeId> = model.input_nodes().map(|(id, _)| id).collect();
    let sample = |(sample, inputs): (usize, &Vec<Tensor<i32>>)| {
        let mut values: Vec<Tensor<i32>> = vec![];
        for (id, node) in model.iter() {
            let mut value = match order.iter().position(|&input| input == id) {
                Some(at) => inputs[at].clone(),
                None => {
                    let operands: Vec<_> =
                        node.operands.iter().map(|operand| &values[operand.index()]).collect();
                    node.op.operator().eval(&operands, model.constants())
                }
            };
            for lie in lies.iter().filter(|lie| lie.sample == sample && lie.node == id) {
                value.data_mut()[lie.element] = lie.value;
            }
            values.push(value);
        }
        values
    };
    inputs.iter().enumerate().map(sample).collect()
}
