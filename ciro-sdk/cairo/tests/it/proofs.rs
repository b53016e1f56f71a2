//! One proof: what it states, and everything that it must not pass for.

use bincode::Options;
use cairo_air::CairoProofForRustVerifier;
use ciro_cairo::{
    CairoProof, CairoVerificationError, EmitSettings, InputMode, MalformedClaim, ProofDecodeError,
    StatementError, expected_claim, prove, verify, verify_statement,
};
use ciro_model::integer::ops::{Linear, Requantize};
use ciro_model::integer::{Claim, IntegerModel};
use ciro_model::tensor::Tensor;
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::SecureField;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::PreProcessedTraceVariant;

use crate::support::{Case, Compiled};

type Inner = CairoProofForRustVerifier<Blake2sMerkleHasher>;

/// A change to a proof.
type Change = fn(&mut Inner);

const MAGIC: &[u8] = b"ciro-cairo-proof/3\n";

/// A layer with committed weights, of which one is `weight`.
fn layer(weight: i32) -> (IntegerModel, Vec<Tensor<i32>>) {
    let mut case = Case::default();
    let x = case.input(&[2, 3], vec![3, -1, 4, 1, -5, 9], (-9, 9));
    let weight = case.constant(&[3, 4], vec![1, 2, 3, 4, 5, 6, -7, 8, 9, 10, 11, weight]);
    let y = case.node(Linear { weight, bias: None }, &[x]);
    case.output(Requantize { shift: 2, lo: 0, hi: 20 }, &[y]);
    case.finish()
}

fn committed(model: &IntegerModel) -> Compiled {
    let mut settings = EmitSettings::default();
    settings.inline_max = 0;
    Compiled::new(model, settings)
}

/// A model, and a proof about it in bytes.
struct Proven {
    compiled: Compiled,
    statement: Claim,
    proof: Vec<u8>,
}

/// One proof serves all checks: it takes seconds and 1.7 GB.
#[test]
fn a_proof_passes_for_nothing_but_its_own_statement() {
    let proven = Proven::new();
    states_what_the_interpreter_computes(&proven);
    another_model_input_or_output_is_refused(&proven);
    a_key_with_other_names_is_another_key(&proven);
    weaker_parameters_are_refused(&proven);
    malformed_claims_are_refused(&proven);
    malformed_forms_are_refused(&proven);
    another_output_or_witness_does_not_hold(&proven);
    shorter_longer_and_changed_bytes_are_refused(&proven);
}

impl Proven {
    fn new() -> Self {
        let (model, inputs) = layer(12);
        let compiled = committed(&model);
        let execution = compiled.run(&inputs, InputMode::Public);
        let statement = expected_claim(&model, &inputs, InputMode::Public).unwrap();
        let proof = prove(&compiled.program, execution).unwrap().to_bytes();
        Self { compiled, statement, proof }
    }

    fn proof(&self) -> CairoProof {
        CairoProof::from_bytes(&self.proof).unwrap()
    }

    /// Verifies the proof after a change, through its bytes.
    fn altered(&self, change: impl FnOnce(&mut Inner)) -> CairoVerificationError {
        let mut inner = Inner::from(self.proof());
        change(&mut inner);
        let proof = CairoProof::from_bytes(&CairoProof::from(inner).to_bytes()).unwrap();
        verify(&self.compiled.key, proof).unwrap_err()
    }
}

fn states_what_the_interpreter_computes(proven: &Proven) {
    let stated = verify(&proven.compiled.key, proven.proof()).unwrap();
    assert_eq!(stated, proven.statement);
    verify_statement(&proven.compiled.key, proven.proof(), &proven.statement).unwrap();
    assert!(proven.compiled.key.to_bytes().len() < 10_000);
    assert_eq!(proven.proof().to_bytes(), proven.proof);
}

fn another_model_input_or_output_is_refused(proven: &Proven) {
    // One weight differs, which the program knows by its commitment alone.
    let (other, _) = layer(13);
    let error = verify(&committed(&other).key, proven.proof()).unwrap_err();
    assert!(matches!(error, CairoVerificationError::Program { .. }), "{error}");

    let (model, mut inputs) = layer(12);
    inputs[0] = Tensor::new(vec![2, 3], vec![3, -1, 4, 1, -5, 8]).unwrap();
    let expected = expected_claim(&model, &inputs, InputMode::Public).unwrap();
    let error = verify_statement(&proven.compiled.key, proven.proof(), &expected).unwrap_err();
    assert!(matches!(error, CairoVerificationError::Stated("input")), "{error}");

    let mut expected = proven.statement.clone();
    let mut output = expected.outputs[0].public().unwrap().data().to_vec();
    output[0] += 1;
    *expected.outputs[0].public_mut().unwrap() = Tensor::new(vec![2, 4], output).unwrap();
    let error = verify_statement(&proven.compiled.key, proven.proof(), &expected).unwrap_err();
    assert!(matches!(error, CairoVerificationError::Stated("output")), "{error}");
}

