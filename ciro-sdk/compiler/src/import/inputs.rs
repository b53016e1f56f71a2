//! Shapes of the model's inputs, from the file and from the settings.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::{GraphProto, TensorShapeProto};

use super::builder::{Builder, Site};
use super::data_type::{DataType, element_type, integer_range};
use super::text::Text;
use super::translate::Translator;
use super::value::{Binding, Value};
use super::{GivenArray, ImportError, Reason, Settings, ShapeSetting, UnknownAxis};
use crate::float::{ElementType, Input, NodeId};
use ciro_model::tensor::{Tensor, element_count};

/// An input with its static shape.
#[derive(Debug)]
pub(super) struct Resolved {
    name: String,
    kind: DataType,
    shape: Vec<usize>,
    /// What it is fixed to.
    fixed: Option<f64>,
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
    let mut declared = declared(graph, translator);
    solve(&mut declared, settings);
    let symbols = symbols(&declared, settings);
    check_names(&declared, settings)?;
    let mut open = Vec::new();
    let mut resolved = Vec::new();
    for input in declared {
        let shape = shape(&input, settings, &symbols, &mut open)?;
        let fixed = settings.fixed.get(&input.name).map(|number| number.0);
        resolved.push(Resolved { name: input.name, kind: input.kind, shape, fixed });
    }
    if open.is_empty() { Ok(resolved) } else { Err(ImportError::UnknownShapes(open)) }
}

/// Adds the inputs to the graph in the making.
pub(super) fn declare(
    graph: &GraphProto,
    inputs: &[Resolved],
    builder: &mut Builder,
    translator: &mut Translator<'_>,
) {
    let text = Text::of(graph);
    for input in inputs {
        builder.enter(Site { name: input.name.clone(), origin: "Input".to_owned() });
        let is_text = input.kind == DataType::String;
        let made = match (input.fixed, &text) {
            (Some(value), _) => fixed(builder, input, value),
            (None, Some(text)) if is_text => add(builder, input, text.element_type()),
            (None, None) if is_text => Err(Reason::Strings),
            (None, _) => add(builder, input, element_type(input.kind)),
        };
        match made {
            Ok(id) => {
                let names = text.as_ref().filter(|_| is_text).map(Text::names);
                let value = Value { names, ..Value::new(id, input.kind) };
                translator.bind(&input.name, Binding::Tensor(value));
            }
            Err(reason) => {
                translator.refuse(&input.name, "input", reason);
                translator.bind(&input.name, Binding::Poisoned);
            }
        }
    }
}

fn add(
    builder: &mut Builder,
    input: &Resolved,
    element_type: ElementType,
) -> Result<NodeId, Reason> {
    let (name, shape) = (input.name.clone(), input.shape.clone());
    builder.input(Input { name, shape, element_type })
}

/// The constant that an input is fixed to.
fn fixed(builder: &mut Builder, input: &Resolved, value: f64) -> Result<NodeId, Reason> {
    if input.kind == DataType::String {
        return Err(Reason::Unsupported("the input is set to a number and holds text"));
    }
    let fits = match element_type(input.kind) {
        ElementType::Float => input.kind != DataType::Float || value.abs() <= f64::from(f32::MAX),
        ElementType::Integer => {
            let range = integer_range(input.kind);
            value.fract() == 0.0 && range.is_none_or(|(lo, hi)| (lo..=hi).contains(&value))
        }
        ElementType::Bool => value.fract() == 0.0 && (0.0..=1.0).contains(&value),
        ElementType::Text(_) => false,
    };
    if !fits {
        return Err(Reason::Unsupported(
            "the input is set to a number that its type does not hold",
        ));
    }
    builder.allow(element_count(&input.shape).unwrap_or(usize::MAX))?;
    let full = Tensor::full(input.shape.clone(), value);
    builder.constant(full.map_err(|_| Reason::Unsupported("the input is too large"))?)
}

