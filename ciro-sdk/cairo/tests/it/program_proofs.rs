//! Proofs about programs: what they state, and everything that they must not pass for.

use cairo_air::CairoProofForRustVerifier;
use ciro_cairo::{
    Builtin, CairoProgramKey, CairoProof, CairoVerificationError, EmitSettings, Felt, InputMode,
    MalformedClaim, Program, ProgramHash, Provable, prove, run, verify, verify_program,
};
use ciro_model::integer::ops::Linear;
use stwo::core::fields::m31::M31;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;

use crate::executables::program;
use crate::programs::FIBONACCI;
use crate::support::{Case, Compiled};

type Inner = CairoProofForRustVerifier<Blake2sMerkleHasher>;

/// A program with range checks, bits and three hashes.
const HASHES: &str = "
#[executable]
fn main(words: Array<felt252>, limit: u64) -> (u32, [felt252; 2], u32) {
    let poseidon = core::poseidon::poseidon_hash_span(words.span());
    let mut pedersen = 0;
    for word in words.span() { pedersen = core::pedersen::pedersen(pedersen, *word); }
    assert(limit > 100, 'low limit');
    let (state, block) = (BoxTrait::new([0_u32; 8]), BoxTrait::new([1_u32; 16]));
    let blake = core::blake::blake2s_compress(state, 64, block).unbox();
    (words.len(), [pedersen, poseidon], *blake.span()[0] & 0xff)
}";

/// A program that panics for what its check says.
fn picky(check: &str) -> Program {
    program(&format!("#[executable] fn main(n: felt252) -> felt252 {{ {check} n * n }}"))
}

fn proven(program: &Program, arguments: &[u64]) -> (CairoProgramKey, CairoProof, Vec<Felt>) {
    let arguments: Vec<Felt> = arguments.iter().map(|&argument| argument.into()).collect();
    let execution = run(program, None, &arguments).unwrap();
    let output = execution.output.clone();
    let provable = Provable::new(program, execution).unwrap();
    let (columns, most) = (provable.columns().clone(), provable.proof_bytes());
    let proof = provable.prove().unwrap();
    // What is foretold is what comes, but for hashes that are asked for twice.
    let real = Inner::from(proof.clone()).claim.log_sizes();
    for (foretold, real) in columns.iter().zip(real.iter()) {
        assert_eq!(foretold.len(), real.len());
        assert!(foretold.iter().zip(real).all(|(foretold, real)| foretold >= real));
    }
    let bytes = proof.to_bytes().len();
    println!("{bytes} bytes, at most {most}");
    assert!(bytes <= most && most <= 2 * bytes, "{bytes} bytes, at most {most}");
    (program.key().unwrap(), proof, output)
}

/// One test for all proofs: each takes seconds and 1.7 GB.
#[test]
fn a_proof_says_what_a_program_printed_and_nothing_else() {
    let fibonacci = program(FIBONACCI);
    let (key, proof, output) = proven(&fibonacci, &[10]);
    assert_eq!(output, [Felt::from(10), Felt::from(55)]);
    assert_eq!(verify_program(&key, proof.clone()), Ok(output.clone()));
    assert_eq!(proof.claimed_output(), output);
    let bytes = proof.to_bytes();
    // Equal runs have equal proofs.
    let (_, again, _) = proven(&fibonacci, &[10]);
    assert!(again.to_bytes() == bytes);

    other_outputs_are_refused(&key, &proof);
    other_programs_and_builtins_are_refused(&key, &proof);
    damaged_proofs_are_refused(&key, &bytes);
    let (hashes, hashed, printed) = proven(&program(HASHES), &[2, 77, 78, 101]);
    assert_eq!(printed[0], Felt::TWO);
    assert_eq!(verify_program(&hashes, hashed.clone()), Ok(printed));
    let error = verify_program(&key, hashed).unwrap_err();
    assert!(matches!(error, CairoVerificationError::Program { .. }), "{error}");
    a_program_that_panics_has_not_printed();
    a_model_and_a_program_are_told_apart(&key, &proof);
}

