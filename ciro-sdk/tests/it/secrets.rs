//! Inputs that orders and proofs commit to, under blinding values that follow from one seed.

use ciro_protocol::SecretKey;
use ciro_protocol::sign::Address;
use ciro_sdk::network::{NotProven, SecretInput, SecretInputError, VERIFIER, verify_stated};
use ciro_sdk::{
    BlindingSeed, InputStatement, ProveError, ProveSettings, Prover, Secrecy, Side, Tensor, verify,
};

use crate::support::weighted;

/// The bytes before the integers.
const HEAD: usize = 106;
const SEED: BlindingSeed = BlindingSeed([3; 32]);

/// Who orders.
fn owner() -> Address {
    SecretKey::from_seed(b"owner").address()
}

fn settings() -> ProveSettings {
    ProveSettings { batch: 2, commit_output: true, ..ProveSettings::default().sealed() }
}

fn secret(prover: &Prover) -> SecretInput {
    let row = |values: [f64; 2]| vec![Tensor::new(vec![1, 2], values.to_vec()).unwrap()];
    let samples = [row([4.0, -2.0]), row([4.0, -2.0])];
    let input = InputStatement::encode(&prover.key(), &samples).unwrap().statement;
    SecretInput::new((&prover.key(), owner()), input, SEED).unwrap()
}

#[test]
fn a_proof_states_what_the_order_committed_to_and_its_owner_opens_it() {
    let (model, settings) = (weighted(2), settings());
    let prover = Prover::new(&model, &settings).unwrap();
    let key = prover.key();
    let secret = secret(&prover);
    let read = SecretInput::from_bytes(&secret.to_bytes(), (&key, owner())).unwrap();
    assert_eq!(read, secret);

    let ordered = secret.stated(&key).unwrap();
    assert_eq!(ordered.integers(), None, "an order shows nothing");
    let proven = prover.prove_secret(&read, None).unwrap();
    let stated = verify_stated(VERIFIER, &key.to_bytes(), &proven.bundle.to_bytes()).unwrap();
    assert_eq!(stated.input, ordered.order_digest(&key));

    let verified = verify(&proven.bundle, &key).unwrap();
    let openings = secret.openings(&model, &key).unwrap();
    assert_eq!(openings, proven.openings);
    for opening in &openings {
        let opened = verified.open(&key, opening).unwrap();
        let expected: &[f64] = if opening.side == Side::Input { &[4.0, -2.0] } else { &[0.0] };
        assert_eq!(opened.values.data(), expected);
    }
    // Equal inferences in one proof look different.
    let [first, second] = &verified.samples[..] else { panic!("two inferences") };
    for (one, other) in first.committed.iter().zip(&second.committed) {
        assert_ne!(one.commitment, other.commitment);
    }
}

#[test]
fn another_seed_or_another_input_is_another_order() {
    let prover = Prover::new(&weighted(2), &settings()).unwrap();
    let key = prover.key();
    let digest = |secret: &SecretInput| secret.stated(&key).unwrap().order_digest(&key);
    let secret = secret(&prover);
    let input = InputStatement::from_bytes(&secret.to_bytes()[HEAD..], &key).unwrap();
    let reseeded = SecretInput::new((&key, owner()), input, BlindingSeed([4; 32])).unwrap();
    assert_ne!(digest(&secret), digest(&reseeded));
    let row = vec![Tensor::new(vec![1, 2], vec![4.0, -1.0]).unwrap()];
    let input = InputStatement::encode(&key, &[row.clone(), row]).unwrap().statement;
    assert_ne!(digest(&secret), digest(&SecretInput::new((&key, owner()), input, SEED).unwrap()));
}

#[test]
fn a_key_that_would_show_the_input_is_refused() {
    let model = weighted(2);
    let sealed = settings();
    let input = {
        let bytes = secret(&Prover::new(&model, &sealed).unwrap()).to_bytes();
        InputStatement::from_bytes(&bytes[HEAD..], &model.key(&sealed).unwrap()).unwrap()
    };
    let stated = |settings| {
        let key = model.key(&settings).unwrap();
        SecretInput::new((&key, owner()), input.clone(), SEED).unwrap().stated(&key)
    };
    let shown = stated(ProveSettings { commit_input: false, ..sealed });
    assert_eq!(shown, Err(SecretInputError::Shown("x".to_owned())));
    let plain = stated(ProveSettings { secrecy: Secrecy::Plain, ..sealed });
    assert_eq!(plain, Err(SecretInputError::Plain));
}

