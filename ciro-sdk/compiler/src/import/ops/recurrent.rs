//! Recurrent layers, unrolled: every step reads the same weights.

use crate::float::scalar::{c, x};
use crate::float::{NodeId, ScalarFn, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::data_type::DataType;
use crate::import::value::{Binding, Outputs, Value};

pub(super) const OPS: Family = &[
    ("GRU", 1, |cx| recurrent(cx, Cell::Gru)),
    ("LSTM", 1, |cx| recurrent(cx, Cell::Lstm)),
    ("RNN", 1, |cx| recurrent(cx, Cell::Rnn)),
    ("com.microsoft.DynamicQuantizeLSTM", 1, dynamic_quantize_lstm),
];

/// The kinds of cells, by gates a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Rnn,
    Gru,
    Lstm,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// The default functions of one direction.
    fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Rnn => &["Tanh"],
            Self::Gru => &["Sigmoid", "Tanh"],
            Self::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }
}

/// `com.microsoft.DynamicQuantizeLSTM`: an `LSTM` whose weights are integers `[D, I, 4 * H]` and
/// `[D, H, 4 * H]`, with scales and zero points of each direction or of each column.
///
/// The rounding of activations to 8 bits that onnxruntime does on the way is not modelled: it is
/// what the weights approximate.
fn dynamic_quantize_lstm(cx: &mut Cx<'_, '_>) -> Outputs {
    for (weight, scale, zero) in [(1, 8, 9), (2, 10, 11)] {
        let mut id = cx.number(weight)?.id;
        if cx.g.rank(id) != 3 {
            return Err(cx
                .g
                .misfit("the weights are [D, I, 4 * H] and [D, H, 4 * H]", &[id])
                .into());
        }
        if let Some(zero) = cx.optional(zero)? {
            let zero = for_columns(cx, zero.id)?;
            id = cx.g.sub(id, zero)?;
        }
        let scale = cx.id(scale)?;
        let scale = for_columns(cx, scale)?;
        id = cx.g.mul(id, scale)?;
        let id = cx.g.transpose(id, &[0, 2, 1])?;
        cx.inputs[weight] = Binding::Tensor(Value::new(id, DataType::Float));
    }
    recurrent(cx, Cell::Lstm)
}

/// `[D]` or `[D, 4 * H]` with an axis before the columns.
fn for_columns(cx: &mut Cx<'_, '_>, id: NodeId) -> Result<NodeId, Reason> {
    let shape = match *cx.g.shape(id) {
        [directions] => vec![directions, 1, 1],
        [directions, columns] => vec![directions, 1, columns],
        _ => return Err(cx.g.misfit("scales are [D] or [D, 4 * H]", &[id])),
    };
    cx.g.reshape(id, &shape)
}

/// What all steps of one direction share.
struct Direction {
    cell: Cell,
    hidden: usize,
    /// `[I, gates * H]`
    w: NodeId,
    /// `[H, gates * H]`
    r: NodeId,
    /// Biases of input and recurrence, `[gates * H]` each.
    bias: Option<(NodeId, NodeId)>,
    /// Peephole weights `[3 * H]` of the gates i, o, f.
    peephole: Option<NodeId>,
    functions: Vec<ScalarFn>,
    clip: Option<f64>,
    linear_before_reset: bool,
    input_forget: bool,
}

/// The result of one direction: `Y` by step, then the last hidden and cell states, each `[N, H]`.
struct Run {
    steps: Vec<NodeId>,
    hidden: NodeId,
    cell: NodeId,
}

