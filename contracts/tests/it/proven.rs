//! Jobs that are paid for real proofs, in Cairo: `tests/scenarios/proven.cairo`.

use std::sync::LazyLock;

use ciro_model::integer::Committing;
use starknet_types_core::felt::Felt as Felt252;

use crate::inference::{Inference, Shown};
use crate::models;
use crate::scenarios::plays;

/// An inference, and its proof bound to the job that every history opens first.
struct Job {
    about: Vec<Felt252>,
    key: Vec<Felt252>,
    shown: Shown,
}

/// The first play opens the job, and so names the context; addresses depend on nothing else.
static JOB: LazyLock<Job> = LazyLock::new(|| {
    let model = models::affine();
    let input = models::inputs(&model, 7).remove(0);
    let inference = Inference::new(model, input, Committing::Nothing);
    let about = inference.about();
    let context = plays("proven::context", &[&about]);
    let shown = inference.prove(context[0]);
    Job { key: inference.key(), about, shown }
});

#[test]
fn a_proof_that_is_copied_pays_its_worker_once() {
    let Job { about, key, shown } = &*JOB;
    let name = "proven::a_proof_that_is_copied_pays_its_worker_once";
    assert_eq!(plays(name, &[about, key, &shown.felts]), [shown.fact]);
}

/// Histories of a job and its proof.
macro_rules! proven {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                plays(concat!("proven::", stringify!($name)), &[&JOB.about, &JOB.shown.felts]);
            }
        )*
    };
}

proven! {
    a_late_proof_pays_nobody
    a_challenged_claim_is_proven
    a_false_claim_is_beaten
    a_result_that_is_copied_in_time_is_doubted
}
