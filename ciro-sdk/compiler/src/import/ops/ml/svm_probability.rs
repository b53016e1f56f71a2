//! Probabilities of classes from the margins of pairs of classes.

use crate::float::scalar::{c, x};
use crate::float::{BinaryFn, NodeId};
use crate::import::Reason;
use crate::import::algebra::Made;
use crate::import::builder::Builder;
use crate::import::context::{Context, bad};
use ciro_model::tensor::Tensor;

/// The iteration ends where its error is certainly below this.
const TOLERANCE: f64 = 1e-5;

/// The probabilities `[N, classes]` that agree best with those of the pairs, from margins `[N,
/// pairs]`.
///
/// Each margin gives a probability `r` of the first class of its pair by a fitted sigmoid. The
/// classes' probabilities `p` minimise `sum (r_ji p_i - r_ij p_j)^2` with `sum p = 1`; onnxruntime
/// stops an iteration for it early, within 0.005 / classes.
///
/// # Source
/// Wu, Lin and Weng, "Probability Estimates for Multi-class Classification by Pairwise Coupling",
/// 2004, section 4.
pub(super) fn probabilities(
    cx: &mut Context<'_, '_>,
    margins: NodeId,
    classes: usize,
) -> Result<NodeId, Reason> {
    let pairwise = pairwise(cx, margins)?;
    if classes == 2 {
        let one = cx.g.scalar(1.0)?;
        let other = cx.g.sub(one, pairwise)?;
        return cx.g.concat(1, &[pairwise, other]);
    }
    let descent = descent(cx.g, pairwise, classes)?;
    let solution = minimum(cx.g, descent, classes)?;
    cx.g.map(x().clip(0.0, 1.0), solution)
}

/// `1 - sigmoid(a * margin + b)`, kept away from 0 and 1.
fn pairwise(cx: &mut Context<'_, '_>, margins: NodeId) -> Result<NodeId, Reason> {
    let (a, b) = (cx.floats("prob_a"), cx.floats("prob_b"));
    let pairs = cx.g.shape(margins)[1];
    if [a.len(), b.len()] != [pairs; 2] {
        return Err(bad("prob_a", "and prob_b have not one element a pair of classes"));
    }
    let (a, b) = (cx.g.vector(a)?, cx.g.vector(b)?);
    let scaled = cx.g.mul(margins, a)?;
    let line = cx.g.add(scaled, b)?;
    let opposite = c(1.0) - x().sigmoid();
    cx.g.map(opposite.clip(1e-7, 1.0 - 1e-7), line)
}

/// The matrix `[N, classes, classes]` that takes `p` to the direction of descent inside `sum p =
/// 1`.
///
/// With `Q` the matrix of the quadratic form, that is `-Q` less the mean of each row. `Q_ij = -r_ij
/// r_ji` and `Q_ii = sum r_ji^2` are, as `r_ji = 1 - r_ij`, linear in the probabilities of the
/// pairs and their squares.
fn descent(g: &mut Builder, pairwise: NodeId, classes: usize) -> Made {
    let pairs = g.shape(pairwise)[1];
    let cells = classes * classes;
    let (mut first, mut square) = (vec![0.0; pairs * cells], vec![0.0; pairs * cells]);
    let mut constant = vec![0.0; cells];
    let mut pair = 0;
    for i in 0..classes {
        for j in i + 1..classes {
            let [ii, ij, ji, jj] = [(i, i), (i, j), (j, i), (j, j)].map(|(i, j)| i * classes + j);
            // -(1 - r)^2, r - r^2 twice, and -r^2.
            constant[ii] -= 1.0;
            for (cell, linear, quadratic) in
                [(ii, 2.0, -1.0), (ij, 1.0, -1.0), (ji, 1.0, -1.0), (jj, 0.0, -1.0)]
            {
                first[pair * cells + cell] += linear;
                square[pair * cells + cell] += quadratic;
            }
            pair += 1;
        }
    }
    let mut centred = |mut rows: Vec<f64>, shape: Vec<usize>| {
        for row in rows.chunks_mut(classes) {
            let mean = row.iter().sum::<f64>() / classes as f64;
            row.iter_mut().for_each(|entry| *entry -= mean);
        }
        g.constant(Tensor::new(shape, rows).expect("rows of the matrix"))
    };
    let first = centred(first, vec![pairs, cells])?;
    let square = centred(square, vec![pairs, cells])?;
    let constant = centred(constant, vec![cells])?;
    let squares = g.map(x() * x(), pairwise)?;
    let linear = g.mat_mul(pairwise, first)?;
    let quadratic = g.mat_mul(squares, square)?;
    let sum = g.add(linear, quadratic)?;
    let sum = g.add(sum, constant)?;
    let samples = g.shape(pairwise)[0];
    g.reshape(sum, &[samples, classes, classes])
}