/// `RNN`, `GRU` or `LSTM` over `x: [T, N, I]` (or `[N, T, I]` with `layout = 1`).
fn recurrent(cx: &mut Cx<'_, '_>, cell: Cell) -> Outputs {
    let x = cx.number(0)?;
    let batch_first = cx.flag("layout", false);
    let mut sequence = x.id;
    if cx.g.rank(sequence) != 3 {
        return Err(cx.g.misfit("a recurrent layer needs [T, N, I]", &[sequence]).into());
    }
    if batch_first {
        sequence = cx.g.transpose(sequence, &[1, 0, 2])?;
    }
    let lengths = lengths(cx, sequence)?;
    let directions = match cx.text("direction", "forward") {
        "forward" => vec![false],
        "reverse" => vec![true],
        "bidirectional" => vec![false, true],
        _ => return Err(bad("direction", "is not one of ONNX's values").into()),
    };
    let mut runs = Vec::with_capacity(directions.len());
    for (number, &backward) in directions.iter().enumerate() {
        let direction = direction(cx, cell, number, directions.len())?;
        let start = [
            start(cx, 5, number, sequence, direction.hidden, batch_first)?,
            start(cx, 6, number, sequence, direction.hidden, batch_first)?,
        ];
        runs.push(run(cx, &direction, sequence, start, (backward, lengths.as_deref()))?);
    }
    outputs(cx, &x, &runs, batch_first, cell)
}

/// `Y: [T, D, N, H]`, `Y_h: [D, N, H]` and, for `LSTM`, `Y_c: [D, N, H]`.
fn outputs(cx: &mut Cx<'_, '_>, x: &Value, runs: &[Run], batch_first: bool, cell: Cell) -> Outputs {
    let mut by_direction = Vec::with_capacity(runs.len());
    for run in runs {
        let mut steps = Vec::with_capacity(run.steps.len());
        for &step in &run.steps {
            let step = cx.g.unsqueeze(step, 0)?;
            steps.push(cx.g.unsqueeze(step, 0)?);
        }
        by_direction.push(cx.g.concat(0, &steps)?);
    }
    let mut y = cx.g.concat(1, &by_direction)?;
    let (mut hidden, mut cells) = (Vec::new(), Vec::new());
    for run in runs {
        hidden.push(cx.g.unsqueeze(run.hidden, 0)?);
        cells.push(cx.g.unsqueeze(run.cell, 0)?);
    }
    let mut hidden = cx.g.concat(0, &hidden)?;
    let mut cells = cx.g.concat(0, &cells)?;
    if batch_first {
        y = cx.g.transpose(y, &[2, 0, 1, 3])?;
        hidden = cx.g.transpose(hidden, &[1, 0, 2])?;
        cells = cx.g.transpose(cells, &[1, 0, 2])?;
    }
    let mut outputs = vec![Binding::Tensor(x.with(y)), Binding::Tensor(x.with(hidden))];
    if cell == Cell::Lstm {
        outputs.push(Binding::Tensor(x.with(cells)));
    }
    Ok(outputs)
}

/// Constant lengths of the sequences of the batch, if they are given.
fn lengths(cx: &Cx<'_, '_>, sequence: NodeId) -> Result<Option<Vec<usize>>, Reason> {
    if !cx.has(4) {
        return Ok(None);
    }
    let lengths = super::shape::extents(&cx.const_ints(4)?)?;
    let shape = cx.g.shape(sequence);
    if lengths.len() != shape[1] || lengths.iter().any(|&len| len > shape[0]) {
        return Err(cx.g.misfit("the lengths do not fit the sequences", &[sequence]));
    }
    Ok(lengths.iter().any(|&len| len != shape[0]).then_some(lengths))
}

