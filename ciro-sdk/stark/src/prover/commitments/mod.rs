//! Provers that cheat with committed tensors: each is refused, and where one check alone refuses
//! it, it is accepted once that check is taken away.

mod statements;

use std::sync::Arc;

use ciro_model::integer::{Claim, StatedInput, StatedTensor, Statement, Visibilities, Visibility};
use ciro_model::{IntegerModel, Interface, Tensor};
use num_traits::One;
use stwo::core::fields::m31::BaseField;

use super::check::faults;
use super::hunt::rebalance;
use super::tests::models;
use super::{Plan, TensorProver};
use crate::air::Places;
use crate::chips::AnyChip;
use crate::chips::defects::Defect;
use crate::chips::hash::{HashFixed, HashWitness};
use crate::commitment::{SALT_BYTES, Salt, commit};
use crate::field::embed;
use crate::poseidon::{RATE, ROUNDS};
use crate::preset::Preset;
use crate::rows::Column;
use crate::verify::{Policy, VerificationError, verify};

const TEST: Policy = Policy { min_security_bits: 0, min_proven_bits: 0 };

/// Which inputs and outputs of a model are committed.
fn showing(model: &IntegerModel, inputs: &[usize], outputs: &[usize]) -> Visibilities {
    let mut visibilities = Visibilities::public(&Interface::of(model));
    inputs.iter().for_each(|&at| visibilities.inputs[at] = Visibility::Committed);
    outputs.iter().for_each(|&at| visibilities.outputs[at] = Visibility::Committed);
    visibilities
}

fn everything(model: &IntegerModel) -> Visibilities {
    let (inputs, outputs) = (model.inputs().len(), model.outputs().len());
    let [inputs, outputs]: [Vec<usize>; 2] = [(0..inputs).collect(), (0..outputs).collect()];
    showing(model, &inputs, &outputs)
}

fn prover(model: &Arc<IntegerModel>, visibilities: Visibilities, batch: u32) -> TensorProver {
    Plan::showing(Arc::clone(model), Preset::FastTest, batch, visibilities).unwrap().commit()
}

fn salts(count: usize, first: u8) -> Vec<Salt> {
    (first..).take(count).map(|byte| Salt::from_bytes([byte; SALT_BYTES])).collect()
}

/// A prover of committed tensors, with what it says and what it puts into its trace.
struct Cheat {
    prover: TensorProver,
    statement: Statement,
    salts: Vec<Salt>,
    /// The value of every address.
    memory: Vec<i32>,
    witness: Vec<Vec<Column>>,
}

impl Cheat {
    fn honest(model: &Arc<IntegerModel>, visibilities: Visibilities, batch: u32) -> Self {
        let inputs = (0..batch).map(|seed| models::inputs(model, seed.into())).collect();
        Self::of(model, visibilities, inputs)
    }

    fn of(
        model: &Arc<IntegerModel>,
        visibilities: Visibilities,
        inputs: Vec<Vec<Tensor<i32>>>,
    ) -> Self {
        let batch = u32::try_from(inputs.len()).unwrap();
        let prover = prover(model, visibilities, batch);
        let traces: Vec<_> = inputs.iter().map(|inputs| model.trace(inputs).unwrap()).collect();
        let claim = |inputs: Vec<Tensor<i32>>| {
            let outputs = model.run(&inputs).unwrap();
            Claim::public(inputs, outputs)
        };
        let salts = salts(prover.layout().salts.len(), 1);
        let statement = Statement::of(inputs.into_iter().map(claim).collect());
        let statement = prover.key().state(statement, &salts);
        let memory = prover.layout().values(&traces, &salts);
        let witness = prover.witness(&memory);
        Self { prover, statement, salts, memory, witness }
    }

    /// Puts values into memory and everything that follows from them into the trace, outputs of
    /// nodes and the statement left as they are.
    fn remember(&mut self, address: u32, value: i32) {
        self.memory[address as usize] = value;
        let layout = self.prover.layout();
        // What no node computes is counted and filled in anew.
        let first = self.memory.len() - layout.extra.len();
        self.memory[first..].copy_from_slice(&layout.extra);
        layout.fill(&mut self.memory, &self.salts);
        self.witness = self.prover.witness(&self.memory);
    }

    fn chip(&self, find: impl Fn(&AnyChip) -> bool) -> usize {
        self.prover.layout().chips.iter().position(|placed| find(&placed.chip)).unwrap()
    }