/// The minimum by Chebyshev's iteration: sums and products of numbers near 1, without a division.
///
/// On directions that keep the sum, the eigenvalues of `Q` lie between about `1 / classes` and
/// `classes - 1`, whatever the probabilities of the pairs are: `r_ij + r_ji = 1` keeps two classes
/// apart, and row `i` of `Q` adds up to at most `sum r_ji` in absolute value.
///
/// # Source
/// Golub and Varga, "Chebyshev semi-iterative methods", 1961.
fn minimum(g: &mut Builder, descent: NodeId, classes: usize) -> Made {
    let count = classes as f64;
    let (least, most) = (1.0 / count, count - 1.0);
    let (centre, radius) = ((most + least) / 2.0, (most - least) / 2.0);
    let root = (most / least).sqrt();
    let rate = (root - 1.0) / (root + 1.0);
    let mut error = 2.0;
    let mut rho = radius / centre;
    let samples = g.shape(descent)[0];
    let start = g.full(&[samples, 1, classes], 1.0 / count)?;
    let (mut before, mut solution) = (start, start);
    let mut momentum = 0.0;
    while error > TOLERANCE {
        let slope = g.mat_mul(solution, descent)?;
        let gain = (1.0 + momentum) / centre;
        let next = g.concat(2, &[solution, before, slope])?;
        let weights = combination(&[1.0 + momentum, -momentum, gain], classes)?;
        let weights = g.constant(weights)?;
        let next = g.mat_mul(next, weights)?;
        let next = g.with(BinaryFn::Add, next, 1.0 / count)?;
        (before, solution) = (solution, next);
        let next_rho = 1.0 / (2.0 * centre / radius - rho);
        momentum = next_rho * rho;
        rho = next_rho;
        error *= rate;
    }
    g.squeeze(solution, 1)
}

