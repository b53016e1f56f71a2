//! Jobs about programs: a proof settles the job of its own key and arguments, and no other.

use std::path::Path;

use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, ModelId, ProviderId, TxId};
use ciro_protocol::order::{Class, Route};
use ciro_protocol::receipt::{Outcome, Receipt, RefundReason, Settlement};
use ciro_protocol::sign::SecretKey;
use ciro_sdk::Policy;
use ciro_sdk::network::{NotProven, ResultError, Stated, VERIFIER, facts, verify_stated};
use ciro_sdk::program::job::{
    JOB_STEPS_MAX, JobProgram, ProgramBundle, ProgramInput, ProgramJobError, ProgramJobKey,
    RunJobError, check_program_result,
};
use ciro_sdk::program::{Felt, RunProgramError};

/// The only job.
const JOB: JobId = JobId([7; 32]);

fn fibonacci() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs/fibonacci");
    std::fs::read(folder.join("fibonacci.executable.json")).unwrap()
}

fn key(steps: u64) -> ProgramJobKey {
    program(steps).key().clone()
}

fn program(steps: u64) -> JobProgram {
    JobProgram::new(&fibonacci(), steps).unwrap()
}

fn input(numbers: &[u64]) -> ProgramInput {
    ProgramInput::new(numbers.iter().copied().map(Felt::from).collect()).unwrap()
}

/// One test for all: a proof takes seconds and 1.7 GB.
#[test]
fn a_proof_states_the_arguments_that_its_program_prints_and_settles_no_other_job() {
    let (program, ten) = (program(100_000), input(&[10]));
    let key = program.key();
    let run = program.check(&ten, None).unwrap();
    assert_eq!(run.output, [Felt::from(10), Felt::from(55)]);
    a_bundle_that_its_network_does_not_take_is_not_begun(&program, &ten);
    let bundle = program.prove(&ten, None).unwrap();
    let bytes = bundle.to_bytes();
    let expected = program.estimate().proof_bytes;
    assert!(bytes.len() as u64 <= expected, "{} bytes, expected {expected}", bytes.len());
    let stated = verify_stated(VERIFIER, &key.to_bytes(), &bytes).unwrap();
    assert_eq!((stated.key, stated.input), (key.digest().into(), ten.order_digest(key)));
    let answer = bundle.verify(key, &Policy::default()).unwrap();
    assert_eq!((&answer.arguments[..], &answer.output[..]), (ten.arguments(), &run.output[1..]));

    no_other_number_of_arguments_states_the_same(key, &bundle, stated);
    no_other_key_or_verifier_takes_it(key, &bytes, stated);
    a_result_counts_for_its_own_order_alone(key, &bytes, stated);
    let mut damaged = bytes;
    *damaged.last_mut().unwrap() ^= 1;
    let refused = verify_stated(VERIFIER, &key.to_bytes(), &damaged);
    assert!(matches!(refused, Err(NotProven::Program(_))), "{refused:?}");
}

fn a_bundle_that_its_network_does_not_take_is_not_begun(program: &JobProgram, ten: &ProgramInput) {
    let refused = program.check_for(ten, None, 1 << 18).unwrap_err();
    let RunJobError::Run(RunProgramError::ProofTooLong { found, limit }) = refused else {
        panic!("{refused}")
    };
    assert!(found > limit && limit < 1 << 18, "{found} {limit}");
    let around = u64::try_from((1 << 18) - limit).unwrap();
    let most = u64::try_from(found).unwrap() + around;
    program.check_for(ten, None, most).unwrap();
    program.check_for(ten, None, most - 1).unwrap_err();
}

/// What is wrong with a key or bundle of a job about a program.
fn unproven(refused: &NotProven) -> Option<&ProgramJobError> {
    match refused {
        NotProven::Program(error) => error.downcast_ref(),
        _ => None,
    }
}

