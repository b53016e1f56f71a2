//! Operators that prepare features.

use crate::float::{BinaryFn, NodeId, Reducer, ScalarFn, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, bad};
use crate::import::data_type::DataType;
use crate::import::ops::norm::norm_along;
use crate::import::value::{Outputs, one};

pub(in crate::import::ops) const OPS: Family = &[
    ("ai.onnx.ml.Binarizer", 1, binarizer),
    ("ai.onnx.ml.FeatureVectorizer", 1, vectorizer),
    ("ai.onnx.ml.Imputer", 1, imputer),
    ("ai.onnx.ml.Normalizer", 1, normalizer),
    ("ai.onnx.ml.Scaler", 1, scaler),
];

/// `(x - offset) * scale`, one offset and scale a feature or for all.
fn scaler(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let mut id = x.id;
    for (name, f) in [("offset", BinaryFn::Sub), ("scale", BinaryFn::Mul)] {
        let values = cx.floats(name);
        if values.is_empty() {
            continue;
        }
        let row = per_feature(cx, x.id, name, values)?;
        id = cx.g.binary(f, id, row)?;
    }
    Context::give(id, DataType::Float)
}

/// Divides each sample by its maximum, 1-norm or 2-norm; samples whose norm is 0 stay.
fn normalizer(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let rank = cx.g.rank(x.id);
    if rank == 0 {
        return Err(cx.g.misfit("the operand needs an axis", &[x.id]).into());
    }
    let norm = match cx.text("norm", "MAX") {
        "MAX" => cx.g.reduce_keep(Reducer::Max, x.id, &[rank - 1])?,
        "L1" => norm_along(cx, x.id, rank - 1, true)?,
        "L2" => norm_along(cx, x.id, rank - 1, false)?,
        _ => return Err(bad("norm", "is not one of ONNX's values").into()),
    };
    let zero = cx.g.with(BinaryFn::Equal, norm, 0.0)?;
    let safe = cx.g.add(norm, zero)?;
    Context::give(cx.g.div(x.id, safe)?, DataType::Float)
}

/// Replaces a value, most often "not a number", by one value a feature or for all.
fn imputer(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let (values, replaced) = match cx.ints("imputed_value_int64s") {
        Some(values) if !values.is_empty() => (
            values.iter().map(|&value| value as f64).collect(),
            cx.int("replaced_value_int64", 0) as f64,
        ),
        _ => (cx.floats("imputed_value_floats"), cx.float("replaced_value_float", 0.0)),
    };
    let condition = if replaced.is_nan() {
        ScalarFn::unary(UnaryFn::IsNaN)
    } else {
        ScalarFn::binary(BinaryFn::Equal, ScalarFn::X, ScalarFn::Const(replaced))
    };
    let missing = cx.g.map(condition, x.id)?;
    let row = per_feature(cx, x.id, "imputed_value_floats", values)?;
    one(x.with(cx.g.choose(missing, row, x.id)?))
}

/// 1 above the threshold, else 0.
fn binarizer(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let threshold = cx.float("threshold", 0.0);
    one(x.with(cx.g.with(BinaryFn::Greater, x.id, threshold)?))
}

/// Joins the features of several inputs.
fn vectorizer(cx: &mut Cx<'_, '_>) -> Outputs {
    let mut parts = Vec::new();
    for index in 0..cx.inputs.len() {
        let mut part = cx.number(index)?.id;
        if cx.g.rank(part) == 1 {
            part = cx.g.unsqueeze(part, 0)?;
        }
        let width = cx.ints("inputdimensions").and_then(|widths| widths.get(index));
        let same = |&width: &i64| usize::try_from(width) == Ok(cx.g.shape(part)[1]);
        if cx.g.rank(part) != 2 || !width.is_none_or(same) {
            return Err(cx.g.misfit("the inputs are [N, inputdimensions]", &[part]).into());
        }
        parts.push(part);
    }
    if parts.is_empty() {
        return Err(Reason::MissingInput(0).into());
    }
    Context::give(cx.g.concat(1, &parts)?, DataType::Float)
}

/// Values as a row that broadcasts along the features of `x`.
fn per_feature(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    name: &str,
    values: Vec<f64>,
) -> Result<NodeId, Reason> {
    let features = cx.g.shape(x).last().copied().unwrap_or(1);
    match values.as_slice() {
        [value] => cx.g.scalar(*value),
        _ if values.len() == features => cx.g.vector(values),
        _ => Err(bad(name, "has not one element a feature")),
    }
}