#[test]
fn damaged_secrets_are_refused_and_proven_by_nobody() {
    let prover = Prover::new(&weighted(2), &settings()).unwrap();
    let key = prover.key();
    let secret = secret(&prover);
    let bytes = secret.to_bytes();
    for end in 0..bytes.len() {
        SecretInput::from_bytes(&bytes[..end], (&key, owner())).unwrap_err();
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        if let Ok(read) = SecretInput::from_bytes(&changed, (&key, owner())) {
            assert_ne!(read.stated(&key).unwrap(), secret.stated(&key).unwrap(), "byte {at}");
        }
    }
    let open = InputStatement::from_bytes(&bytes[HEAD..], &key).unwrap();
    let proven = prover.prove_stated(&open, None);
    assert!(matches!(proven, Err(ProveError::StatesCommitment(_))), "{proven:?}");
    let committed = secret.stated(&key).unwrap();
    assert_eq!(
        SecretInput::new((&key, owner()), committed.clone(), SEED),
        Err(SecretInputError::Committed)
    );
    let proven = prover.prove_stated(&committed, None);
    assert!(matches!(proven, Err(ProveError::Stated)), "{proven:?}");
}

#[test]
fn an_open_proof_is_no_answer_to_a_sealed_order() {
    let model = weighted(2);
    let prover = Prover::new(&model, &settings()).unwrap();
    let secret = secret(&prover);
    let open =
        Prover::new(&model, &ProveSettings { batch: 2, ..ProveSettings::default() }).unwrap();
    let input = InputStatement::from_bytes(&secret.to_bytes()[HEAD..], &open.key()).unwrap();
    let bundle = open.prove_stated(&input, None).unwrap().bundle.to_bytes();
    let refused = verify_stated(VERIFIER, &prover.key().to_bytes(), &bundle);
    assert!(matches!(refused, Err(NotProven::Verify(_))), "{refused:?}");
}

/// A model that gives its input back, ordered with somebody's sealed bytes: the commitments would
/// be the same, and the proof would show what they are to.
#[test]
fn a_secret_for_one_key_is_stated_under_no_other() {
    let model = weighted(2);
    let prover = Prover::new(&model, &settings()).unwrap();
    let secret = secret(&prover);
    let showing = ProveSettings { commit_output: false, ..settings() };
    for other in [model.key(&showing).unwrap(), weighted(3).key(&settings()).unwrap()] {
        let (expected, found) = (prover.key().digest(), other.digest());
        let refused = SecretInputError::OtherKey { expected, found };
        let read = SecretInput::from_bytes(&secret.to_bytes(), (&other, owner()));
        assert_eq!(read, Err(refused.clone()));
        assert_eq!(secret.stated(&other), Err(refused));
    }
}

/// Sealed bytes are for everybody to fetch: ordered once more, by somebody else or after the owner
/// took the order back, their proof would publish what the model says of them.
#[test]
fn a_secret_of_one_account_is_read_for_orders_of_no_other() {
    let prover = Prover::new(&weighted(2), &settings()).unwrap();
    let key = prover.key();
    let secret = secret(&prover);
    assert_eq!(secret.requester(), owner());
    let found = SecretKey::from_seed(b"stranger").address();
    let read = SecretInput::from_bytes(&secret.to_bytes(), (&key, found));
    assert_eq!(read, Err(SecretInputError::OtherRequester { found }));
}

#[test]
fn nothing_that_is_printed_of_a_secret_shows_integers_or_seed() {
    let prover = Prover::new(&weighted(2), &settings()).unwrap();
    let key = prover.key();
    let secret = secret(&prover);
    let shown = format!("{secret:?}");
    let (digest, account) = (key.digest(), owner());
    let expected = format!("SecretInput {{ key: {digest:?}, requester: {account:?}, .. }}");
    assert_eq!(shown, expected);
    // An integer that no input becomes: the last bytes are those of an integer.
    let mut bytes = secret.to_bytes();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&77_777_777_i32.to_le_bytes());
    let refused = SecretInput::from_bytes(&bytes, (&key, owner())).unwrap_err();
    assert_eq!(refused, SecretInputError::Input);
    let told = format!("{refused:?} {}", ciro_sdk::error_chain(&refused));
    assert!(!told.contains("77777777") && !told.contains("77_777_777"), "{told}");
}