fn no_other_number_of_arguments_states_the_same(
    key: &ProgramJobKey,
    bundle: &ProgramBundle,
    stated: Stated,
) {
    let of = |arguments| {
        let bundle = ProgramBundle { arguments, ..bundle.clone() };
        verify_stated(VERIFIER, &key.to_bytes(), &bundle.to_bytes())
    };
    for arguments in [0, 2] {
        let other = of(arguments).unwrap();
        assert!(other.input != stated.input && other.output != stated.output);
    }
    let refused = of(3).unwrap_err();
    let printed = ProgramJobError::Printed { arguments: 3, printed: 2 };
    assert_eq!(unproven(&refused), Some(&printed));
    assert!(of(u32::MAX).is_err());
}

fn no_other_key_or_verifier_takes_it(key: &ProgramJobKey, bundle: &[u8], stated: Stated) {
    // The steps are part of the key: a proof for one of them settles no job of another.
    let longer = self::key(key.steps() + 1);
    let other = verify_stated(VERIFIER, &longer.to_bytes(), bundle).unwrap();
    assert!(other.key != stated.key && other.input != stated.input);
    // The first verifier knows models alone: networks that have it settle nothing else.
    let refused = verify_stated(1, &key.to_bytes(), bundle);
    assert!(matches!(refused, Err(NotProven::Key(_))), "{refused:?}");
    let refused = verify_stated(VERIFIER, &key.program().to_bytes(), bundle);
    assert!(matches!(refused, Err(NotProven::Key(_))), "{refused:?}");
    for verifier in [0, VERIFIER + 1] {
        let refused = verify_stated(verifier, &key.to_bytes(), bundle);
        assert_eq!(refused, Err(NotProven::Verifier { found: verifier }));
    }
    // A proof without the number of its arguments is none for a job.
    let alone = ProgramBundle::from_bytes(bundle).unwrap().proof.to_bytes();
    let refused = verify_stated(VERIFIER, &key.to_bytes(), &alone);
    let form = unproven(refused.as_ref().unwrap_err());
    assert!(matches!(form, Some(ProgramJobError::Form(_))), "{refused:?}");
}

fn a_result_counts_for_its_own_order_alone(key: &ProgramJobKey, bundle: &[u8], stated: Stated) {
    let settlement = Settlement {
        provider: ProviderId(0),
        price: Amount::CIRO,
        market_fee: Amount::ZERO,
        output: stated.output,
        bundle: BlobId::of(bundle).unwrap(),
        verifier: VERIFIER,
        claimed_ms: 2,
        tx: TxId([1; 32]),
    };
    let receipt = Receipt {
        job: JOB,
        requester: SecretKey::from_seed(b"a").address(),
        model: ModelId([1; 32]),
        key: stated.key,
        input: stated.input,
        attempts: 1,
        escrow: Amount::CIRO,
        refund: Amount::ZERO,
        opened_ms: 1,
        ended_ms: 3,
        height: 4,
        outcome: Outcome::Settled(settlement.clone()),
    };
    let policy = Policy::default();
    let check = |ordered, receipt: &Receipt| {
        check_program_result((JOB, ordered), key, receipt, (bundle, &policy)).map(|_| ())
    };
    check(stated.input, &receipt).unwrap();
    // A receipt and a true proof for other arguments than were ordered.
    let eleven = input(&[11]).order_digest(key);
    let lied = Receipt { input: eleven, ..receipt.clone() };
    assert!(matches!(check(eleven, &lied), Err(ResultError::Input)));
    assert!(matches!(check(eleven, &receipt), Err(ResultError::Other("input"))));
    let settled = |change: fn(&mut Settlement)| {
        let mut settlement = settlement.clone();
        change(&mut settlement);
        check(stated.input, &Receipt { outcome: Outcome::Settled(settlement), ..receipt.clone() })
    };
    assert!(matches!(settled(|it| it.output.0[0] ^= 1), Err(ResultError::Output)));
    assert!(matches!(settled(|it| it.bundle.0[0] ^= 1), Err(ResultError::Bundle)));
    let refunded = Outcome::Refunded { reason: RefundReason::Expired };
    let refunded = Receipt { outcome: refunded, ..receipt.clone() };
    assert!(matches!(check(stated.input, &refunded), Err(ResultError::Refunded)));
    let strict = Policy { min_security_bits: 101, ..Policy::default() };
    let weak = check_program_result((JOB, stated.input), key, &receipt, (bundle, &strict));
    let Err(ResultError::Program(weak)) = weak else { panic!("{weak:?}") };
    assert!(matches!(weak.downcast_ref(), Some(ProgramJobError::Verify(_))), "{weak}");
}