/// The bytecode is the key's, the identity that it states is another one's.
fn a_key_with_other_names_is_another_key(proven: &Proven) {
    let changes: [fn(&mut ciro_cairo::CairoKey); 3] = [
        |key| key.interface.outputs[0].name = "verdict".to_owned(),
        |key| key.interface.inputs[0].name = "z".to_owned(),
        |key| key.model[0] ^= 1,
    ];
    for change in changes {
        let mut key = proven.compiled.key.clone();
        change(&mut key);
        let error = verify(&key, proven.proof()).unwrap_err();
        assert_eq!(error, CairoVerificationError::Statement(StatementError::Identity));
    }
}

fn weaker_parameters_are_refused(proven: &Proven) {
    let changes: [(&str, Change); 7] = [
        ("pcs_config", |proof| proof.stark_proof.0.config.pow_bits = 0),
        ("pcs_config", |proof| proof.stark_proof.0.config.fri_config.n_queries = 1),
        ("lifting_log_size", |proof| proof.stark_proof.0.config.lifting_log_size = Some(24)),
        ("preprocessed_trace", |proof| {
            proof.preprocessed_trace_variant = PreProcessedTraceVariant::Canonical;
        }),
        ("channel_salt", |proof| proof.channel_salt = 1),
        ("commitments", |proof| {
            proof.stark_proof.0.commitments.pop();
        }),
        ("preprocessed_root", |proof| {
            proof.stark_proof.0.commitments[0] = proof.stark_proof.0.commitments[1];
        }),
    ];
    for (name, change) in changes {
        match proven.altered(change) {
            CairoVerificationError::Parameters { what, .. } => assert_eq!(what, name),
            error => panic!("{name}: {error}"),
        }
    }
}

fn malformed_claims_are_refused(proven: &Proven) {
    let changes: [(MalformedClaim, Change); 17] = [
        (MalformedClaim::Address, |proof| {
            proof.claim.public_data.initial_state.ap += M31::from(1);
        }),
        (MalformedClaim::NotCanonical("a register"), |proof| {
            proof.claim.public_data.final_state.fp = M31::from_u32_unchecked(P);
        }),
        (MalformedClaim::NotCanonical("public memory"), |proof| {
            proof.claim.public_data.public_memory.output[0].1 = [u32::MAX; 8];
        }),
        (MalformedClaim::Output, |proof| {
            proof.claim.public_data.public_memory.output.pop();
        }),
        (MalformedClaim::Builtins, |proof| {
            proof.claim.public_data.public_memory.public_segments.poseidon = None;
        }),
        (MalformedClaim::Segment("range_check"), |proof| {
            proof.claim.range_check_builtin = None;
        }),
        (MalformedClaim::Missing("verify_instruction"), |proof| {
            proof.claim.verify_instruction = None;
        }),
        (MalformedClaim::LookupSums, |proof| {
            let sums = proof.interaction_claim.memory_id_to_big.as_mut().unwrap();
            sums.claimed_sum += SecureField::from(M31::from(1));
        }),
        (MalformedClaim::Rows(30), |proof| {
            proof.claim.verify_instruction.as_mut().unwrap().log_size = 30;
        }),
        (MalformedClaim::Address, |proof| {
            proof.claim.public_data.initial_state.pc = M31::from(2);
        }),
        (MalformedClaim::Address, |proof| {
            proof.claim.public_data.final_state.pc = M31::from(4);
        }),
        (MalformedClaim::Address, |proof| {
            proof.claim.public_data.final_state.fp += M31::from(1);
        }),
        (MalformedClaim::Segment("range_check"), |proof| {
            let segments = &mut proof.claim.public_data.public_memory.public_segments;
            segments.range_check_128.as_mut().unwrap().stop_ptr.value = 1 << 28;
        }),
        (MalformedClaim::Segment("poseidon"), |proof| {
            let segments = &mut proof.claim.public_data.public_memory.public_segments;
            segments.poseidon.as_mut().unwrap().stop_ptr.value += 1;
        }),
        (MalformedClaim::LookupSums, |proof| {
            // As many sums as before, one of them of a component that the claim does not enable.
            let sum = proof.interaction_claim.ret_opcode.take().unwrap().claimed_sum;
            proof.interaction_claim.ec_op_builtin =
                Some(cairo_air::components::ec_op_builtin::InteractionClaim { claimed_sum: sum });
        }),
        (MalformedClaim::Missing("memory_id_to_big"), |proof| {
            proof.claim.memory_id_to_big.as_mut().unwrap().big_log_sizes = vec![4; 17];
        }),
        (MalformedClaim::Rows(0), |proof| {
            proof.claim.memory_id_to_small.as_mut().unwrap().log_size = 0;
        }),
    ];
    for (expected, change) in changes {
        match proven.altered(change) {
            CairoVerificationError::Claim(error) => assert_eq!(error, expected),
            error => panic!("{expected}: {error}"),
        }
    }
}

