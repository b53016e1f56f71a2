//! Support vector machines.

use super::labels::Labels;
use super::linear::samples;
use super::post::Post;
use super::svm_probability::probabilities;
use crate::float::scalar::{self, c};
use crate::float::{BinaryFn, NodeId, Reducer, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, bad, count};
use crate::import::data_type::DataType;
use crate::import::value::{Binding, Outputs, Value};
use ciro_model::tensor::Tensor;

pub(in crate::import::ops) const OPS: Family =
    &[("ai.onnx.ml.SVMClassifier", 1, classifier), ("ai.onnx.ml.SVMRegressor", 1, regressor)];

/// `SVMRegressor`: a weighted sum of kernels, or with `one_class` its sign.
fn regressor(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = samples(cx)?;
    let coefficients = cx.floats("coefficients");
    let rho = *cx.floats("rho").first().ok_or_else(|| bad("rho", "is missing"))?;
    let supports = usize::try_from(cx.int("n_supports", 0)).unwrap_or(0);
    let kernels = if supports > 0 { kernels(cx, x, supports)? } else { x };
    let weights = Tensor::new(vec![coefficients.len(), 1], coefficients).expect("a column");
    let weights = cx.g.constant(weights)?;
    let sum = cx.g.mat_mul(kernels, weights)?;
    let mut y = cx.g.with(BinaryFn::Add, sum, rho)?;
    if cx.flag("one_class", false) {
        let positive = cx.g.with(BinaryFn::Greater, y, 0.0)?;
        let signed = scalar::x() * c(2.0) + c(-1.0);
        y = cx.g.map(signed, positive)?;
    }
    Context::give(y, DataType::Float)
}

/// `SVMClassifier`: the label with the most votes, and the scores of the pairs, or probabilities.
fn classifier(cx: &mut Cx<'_, '_>) -> Outputs {
    let labels = Labels::read(cx, "classlabels_ints", "classlabels_strings")?;
    let per_class = cx.ints("vectors_per_class").unwrap_or_default();
    let per_class: Vec<usize> =
        per_class.iter().map(|&n| count(n as f64)).collect::<Result<_, _>>()?;
    if per_class.iter().sum::<usize>() == 0 {
        return linear_classifier(cx, &labels);
    }
    let classes = labels.len();
    if classes < 2 || per_class.len() != classes {
        return Err(bad("vectors_per_class", "has not one element a class").into());
    }
    let x = samples(cx)?;
    let supports = per_class.iter().sum();
    let kernels = kernels(cx, x, supports)?;
    let pairs = pair_weights(cx, &per_class)?;
    let pairs = cx.g.constant(pairs)?;
    let rho = cx.floats("rho");
    let rho = cx.g.vector(rho)?;
    let margins = cx.g.mat_mul(kernels, pairs)?;
    let margins = cx.g.add(margins, rho)?;
    let wins = cx.g.with(BinaryFn::Greater, margins, 0.0)?;
    let votes = votes(cx, wins, classes)?;
    let best = cx.g.reduce(Reducer::ArgMax, votes, &[1])?;
    let label = labels.at(cx, best)?;
    let post = Post::read(cx)?;
    let scores = if !cx.floats("prob_a").is_empty() {
        let probabilities = probabilities(cx, margins, classes)?;
        post.apply(cx, probabilities)?
    } else if classes == 2 {
        let opposite = match post {
            Post::None => cx.g.unary(UnaryFn::Neg, margins)?,
            Post::Probit => return Err(Reason::Unsupported("PROBIT of a single margin").into()),
            _ => {
                let one = cx.g.scalar(1.0)?;
                cx.g.sub(one, margins)?
            }
        };
        cx.g.concat(1, &[opposite, margins])?
    } else {
        post.apply(cx, margins)?
    };
    Ok([label, Value::new(scores, DataType::Float)].map(Binding::Tensor).to_vec())
}

/// A classifier without support vectors: one score a class.
fn linear_classifier(cx: &mut Cx<'_, '_>, labels: &Labels) -> Outputs {
    let x = samples(cx)?;
    let coefficients = cx.floats("coefficients");
    let positive = coefficients.iter().all(|&w| w >= 0.0);
    let rho = *cx.floats("rho").first().ok_or_else(|| bad("rho", "is missing"))?;
    let shape = vec![labels.len(), cx.g.shape(x)[1]];
    let weights = Tensor::new(shape, coefficients)
        .map_err(|_| bad("coefficients", "has not one element a feature and class"))?;
    let weights = cx.g.constant(weights)?;
    let weights = cx.g.transpose(weights, &[1, 0])?;
    let product = cx.g.mat_mul(x, weights)?;
    let scores = cx.g.with(BinaryFn::Add, product, rho)?;
    let best = cx.g.reduce(Reducer::ArgMax, scores, &[1])?;
    let mut winner = best;
    if labels.len() == 2 && cx.floats("prob_a").is_empty() {
        let max = cx.g.reduce(Reducer::Max, scores, &[1])?;
        let enough = match positive {
            true => cx.g.with(BinaryFn::GreaterOrEqual, max, 0.5)?,
            false => cx.g.with(BinaryFn::Greater, max, 0.0)?,
        };
        winner = cx.g.binary(BinaryFn::Or, enough, best)?;
    }
    let label = labels.at(cx, winner)?;
    let scores = Post::read(cx)?.apply(cx, scores)?;
    Ok([label, Value::new(scores, DataType::Float)].map(Binding::Tensor).to_vec())
}

