//! The values that an integer model is held against.

use super::facts;
use crate::float::Graph;
use ciro_model::tensor::Tensor;

/// A float graph whose values others are compared with, in double precision and as float32
/// arithmetic has them: an answer that is far from either is not what users of the model know.
#[derive(Clone, Debug)]
pub struct Reference<'g> {
    graph: &'g Graph,
    whole: Vec<bool>,
}

/// Graphs of more multiplications are not also computed in float32.
const SINGLE_MACS: u64 = 1 << 22;

impl<'g> Reference<'g> {
    /// The reference of a graph.
    pub fn of(graph: &'g Graph) -> Self {
        Self { graph, whole: facts::whole_numbers(graph) }
    }

    /// The values of all nodes as float32 arithmetic has them; `None` where an input is finer than
    /// float32, so that the model is one of doubles, and for large graphs.
    pub fn in_single_precision(&self, inputs: &[Tensor<f64>]) -> Option<Vec<Tensor<f64>>> {
        let single = inputs.iter().flat_map(|input| input.data()).all(|&x| is_single(x));
        (self.graph.macs() <= SINGLE_MACS && single)
            .then(|| self.graph.eval_single(inputs, &self.whole).ok())
            .flatten()
    }
}

/// Whether float32 holds a number.
#[expect(clippy::cast_possible_truncation, reason = "that is the question")]
fn is_single(x: f64) -> bool {
    x.is_nan() || f64::from(x as f32).to_bits() == x.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_float32_does_not_hold_is_not_computed_in_it() {
        let graph = Graph::default();
        let reference = Reference::of(&graph);
        assert!(is_single(0.5) && is_single(f64::NAN) && !is_single(0.1));
        assert_eq!(reference.in_single_precision(&[Tensor::vector(vec![0.1])]), None);
    }
}
