//! Ranks of features among sorted boundaries.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{same, take};
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y[.., f] = #{ k : boundaries[f][k] < x[.., f] }`: `x <= boundaries[f][k]` exactly if `y <= k`.
///
/// Decision trees compare a feature with hundreds of thresholds; its rank answers all of them at
/// once. With two limbs the operand is the ordered image of a float32
/// ([`Encoding::Ordered`](crate::integer::Encoding::Ordered)), so every comparison is the one that
/// float arithmetic takes.
///
/// # Shapes
/// `x: [.., F]`, or `[.., F, 2]` with limbs `(high, low)` of `high * 2^16 + low` `-> [.., F]`
///
/// # Source
/// ONNX `TreeEnsembleClassifier`, `TreeEnsembleRegressor`, `TreeEnsemble`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucketize {
    /// For each feature, strictly increasing boundaries.
    pub boundaries: Vec<Vec<i64>>,
    /// Whether the operand comes as two 16-bit limbs.
    pub limbs: bool,
}

impl Bucketize {
    /// What boundaries of two-limb operands stay inside: images of float32 values.
    const IMAGES: Interval = Interval { lo: -(1 << 31), hi: (1 << 31) - 1 };
}

impl Operator for Bucketize {
    fn name(&self) -> &'static str {
        "Bucketize"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        let values = if self.limbs {
            let (last, lead) = x.split_last().unwrap_or((&1, &[]));
            same("limbs", &[2], &[*last])?;
            lead
        } else {
            x
        };
        same("features", &[self.boundaries.len()], &values[values.len().saturating_sub(1)..])?;
        for boundaries in &self.boundaries {
            if !boundaries.windows(2).all(|pair| pair[0] < pair[1]) {
                return Err(OperatorError::Attribute("boundaries increase strictly"));
            }
            if !boundaries.iter().all(|&b| Self::IMAGES.contains(Interval::point(b))) {
                return Err(OperatorError::Attribute("boundaries fit 32 bits"));
            }
        }
        Ok(values.to_vec())
    }

    fn interval(
        &self,
        _operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let most = self.boundaries.iter().map(Vec::len).max().unwrap_or(0);
        Ok(Interval::new(0, i64::try_from(most).unwrap_or(i64::MAX)))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        let x = operands[0];
        let width = if self.limbs { 2 } else { 1 };
        let values = x.data().chunks_exact(width).map(|limbs| match limbs {
            [high, low] => i64::from(*high) * (1 << 16) + i64::from(*low),
            [value] => i64::from(*value),
            _ => unreachable!("chunks of one or two"),
        });
        let data = values
            .zip(self.boundaries.iter().cycle())
            .map(|(value, boundaries)| {
                let rank = boundaries.partition_point(|&boundary| boundary < value);
                i32::try_from(rank).expect("the interval rule bounds the number of boundaries")
            })
            .collect();
        let rank = x.rank() - usize::from(self.limbs);
        Tensor::new(x.shape()[..rank].to_vec(), data).expect("one rank for each value")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{check, refuse, tight};
    use super::*;
    use crate::integer::{Encoding, ordered_image};

    fn ranks(boundaries: &[&[i64]], limbs: bool) -> Bucketize {
        Bucketize { boundaries: boundaries.iter().map(|b| b.to_vec()).collect(), limbs }
    }

    #[test]
    fn a_value_on_a_boundary_belongs_below_it() {
        let x = tight(&[3, 2], &[4, -9, 5, 0, 11, 1]);
        let op = ranks(&[&[5, 10], &[0]], false);
        check(&[x], |_| op.into(), &[3, 2], &[0, 0, 0, 0, 2, 1]);
    }

    #[test]
    fn boundaries_that_do_not_increase_are_refused() {
        let x = || [tight(&[1], &[0])];
        refuse(&x(), |_| ranks(&[&[1, 1]], false).into(), "increase strictly");
        refuse(&x(), |_| ranks(&[&[1 << 40]], false).into(), "fit 32 bits");
        refuse(&x(), |_| ranks(&[&[1], &[2]], false).into(), "features");
        refuse(&x(), |_| ranks(&[&[1]], true).into(), "limbs");
    }

    proptest! {
        #[test]
        fn limbs_decide_as_floats_do(x: f32, thresholds in prop::collection::vec(any::<f32>(), 1..5)) {
            prop_assume!(x.is_finite() && thresholds.iter().all(|t| t.is_finite()));
            let mut boundaries: Vec<i64> = thresholds.iter().copied().map(ordered_image).collect();
            boundaries.sort_unstable();
            boundaries.dedup();
            let op = Bucketize { boundaries: vec![boundaries.clone()], limbs: true };
            let encoded = Encoding::Ordered.encode(&Tensor::vector(vec![x.into()])).unwrap().tensor;
            let rank = op.eval(&[&encoded], &Constants::default()).data()[0];
            for threshold in thresholds {
                let k = boundaries.binary_search(&ordered_image(threshold)).unwrap();
                prop_assert_eq!(x <= threshold, usize::try_from(rank).unwrap() <= k);
            }
        }
    }
}