/// For each pair of classes, the weight of every support vector: `[vectors, pairs]`.
///
/// Row `j - 1` of the coefficients weighs the vectors of class `i` against class `j > i`, and row
/// `i` those of class `j`.
fn pair_weights(cx: &Cx<'_, '_>, per_class: &[usize]) -> Result<Tensor<f64>, Reason> {
    let (classes, supports) = (per_class.len(), per_class.iter().sum::<usize>());
    let coefficients = cx.floats("coefficients");
    if coefficients.len() != (classes - 1) * supports {
        return Err(bad("coefficients", "has not one element a vector and opponent"));
    }
    let pairs = classes * (classes - 1) / 2;
    if cx.floats("rho").len() != pairs {
        return Err(bad("rho", "has not one element a pair of classes"));
    }
    let starts: Vec<usize> = (0..classes).map(|class| per_class[..class].iter().sum()).collect();
    let mut weights = vec![0.0; supports * pairs];
    let mut pair = 0;
    for i in 0..classes {
        for j in i + 1..classes {
            for (class, row) in [(i, j - 1), (j, i)] {
                for vector in starts[class]..starts[class] + per_class[class] {
                    weights[vector * pairs + pair] = coefficients[row * supports + vector];
                }
            }
            pair += 1;
        }
    }
    Ok(Tensor::new(vec![supports, pairs], weights).expect("one weight a vector and pair"))
}

/// How many pairs each class wins: the first of a pair where its margin is positive, else the
/// second.
fn votes(cx: &mut Cx<'_, '_>, wins: NodeId, classes: usize) -> Result<NodeId, Reason> {
    let pairs = cx.g.shape(wins)[1];
    let mut signs = vec![0.0; pairs * classes];
    let mut start = vec![0.0; classes];
    let mut pair = 0;
    for i in 0..classes {
        for j in i + 1..classes {
            signs[pair * classes + i] = 1.0;
            signs[pair * classes + j] = -1.0;
            start[j] += 1.0;
            pair += 1;
        }
    }
    let signs = Tensor::new(vec![pairs, classes], signs).expect("one sign a pair and class");
    let signs = cx.g.constant(signs)?;
    let start = cx.g.vector(start)?;
    let won = cx.g.mat_mul(wins, signs)?;
    cx.g.add(won, start)
}

/// The kernel of every sample with every support vector, `[N, vectors]`.
fn kernels(cx: &mut Cx<'_, '_>, x: NodeId, supports: usize) -> Result<NodeId, Reason> {
    let features = cx.g.shape(x)[1];
    let vectors = Tensor::new(vec![supports, features], cx.floats("support_vectors"))
        .map_err(|_| bad("support_vectors", "has not one element a vector and feature"))?;
    let norms: Vec<f64> =
        vectors.data().chunks(features.max(1)).map(|v| v.iter().map(|x| x * x).sum()).collect();
    let vectors = cx.g.constant(vectors)?;
    let vectors = cx.g.transpose(vectors, &[1, 0])?;
    let products = cx.g.mat_mul(x, vectors)?;
    let params = cx.floats("kernel_params");
    let [gamma, coef0, degree] = [0, 1, 2].map(|at| params.get(at).copied().unwrap_or(0.0));
    let line = scalar::x() * c(gamma) + c(coef0);
    match cx.text("kernel_type", "LINEAR") {
        "LINEAR" => Ok(products),
        "POLY" => cx.g.map(line.pow(c(degree)), products),
        "SIGMOID" => cx.g.map(line.tanh(), products),
        "RBF" => {
            // |x - v|^2 = |x|^2 - 2 x v + |v|^2
            let squares = cx.g.map(scalar::x() * scalar::x(), x)?;
            let squares = cx.g.reduce_keep(Reducer::Sum, squares, &[1])?;
            let norms = cx.g.vector(norms)?;
            let mixed = cx.g.with(BinaryFn::Mul, products, -2.0)?;
            let distance = cx.g.add(mixed, norms)?;
            let distance = cx.g.add(distance, squares)?;
            cx.g.map((scalar::x() * c(-gamma)).exp(), distance)
        }
        _ => Err(bad("kernel_type", "is not one of ONNX's values")),
    }
}