/// The matrix that takes rows laid side by side to their weighted sum, less its mean, so that
/// rounding adds up to nothing.
fn combination(weights: &[f64], width: usize) -> Result<Tensor<f64>, Reason> {
    let mean = 1.0 / width as f64;
    let rows = weights.iter().flat_map(|&weight| (0..width).map(move |at| (weight, at)));
    let entry = |(weight, at): (f64, usize)| {
        (0..width)
            .map(move |column| if column == at { weight - weight * mean } else { -weight * mean })
    };
    Tensor::new(vec![weights.len() * width, width], rows.flat_map(entry).collect())
        .map_err(|error| Reason::TensorData(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::{ElementType, Graph, Input, Labels, Output, UnaryFn};
    use crate::import::builder::Limits;
    use crate::quantize::{Settings, calibrate, quantize};

    /// The minimum by elimination, from the probabilities of the pairs.
    fn solved(pairwise: &[f64], classes: usize) -> Vec<f64> {
        let mut r = vec![0.0; classes * classes];
        let mut pairs = pairwise.iter();
        for (i, j) in (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))) {
            let first = *pairs.next().unwrap();
            (r[i * classes + j], r[j * classes + i]) = (first, 1.0 - first);
        }
        let r = |i: usize, j: usize| r[i * classes + j];
        let entry = |i: usize, j: usize| match i == j {
            true => (0..classes).map(|k| r(k, i) * r(k, i)).sum::<f64>() + 1e-12,
            false => -r(i, j) * r(j, i),
        };
        let mut rows: Vec<Vec<f64>> = (0..classes)
            .map(|i| (0..classes).map(|j| entry(i, j)).chain([1.0]).collect())
            .collect();
        for pivot in 0..classes {
            let above = rows[pivot].clone();
            for (_, row) in rows.iter_mut().enumerate().filter(|(row, _)| *row != pivot) {
                let factor = row[pivot] / above[pivot];
                row.iter_mut().zip(&above).for_each(|(entry, above)| *entry -= factor * above);
            }
        }
        let y: Vec<f64> = (0..classes).map(|i| rows[i][classes] / rows[i][i]).collect();
        let sum: f64 = y.iter().sum();
        y.into_iter().map(|y| y / sum).collect()
    }

    /// The graph from probabilities of pairs to probabilities of classes.
    fn graph(classes: usize) -> Graph {
        let pairs = classes * (classes - 1) / 2;
        let mut g = Builder::new(Limits { elements: 1 << 20, nodes: 1 << 12 });
        let (name, shape) = ("r".to_owned(), vec![1, pairs]);
        let r = g.input(Input { name, shape, element_type: ElementType::Float }).unwrap();
        let descent = descent(&mut g, r, classes).unwrap();
        let node = minimum(&mut g, descent, classes).unwrap();
        let outputs = vec![Output { name: "p".to_owned(), node, labels: Labels::Real }];
        let mut graph = Graph { nodes: g.nodes, inputs: g.inputs, outputs };
        crate::import::simplify::name(&mut graph);
        graph
    }

    /// Probabilities of pairs from undecided to certain.
    fn samples(classes: usize) -> Vec<Vec<Tensor<f64>>> {
        let pairs = classes * (classes - 1) / 2;
        let sample = |sharpness: f64| {
            let margin = |at: usize| sharpness * (at as f64 * 12.9898 + sharpness).sin();
            let r = (0..pairs).map(|at| UnaryFn::Sigmoid.eval(margin(at))).collect();
            vec![Tensor::new(vec![1, pairs], r).unwrap()]
        };
        [0.5, 2.0, 4.0, 8.0, 30.0].map(sample).to_vec()
    }

    #[track_caller]
    fn close(got: &Tensor<f64>, pairwise: &Tensor<f64>, classes: usize, bound: f64) {
        for (got, expected) in got.data().iter().zip(solved(pairwise.data(), classes)) {
            assert!(
                (got - expected).abs() < bound,
                "{classes} classes: {got}, expected {expected}"
            );
        }
    }

    #[test]
    fn iteration_ends_at_the_minimum() {
        for classes in [3, 4, 7, 10] {
            let graph = graph(classes);
            for sample in samples(classes) {
                let values = graph.eval(&sample).unwrap();
                close(&values[graph.outputs[0].node.index()], &sample[0], classes, 1e-4);
            }
        }
    }

    #[test]
    fn integers_lose_nothing_that_counts() {
        for classes in [3, 5] {
            let (graph, samples) = (graph(classes), samples(classes));
            let calibration = calibrate(&graph, &samples).unwrap();
            let model = quantize(&graph, &calibration, &Settings::default()).unwrap();
            for sample in samples {
                let views = model.inputs()[0].views.iter();
                let integers: Vec<_> =
                    views.map(|(_, view)| view.encode(&sample[0]).unwrap().tensor).collect();
                let got = model.outputs()[0].decoding.decode(&model.run(&integers).unwrap()[0]);
                close(&got, &sample[0], classes, 3e-3);
            }
        }
    }
}
