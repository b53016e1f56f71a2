//! White-box tests: honest witnesses satisfy every chip, and a prover that cheats in any cell is
//! caught.

use std::sync::Arc;

use ciro_model::integer::{Claim, Statement, Visibilities};
use ciro_model::{IntegerModel, Interface, Tensor};
use num_traits::{One, Zero};
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;
use stwo_constraint_framework::{FrameworkEval as _, InfoEvaluator};

use super::check::faults;
use super::masks::Entropy;
use super::{Plan, StarkProveError, TensorProver};
use crate::air::{Air, Balance, Challenges, Chip as _, Places};
use crate::chips::AnyChip;
use crate::chips::product::AccumulateFixed;
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::ProofShape;
use crate::rows::Column;
use crate::secrecy::Secrecy;
use crate::security::{Counts, Security};
use crate::verify::{Policy, VerificationError, verify};

#[path = "../../tests/it/models.rs"]
#[expect(dead_code, reason = "some models are refused, which the integration tests look at")]
pub(crate) mod models;

/// All that a key may say of its proofs, but for the preset that grinds for seconds.
fn secrecies_and_presets() -> impl Iterator<Item = (Secrecy, Preset)> {
    let both = [Secrecy::Plain, Secrecy::Hiding].into_iter();
    both.flat_map(|secrecy| Preset::QUICK.map(|preset| (secrecy, preset)))
}

/// Any randomness.
fn entropy() -> Entropy {
    Entropy::new(&[1; 32], [2; 32], [3; 32])
}

/// A prover with an honest statement and witness, to be tampered with.
pub(super) struct Case {
    prover: TensorProver,
    pub(super) statement: Statement,
    pub(super) witness: Vec<Vec<Column>>,
}

/// A model that is laid out for proofs that hide.
pub(crate) fn hiding(model: &Arc<IntegerModel>, preset: Preset) -> Plan {
    let visibilities = Visibilities::public(&Interface::of(model));
    Plan::hiding(Arc::clone(model), preset, 1, visibilities).unwrap()
}

impl Case {
    fn new(model: &Arc<IntegerModel>, batch: u32) -> Self {
        Self::at(Preset::FastTest, model, batch)
    }

    pub(super) fn at(preset: Preset, model: &Arc<IntegerModel>, batch: u32) -> Self {
        Self::with(TensorProver::new(Arc::clone(model), preset, batch).unwrap(), batch)
    }

    /// One sample, that is proven plainly or hides.
    pub(super) fn of(secrecy: Secrecy, preset: Preset, model: &Arc<IntegerModel>) -> Self {
        match secrecy {
            Secrecy::Plain => Self::at(preset, model, 1),
            Secrecy::Hiding => Self::with(hiding(model, preset).commit(), 1),
        }
    }

    fn with(prover: TensorProver, batch: u32) -> Self {
        let model = Arc::clone(prover.model());
        let inputs: Vec<_> = (0..batch).map(|seed| models::inputs(&model, seed.into())).collect();
        let traces: Vec<_> = inputs.iter().map(|inputs| model.trace(inputs).unwrap()).collect();
        let claim = |inputs: Vec<Tensor<i32>>| {
            let outputs = model.run(&inputs).unwrap();
            Claim::public(inputs, outputs)
        };
        let claims = inputs.into_iter().map(claim).collect();
        let witness = prover.witness(&prover.layout().values(&traces, &[]));
        Self { prover, statement: Statement::of(claims), witness }
    }

    fn faults(&self) -> Vec<String> {
        faults(&self.prover.layout().chips, &self.witness, &self.statement)
    }

    /// The position of the first chip that `find` accepts.
    pub(super) fn chip(&self, find: impl Fn(&AnyChip) -> bool) -> usize {
        self.prover.layout().chips.iter().position(|placed| find(&placed.chip)).unwrap()
    }

    /// A proof of the witness as it stands, with its key and statement.
    pub(super) fn proof(&self) -> (ModelKey, Statement, Proof) {
        let proof = self.prover.prove_unchecked(&self.statement, &self.witness);
        (self.prover.key().clone(), self.statement.clone(), proof)
    }

    /// What a verifier says of a proof of the witness as it stands.
    pub(super) fn verdict(&self) -> Result<(), VerificationError> {
        let (key, statement, proof) = self.proof();
        let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
        verify(&key, &statement, &proof, &policy)
    }
}

#[test]
fn honest_witnesses_have_no_faults() {
    for batch in [1, 3] {
        for (name, model) in models::all() {
            let case = Case::new(&model, batch);
            assert_eq!(case.faults(), Vec::<String>::new(), "{name}, batch {batch}");
        }
    }
}