/// The weights and attributes of direction number `number`.
fn direction(
    cx: &mut Cx<'_, '_>,
    cell: Cell,
    number: usize,
    count: usize,
) -> Result<Direction, Reason> {
    let (w, r) = (cx.number(1)?.id, cx.number(2)?.id);
    let gates = cell.gates();
    let (w_shape, r_shape) = (cx.g.shape(w).to_vec(), cx.g.shape(r).to_vec());
    let hidden = r_shape.last().copied().unwrap_or(0);
    let fits = w_shape.len() == 3
        && r_shape == [count, gates * hidden, hidden]
        && w_shape[..2] == [count, gates * hidden];
    if !fits {
        return Err(cx
            .g
            .misfit("the weights are [D, gates * H, I] and [D, gates * H, H]", &[w, r]));
    }
    let w = part(cx, w, number)?;
    let r = part(cx, r, number)?;
    let bias = match cx.optional(3)? {
        None => None,
        Some(bias) => {
            let both = part(cx, bias.id, number)?;
            if cx.g.shape(both) != [2 * gates * hidden] {
                return Err(cx.g.misfit("the bias is [D, 2 * gates * H]", &[bias.id]));
            }
            let input = cx.g.slice(both, 0, 0, gates * hidden)?;
            Some((input, cx.g.slice(both, 0, gates * hidden, gates * hidden)?))
        }
    };
    let peephole = match cx.optional(7)?.filter(|_| cell == Cell::Lstm) {
        Some(peephole) => Some(part(cx, peephole.id, number)?),
        None => None,
    };
    Ok(Direction {
        cell,
        hidden,
        w: cx.g.transpose(w, &[1, 0])?,
        r: cx.g.transpose(r, &[1, 0])?,
        bias,
        peephole,
        functions: functions(cx, cell, number)?,
        clip: cx.attribute("clip").map(|a| f64::from(a.f)),
        linear_before_reset: cx.flag("linear_before_reset", false),
        input_forget: cx.flag("input_forget", false),
    })
}

/// Entry `number` of the first axis.
fn part(cx: &mut Cx<'_, '_>, x: NodeId, number: usize) -> Result<NodeId, Reason> {
    if cx.g.shape(x).first().is_none_or(|&count| count <= number) {
        return Err(cx.g.misfit("there is one entry for each direction", &[x]));
    }
    let part = cx.g.slice(x, 0, number, 1)?;
    cx.g.squeeze(part, 0)
}

/// The initial state `[N, H]` of input `index`, zeros if it is left out.
fn start(
    cx: &mut Cx<'_, '_>,
    index: usize,
    number: usize,
    sequence: NodeId,
    hidden: usize,
    batch_first: bool,
) -> Result<NodeId, Reason> {
    let shape = [cx.g.shape(sequence)[1], hidden];
    let Some(state) = cx.optional(index)? else {
        return cx.g.full(&shape, 0.0);
    };
    let mut id = state.id;
    if batch_first && cx.g.rank(id) == 3 {
        id = cx.g.transpose(id, &[1, 0, 2])?;
    }
    let state = part(cx, id, number)?;
    if cx.g.shape(state) == shape {
        Ok(state)
    } else {
        Err(cx.g.misfit("an initial state is [D, N, H]", &[id]))
    }
}

/// Runs all steps, forwards or backwards; beyond a sequence's length its state stays and its output
/// is 0.
fn run(
    cx: &mut Cx<'_, '_>,
    direction: &Direction,
    sequence: NodeId,
    [mut hidden, mut cell]: [NodeId; 2],
    (backward, lengths): (bool, Option<&[usize]>),
) -> Result<Run, Reason> {
    let turns = cx.g.shape(sequence)[0];
    let mut steps = vec![hidden; turns];
    let shape = cx.g.shape(hidden).to_vec();
    let zero = cx.g.full(&shape, 0.0)?;
    let before = cx.g.enter_loop();
    for turn in 0..turns {
        let at = if backward { turns - 1 - turn } else { turn };
        let input = cx.g.slice(sequence, 0, at, 1)?;
        let input = cx.g.squeeze(input, 0)?;
        let (mut next, mut next_cell) = step(cx, direction, input, [hidden, cell])?;
        let mut output = next;
        if let Some(lengths) = lengths {
            let alive = lengths.iter().map(|&len| f64::from(u8::from(at < len))).collect();
            let alive = cx.g.vector(alive)?;
            let alive = cx.g.unsqueeze(alive, 1)?;
            output = cx.g.choose(alive, next, zero)?;
            next = cx.g.choose(alive, next, hidden)?;
            next_cell = cx.g.choose(alive, next_cell, cell)?;
        }
        steps[at] = output;
        (hidden, cell) = (next, next_cell);
    }
    cx.g.leave_loop(before);
    Ok(Run { steps, hidden, cell })
}

