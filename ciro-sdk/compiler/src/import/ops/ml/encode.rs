//! Encoders of categories.

use std::sync::Arc;

use crate::float::{BinaryFn, NodeId, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, bad};
use crate::import::data_type::DataType;
use crate::import::ops::gather::gather_axis;
use crate::import::text;
use crate::import::value::{Outputs, Value, one};
use ciro_model::tensor::Tensor;

pub(in crate::import::ops) const OPS: Family = &[
    ("ai.onnx.ml.CategoryMapper", 1, category_mapper),
    ("ai.onnx.ml.LabelEncoder", 1, label_encoder),
    ("ai.onnx.ml.OneHotEncoder", 1, one_hot),
];

/// A list of keys or values: numbers, or names.
#[derive(Clone, Debug)]
enum List {
    Numbers(Vec<f64>, DataType),
    Names(Vec<String>),
}

/// One place for each category: 1 where the operand is that category.
fn one_hot(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let categories = match cx.ints("cats_int64s").filter(|cats| !cats.is_empty()) {
        Some(cats) => List::Numbers(cats.iter().map(|&cat| cat as f64).collect(), x.kind),
        None => List::Names(cx.texts("cats_strings")),
    };
    let (positions, keys) = match (&categories, &x.names) {
        (List::Names(cats), Some(names)) => {
            text::look_up(names, cats)?;
            if text::is_open(names) && !cx.flag("zeros", true) {
                text::require(cx.g, x.id, names, cats)?;
            }
            let key = |cat: &String| names.iter().position(|n| n == cat).map_or(-1.0, |p| p as f64);
            (x.id, cats.iter().map(key).collect())
        }
        // Floats are compared by their integer part.
        (List::Numbers(cats, _), None) => (cx.g.unary(UnaryFn::Truncate, x.id)?, cats.clone()),
        _ => return Err(Reason::Strings.into()),
    };
    let keys = cx.g.vector(keys)?;
    let column = cx.g.unsqueeze(positions, cx.g.rank(positions))?;
    Context::give(cx.g.binary(BinaryFn::Equal, column, keys)?, DataType::Float)
}

/// Replaces keys by values.
fn label_encoder(cx: &mut Cx<'_, '_>) -> Outputs {
    if cx.opset < 2 {
        let names = List::Names(cx.texts("classes_strings"));
        let count = cx.texts("classes_strings").len();
        let numbers = List::Numbers((0..count).map(|i| i as f64).collect(), DataType::Int64);
        return swap(cx, &names, &numbers);
    }
    let (keys, values) = (list(cx, "keys")?, list(cx, "values")?);
    let default = match values {
        List::Names(_) => List::Names(vec![cx.text("default_string", "_Unused").to_owned()]),
        List::Numbers(_, kind) => {
            let number = match (cx.literal("default_tensor")?, kind) {
                (Some(literal), _) => literal.value.data().first().copied().unwrap_or(0.0),
                (None, DataType::Float) => cx.float("default_float", -0.0),
                (None, _) => cx.int("default_int64", -1) as f64,
            };
            List::Numbers(vec![number], kind)
        }
    };
    encode(cx, &keys, &values, &default)
}

/// `CategoryMapper`: names to integers, or back.
fn category_mapper(cx: &mut Cx<'_, '_>) -> Outputs {
    let ints = cx.ints("cats_int64s").unwrap_or_default();
    let numbers = List::Numbers(ints.iter().map(|&i| i as f64).collect(), DataType::Int64);
    let names = List::Names(cx.texts("cats_strings"));
    swap(cx, &names, &numbers)
}

/// Names to numbers if the operand holds names, else numbers to names.
fn swap(cx: &mut Cx<'_, '_>, names: &List, numbers: &List) -> Outputs {
    if cx.tensor(0)?.kind == DataType::String {
        let default = List::Numbers(vec![cx.int("default_int64", -1) as f64], DataType::Int64);
        encode(cx, names, numbers, &default)
    } else {
        let default = List::Names(vec![cx.text("default_string", "_Unused").to_owned()]);
        encode(cx, numbers, names, &default)
    }
}