#[test]
fn facts_of_a_program_are_those_of_its_key_and_only_the_second_verifier_reads_them() {
    let key = key(5);
    let told = facts(VERIFIER, &key.to_bytes()).unwrap();
    assert_eq!(told, key.facts());
    assert_eq!((told.digest, told.route), (key.digest().into(), Route::Program));
    assert_eq!((told.class(), told.batch, told.bits), (Class::Cairo, 1, 100));
    assert!(matches!(facts(1, &key.to_bytes()), Err(NotProven::Key(_))));
    for steps in [0, JOB_STEPS_MAX + 1, u64::MAX] {
        let refused = ProgramJobKey::new(key.program().clone(), key.executable(), steps);
        assert_eq!(refused, Err(ProgramJobError::Steps(steps)));
    }
    // The same number in bytes.
    let mut bytes = key.to_bytes();
    let at = b"ciro-program-job/1\n".len();
    bytes[at..at + 8].fill(0);
    let refused = facts(VERIFIER, &bytes).unwrap_err();
    assert_eq!(unproven(&refused), Some(&ProgramJobError::Steps(0)));
}

/// Hints are no part of a program's own key, and decide what a run does.
#[test]
fn another_executable_of_one_program_is_another_key() {
    let (program, mut other) = (program(100_000), fibonacci());
    JobProgram::of(&fibonacci(), program.key()).unwrap();
    other.push(b'\n');
    let spaced = JobProgram::new(&other, 100_000).unwrap();
    assert_eq!(spaced.key().program(), program.key().program());
    assert_ne!(spaced.key().digest(), program.key().digest());
    let refused = JobProgram::of(&other, program.key()).unwrap_err();
    assert!(matches!(refused, RunJobError::OtherProgram), "{refused}");
}

#[test]
fn a_run_that_is_more_than_its_key_declares_is_refused_before_it_is_proven() {
    let ten = input(&[10]);
    let steps = program(JOB_STEPS_MAX).check(&ten, None).unwrap().steps;
    let refused = |steps| program(steps).check(&ten, None).unwrap_err();
    let early = refused(steps / 2);
    assert!(matches!(early, RunJobError::Run(RunProgramError::Steps(_))), "{early}");
    // Cells of memory are work, too.
    let more = refused(steps);
    let RunJobError::Run(RunProgramError::Work { needed, declared }) = more else {
        panic!("{more}")
    };
    assert!(declared == steps && needed > steps, "{needed}");
    assert!(matches!(refused(needed - 1), RunJobError::Run(RunProgramError::Work { .. })));
    program(needed).check(&ten, None).unwrap();
    let refused = program(needed).prove(&input(&[11]), None).unwrap_err();
    assert!(matches!(refused, RunJobError::Run(RunProgramError::Work { .. })), "{refused}");
    // A program that does not end.
    let endless = program(1_000_000).check(&input(&[u32::MAX.into()]), None).unwrap_err();
    assert!(matches!(endless, RunJobError::Run(RunProgramError::Steps(_))), "{endless}");
    let little = program(1_000_000).check(&ten, Some(1 << 20)).unwrap_err();
    assert!(matches!(little, RunJobError::Run(RunProgramError::Memory { .. })), "{little}");
}

#[test]
fn damaged_keys_and_arguments_are_other_ones_or_none() {
    let (key, input) = (key(5), input(&[1, 2, 3]));
    for (at, bit) in (0..200).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let damage = |mut bytes: Vec<u8>| {
            let length = bytes.len();
            bytes[at % length] ^= 1 << bit;
            bytes
        };
        if let Ok(other) = ProgramJobKey::from_bytes(&damage(key.to_bytes())) {
            assert_ne!(other.digest(), key.digest());
        }
        let damaged = damage(input.to_bytes());
        if let Ok(other) = ProgramInput::from_bytes(&damaged) {
            assert_eq!(other.to_bytes(), damaged);
            assert_ne!(other.order_digest(&key), input.order_digest(&key));
        }
    }
}