/// One step: the new hidden and cell states.
fn step(
    cx: &mut Cx<'_, '_>,
    direction: &Direction,
    input: NodeId,
    [hidden, cell]: [NodeId; 2],
) -> Result<(NodeId, NodeId), Reason> {
    let mut from_input = cx.g.mat_mul(input, direction.w)?;
    if let Some((bias, _)) = direction.bias {
        from_input = cx.g.add(from_input, bias)?;
    }
    match direction.cell {
        Cell::Rnn => {
            let from_hidden = recurrence(cx, direction, hidden)?;
            let sum = cx.g.add(from_input, from_hidden)?;
            let next = activate(cx, direction, 0, sum)?;
            Ok((next, cell))
        }
        Cell::Gru => Ok((gru(cx, direction, from_input, hidden)?, cell)),
        Cell::Lstm => {
            let from_hidden = recurrence(cx, direction, hidden)?;
            let sum = cx.g.add(from_input, from_hidden)?;
            lstm(cx, direction, sum, cell)
        }
    }
}

/// `h r^T + bias`.
fn recurrence(
    cx: &mut Cx<'_, '_>,
    direction: &Direction,
    hidden: NodeId,
) -> Result<NodeId, Reason> {
    let product = cx.g.mat_mul(hidden, direction.r)?;
    match direction.bias {
        Some((_, bias)) => cx.g.add(product, bias),
        None => Ok(product),
    }
}

/// Gates in the order z, r, h.
fn gru(
    cx: &mut Cx<'_, '_>,
    direction: &Direction,
    from_input: NodeId,
    hidden: NodeId,
) -> Result<NodeId, Reason> {
    let size = direction.hidden;
    let from_hidden = recurrence(cx, direction, hidden)?;
    let both = cx.g.add(from_input, from_hidden)?;
    let update = cx.g.slice(both, 1, 0, size)?;
    let update = activate(cx, direction, 0, update)?;
    let reset = cx.g.slice(both, 1, size, size)?;
    let reset = activate(cx, direction, 0, reset)?;
    let candidate = cx.g.slice(from_input, 1, 2 * size, size)?;
    let memory = if direction.linear_before_reset {
        let memory = cx.g.slice(from_hidden, 1, 2 * size, size)?;
        cx.g.mul(reset, memory)?
    } else {
        let kept = cx.g.mul(reset, hidden)?;
        let weights = cx.g.slice(direction.r, 1, 2 * size, size)?;
        let memory = cx.g.mat_mul(kept, weights)?;
        match direction.bias {
            Some((_, bias)) => {
                let bias = cx.g.slice(bias, 0, 2 * size, size)?;
                cx.g.add(memory, bias)?
            }
            None => memory,
        }
    };
    let candidate = cx.g.add(candidate, memory)?;
    let candidate = activate(cx, direction, 1, candidate)?;
    // (1 - z) * candidate + z * h
    let fresh = cx.g.map(c(1.0) - x(), update)?;
    let fresh = cx.g.mul(fresh, candidate)?;
    let old = cx.g.mul(update, hidden)?;
    cx.g.add(fresh, old)
}