    fn faults(&self) -> Vec<String> {
        faults(&self.prover.layout().chips, &self.witness, &self.statement)
    }

    fn verdict(&self) -> Result<(), VerificationError> {
        let proof = self.prover.prove_unchecked(&self.statement, &self.witness);
        verify(self.prover.key(), &self.statement, &proof, &TEST)
    }

    fn refused(&self) {
        assert_ne!(self.faults(), Vec::<String>::new());
        assert_eq!(self.verdict(), Err(VerificationError::Constraints));
    }

    /// The commitment of an input or output of the first sample.
    fn stated(&mut self, input: bool, at: usize) -> &mut [u8; 32] {
        let claim = &mut self.statement.claims[0];
        let tensor = match &mut claim.input {
            StatedInput::Mixed(tensors) if input => &mut tensors[at],
            _ => &mut claim.outputs[at],
        };
        let StatedTensor::Committed(commitment) = tensor else { panic!("it is committed") };
        commitment
    }

    /// The first row of the hash chip's tensor with this number.
    fn first_row(&self, tensor: usize) -> usize {
        let hash = self.chip(|chip| matches!(chip, AnyChip::Hash(_)));
        let AnyChip::Hash(chip) = self.prover.layout().chips[hash].chip else { panic!("hash") };
        let at = HashFixed::<Places>::at(0, &chip);
        let fixed = &self.prover.layout().chips[hash].fixed;
        // The row behind a tensor's last round gives its digest.
        let ends = (0..1usize << chip.log_size)
            .filter(|&row| fixed[at.multiplicity][row] == BaseField::one());
        std::iter::once(0).chain(ends.map(|row| row + 1)).nth(tensor).unwrap()
    }
}

#[test]
fn all_models_prove_with_everything_committed() {
    for batch in [1, 2] {
        for (name, model) in models::all() {
            let honest = Cheat::honest(&model, everything(&model), batch);
            assert_eq!(honest.faults(), Vec::<String>::new(), "{name}, batch {batch}");
            assert_eq!(honest.verdict(), Ok(()), "{name}, batch {batch}");
        }
    }
}

#[test]
fn every_cell_of_the_chips_of_commitments_is_pinned() {
    for model in [models::dense(), models::forest(), models::recurrent()] {
        let mut case = Cheat::honest(&model, everything(&model), 1);
        for chip in 0..case.witness.len() {
            let any = case.prover.layout().chips[chip].chip;
            if !matches!(any, AnyChip::Hash(_) | AnyChip::Admit(_)) {
                continue;
            }
            let rows = case.prover.layout().chips[chip].fixed[0].len();
            // Every row of small chips, some of others; a prime step meets rounds of all kinds.
            let step = if rows <= 64 { 1 } else { 13 };
            for column in 0..case.witness[chip].len() {
                for row in (0..rows).step_by(step) {
                    case.witness[chip][column][row] += BaseField::one();
                    let caught = !case.faults().is_empty();
                    case.witness[chip][column][row] -= BaseField::one();
                    assert!(caught, "{any:?}: column {column}, row {row} is free");
                }
            }
        }
    }
}

/// Two inputs of which a prover proves the second and states the commitment to the first, with the
/// first one's digest in memory or the second one's.
fn lying(stated_digest: bool) -> (Cheat, Cheat) {
    let model = models::dense();
    let visibilities = || showing(&model, &[0], &[]);
    let case = |seed| Cheat::of(&model, visibilities(), vec![models::inputs(&model, seed)]);
    let (truth, mut lie) = (case(1), case(2));
    lie.statement.claims[0].input = truth.statement.claims[0].input.clone();
    if stated_digest {
        let digest = lie.prover.layout().salts[0] as usize + RATE;
        let digest = digest..digest + RATE;
        lie.memory[digest.clone()].copy_from_slice(&truth.memory[digest]);
        lie.witness = lie.prover.witness(&lie.memory);
    }
    (truth, lie)
}

#[test]
fn another_value_under_the_same_digest_is_refused() {
    // The model reads the lie, the hash reads the truth.
    let (truth, mut lie) = lying(true);
    let hash = lie.chip(|chip| matches!(chip, AnyChip::Hash(_)));
    lie.witness[hash].clone_from(&truth.witness[hash]);
    let faults = lie.faults();
    assert!(faults.iter().all(|fault| fault.starts_with("relation 1:")), "{faults:?}");
    lie.refused();
}

