//! `Move`: see `kernels/movement.cairo`.

use ciro_model::movement::{Movement, Source, Windows};

use super::super::pieces::{Axis, Piece, pieces};
use super::{EmitError, Layer};

/// With more pieces than this, a list of indices is shorter.
const PIECES_MAX: usize = 24;

/// Elements of an index list in one constant.
const INDICES_MAX: usize = 8192;

pub(super) fn emit(op: &Movement<i32>, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    match op {
        Movement::Reshape { .. } => {
            layer.line("x");
            Ok(())
        }
        Movement::Pad { pads, fill } => {
            let x = pad(layer, "x", pads, *fill);
            layer.line(x);
            Ok(())
        }
        Movement::Windows(windows) => windowed(windows, layer),
        _ => planned(op, layer),
    }
}

/// Writes code that pads the operand `x`, and returns the expression for the padded one.
pub(super) fn pad(layer: &mut Layer<'_>, x: &str, pads: &[(usize, usize)], fill: i32) -> String {
    let mut shape = layer.shape(0).to_vec();
    let mut x = x.to_owned();
    for axis in (0..shape.len()).rev() {
        let (before, after) = pads[axis];
        if (before, after) == (0, 0) {
            continue;
        }
        // Everything inside the axis moves as one row.
        let inner: usize = shape[axis + 1..].iter().product();
        let row = shape[axis] * inner;
        let pad_rows = layer.item("movement", "pad_rows");
        layer.line(format_args!(
            "let padded = {pad_rows}({x}, {row}, {}, {}, {fill});",
            before * inner,
            after * inner
        ));
        shape[axis] += before + after;
        "padded".clone_into(&mut x);
    }
    x
}

/// Windows: pads as far as they reach, then copies them.
fn windowed(windows: &Windows<i32>, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let shape = layer.shape(0);
    let spatial = windows.kernel.len();
    let out = &layer.node.shape[2..2 + spatial];
    let mut pads = vec![(0, 0), (0, 0)];
    for axis in 0..spatial {
        let before = windows.pads[axis].0;
        let reach = (out[axis] - 1) * windows.strides[axis]
            + (windows.kernel[axis] - 1) * windows.dilations[axis]
            + 1;
        pads.push((before, reach.saturating_sub(before + shape[axis + 2])));
    }
    let padded: Vec<usize> =
        shape.iter().zip(&pads).map(|(extent, (before, after))| extent + before + after).collect();
    let x = pad(layer, "x", &pads, windows.fill);
    let inside = Movement::Windows(Windows {
        pads: vec![(0, 0); spatial],
        ceil_mode: false,
        ..windows.clone()
    });
    copied(&inside, &[&padded], &[x], layer)
}

/// Any movement: by its plan.
fn planned(op: &Movement<i32>, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let shapes: Vec<&[usize]> = layer.operands.iter().map(|operand| &operand.shape[..]).collect();
    let operands: Vec<String> = (0..shapes.len()).map(|index| layer.operand(index)).collect();
    copied(op, &shapes, &operands, layer)
}

fn copied(
    op: &Movement<i32>,
    shapes: &[&[usize]],
    operands: &[String],
    layer: &mut Layer<'_>,
) -> Result<(), EmitError> {
    let plan = op.plan(shapes).map_err(|error| layer.refuse(error.to_string()))?;
    let fill = op.fill().copied().unwrap_or(0);
    let pieces = pieces(&plan.sources);
    layer.line("let mut y = array![];");
    if pieces.len() > PIECES_MAX {
        return gathered(&plan.sources, shapes, operands, layer, fill);
    }
    for piece in pieces {
        match piece {
            Piece::Fill { count } => {
                let fill_kernel = layer.item("movement", "fill");
                layer.line(format_args!("{fill_kernel}({fill}, {count}, ref y);"));
            }
            Piece::Copy { operand, first, axes } => {
                copy_piece(&operands[operand], first, &axes, layer);
            }
        }
    }
    layer.line("y.span()");
    Ok(())
}

fn copy_piece(x: &str, first: usize, axes: &[Axis], layer: &mut Layer<'_>) {
    if let [Axis { extent, stride: 1 }] = axes {
        let copy = layer.item("movement", "copy");
        layer.line(format_args!("{copy}({x}.slice({first}, {extent}), ref y);"));
        return;
    }
    let copy_nested = layer.item("movement", "copy_nested");
    let axes: Vec<String> =
        axes.iter().map(|axis| format!("({}, {})", axis.extent, axis.stride)).collect();
    layer.line(format_args!("{copy_nested}({x}, {first}, [{}].span(), ref y);", axes.join(", ")));
}

/// By a list of indices into the operands laid one after the other, a fill value behind them.
fn gathered(
    sources: &[Source],
    shapes: &[&[usize]],
    operands: &[String],
    layer: &mut Layer<'_>,
    fill: i32,
) -> Result<(), EmitError> {
    let starts: Vec<usize> = shapes
        .iter()
        .scan(0, |end, shape| {
            let start = *end;
            *end += shape.iter().product::<usize>();
            Some(start)
        })
        .collect();
    let total: usize = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
    let fills = sources.contains(&Source::Fill);
    let x = if operands.len() == 1 && !fills {
        operands[0].clone()
    } else {
        let copy = layer.item("movement", "copy");
        layer.line("let mut joined = array![];");
        for operand in operands {
            layer.line(format_args!("{copy}({operand}, ref joined);"));
        }
        if fills {
            layer.line(format_args!("joined.append({fill});"));
        }
        layer.line("let joined = joined.span();");
        "joined".to_owned()
    };
    let gather = layer.item("movement", "gather");
    for (part, sources) in sources.chunks(INDICES_MAX).enumerate() {
        let indices = sources.iter().map(|source| match *source {
            Source::Element { operand, index } => starts[operand as usize] + index as usize,
            Source::Fill => total,
        });
        let indices =
            layer.array(&format!("indices_{part}"), "usize", indices.collect::<Vec<_>>())?;
        layer.line(format_args!("{gather}({x}, {indices}, ref y);"));
    }
    layer.line("y.span()");
    Ok(())
}