/// Gates in the order i, o, f, c.
fn lstm(
    cx: &mut Cx<'_, '_>,
    direction: &Direction,
    sum: NodeId,
    cell: NodeId,
) -> Result<(NodeId, NodeId), Reason> {
    let size = direction.hidden;
    let gate = |cx: &mut Cx<'_, '_>, number: usize, peek: Option<NodeId>, place: usize| {
        let mut gate = cx.g.slice(sum, 1, number * size, size)?;
        if let (Some(weights), Some(cell)) = (direction.peephole, peek) {
            let weights = cx.g.slice(weights, 0, place * size, size)?;
            let part = cx.g.mul(weights, cell)?;
            gate = cx.g.add(gate, part)?;
        }
        activate(cx, direction, 0, gate)
    };
    let input = gate(cx, 0, Some(cell), 0)?;
    let forget = if direction.input_forget {
        cx.g.map(c(1.0) - x(), input)?
    } else {
        gate(cx, 2, Some(cell), 2)?
    };
    let candidate = cx.g.slice(sum, 1, 3 * size, size)?;
    let candidate = activate(cx, direction, 1, candidate)?;
    let kept = cx.g.mul(forget, cell)?;
    let added = cx.g.mul(input, candidate)?;
    let cell = cx.g.add(kept, added)?;
    let output = gate(cx, 1, Some(cell), 1)?;
    let shown = cx.g.map(direction.functions[2].clone(), cell)?;
    Ok((cx.g.mul(output, shown)?, cell))
}

/// Function `number` of the cell, after the clip of its argument.
fn activate(
    cx: &mut Cx<'_, '_>,
    direction: &Direction,
    number: usize,
    sum: NodeId,
) -> Result<NodeId, Reason> {
    let f = &direction.functions[number];
    let f = match direction.clip {
        Some(bound) => f.after(&x().clip(-bound, bound)),
        None => f.clone(),
    };
    cx.g.map(f, sum)
}

/// The functions of a direction; `activations` lists those of all directions.
fn functions(cx: &Cx<'_, '_>, cell: Cell, number: usize) -> Result<Vec<ScalarFn>, Reason> {
    let defaults = cell.functions();
    let listed = cx.texts("activations");
    let (alphas, betas) = (cx.floats("activation_alpha"), cx.floats("activation_beta"));
    let (mut next_alpha, mut next_beta) = (alphas.into_iter(), betas.into_iter());
    let mut functions = Vec::new();
    let names: Vec<&str> = if listed.is_empty() {
        defaults.to_vec()
    } else {
        listed.iter().map(String::as_str).collect()
    };
    for name in names {
        // Parameters are listed in the order of the functions that have some.
        let (alpha, beta) = match name.to_ascii_lowercase().as_str() {
            "leakyrelu" | "thresholdedrelu" | "elu" => (next_alpha.next(), None),
            "scaledtanh" | "hardsigmoid" | "affine" => (next_alpha.next(), next_beta.next()),
            _ => (None, None),
        };
        functions.push(function(name, alpha, beta)?);
    }
    let start = if functions.len() > defaults.len() { number * defaults.len() } else { 0 };
    match functions.get(start..start + defaults.len()) {
        Some(functions) => Ok(functions.to_vec()),
        None => Err(bad("activations", "has too few elements")),
    }
}

/// An activation by its name, in any case.
pub(super) fn function(
    name: &str,
    alpha: Option<f64>,
    beta: Option<f64>,
) -> Result<ScalarFn, Reason> {
    let a = |default: f64| c(alpha.unwrap_or(default));
    let b = |default: f64| c(beta.unwrap_or(default));
    Ok(match name.to_ascii_lowercase().as_str() {
        "relu" => ScalarFn::unary(UnaryFn::Relu),
        "tanh" => ScalarFn::unary(UnaryFn::Tanh),
        "sigmoid" => ScalarFn::unary(UnaryFn::Sigmoid),
        "softplus" => ScalarFn::unary(UnaryFn::Softplus),
        "softsign" => x() / (c(1.0) + x().abs()),
        "affine" => x() * a(1.0) + b(0.0),
        "leakyrelu" => x().less(c(0.0)).choose(a(0.01) * x(), x()),
        "thresholdedrelu" => x().less(a(1.0)).choose(c(0.0), x()),
        "elu" => x().less(c(0.0)).choose(a(1.0) * (x().exp() - c(1.0)), x()),
        "scaledtanh" => a(1.0) * (b(1.0) * x()).tanh(),
        "hardsigmoid" => (x() * a(0.2) + b(0.5)).clip(0.0, 1.0),
        _ => return Err(bad("activations", "has an element that is not one of ONNX's values")),
    })
}
