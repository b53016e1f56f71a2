//! Statements in felts.

use ciro_model::integer::{StatedTensor, Statement};

use super::pack::base;
use super::{Felt, FeltsError};
use crate::commitment::elements;
use crate::field::embed;
use crate::key::ModelKey;
use crate::poseidon::RATE;

/// The felts of a statement, as `Facts` hashes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementFelts {
    /// What the proof is bound to.
    pub context: Felt,
    /// The integers of the inputs that are shown, those of all samples, eight a felt; behind them
    /// the commitments of the others, one a felt.
    pub inputs: Vec<Felt>,
    /// The same of the outputs.
    pub outputs: Vec<Felt>,
}

impl ModelKey {
    /// The statement in felts.
    ///
    /// # Errors
    /// [`FeltsError::Statement`] if the statement does not have the key's form.
    pub fn statement_to_felts(&self, statement: &Statement) -> Result<StatementFelts, FeltsError> {
        let Stated { context, integers: [mut inputs, mut outputs], commitments, .. } =
            Stated::of(self, statement)?;
        for [of_inputs, of_outputs] in commitments {
            inputs.extend(of_inputs);
            outputs.extend(of_outputs);
        }
        Ok(StatementFelts { context, inputs, outputs })
    }

    /// How many integers each tensor of an inference shows, inputs and outputs; none where it is
    /// committed.
    fn tensors(&self) -> [Vec<Option<usize>>; 2] {
        let inputs = self.interface().views().zip(self.views());
        let inputs = inputs.map(|((port, encoding), (_, committed))| {
            (!committed).then(|| encoding.integer_shape(&port.shape).iter().product())
        });
        let outputs = self.interface().outputs.iter().enumerate();
        let outputs = outputs.map(|(at, port)| {
            (!self.visibilities().commits_output(at)).then(|| port.shape.iter().product())
        });
        [inputs.collect(), outputs.collect()]
    }
}

/// A statement in felts, part by part.
pub(super) struct Stated {
    context: Felt,
    /// Those of inputs and of outputs.
    integers: [Vec<Felt>; 2],
    /// For every sample those of its inputs and of its outputs.
    commitments: Vec<[Vec<Felt>; 2]>,
    /// Public values: integers and elements of commitments.
    pub(super) values: usize,
}

impl Stated {
    pub(super) fn of(key: &ModelKey, statement: &Statement) -> Result<Self, FeltsError> {
        if statement.claims.len() != key.batch() as usize {
            return Err(FeltsError::Statement("number of inferences"));
        }
        let [of_inputs, of_outputs] = key.tensors();
        let mut integers = [vec![], vec![]];
        let mut commitments = vec![];
        for claim in &statement.claims {
            let Some(tensors) = claim.input.tensors() else {
                return Err(FeltsError::Statement("one commitment to all inputs"));
            };
            let [inputs, outputs] = &mut integers;
            commitments.push([
                append(&of_inputs, &tensors, inputs)?,
                append(&of_outputs, &claim.outputs, outputs)?,
            ]);
        }
        let committed = commitments.iter().flatten().map(Vec::len).sum::<usize>();
        let values = integers.iter().map(Vec::len).sum::<usize>() + RATE * committed;
        let integers = integers.map(|integers| base(integers.into_iter().map(embed)));
        let context = Felt(statement.context.to_bytes());
        Ok(Self { context, integers, commitments, values })
    }

    /// The order of the calldata.
    pub(super) fn into_felts(self) -> Vec<Felt> {
        let Self { context, integers, commitments, .. } = self;
        let commitments = commitments.into_iter().flatten();
        std::iter::once(context).chain(integers.into_iter().chain(commitments).flatten()).collect()
    }
}

/// Appends the integers of tensors, which have to be those that the key expects, and returns the
/// commitments of the others.
fn append(
    expected: &[Option<usize>],
    tensors: &[StatedTensor],
    integers: &mut Vec<i32>,
) -> Result<Vec<Felt>, FeltsError> {
    if expected.len() != tensors.len() {
        return Err(FeltsError::Statement("number of tensors"));
    }
    let mut commitments = vec![];
    for (expected, tensor) in expected.iter().zip(tensors) {
        match (expected, tensor) {
            (Some(count), StatedTensor::Public(tensor)) => {
                if tensor.data().len() != *count {
                    return Err(FeltsError::Statement("number of integers"));
                }
                integers.extend(tensor.data());
            }
            (None, StatedTensor::Committed(commitment)) => {
                let elements = elements(commitment);
                let elements = elements.ok_or(FeltsError::Statement("bytes of a commitment"))?;
                commitments.extend(base(elements));
            }
            _ => return Err(FeltsError::Statement("what is committed")),
        }
    }
    Ok(commitments)
}