/// The error of a proof after a change, through its bytes.
fn altered(
    key: &CairoProgramKey,
    proof: &CairoProof,
    change: impl FnOnce(&mut Inner),
) -> CairoVerificationError {
    let mut inner = Inner::from(proof.clone());
    change(&mut inner);
    let bytes = CairoProof::from(inner).to_bytes();
    verify_program(key, CairoProof::from_bytes(&bytes).unwrap()).unwrap_err()
}

fn other_outputs_are_refused(key: &CairoProgramKey, proof: &CairoProof) {
    let holds_not = |error: CairoVerificationError| {
        assert!(matches!(error, CairoVerificationError::Stark(_)), "{error}");
    };
    let claim = |expected: MalformedClaim, error: CairoVerificationError| {
        assert_eq!(error, CairoVerificationError::Claim(expected));
    };
    holds_not(altered(key, proof, |proof| {
        proof.claim.public_data.public_memory.output[1].1[0] ^= 1;
    }));
    // Another order of the same felts.
    holds_not(altered(key, proof, |proof| {
        proof.claim.public_data.public_memory.output.swap(0, 1);
    }));
    // Cut, and extended by a felt that the memory holds.
    claim(
        MalformedClaim::Output,
        altered(key, proof, |proof| {
            proof.claim.public_data.public_memory.output.pop();
        }),
    );
    claim(
        MalformedClaim::Output,
        altered(key, proof, |proof| {
            let first = proof.claim.public_data.public_memory.output[0];
            proof.claim.public_data.public_memory.output.push(first);
        }),
    );
    // The same, with a segment that ends there.
    for (longer, end) in [(false, u32::MAX), (true, 1)] {
        holds_not(altered(key, proof, |proof| {
            let memory = &mut proof.claim.public_data.public_memory;
            match longer {
                true => memory.output.push(memory.output[0]),
                false => drop(memory.output.pop()),
            }
            let stop = &mut memory.public_segments.output.stop_ptr.value;
            *stop = stop.wrapping_add(end);
        }));
    }
    // Nothing at all.
    holds_not(altered(key, proof, |proof| {
        let memory = &mut proof.claim.public_data.public_memory;
        memory.output.clear();
        memory.public_segments.output.stop_ptr.value =
            memory.public_segments.output.start_ptr.value;
    }));
    // A segment that begins elsewhere.
    claim(
        MalformedClaim::Output,
        altered(key, proof, |proof| {
            proof.claim.public_data.public_memory.public_segments.output.start_ptr.value += 1;
        }),
    );
    // An execution that ends elsewhere: the output with it.
    holds_not(altered(key, proof, |proof| {
        proof.claim.public_data.final_state.ap += M31::from(1);
        let output = &mut proof.claim.public_data.public_memory.public_segments.output;
        output.start_ptr.value += 1;
        output.stop_ptr.value += 1;
    }));
    claim(
        MalformedClaim::Address,
        altered(key, proof, |proof| {
            proof.claim.public_data.initial_state.pc = M31::from(3);
        }),
    );
    claim(
        MalformedClaim::Address,
        altered(key, proof, |proof| {
            proof.claim.public_data.final_state.pc = M31::from(7);
        }),
    );
}

