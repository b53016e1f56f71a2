//! Claims compared with the integer model itself.

use ciro_graph::integer::RunError;

use crate::model::Model;
use crate::statement::{Claim, StatedInput, Statement};

/// How many claims of a statement were computed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rechecked {
    /// Claims about public inputs: the integer model gives these outputs.
    pub public: usize,
    /// Claims about committed inputs, which nobody can compute again without the input.
    pub committed: usize,
}

/// A claim that the integer model does not confirm.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimMismatch {
    /// The model does not take the stated input.
    #[error("claim {claim}: the model does not take the stated input")]
    Input {
        /// The claim's position.
        claim: usize,
        /// Why not.
        #[source]
        source: RunError,
    },
    /// The model has another number of outputs, or outputs of other shapes.
    #[error("claim {claim}: the model's outputs have other shapes")]
    Shape {
        /// The claim's position.
        claim: usize,
    },
    /// The model computes another value.
    #[error(
        "claim {claim}: output `{name}`, element {index}: the model gives {model}, the claim says {claimed}"
    )]
    Output {
        /// The claim's position.
        claim: usize,
        /// The output's name.
        name: String,
        /// Row-major index.
        index: usize,
        /// What the integer model computes.
        model: i32,
        /// What the statement claims.
        claimed: i32,
    },
}

impl Model {
    /// Runs the integer model on the public inputs of a statement and compares what it claims.
    ///
    /// A proof shows that a program, or a layout, was executed; that it is the model was the key maker's work. Whoever holds the
    /// model finds out here, in the time of an inference, on either route.
    ///
    /// # Errors
    /// [`ClaimMismatch`] with the first claim that the model does not confirm.
    pub fn check_claims(&self, statement: &Statement) -> Result<Rechecked, ClaimMismatch> {
        let mut rechecked = Rechecked::default();
        for (position, claim) in statement.claims.iter().enumerate() {
            match &claim.input {
                StatedInput::Public(_) => {
                    self.check_claim(position, claim)?;
                    rechecked.public += 1;
                }
                StatedInput::Committed(_) => rechecked.committed += 1,
            }
        }
        Ok(rechecked)
    }

    fn check_claim(&self, position: usize, claim: &Claim) -> Result<(), ClaimMismatch> {
        let Some(input) = claim.input.public() else { return Ok(()) };
        let integer = self.integer();
        let computed = integer
            .run(input)
            .map_err(|source| ClaimMismatch::Input { claim: position, source })?;
        let shapes = computed.iter().map(ciro_graph::Tensor::shape);
        if !shapes.eq(claim.outputs.iter().map(ciro_graph::Tensor::shape)) {
            return Err(ClaimMismatch::Shape { claim: position });
        }
        for ((output, model), claimed) in
            integer.outputs().iter().zip(&computed).zip(&claim.outputs)
        {
            let mut pairs = model.data().iter().zip(claimed.data());
            if let Some(index) = pairs.position(|(model, claimed)| model != claimed) {
                return Err(ClaimMismatch::Output {
                    claim: position,
                    name: output.name.clone(),
                    index,
                    model: model.data()[index],
                    claimed: claimed.data()[index],
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ciro_graph::Tensor;
    use ciro_graph::integer::ops::Combine;
    use ciro_graph::integer::{Decoding, Encoding, ModelBuilder};

    use super::*;

    /// `y = 3 x + 1`.
    fn model() -> Model {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![2]);
        let x = builder.view(input, Encoding::Integer { lo: -9, hi: 9 }).unwrap();
        let y =
            builder.push("y", Combine { coefficients: vec![3], constant: 1 }, &[x], 1.0).unwrap();
        builder.output("y", y, Decoding::Integer);
        Model::from(builder.finish().unwrap())
    }

    fn claim(input: [i32; 2], output: &[i32]) -> Claim {
        let input = StatedInput::Public(vec![Tensor::vector(input.to_vec())]);
        Claim { input, outputs: vec![Tensor::vector(output.to_vec())] }
    }

    #[test]
    fn only_what_the_model_computes_is_confirmed() {
        let check = |claims: Vec<Claim>| model().check_claims(&Statement { claims });
        let committed = Claim {
            input: StatedInput::Committed([7; 32]),
            outputs: vec![Tensor::vector(vec![0])],
        };
        let right = claim([1, -2], &[4, -5]);
        assert_eq!(
            check(vec![right.clone(), committed]),
            Ok(Rechecked { public: 1, committed: 1 })
        );

        let error = check(vec![right, claim([1, -2], &[4, 5])]).unwrap_err();
        let message = "claim 1: output `y`, element 1: the model gives -5, the claim says 5";
        assert_eq!(error.to_string(), message);
        let error = check(vec![claim([1, -2], &[4])]).unwrap_err();
        assert_eq!(error, ClaimMismatch::Shape { claim: 0 });
        let error = check(vec![claim([1, 10], &[4, 31])]).unwrap_err();
        assert!(matches!(error, ClaimMismatch::Input { claim: 0, .. }), "{error}");
    }
}
