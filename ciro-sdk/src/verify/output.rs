//! What the integers of a model's outputs mean.

use ciro_model::Tensor;
use ciro_model::integer::Decoding;

/// One output of one inference.
#[derive(Clone, Debug, PartialEq)]
pub struct RealOutput {
    /// The ONNX output's name.
    pub name: String,
    /// The integers that are proven.
    pub integers: Tensor<i32>,
    /// What they stand for: real numbers, positions or integer labels.
    pub values: Tensor<f64>,
    /// The class names, one for each element, if the output holds names.
    pub labels: Option<Vec<String>>,
}

impl RealOutput {
    /// Decodes the integers of an output.
    ///
    /// A position past the list of names, which a checked model does not have, gives an empty name.
    pub(crate) fn new(name: &str, decoding: &Decoding, integers: Tensor<i32>) -> Self {
        let label = |names: &[String], position: i32| {
            usize::try_from(position).ok().and_then(|position| names.get(position)).cloned()
        };
        let labels = match decoding {
            Decoding::Names(names) => {
                let positions = integers.data().iter();
                Some(
                    positions.map(|&position| label(names, position).unwrap_or_default()).collect(),
                )
            }
            Decoding::Real { .. } | Decoding::Integer => None,
        };
        Self { name: name.to_owned(), values: decoding.decode(&integers), integers, labels }
    }

    /// The position of the greatest value along the last axis, for outputs that are scores of one
    /// row.
    pub fn top1(&self) -> Option<usize> {
        let values = self.values.data();
        if values.len() != self.values.last_dim() || values.len() < 2 {
            return None;
        }
        (0..values.len()).reduce(|best, next| if values[next] > values[best] { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(decoding: &Decoding, integers: Vec<i32>) -> RealOutput {
        RealOutput::new("y", decoding, Tensor::vector(integers))
    }

    #[test]
    fn integers_become_what_they_mean() {
        let real = output(&Decoding::Real { scale: 0.5 }, vec![3, -1, 3]);
        assert_eq!((real.values.data(), real.top1()), (&[1.5, -0.5, 1.5][..], Some(0)));
        let names = Decoding::Names(vec!["cat".to_owned(), "dog".to_owned()]);
        let named = output(&names, vec![1]);
        assert_eq!(named.labels, Some(vec!["dog".to_owned()]));
        assert_eq!(named.top1(), None);
    }

    #[test]
    fn impossible_positions_do_not_panic() {
        let names = Decoding::Names(vec!["cat".to_owned()]);
        assert_eq!(output(&names, vec![-1, 7]).labels, Some(vec![String::new(), String::new()]));
    }
}