/// The list that one of several attributes holds.
fn list(cx: &Cx<'_, '_>, prefix: &str) -> Result<List, Reason> {
    let name = |suffix: &str| format!("{prefix}_{suffix}");
    if let Some(literal) = cx.literal(&name("tensor"))? {
        return Ok(match literal.names {
            Some(names) => {
                let at = |&p: &f64| crate::import::literal::usize_from(p).unwrap_or(0);
                let name = |p| names.get(at(p)).cloned().unwrap_or_default();
                List::Names(literal.value.data().iter().map(name).collect())
            }
            None => List::Numbers(literal.value.into_data(), literal.kind),
        });
    }
    if let Some(ints) = cx.ints(&name("int64s")).filter(|ints| !ints.is_empty()) {
        return Ok(List::Numbers(ints.iter().map(|&i| i as f64).collect(), DataType::Int64));
    }
    let floats = cx.floats(&name("floats"));
    if !floats.is_empty() {
        return Ok(List::Numbers(floats, DataType::Float));
    }
    match cx.texts(&name("strings")) {
        strings if strings.is_empty() => Err(bad(&name("strings"), "is missing")),
        strings => Ok(List::Names(strings)),
    }
}

/// The value of each element's key, or the default.
fn encode(cx: &mut Cx<'_, '_>, keys: &List, values: &List, default: &List) -> Outputs {
    let x = cx.tensor(0)?;
    let (values, kind, names) = numbered(values, default);
    let Some((&default, values)) = values.split_last() else {
        return Err(bad("values_int64s", "is missing").into());
    };
    let id = match (keys, &x.names) {
        (List::Names(keys), Some(known)) if keys.len() == values.len() => {
            text::look_up(known, keys)?;
            let value = |name: &String| {
                keys.iter().position(|key| key == name).map_or(default, |at| values[at])
            };
            let table = known.iter().map(value).collect();
            let table = cx.g.vector(table)?;
            gather_axis(cx, table, x.id, 0)?
        }
        (List::Numbers(keys, _), None) if keys.len() == values.len() => {
            look_up(cx, x.id, keys, values, default)?
        }
        (List::Names(_), Some(_)) | (List::Numbers(..), None) => {
            return Err(bad("keys_int64s", "and values differ in length").into());
        }
        _ => return Err(Reason::Strings.into()),
    };
    one(Value { id, kind, names })
}

/// Values and default, last, as numbers; names become positions in a list.
fn numbered(values: &List, default: &List) -> (Vec<f64>, DataType, Option<Arc<Vec<String>>>) {
    match (values, default) {
        (List::Numbers(values, kind), List::Numbers(default, _)) => {
            ([values.as_slice(), default].concat(), *kind, None)
        }
        (List::Names(values), List::Names(default)) => {
            let mut names: Vec<String> = Vec::new();
            let mut position = |name: &String| {
                names.iter().position(|known| known == name).unwrap_or_else(|| {
                    names.push(name.clone());
                    names.len() - 1
                }) as f64
            };
            let positions = values.iter().chain(default).map(&mut position).collect();
            (positions, DataType::String, Some(Arc::new(names)))
        }
        _ => (Vec::new(), DataType::Undefined, None),
    }
}

/// `sum_k [x = key_k] * (value_k - default) + default`; a key that is no number matches what is
/// none.
fn look_up(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    keys: &[f64],
    values: &[f64],
    default: f64,
) -> Result<NodeId, Reason> {
    let weights: Vec<f64> = values.iter().map(|value| value - default).collect();
    let mut sum = cx.g.scalar(default)?;
    if let Some(at) = keys.iter().position(|key| key.is_nan()) {
        let missing = cx.g.unary(UnaryFn::IsNaN, x)?;
        let part = cx.g.with(BinaryFn::Mul, missing, weights[at])?;
        sum = cx.g.add(part, sum)?;
    }
    // The first of equal keys counts.
    let first = |at: usize| keys[..at].iter().all(|key| key.to_bits() != keys[at].to_bits());
    let kept: Vec<usize> = (0..keys.len()).filter(|&at| !keys[at].is_nan() && first(at)).collect();
    let row = cx.g.vector(kept.iter().map(|&at| keys[at]).collect())?;
    let column = kept.iter().map(|&at| weights[at]).collect();
    let column = Tensor::new(vec![kept.len(), 1], column).expect("one weight a key");
    let column = cx.g.constant(column)?;
    let shape = cx.g.shape(x).to_vec();
    let wide = cx.g.unsqueeze(x, shape.len())?;
    let matches = cx.g.binary(BinaryFn::Equal, wide, row)?;
    let matches = cx.g.reshape(matches, &[shape.iter().product(), kept.len()])?;
    let product = cx.g.mat_mul(matches, column)?;
    let product = cx.g.reshape(product, &shape)?;
    cx.g.add(product, sum)
}