fn other_programs_and_builtins_are_refused(key: &CairoProgramKey, proof: &CairoProof) {
    let is_program = |error: CairoVerificationError| {
        assert!(matches!(error, CairoVerificationError::Program { .. }), "{error}");
    };
    // One felt of bytecode, one more, one less.
    is_program(altered(key, proof, |proof| {
        proof.claim.public_data.public_memory.program[20].1[0] ^= 1;
    }));
    is_program(altered(key, proof, |proof| {
        let program = &mut proof.claim.public_data.public_memory.program;
        program.push(program[0]);
    }));
    is_program(altered(key, proof, |proof| {
        proof.claim.public_data.public_memory.program.pop();
    }));
    // The hash covers the builtins, and the claim has to have the key's.
    let other = vec![Builtin::Output, Builtin::RangeCheck, Builtin::Poseidon];
    let with = CairoProgramKey::new(key.program(), other).unwrap();
    is_program(verify_program(&with, proof.clone()).unwrap_err());
    let hash = CairoProgramKey::new(ProgramHash([0; 32]), key.builtins().to_vec()).unwrap();
    is_program(verify_program(&hash, proof.clone()).unwrap_err());
    let error = altered(key, proof, |proof| {
        proof.claim.public_data.public_memory.public_segments.range_check_128 = None;
    });
    assert_eq!(error, CairoVerificationError::Claim(MalformedClaim::Builtins));
    let error = altered(key, proof, |proof| proof.claim.range_check_builtin = None);
    let expected = MalformedClaim::Segment("range_check");
    assert_eq!(error, CairoVerificationError::Claim(expected));
}

/// A prover runs the program with another check, and shows the bytecode of the one with its own.
fn a_program_that_panics_has_not_printed() {
    let careful = picky("assert(n != 13, 'thirteen');");
    run(&careful, None, &[13.into()]).unwrap_err();
    let key = careful.key().unwrap();
    let (other, forged, output) = proven(&picky("assert(n != 14, 'thirteen');"), &[13]);
    assert_eq!(output, [Felt::from(169)]);
    verify_program(&other, forged.clone()).unwrap();
    let error = verify_program(&key, forged.clone()).unwrap_err();
    assert!(matches!(error, CairoVerificationError::Program { .. }), "{error}");

    let (_, honest, _) = proven(&careful, &[12]);
    let bytecode = Inner::from(honest.clone()).claim.public_data.public_memory.program;
    // As long as its own, so that nothing but the execution speaks against it.
    let own = Inner::from(forged.clone()).claim.public_data.public_memory.program;
    assert_eq!(bytecode.len(), own.len());
    let error = altered(&key, &forged, |proof| {
        proof.claim.public_data.public_memory.program.clone_from(&bytecode);
    });
    assert!(matches!(error, CairoVerificationError::Stark(_)), "{error}");
    // The honest proof with the output that the panic kept back.
    let error = altered(&key, &honest, |proof| {
        proof.claim.public_data.public_memory.output[0].1[0] = 169;
    });
    assert!(matches!(error, CairoVerificationError::Stark(_)), "{error}");
}

/// A model's program is a program, and what it prints is true of it. No other program's proof
/// passes for one about the model, and the model's for none about another program.
fn a_model_and_a_program_are_told_apart(key: &CairoProgramKey, proof: &CairoProof) {
    let mut case = Case::default();
    let x = case.input(&[1, 2], vec![3, -1], (-9, 9));
    let weight = case.constant(&[2, 1], vec![2, 5]);
    case.output(Linear { weight, bias: None }, &[x]);
    let (model, inputs) = case.finish();
    let compiled = Compiled::new(&model, EmitSettings::default());
    let error = verify(&compiled.key, proof.clone()).unwrap_err();
    assert!(matches!(error, CairoVerificationError::Program { .. }), "{error}");
    let execution = compiled.run(&inputs, InputMode::Public);
    let output = execution.output.clone();
    let stated = prove(&compiled.program, execution).unwrap();
    let error = verify_program(key, stated.clone()).unwrap_err();
    assert!(matches!(error, CairoVerificationError::Program { .. }), "{error}");
    let own = compiled.program.key().unwrap();
    assert_eq!(verify_program(&own, stated), Ok(output));
    // Keys are never taken for each other either.
    CairoProgramKey::from_bytes(&compiled.key.to_bytes()).unwrap_err();
    ciro_cairo::CairoKey::from_bytes(&key.to_bytes()).unwrap_err();
}

fn damaged_proofs_are_refused(key: &CairoProgramKey, bytes: &[u8]) {
    for at in (0..bytes.len()).step_by(bytes.len() / 100 + 1) {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(proof) = CairoProof::from_bytes(&damaged) {
            assert!(verify_program(key, proof).is_err(), "byte {at} of {}", bytes.len());
        }
    }
}