/// What stwo asserts of a proof's form is an error here, found before stwo sees the proof.
fn malformed_forms_are_refused(proven: &Proven) {
    let changes: [(&str, Change); 8] = [
        ("number of trees", |proof| {
            proof.stark_proof.0.sampled_values.0.pop();
        }),
        ("number of trees", |proof| {
            proof.stark_proof.0.decommitments.0.pop();
        }),
        ("number of opened values", |proof| {
            proof.stark_proof.0.sampled_values.0[1].pop();
        }),
        ("number of opened values", |proof| {
            proof.stark_proof.0.sampled_values.0[2][0].clear();
        }),
        ("number of opened values", |proof| {
            let value = proof.stark_proof.0.sampled_values.0[3][0][0];
            proof.stark_proof.0.sampled_values.0[3].push(vec![value]);
        }),
        ("number of columns", |proof| {
            proof.stark_proof.0.queried_values.0[1].pop();
        }),
        ("answers to queries", |proof| {
            proof.stark_proof.0.queried_values.0[0][0].pop();
        }),
        ("answers to queries", |proof| {
            proof.stark_proof.0.queried_values.0[2][0].push(M31::from(1));
        }),
    ];
    for (expected, change) in changes {
        let error = proven.altered(change);
        assert_eq!(error, CairoVerificationError::Structure(expected.to_owned()));
    }
}

fn another_output_or_witness_does_not_hold(proven: &Proven) {
    let changes: [Change; 4] = [
        // The last value of the output, which stays in its interval.
        |proof| proof.claim.public_data.public_memory.output.last_mut().unwrap().1[0] ^= 1,
        |proof| proof.interaction_pow += 1,
        |proof| {
            let value = &mut proof.stark_proof.0.sampled_values[1][0][0];
            *value += SecureField::from(M31::from(1));
        },
        |proof| {
            let value = &mut proof.stark_proof.0.queried_values[1][0][0];
            *value += M31::from(1);
        },
    ];
    for change in changes {
        let error = proven.altered(change);
        assert!(matches!(error, CairoVerificationError::Stark(_)), "{error}");
    }
}

fn shorter_longer_and_changed_bytes_are_refused(proven: &Proven) {
    let bytes = &proven.proof;
    println!("a proof of {} bytes", bytes.len());
    for end in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
        CairoProof::from_bytes(&bytes[..end]).unwrap_err();
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = CairoProof::from_bytes(&longer).unwrap_err();
    assert!(matches!(error, ProofDecodeError::Damaged(_)), "{error}");
    let longest = [&bytes[..], &vec![0; 8 << 20]].concat();
    let error = CairoProof::from_bytes(&longest).unwrap_err();
    assert_eq!(error, ProofDecodeError::TooLarge(longest.len()));
    let other = [b"ciro-cairo-proof/2\n", &bytes[MAGIC.len()..]].concat();
    assert_eq!(CairoProof::from_bytes(&other).unwrap_err(), ProofDecodeError::Version);
    the_same_values_in_other_bytes_are_refused(bytes);
    no_bit_of_the_packed_parts_is_free(bytes);

    // Many of these decode; none may panic or pass, and none is another proof's encoding.
    for at in (0..bytes.len()).step_by(bytes.len() / 150 + 1) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        if let Ok(proof) = CairoProof::from_bytes(&bytes) {
            assert_eq!(proof.to_bytes(), bytes);
            let verified = verify(&proven.compiled.key, proof);
            assert!(verified.is_err(), "byte {at} of {}", bytes.len());
        }
    }
}

/// The whole proof as bincode writes it, with nothing left for the packed part.
fn the_same_values_in_other_bytes_are_refused(bytes: &[u8]) {
    let inner = Inner::from(CairoProof::from_bytes(bytes).unwrap());
    let rest = bincode::DefaultOptions::new().with_fixint_encoding().serialize(&inner).unwrap();
    let length = u32::try_from(rest.len()).unwrap().to_le_bytes();
    let unpacked = [MAGIC, &length, &rest, &[0; 16]].concat();
    assert_eq!(CairoProof::from_bytes(&unpacked).unwrap_err(), ProofDecodeError::NotCanonical);
}

/// Bits at both ends of the packed parts: counts, widths, flags, values and the padding behind
/// them.
fn no_bit_of_the_packed_parts_is_free(bytes: &[u8]) {
    let (length, _) = bytes[MAGIC.len()..].split_first_chunk::<4>().unwrap();
    let first = MAGIC.len() + 4 + u32::from_le_bytes(*length) as usize;
    for at in (first..first + 20).chain(bytes.len() - 4..bytes.len()) {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            if let Ok(proof) = CairoProof::from_bytes(&changed) {
                assert_eq!(proof.to_bytes(), changed, "bit {bit} of byte {at}");
            }
        }
    }
}