/// The inputs that are not initializers.
fn declared(graph: &GraphProto, translator: &mut Translator<'_>) -> Vec<Declared> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut seen = HashSet::new();
    let mut declared = Vec::new();
    for input in graph.input.iter().filter(|input| !constants.contains(input.name.as_str())) {
        let name = input.name.clone();
        if !seen.insert(&input.name) {
            translator.refuse(&name, "input", Reason::Duplicate(name.clone()));
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

/// Whether the first axis is no batch, as another one has the same extent: `[n, n]`.
fn is_square(axes: &[Axis]) -> bool {
    matches!(axes, [first @ Axis::Symbol(_), rest @ ..] if rest.contains(first))
}

/// Closes axes that settings leave open by the arrays that are at hand.
fn solve(inputs: &mut [Declared], settings: &Settings) {
    let known = symbols(inputs, settings);
    let mut solved: BTreeMap<String, usize> = BTreeMap::new();
    let free = inputs.iter_mut().filter(|input| !settings.fixed.contains_key(&input.name));
    for (position, input) in free.enumerate() {
        let (Some(axes), None) = (&mut input.axes, setting(&input.name, settings)) else {
            continue;
        };
        let names = [input.name.clone(), format!("in_{position}"), format!("arr_{position}")];
        let is_its = |array: &&GivenArray| match &array.name {
            Some(name) => names.contains(name),
            None => array.position == position,
        };
        for array in settings.given.iter().filter(is_its) {
            let Some(extents) = extents(axes, array, &known) else { continue };
            for (at, extent) in extents.into_iter().enumerate() {
                match &axes[at] {
                    Axis::Symbol(symbol) if !known.contains_key(symbol) => {
                        solved.entry(symbol.clone()).or_insert(extent);
                    }
                    Axis::Open if at > 0 => axes[at] = Axis::Fixed(extent),
                    _ => {}
                }
            }
        }
    }
    for axis in inputs.iter_mut().filter_map(|input| input.axes.as_mut()).flatten() {
        if let Axis::Symbol(symbol) = axis
            && let Some(&extent) = solved.get(symbol)
        {
            *axis = Axis::Fixed(extent);
        }
    }
}

/// The extents of one sample of an input that an array holds; `None` if it holds none or does not
/// say.
fn extents(
    axes: &[Axis],
    array: &GivenArray,
    known: &BTreeMap<String, usize>,
) -> Option<Vec<usize>> {
    let square = is_square(axes);
    let extent = |at: usize| match &axes[at] {
        Axis::Fixed(extent) => Some(*extent),
        Axis::Symbol(symbol) => known.get(symbol).copied().or((at == 0 && !square).then_some(1)),
        Axis::Open => (at == 0).then_some(1),
    };
    let Some(shape) = &array.shape else {
        // One open axis alone can be told from the number of elements.
        let fixed: Vec<Option<usize>> = (0..axes.len()).map(extent).collect();
        let known =
            fixed.iter().flatten().try_fold(1, |product: usize, &e| product.checked_mul(e))?;
        let open = fixed.iter().filter(|extent| extent.is_none()).count();
        let last = (open == 1 && known > 0).then(|| array.len / known)?;
        return (last * known == array.len)
            .then(|| fixed.into_iter().map(|extent| extent.unwrap_or(last)).collect());
    };
    let rank = axes.len();
    let sample: Vec<usize> = if shape.len() == rank + 1 {
        shape[1..].to_vec()
    } else if square && shape.len() == rank {
        shape.clone()
    } else if shape.len() == rank && rank > 0 {
        // Samples along the batch axis, or one that fills it.
        [&[extent(0).unwrap_or(1)], &shape[1..]].concat()
    } else if shape.len() + 1 == rank && !square {
        [&[1], &shape[..]].concat()
    } else {
        return None;
    };
    // One symbol has one extent.
    let agrees = |at: usize| {
        let first = axes.iter().position(|axis| *axis == axes[at]).unwrap_or(at);
        !matches!(axes[at], Axis::Symbol(_)) || sample[first] == sample[at]
    };
    let fits = |at: usize| agrees(at) && extent(at).is_none_or(|extent| extent == sample[at]);
    (0..rank).all(fits).then_some(sample)
}

/// The values of symbols: from the settings, from shapes that were set, and 1 for a symbol of a
/// first axis.
fn symbols(inputs: &[Declared], settings: &Settings) -> BTreeMap<String, usize> {
    let mut symbols = BTreeMap::new();
    let first = |input: &Declared| match input.axes.as_deref() {
        Some(axes @ [Axis::Symbol(symbol), ..]) if !is_square(axes) => Some(symbol.clone()),
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
    let is_input = |name: &&String| inputs.iter().any(|input| input.name == **name);
    let unknown = settings.shapes.keys().find(|name| !known.contains(*name));
    match unknown.or(settings.fixed.keys().find(|name| !is_input(name))) {
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
            None if position == 0 && !is_square(axes) => shape.push(1),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn solved(axes: &[Axis], shape: Option<&[usize]>, len: usize) -> Vec<Axis> {
        let axes = Some(axes.to_vec());
        let mut inputs = [Declared { name: "x".into(), kind: DataType::Float, axes }];
        let shape = shape.map(<[usize]>::to_vec);
        let given = vec![GivenArray { name: Some("in_0".into()), position: 0, shape, len }];
        solve(&mut inputs, &Settings { given, ..Settings::default() });
        inputs[0].axes.clone().expect("they were given")
    }

    fn symbol(name: &str) -> Axis {
        Axis::Symbol(name.into())
    }

    #[test]
    fn arrays_say_what_the_file_leaves_open() {
        let axes = [symbol("batch"), symbol("length"), Axis::Fixed(4), Axis::Open];
        let expected = [symbol("batch"), Axis::Fixed(7), Axis::Fixed(4), Axis::Fixed(0)];
        for shape in [&[64, 7, 4, 0][..], &[64, 1, 7, 4, 0], &[7, 4, 0]] {
            assert_eq!(solved(&axes, Some(shape), 0), expected, "{shape:?}");
        }
        // Another extent where the file has one, and too few axes, say nothing.
        for shape in [&[64, 7, 5, 2][..], &[4, 2]] {
            assert_eq!(solved(&axes, Some(shape), 0), axes, "{shape:?}");
        }
    }

    #[test]
    fn a_first_axis_whose_symbol_comes_again_is_no_batch() {
        let axes = [symbol("n"), symbol("n"), Axis::Fixed(2)];
        let expected = [Axis::Fixed(3), Axis::Fixed(3), Axis::Fixed(2)];
        for shape in [&[3, 3, 2][..], &[64, 3, 3, 2]] {
            assert_eq!(solved(&axes, Some(shape), 0), expected, "{shape:?}");
        }
        for shape in [&[3, 4, 2][..], &[3, 2], &[64, 3, 4, 2]] {
            assert_eq!(solved(&axes, Some(shape), 0), axes, "{shape:?}");
        }
        let axes = Some(axes.to_vec());
        let input = Declared { name: "x".into(), kind: DataType::Float, axes };
        let mut open = vec![];
        let known = symbols(std::slice::from_ref(&input), &Settings::default());
        shape(&input, &Settings::default(), &known, &mut open).expect("nothing conflicts");
        assert_eq!(open.len(), 2, "{open:?}");
    }

    #[test]
    fn elements_in_a_row_close_one_axis() {
        let axes = [Axis::Open, symbol("length"), Axis::Fixed(4)];
        assert_eq!(solved(&axes, None, 12)[1], Axis::Fixed(3));
        assert_eq!(solved(&axes, None, 13), axes);
        assert_eq!(solved(&[Axis::Open, Axis::Open, symbol("length")], None, 12)[1], Axis::Open);
    }
}