/// The only cells that may hold anything: raw values in rows that belong to no product. Nothing
/// reads them, and they enter no fold that is used.
fn is_idle(case: &Case, chip: usize, row: usize) -> bool {
    let placed = &case.prover.layout().chips[chip];
    let AnyChip::Accumulate(accumulate) = &placed.chip else { return false };
    // In a row of a product the inner fold goes on, or the inner axis ends.
    let at = AccumulateFixed::<Places>::at(0, accumulate);
    let in_product = [at.keep, at.close].iter().any(|&flag| placed.fixed[flag][row].is_one())
        || (row + 1 < 1 << accumulate.log_size && placed.fixed[at.keep][row + 1].is_one());
    accumulate.limbs.is_none() && !in_product
}

#[test]
fn every_witness_cell_is_pinned() {
    for (name, model) in models::all() {
        let mut case = Case::new(&model, 1);
        let mut stream = models::Stream::new(5);
        for chip in 0..case.witness.len() {
            let log_size = case.prover.layout().chips[chip].chip.log_size();
            for column in 0..case.witness[chip].len() {
                // All rows of small chips, a sample of the others.
                let rows: Vec<usize> = if log_size <= 5 {
                    (0..1 << log_size).collect()
                } else {
                    let last = (1i64 << log_size) - 1;
                    (0..8).map(|_| usize::try_from(stream.within(0, last)).unwrap()).collect()
                };
                let rows: Vec<usize> =
                    rows.into_iter().filter(|&row| !is_idle(&case, chip, row)).collect();
                for row in rows {
                    let honest = case.witness[chip][column][row];
                    case.witness[chip][column][row] += BaseField::one();
                    let caught = !case.faults().is_empty();
                    case.witness[chip][column][row] = honest;
                    let chip = case.prover.layout().chips[chip].chip.name();
                    assert!(caught, "{name}: {chip}: column {column}, row {row} is free");
                }
            }
        }
    }
}

/// Adds one to the only output, wherever it stands: in the chip that computes it, among the public
/// values, and in the statement.
pub(super) fn forge_output(case: &mut Case, computed_in: impl Fn(&AnyChip) -> bool) {
    let output = case.statement.claims[0].outputs[0].public_mut().unwrap().data_mut();
    let honest = crate::field::embed(output[0]);
    output[0] += 1;
    let io = case.chip(|chip| matches!(chip, AnyChip::Io(_)));
    let computed = case.chip(computed_in);
    for chip in [computed, io] {
        let cells = case.witness[chip].iter_mut().flatten();
        cells.filter(|value| **value == honest).for_each(|value| *value += BaseField::one());
    }
}

#[test]
fn a_violated_constraint_is_caught_out_of_domain() {
    for (secrecy, preset) in secrecies_and_presets() {
        let mut case = Case::of(secrecy, preset, &models::affine());
        forge_output(&mut case, |chip| matches!(chip, AnyChip::Arithmetic(_)));
        assert_eq!(case.verdict(), Err(VerificationError::Constraints), "{secrecy:?}, {preset}");
    }
}

#[test]
fn a_prover_says_which_balance_its_own_trace_breaks() {
    let mut case = Case::new(&models::mlp(), 1);
    let chip = case.chip(|chip| matches!(chip, AnyChip::Table(_)));
    case.witness[chip][0][0] += BaseField::one();
    let error =
        case.prover.prove_witness(&case.statement, &case.witness, Some(&entropy())).unwrap_err();
    assert!(matches!(error, StarkProveError::Wiring), "{error}");

    let mut case = Case::new(&models::dense(), 1);
    forge_output(&mut case, |chip| matches!(chip, AnyChip::Accumulate(_)));
    let error =
        case.prover.prove_witness(&case.statement, &case.witness, Some(&entropy())).unwrap_err();
    assert!(matches!(error, StarkProveError::Products), "{error}");

    let mut case = Case::new(&models::affine(), 1);
    forge_output(&mut case, |chip| matches!(chip, AnyChip::Arithmetic(_)));
    let error =
        case.prover.prove_witness(&case.statement, &case.witness, Some(&entropy())).unwrap_err();
    assert!(matches!(error, StarkProveError::Unsatisfied), "{error}");
}

