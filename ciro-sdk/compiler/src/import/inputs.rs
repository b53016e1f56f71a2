//! Shapes of the model's inputs, from the file and from the settings.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::{GraphProto, TensorShapeProto};

use super::builder::{Builder, Site};
use super::data_type::{DataType, element_type};
use super::translate::Translator;
use super::value::{Binding, Value};
use super::{ImportError, Settings, ShapeSetting, UnknownAxis};
use crate::float::Input;

/// An input with its static shape.
#[derive(Debug)]
pub(super) struct Resolved {
    name: String,
    kind: DataType,
    shape: Vec<usize>,
}

/// One axis as the file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Axis {
    Fixed(usize),
    Symbol(String),
    Open,
}

/// An input as the file describes it; axes that are `None` are unknown altogether.
struct Declared {
    name: String,
    kind: DataType,
    axes: Option<Vec<Axis>>,
}

/// Gives every input a static shape; inputs that are no tensors are refused.
pub(super) fn resolve(
    graph: &GraphProto,
    settings: &Settings,
    translator: &mut Translator<'_>,
) -> Result<Vec<Resolved>, ImportError> {
    let declared = declared(graph, translator);
    let symbols = symbols(&declared, settings);
    check_names(&declared, settings)?;
    let mut open = Vec::new();
    let mut resolved = Vec::new();
    for input in declared {
        let shape = shape(&input, settings, &symbols, &mut open)?;
        resolved.push(Resolved { name: input.name, kind: input.kind, shape });
    }
    if open.is_empty() { Ok(resolved) } else { Err(ImportError::UnknownShapes(open)) }
}

/// Adds the inputs to the graph in the making.
pub(super) fn declare(inputs: &[Resolved], builder: &mut Builder, translator: &mut Translator<'_>) {
    for input in inputs {
        builder.enter(Site { name: input.name.clone(), origin: "Input".to_owned() });
        let made = builder.input(Input {
            name: input.name.clone(),
            shape: input.shape.clone(),
            element_type: element_type(input.kind),
        });
        match made {
            Ok(id) => {
                translator.bind(&input.name, Binding::Tensor(Value::new(id, input.kind)));
            }
            Err(reason) => {
                translator.refuse(&input.name, "input", reason);
                translator.bind(&input.name, Binding::Poisoned);
            }
        }
    }
}

/// The inputs that are not initializers.
fn declared(graph: &GraphProto, translator: &mut Translator<'_>) -> Vec<Declared> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut seen = HashSet::new();
    let mut declared = Vec::new();
    for input in graph.input.iter().filter(|input| !constants.contains(input.name.as_str())) {
        let name = input.name.clone();
        if !seen.insert(&input.name) {
            translator.refuse(&name, "input", super::Reason::Duplicate(name.clone()));
            continue;
        }
        match Translator::tensor_type(input) {
            Ok((kind, shape)) => {
                declared.push(Declared { name, kind, axes: shape.map(axes) });
            }
            Err(reason) => {
                translator.refuse(&name, "input", reason);
                translator.bind(&name, Binding::Poisoned);
            }
        }
    }
    declared
}

fn axes(shape: &TensorShapeProto) -> Vec<Axis> {
    let axis = |value: &Option<Dim>| match value {
        Some(Dim::DimValue(value)) => usize::try_from(*value).map_or(Axis::Open, Axis::Fixed),
        Some(Dim::DimParam(symbol)) if !symbol.is_empty() && symbol != "?" => {
            Axis::Symbol(symbol.clone())
        }
        _ => Axis::Open,
    };
    shape.dim.iter().map(|dim| axis(&dim.value)).collect()
}

/// The values of symbols: from the settings, from shapes that were set, and 1 for a symbol of a
/// first axis.
fn symbols(inputs: &[Declared], settings: &Settings) -> BTreeMap<String, usize> {
    let mut symbols = BTreeMap::new();
    let first = |input: &Declared| match input.axes.as_deref() {
        Some([Axis::Symbol(symbol), ..]) => Some(symbol.clone()),
        _ => None,
    };
    symbols.extend(inputs.iter().filter_map(first).map(|symbol| (symbol, 1)));
    for (name, setting) in &settings.shapes {
        if let ShapeSetting::Value(value) = setting {
            symbols.insert(name.clone(), *value);
        }
    }
    for input in inputs {
        if let (Some(axes), Some(shape)) = (&input.axes, setting(&input.name, settings)) {
            for (axis, extent) in axes.iter().zip(shape) {
                if let Axis::Symbol(symbol) = axis {
                    symbols.insert(symbol.clone(), extent);
                }
            }
        }
    }
    symbols
}

/// The shape that was set for an input.
fn setting(name: &str, settings: &Settings) -> Option<Vec<usize>> {
    settings.shapes.get(name).map(|setting| match setting {
        ShapeSetting::Shape(shape) => shape.clone(),
        ShapeSetting::Value(value) => vec![*value],
    })
}

fn check_names(inputs: &[Declared], settings: &Settings) -> Result<(), ImportError> {
    let mut known: BTreeSet<String> = inputs.iter().map(|input| input.name.clone()).collect();
    for axis in inputs.iter().filter_map(|input| input.axes.as_ref()).flatten() {
        if let Axis::Symbol(symbol) = axis {
            known.insert(symbol.clone());
        }
    }
    match settings.shapes.keys().find(|name| !known.contains(*name)) {
        Some(name) => {
            Err(ImportError::UnknownName { name: name.clone(), known: known.into_iter().collect() })
        }
        None => Ok(()),
    }
}

fn shape(
    input: &Declared,
    settings: &Settings,
    symbols: &BTreeMap<String, usize>,
    open: &mut Vec<UnknownAxis>,
) -> Result<Vec<usize>, ImportError> {
    if let Some(shape) = setting(&input.name, settings) {
        return match &input.axes {
            Some(axes) if !fits(axes, &shape) => Err(ImportError::ShapeConflict {
                input: input.name.clone(),
                model: describe(axes),
                setting: format!("{shape:?}"),
            }),
            _ => Ok(shape),
        };
    }
    let Some(axes) = &input.axes else {
        open.push(UnknownAxis { input: input.name.clone(), axis: None, symbol: None });
        return Ok(Vec::new());
    };
    let mut shape = Vec::with_capacity(axes.len());
    for (position, axis) in axes.iter().enumerate() {
        let symbol = match axis {
            Axis::Fixed(extent) => {
                shape.push(*extent);
                continue;
            }
            Axis::Symbol(symbol) => Some(symbol),
            Axis::Open => None,
        };
        match symbol.and_then(|symbol| symbols.get(symbol)) {
            Some(&extent) => shape.push(extent),
            None if position == 0 => shape.push(1),
            None => open.push(UnknownAxis {
                input: input.name.clone(),
                axis: Some(position),
                symbol: symbol.cloned(),
            }),
        }
    }
    Ok(shape)
}

fn fits(axes: &[Axis], shape: &[usize]) -> bool {
    let agrees = |(axis, &extent): (&Axis, &usize)| match axis {
        Axis::Fixed(fixed) => *fixed == extent,
        Axis::Symbol(_) | Axis::Open => true,
    };
    axes.len() == shape.len() && axes.iter().zip(shape).all(agrees)
}

fn describe(axes: &[Axis]) -> String {
    let axis = |axis: &Axis| match axis {
        Axis::Fixed(extent) => extent.to_string(),
        Axis::Symbol(symbol) => symbol.clone(),
        Axis::Open => "?".to_owned(),
    };
    format!("[{}]", axes.iter().map(axis).collect::<Vec<_>>().join(", "))
}