#[test]
fn another_value_with_its_own_digest_is_refused() {
    // Both read the lie: its digest is not the stated one.
    let (_, lie) = lying(false);
    assert_eq!(lie.faults(), ["public values are not the statement's"]);
    lie.refused();
    {
        let _back = Defect::OpenPublicValues.put_back();
        assert_eq!(lie.verdict(), Ok(()));
    }
    // The public values are the stated ones: the hash does not give them.
    let (_, mut lie) = lying(true);
    let honest = lying(false).1;
    let hash = lie.chip(|chip| matches!(chip, AnyChip::Hash(_)));
    lie.witness[hash].clone_from(&honest.witness[hash]);
    let faults = lie.faults();
    assert!(faults.iter().all(|fault| fault.starts_with("relation 1:")), "{faults:?}");
    lie.refused();
    let _back = Defect::OpenWiring.put_back();
    assert_eq!(lie.verdict(), Ok(()));
}

#[test]
fn a_statement_with_another_salt_tensor_length_or_order_is_refused() {
    let model = models::elementwise();
    let visibilities = everything(&model);
    let honest = Cheat::honest(&model, visibilities.clone(), 1);
    let proof = honest.prover.prove_unchecked(&honest.statement, &honest.witness);
    let integers: Vec<Tensor<i32>> = {
        let inputs = models::inputs(&model, 0);
        let outputs = model.run(&inputs).unwrap();
        inputs.into_iter().chain(outputs).collect()
    };
    let refused = |change: &dyn Fn(&mut Cheat), what: &str| {
        let mut case = Cheat::honest(&model, visibilities.clone(), 1);
        change(&mut case);
        assert_ne!(case.statement, honest.statement, "{what}");
        let expected = Err(VerificationError::Constraints);
        assert_eq!(verify(case.prover.key(), &case.statement, &proof, &TEST), expected, "{what}");
        // A prover that knows the statement's digests before it begins fares no better.
        assert_eq!(case.verdict(), expected, "{what}");
    };
    let other = salts(1, 77)[0];
    let x = integers[0].data();
    refused(&|case| *case.stated(true, 0) = commit(x, other), "salt");
    let salt = honest.salts[0];
    refused(&|case| *case.stated(true, 0) = commit(&x[..9], salt), "shorter");
    refused(&|case| *case.stated(true, 0) = commit(&[x, &[0]].concat(), salt), "longer");
    refused(&|case| *case.stated(true, 0) = commit(&[x, &[0; 6]].concat(), salt), "padded");
    let swapped = |case: &mut Cheat| {
        let (a, b) = (*case.stated(false, 0), *case.stated(false, 1));
        (*case.stated(false, 0), *case.stated(false, 1)) = (b, a);
    };
    refused(&swapped, "outputs swapped");
    let as_output = |case: &mut Cheat| {
        let (a, b) = (*case.stated(true, 0), *case.stated(false, 0));
        (*case.stated(true, 0), *case.stated(false, 0)) = (b, a);
    };
    refused(&as_output, "input and output swapped");
}

#[test]
fn tensors_of_two_samples_are_not_exchanged() {
    let model = models::mlp();
    let mut case = Cheat::honest(&model, everything(&model), 2);
    let outputs: Vec<_> = case.statement.claims.iter().map(|claim| claim.outputs.clone()).collect();
    case.statement.claims[0].outputs.clone_from(&outputs[1]);
    case.statement.claims[1].outputs.clone_from(&outputs[0]);
    case.refused();
}

#[test]
fn a_committed_input_lies_in_its_interval() {
    // The model's one input lies in [1, 100].
    let model = models::affine();
    for outside in [0, 101, -1, 2_000_000, -2_000_000] {
        let mut case = Cheat::honest(&model, everything(&model), 1);
        // Everything that the model and the hash make of it is true.
        let y = 1000 * outside + 7;
        case.memory[1] = y;
        case.remember(0, outside);
        let salts = case.salts.clone();
        *case.stated(true, 0) = commit(&[outside], salts[0]);
        *case.stated(false, 0) = commit(&[y], salts[1]);
        let faults = case.faults();
        assert!(!faults.is_empty(), "{outside}");
        assert!(
            faults
                .iter()
                .all(|fault| fault.contains("admitted inputs") || fault.starts_with("relation 1")),
            "{outside}: {faults:?}"
        );
        assert_eq!(case.verdict(), Err(VerificationError::Constraints), "{outside}");
    }
}

