//! What comes back from a network counts only if it answers what was ordered: a cheating test for
//! each check.

use std::path::Path;

use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{InputDigest, JobId, ModelId, OutputDigest, ProviderId, TxId};
use ciro_protocol::receipt::{Outcome, Receipt, RefundReason, Settlement};
use ciro_protocol::sign::SecretKey;
use ciro_sdk::client::{ResultError, check_result};
use ciro_sdk::{InputStatement, Key, Policy, ProveSettings, Prover};

use super::support::compiled;

const JOB: JobId = JobId([7; 32]);

struct Answer {
    key: Key,
    input: InputDigest,
    receipt: Receipt,
    bundle: Vec<u8>,
}

fn answers() -> [Answer; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models/linreg_diabetes");
    let (model, samples) = compiled(&folder);
    let prover = Prover::new(&model, &ProveSettings::default()).unwrap();
    let key = prover.key();
    [0, 1].map(|sample| {
        let input = InputStatement::encode(&key, &samples[sample..=sample]).unwrap().statement;
        let bundle = prover.prove_stated(&input, None).unwrap().bundle;
        let output = OutputDigest(bundle.stated_digests(&key).unwrap().1);
        let (bundle, input) = (bundle.to_bytes(), input.order_digest(&key));
        let settlement = Settlement {
            provider: ProviderId(0),
            price: Amount::CIRO,
            market_fee: Amount::ZERO,
            output,
            bundle: BlobId::of(&bundle).unwrap(),
            verifier: 1,
            claimed_ms: 2,
            tx: TxId([1; 32]),
        };
        let receipt = Receipt {
            job: JOB,
            requester: SecretKey::from_seed(b"a").address(),
            model: ModelId([1; 32]),
            key: key.digest().into(),
            input,
            attempts: 1,
            escrow: Amount::CIRO,
            refund: Amount::ZERO,
            opened_ms: 1,
            ended_ms: 3,
            height: 4,
            outcome: Outcome::Settled(settlement),
        };
        Answer { key: key.clone(), input, receipt, bundle }
    })
}

fn settlement(receipt: &mut Receipt) -> &mut Settlement {
    match &mut receipt.outcome {
        Outcome::Settled(settlement) => settlement,
        Outcome::Refunded { .. } => panic!("it is settled"),
    }
}

#[test]
fn a_result_that_answers_another_question_does_not_count() {
    let [answer, other] = answers();
    let Answer { key, input, receipt, bundle } = &answer;
    let check = |receipt: &Receipt, bundle: &[u8]| {
        check_result((JOB, *input), key, receipt, (bundle, &Policy::default()))
    };
    let (_, verified) = check(receipt, bundle).unwrap();
    assert_eq!(verified.model_key, key.digest());
    let changed = |change: &dyn Fn(&mut Receipt)| {
        let mut changed = receipt.clone();
        change(&mut changed);
        check(&changed, bundle).unwrap_err()
    };
    let elsewhere = changed(&|it| it.job.0[0] ^= 1);
    assert!(matches!(elsewhere, ResultError::Other("job")));
    assert!(matches!(changed(&|it| it.key.0[0] ^= 1), ResultError::Other("key")));
    assert!(matches!(changed(&|it| it.input.0[0] ^= 1), ResultError::Other("input")));
    let refunded = Outcome::Refunded { reason: RefundReason::Expired };
    let refunded = changed(&|it| it.outcome = refunded.clone());
    assert!(matches!(refunded, ResultError::Refunded));
    let named = changed(&|it| settlement(it).bundle.0[0] ^= 1);
    assert!(matches!(named, ResultError::Bundle));
    let stated = changed(&|it| settlement(it).output.0[0] ^= 1);
    assert!(matches!(stated, ResultError::Output));
    // A true proof of another input, under a receipt that names it for this one.
    let mut swapped = other.receipt;
    swapped.input = *input;
    assert!(matches!(check(&swapped, &other.bundle), Err(ResultError::Input)));
    // Bytes that are no proof, whose id the receipt names.
    for wrong in [b"nonsense".to_vec(), [&bundle[..], &[0]].concat()] {
        let mut naming = receipt.clone();
        settlement(&mut naming).bundle = BlobId::of(&wrong).unwrap();
        assert!(matches!(check(&naming, &wrong), Err(ResultError::Decode(_))));
    }
    let mut forged = bundle.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let mut naming = receipt.clone();
    settlement(&mut naming).bundle = BlobId::of(&forged).unwrap();
    assert!(matches!(check(&naming, &forged), Err(ResultError::Verify(_))));
    // The user's policy is the user's.
    let strict = Policy { min_security_bits: 128, ..Policy::default() };
    let weak = check_result((JOB, *input), key, receipt, (bundle, &strict));
    assert!(matches!(weak, Err(ResultError::Verify(_))));
}
