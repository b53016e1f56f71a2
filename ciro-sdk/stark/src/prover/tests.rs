//! White-box tests of the layout: every model's witness satisfies every chip.

use super::Prover;
use super::check::faults;
use crate::preset::Preset;

#[path = "../../tests/it/models.rs"]
mod models;

#[test]
fn honest_witnesses_have_no_faults() {
    for batch in [1, 3] {
        for (name, model) in models::all() {
            let prover = Prover::new(model.clone(), Preset::FastTest, batch).unwrap();
            let traces: Vec<_> = (0..batch)
                .map(|seed| model.trace(&models::inputs(&model, seed.into())).unwrap())
                .collect();
            let witness = prover.witness(&prover.layout().values(&traces));
            let faults = faults(&prover.layout().chips, &witness);
            assert_eq!(faults, Vec::<String>::new(), "{name}, batch {batch}");
        }
    }
}