#[cfg(test)]
#[cfg(feature = "prove")]
mod tests {
    use ciro_model::integer::{Claim, Committing, Context, StatedInput};
    use ciro_model::{Interface, Tensor};

    use super::*;
    use crate::commitment::{SALT_BYTES, Salt, commit};
    use crate::preset::Preset;
    use crate::prover::Plan;
    use crate::prover::tests::models;

    /// A key and a statement of two inferences of a perceptron.
    fn stated(inputs: &Committing, outputs: &Committing) -> (ModelKey, Statement) {
        let model = models::mlp();
        let visibilities = Interface::of(&model).visibilities(inputs, outputs).unwrap();
        let claims = [7, 8].map(|seed| {
            let inputs = models::inputs(&model, seed);
            let outputs = model.run(&inputs).unwrap();
            Claim::public(inputs, outputs)
        });
        let prover = Plan::showing(model, Preset::FastTest, 2, visibilities).unwrap().commit();
        let salts = vec![Salt::from_bytes([5; SALT_BYTES]); 4];
        let statement = prover.key().state(Statement::of(claims.to_vec()), &salts);
        (prover.key().clone(), statement)
    }

    #[test]
    fn a_commitment_is_one_felt_behind_the_integers_of_its_side() {
        let (key, statement) = stated(&Committing::Nothing, &Committing::All);
        let StatementFelts { context, inputs, outputs } =
            key.statement_to_felts(&statement).unwrap();
        assert_eq!(context, Felt(Context::NONE.to_bytes()));
        let shown = |claim: &Claim| claim.input.public().unwrap()[0].data().to_vec();
        let shown = statement.claims.iter().flat_map(shown).map(embed);
        assert_eq!(inputs, base(shown));
        let committed = statement.claims.iter().flat_map(|claim| &claim.outputs);
        let committed: Vec<Felt> = committed
            .flat_map(|output| base(elements(output.commitment().unwrap()).unwrap()))
            .collect();
        assert_eq!(outputs, committed);
        // Of two inferences, each with two outputs.
        assert_eq!(committed.len(), 4);
        let felts = Stated::of(&key, &statement).unwrap().into_felts();
        assert_eq!(felts, [vec![context], inputs, outputs].concat());
    }

    #[test]
    fn keys_whose_proofs_hide_have_no_felts() {
        let plan = crate::prover::tests::hiding(&models::mlp(), Preset::FastTest);
        assert_eq!(plan.commit().key().to_felts(), Err(FeltsError::Hiding));
    }

    #[test]
    fn statements_of_another_form_are_refused() {
        let (key, statement) = stated(&Committing::Nothing, &Committing::Nothing);
        let refused = |change: &dyn Fn(&mut Statement)| {
            let mut statement = statement.clone();
            change(&mut statement);
            match key.statement_to_felts(&statement).unwrap_err() {
                FeltsError::Statement(what) => what,
                other => panic!("{other}"),
            }
        };
        let committed = StatedTensor::Committed(commit(&[1], Salt::from_bytes([5; SALT_BYTES])));
        assert_eq!(refused(&|s| drop(s.claims.pop())), "number of inferences");
        assert_eq!(refused(&|s| drop(s.claims[1].outputs.pop())), "number of tensors");
        assert_eq!(refused(&|s| s.claims[0].outputs[0] = committed.clone()), "what is committed");
        let longer = StatedTensor::Public(Tensor::vector(vec![0; 99]));
        assert_eq!(refused(&|s| s.claims[0].outputs[0] = longer.clone()), "number of integers");
        let whole = StatedInput::Committed([0; 32]);
        assert_eq!(refused(&|s| s.claims[0].input = whole.clone()), "one commitment to all inputs");
        let (key, mut statement) = stated(&Committing::Nothing, &Committing::All);
        statement.claims[0].outputs[0] = StatedTensor::Committed([0xff; 32]);
        let error = key.statement_to_felts(&statement).unwrap_err();
        assert_eq!(error, FeltsError::Statement("bytes of a commitment"));
    }
}
