//! What orders are bound to: the integers that a client computes are those that a proof states.

use std::path::Path;

use ciro_sdk::network::{NotProven, VERIFIER, facts, facts_of, verify_stated};
use ciro_sdk::{
    InputStatement, InputStatementError, Key, Preset, ProveSettings, Prover, StatedInput, integer,
};

use super::support::compiled;

struct Job {
    prover: Prover,
    key: Key,
    input: InputStatement,
}

fn job(batch: u32) -> Job {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models/linreg_diabetes");
    let (model, samples) = compiled(&folder);
    let settings = ProveSettings { preset: Preset::FastTest, batch, ..ProveSettings::default() };
    let prover = Prover::new(&model, &settings).unwrap();
    let key = prover.key();
    let samples = &samples[..usize::try_from(batch).unwrap()];
    let input = InputStatement::encode(&key, samples).unwrap().statement;
    Job { prover, key, input }
}

#[test]
fn a_proof_of_the_ordered_integers_states_what_the_order_says() {
    for batch in [1, 2] {
        let Job { prover, key, input } = job(batch);
        let read = InputStatement::from_bytes(&input.to_bytes(), &key).unwrap();
        assert_eq!(read, input);
        let bundle = prover.prove_stated(&read, None).unwrap().bundle;
        let stated = verify_stated(VERIFIER, &key.to_bytes(), &bundle.to_bytes()).unwrap();
        assert_eq!(stated.key, key.digest().into());
        assert_eq!(stated.input, input.order_digest(&key));
        assert_eq!(bundle.stated_digests(&key).unwrap().1, stated.output.0);
    }
}

#[test]
fn proofs_that_state_other_integers_have_other_digests_and_do_not_hold() {
    let Job { prover, key, input } = job(1);
    let bundle = prover.prove_stated(&input, None).unwrap().bundle;
    let (of_input, of_output) = bundle.stated_digests(&key).unwrap();
    let statement = bundle.statement(&key).unwrap();
    let changed = |change: fn(&mut integer::Claim)| {
        let mut other = statement.clone();
        change(&mut other.claims[0]);
        let other = bundle.clone().with_statement(&other);
        let refused = verify_stated(VERIFIER, &key.to_bytes(), &other.to_bytes());
        assert!(matches!(refused, Err(NotProven::Verify(_))), "{refused:?}");
        other.stated_digests(&key).unwrap()
    };
    let (input, output) = changed(|claim| claim.input.public_mut().unwrap()[0].data_mut()[0] ^= 1);
    assert!(input != of_input && output == of_output);
    let (input, output) =
        changed(|claim| claim.outputs[0].public_mut().unwrap().data_mut()[0] ^= 1);
    assert!(input == of_input && output != of_output);
}

#[test]
fn inputs_of_another_form_number_or_range_are_refused_by_name() {
    let Job { key, input, .. } = job(1);
    let bytes = input.to_bytes();
    for end in 0..bytes.len() {
        InputStatement::from_bytes(&bytes[..end], &key).unwrap_err();
    }
    let longer = [&bytes[..], &[0]].concat();
    let refused = InputStatement::from_bytes(&longer, &key);
    assert!(matches!(refused, Err(InputStatementError::Form(_))), "{refused:?}");
    let twice = InputStatement::new([input.inputs(), input.inputs()].concat());
    let refused = InputStatement::from_bytes(&twice.to_bytes(), &key);
    assert_eq!(refused, Err(InputStatementError::Batch { expected: 1, found: 2 }));
    let mut wild = input.inputs().to_vec();
    wild[0].public_mut().unwrap()[0].data_mut()[0] = i32::MIN;
    let refused = InputStatement::from_bytes(&InputStatement::new(wild).to_bytes(), &key);
    assert!(matches!(refused, Err(InputStatementError::Claim { sample: 0, .. })), "{refused:?}");
    let committed = InputStatement::new(vec![StatedInput::Committed([7; 32])]);
    assert_eq!(committed.integers(), None);
    let refused = InputStatement::from_bytes(&committed.to_bytes(), &key);
    assert_eq!(refused, Err(InputStatementError::Committed { sample: 0 }));
    assert_ne!(committed.digest(&key), input.digest(&key));
}

#[test]
fn facts_are_those_of_the_key_and_cells_those_of_the_estimate() {
    let Job { prover, key, .. } = job(2);
    let told = facts(VERIFIER, &key.to_bytes()).unwrap();
    assert_eq!(told, facts_of(&key));
    assert_eq!(Some(told.cells), prover.cells());
    assert_eq!((told.batch, u32::from(told.bits)), (2, key.security().whole_conjectured_bits()));
    assert_eq!(facts(1, &key.to_bytes()), Ok(told), "the first verifier reads models as well");
    let other = VERIFIER + 1;
    assert_eq!(facts(other, &key.to_bytes()), Err(NotProven::Verifier { found: other }));
    assert!(matches!(facts(VERIFIER, b"CIROKEY"), Err(NotProven::Key(_))));
}