/// A trace in which the limbs of a value outside are whatever makes the identity hold.
#[test]
fn an_interval_is_checked_at_both_ends() {
    let model = models::affine();
    for (outside, above, below) in [(101, 100, -1), (0, -1, 100)] {
        let case = || {
            let mut case = Cheat::honest(&model, everything(&model), 1);
            case.memory[1] = 1000 * outside + 7;
            case.remember(0, outside);
            let salts = case.salts.clone();
            *case.stated(true, 0) = commit(&[outside], salts[0]);
            *case.stated(false, 0) = commit(&[1000 * outside + 7], salts[1]);
            let admit = case.chip(|chip| matches!(chip, AnyChip::Admit(_)));
            let AnyChip::Admit(chip) = case.prover.layout().chips[admit].chip else {
                panic!("admit")
            };
            // The highest limb takes what is left.
            let (count, bits) = (chip.limbs.count(), chip.limbs.bits());
            for (side, value) in [above, below].into_iter().enumerate() {
                let value = embed(value).0;
                for k in 0..count {
                    let rest = value >> (k * bits);
                    let limb = if k + 1 < count { rest & ((1 << bits) - 1) } else { rest };
                    let column = side * count as usize + k as usize;
                    case.witness[admit][column][0] = limb.into();
                }
            }
            rebalance(case.prover.layout(), &mut case.witness);
            case
        };
        let faults = case().faults();
        assert!(faults.iter().all(|fault| fault.starts_with("relation 2")), "{faults:?}");
        case().refused();
        let _back = Defect::WideAdmission.put_back();
        assert_eq!(case().verdict(), Ok(()), "{outside}");
    }
}

#[test]
fn minus_infinity_is_no_committed_number() {
    let model = models::forest();
    let numbers = |high: i32, low: i32| {
        let mut inputs = models::inputs(&model, 3);
        inputs[0].data_mut()[..2].copy_from_slice(&[high, low]);
        inputs
    };
    let visibilities = || everything(&model);
    // The least finite number and the greatest are.
    for (high, low) in [(-0x7f80, 1), (0x7f7f, 0xffff), (0, 0), (-1, 0xffff)] {
        let case = Cheat::of(&model, visibilities(), vec![numbers(high, low)]);
        assert_eq!(case.verdict(), Ok(()), "{high} {low}");
    }
    // The interpreter does not take it, so the trace is one of another number with this low limb
    // and every rank the same.
    let case = || {
        let mut case = Cheat::of(&model, visibilities(), vec![numbers(-0x7f80, 1)]);
        let x = model.inputs()[0].views[0].0;
        let base = case.prover.layout().bases[x.index()].unwrap();
        case.remember(base + 1, 0);
        let salts = case.salts.clone();
        *case.stated(true, 0) = commit(numbers(-0x7f80, 0)[0].data(), salts[0]);
        case
    };
    let faults = case().faults();
    assert!(faults.iter().all(|fault| fault.starts_with("admitted inputs")), "{faults:?}");
    case().refused();
    let _back = Defect::AnyImage.put_back();
    assert_eq!(case().verdict(), Ok(()));
}

#[test]
fn a_tensor_begins_with_the_start_and_not_with_what_was_before() {
    // A prover that lets the first tensor's last state run into the second one's first row.
    let model = models::mlp();
    let mut case = Cheat::honest(&model, everything(&model), 1);
    let second = case.first_row(1);
    let hash = case.chip(|chip| matches!(chip, AnyChip::Hash(_)));
    let AnyChip::Hash(chip) = case.prover.layout().chips[hash].chip else { panic!("hash") };
    let at = HashWitness::<Places>::at(0, &chip);
    // The capacity of the row before is not 0; a square that is not 0 would carry it on.
    case.witness[hash][at.squares[RATE]][second - 1] = BaseField::one();
    let faults = case.faults();
    assert!(faults.iter().any(|fault| fault.contains("commitments: row")), "{faults:?}");
    case.refused();
}

#[test]
fn rounds_between_blocks_absorb_nothing() {
    let model = models::mlp();
    for row in [1, ROUNDS - 1, ROUNDS + 1] {
        let mut case = Cheat::honest(&model, everything(&model), 1);
        let hash = case.chip(|chip| matches!(chip, AnyChip::Hash(_)));
        let AnyChip::Hash(chip) = case.prover.layout().chips[hash].chip else { panic!("hash") };
        let at = HashWitness::<Places>::at(0, &chip);
        case.witness[hash][at.absorbed[0]][row] += BaseField::one();
        case.refused();
    }
}