#[test]
fn provers_and_verifiers_find_the_same_parameters_and_they_meet_the_policy() {
    for (name, model) in models::all() {
        for (preset, batch) in Preset::ALL.into_iter().flat_map(|preset| [(preset, 1), (preset, 3)])
        {
            let plan = Plan::new(Arc::clone(&model), preset, batch).unwrap();
            let (security, parameters) = (plan.security(), plan.layout().parameters(preset));
            let key = plan.commit().key().clone();
            assert_eq!(key.parameters(), parameters, "{name}, {preset}");
            assert_eq!(Security::of(&key), security, "{name}, {preset}");
            let reached = |security: &Security| match preset {
                Preset::FastTest => 100.0,
                Preset::Proven => security.proven_bits,
                _ => security.conjectured_bits,
            };
            assert!(reached(&security) >= 100.0, "{name}, {preset}: {security:?}");
            let plan = hiding(&model, preset);
            let (security, parameters) = (plan.security(), plan.layout().parameters(preset));
            assert!(reached(&security) >= 100.0, "{name}, {preset}: {security:?}");
            let shortest = plan.layout().shapes().iter().map(|chip| chip.log_size()).min();
            assert!(shortest >= Some(parameters.log_size_min()), "{name}, {preset}");
            let key = plan.commit().key().clone();
            assert_eq!(key.parameters(), parameters, "{name}, {preset}");
            let read = ModelKey::from_bytes(&key.to_bytes());
            match preset {
                // The verifier on the chain knows plain proofs alone.
                Preset::Chain => assert!(read.is_err(), "{name}"),
                _ => assert_eq!(read, Ok(key), "{name}, {preset}"),
            }
        }
    }
}

#[test]
fn the_ledger_counts_every_constraint_and_every_opening() {
    for (name, model) in models::all() {
        let plain = TensorProver::new(Arc::clone(&model), Preset::FastTest, 1).unwrap();
        let hiding = hiding(&model, Preset::FastTest).commit();
        for key in [plain.key(), hiding.key()] {
            check_ledger(name, key);
        }
    }
}

fn check_ledger(name: &str, key: &ModelKey) {
    let counts = Counts::of(&key.chips, key.secrecy);
    // Whatever is opened in two rows is opened a third time, one period further on.
    let terms = |&rows: &usize| if rows == 2 { 3 } else { rows };
    let openings: usize = ProofShape::of(key).openings.iter().flatten().map(terms).sum();
    assert_eq!(counts.openings, openings as u64, "{name}");
    let (balance, zero) = (Balance::of(&key.chips), SecureField::zero());
    let constraints = |(number, &chip): (usize, &AnyChip)| {
        let closing = balance.closing((number, &chip), zero);
        let air = Air::new((number, chip), Challenges::dummy().clone(), closing);
        air.evaluate(InfoEvaluator::new(chip.log_size(), vec![], zero)).n_constraints
    };
    let constraints: usize = key.chips.iter().enumerate().map(constraints).sum();
    assert_eq!(counts.constraints, constraints as u64, "{name}");
}

/// A proof with proofs of work before the challenges of its rounds.
fn worked() -> (TensorProver, Statement, Proof) {
    let model = models::mlp();
    let inputs = models::inputs(&model, 7);
    let prover = TensorProver::new(model, Preset::Proven, 1).unwrap();
    let (statement, proof) = prover.prove(&[inputs]).unwrap();
    assert!(prover.key().parameters().round_pow_bits > 0);
    assert_eq!(proof.nonces.len(), prover.key().parameters().nonces(prover.key().max_log_size()));
    (prover, statement, proof)
}

#[test]
fn every_proof_of_work_before_a_challenge_is_asked_for() {
    let (prover, statement, proof) = worked();
    let policy = Policy { min_security_bits: 100, min_proven_bits: 100 };
    verify(prover.key(), &statement, &proof, &policy).unwrap();
    for nonce in 0..proof.nonces.len() {
        // A few bits are asked for: some other nonces do as well, but then other challenges follow.
        let verdicts = (0..16).map(|bit| {
            let mut proof = proof.clone();
            proof.nonces[nonce] ^= 1 << bit;
            verify(prover.key(), &statement, &proof, &policy)
        });
        let verdicts: Vec<_> = verdicts.collect();
        assert!(verdicts.iter().all(Result::is_err), "nonce {nonce}");
        let missing = Err(VerificationError::ChallengeProofOfWork);
        assert!(verdicts.contains(&missing), "nonce {nonce}: {verdicts:?}");
    }
    let mut fewer = proof;
    fewer.nonces.pop();
    let verdict = verify(prover.key(), &statement, &fewer, &policy);
    assert_eq!(verdict, Err(VerificationError::Structure("number of nonces")));
}
