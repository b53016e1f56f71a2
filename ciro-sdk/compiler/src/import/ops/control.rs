//! Control flow, sequences and optionals: all decided at import.

use super::shape::{equal_parts, extents};
use crate::float::NodeId;
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, axis_of, bad, integer};
use crate::import::data_type::DataType;
use crate::import::value::{Binding, Outputs, Stop, Value, one};

pub(super) const OPS: Family = &[
    ("ConcatFromSequence", 11, concat_from_sequence),
    ("If", 1, if_op),
    ("Loop", 1, loop_op),
    ("Optional", 15, optional),
    ("OptionalGetElement", 15, optional_get_element),
    ("OptionalHasElement", 15, optional_has_element),
    ("Scan", 8, scan),
    ("SequenceAt", 11, sequence_at),
    ("SequenceConstruct", 11, sequence_construct),
    ("SequenceEmpty", 11, sequence_empty),
    ("SequenceErase", 11, sequence_erase),
    ("SequenceInsert", 11, sequence_insert),
    ("SequenceLength", 11, sequence_length),
    ("SequenceMap", 17, sequence_map),
    ("SplitToSequence", 11, split_to_sequence),
];

/// One branch where the condition is constant, else both and a choice between their results.
fn if_op(cx: &mut Cx<'_, '_>) -> Outputs {
    let condition = cx.number(0)?;
    let (then_branch, else_branch) = (cx.graph("then_branch")?, cx.graph("else_branch")?);
    if let Some(value) = cx.g.uniform(condition.id) {
        return cx.run(if value == 0.0 { else_branch } else { then_branch }, Vec::new());
    }
    let then_values = cx.run(then_branch, Vec::new())?;
    let else_values = cx.run(else_branch, Vec::new())?;
    let condition = cx.g.reshape(condition.id, &[])?;
    let mut outputs = Vec::with_capacity(then_values.len());
    for pair in then_values.into_iter().zip(else_values) {
        let (Binding::Tensor(a), Binding::Tensor(b)) = pair else {
            return Err(data_dependent("the condition of `If`").into());
        };
        if cx.g.shape(a.id) != cx.g.shape(b.id) || a.names != b.names {
            return Err(data_dependent("the condition of `If`").into());
        }
        outputs.push(Binding::Tensor(a.with(cx.g.choose(condition, a.id, b.id)?)));
    }
    Ok(outputs)
}

/// A loop with a constant number of turns, unrolled.
fn loop_op(cx: &mut Cx<'_, '_>) -> Outputs {
    let body = cx.graph("body")?;
    let turns_max = match cx.optional(0)? {
        None => f64::INFINITY,
        Some(count) => cx.g.uniform(count.id).ok_or(Reason::UnboundedLoop)?,
    };
    let mut goes_on = match cx.optional(1)? {
        None => true,
        Some(condition) => cx.g.uniform(condition.id).ok_or(Reason::UnboundedLoop)? != 0.0,
    };
    let mut carried: Vec<Binding> = cx.inputs.iter().skip(2).cloned().collect();
    let scans = body.output.len().checked_sub(carried.len() + 1);
    let scans = scans.ok_or_else(|| bad("body", "has too few outputs"))?;
    let mut stacks: Vec<Vec<NodeId>> = vec![Vec::new(); scans];
    let mut kinds = vec![DataType::Float; scans];
    let mut turn = 0.0;
    let before = cx.g.enter_loop();
    while goes_on && turn < turns_max {
        let number = cx.g.scalar(turn)?;
        let truth = cx.g.scalar(1.0)?;
        let mut arguments = vec![
            Binding::Tensor(Value::new(number, DataType::Int64)),
            Binding::Tensor(Value::new(truth, DataType::Bool)),
        ];
        arguments.append(&mut carried);
        let mut results = cx.run(body, arguments)?;
        let scanned = results.split_off(results.len() - scans);
        carried = results.split_off(1);
        goes_on = match &results[0] {
            Binding::Tensor(condition) => {
                cx.g.uniform(condition.id).ok_or(Reason::UnboundedLoop)? != 0.0
            }
            _ => return Err(Reason::NotATensor("the condition of a loop").into()),
        };
        stack(cx, &mut stacks, &mut kinds, &scanned)?;
        turn += 1.0;
    }
    cx.g.leave_loop(before);
    let mut outputs = carried;
    for (steps, kind) in stacks.iter().zip(kinds) {
        if steps.is_empty() {
            return Err(Reason::Unsupported("a loop without a turn has no scan outputs").into());
        }
        outputs.push(Binding::Tensor(Value::new(cx.g.concat(0, steps)?, kind)));
    }
    Ok(outputs)
}

/// A scan over the positions of an axis, unrolled.
///
/// # Source
/// ONNX `Scan`: opset 8 had a batch axis before everything; opset 9 gave each input an axis of its
/// own.
fn scan(cx: &mut Cx<'_, '_>) -> Outputs {
    if cx.opset < 9 {
        return scan_8(cx);
    }
    let inputs = cx.inputs.clone();
    let scan = Scan::read(cx, inputs.len())?;
    let (states, sequences) = inputs.split_at(inputs.len() - scan.count);
    let (states, scans) = scan.run(cx, states.to_vec(), &tensors(sequences)?)?;
    Ok(states.into_iter().chain(scans.into_iter().map(Binding::Tensor)).collect())
}

/// `Scan` of opset 8: for each sample of the batch, a scan along axis 1.
fn scan_8(cx: &mut Cx<'_, '_>) -> Outputs {
    if cx.has(0) {
        return Err(Reason::Unsupported("sequence lengths of `Scan` are not supported").into());
    }
    let inputs = tensors(cx.inputs.get(1..).unwrap_or_default())?;
    let scan = Scan::read(cx, inputs.len())?;
    let batch = inputs.first().map_or(0, |value| cx.g.shape(value.id)[0]);
    let mut columns: Vec<Vec<Value>> = Vec::new();
    for sample in 0..batch {
        let mut row = Vec::with_capacity(inputs.len());
        for value in &inputs {
            let part = cx.g.slice(value.id, 0, sample, 1)?;
            row.push(value.with(cx.g.squeeze(part, 0)?));
        }
        let (states, sequences) = row.split_at(row.len() - scan.count);
        let states = states.iter().cloned().map(Binding::Tensor).collect();
        let (states, scans) = scan.run(cx, states, sequences)?;
        let results = tensors(&states)?.into_iter().chain(scans);
        for (at, value) in results.enumerate() {
            let value = value.with(cx.g.unsqueeze(value.id, 0)?);
            if at == columns.len() {
                columns.push(Vec::new());
            }
            columns[at].push(value);
        }
    }
    let mut outputs = Vec::with_capacity(columns.len());
    for column in columns {
        let ids: Vec<NodeId> = column.iter().map(|value| value.id).collect();
        outputs.push(Binding::Tensor(column[0].with(cx.g.concat(0, &ids)?)));
    }
    Ok(outputs)
}

/// The attributes of a scan.
struct Scan {
    count: usize,
    input_axes: Vec<i64>,
    backward: Vec<i64>,
    output_axes: Vec<i64>,
    output_backward: Vec<i64>,
}

impl Scan {
    fn read(cx: &Cx<'_, '_>, inputs: usize) -> Result<Self, Reason> {
        let count = usize::try_from(cx.int("num_scan_inputs", 0)).unwrap_or(0);
        if count == 0 || count > inputs {
            return Err(bad("num_scan_inputs", "must be between 1 and the number of inputs"));
        }
        let list = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| cx.ints(name));
            found.unwrap_or_default().to_vec()
        };
        Ok(Self {
            count,
            input_axes: list(["scan_input_axes", "axes"]),
            backward: list(["scan_input_directions", "directions"]),
            output_axes: list(["scan_output_axes", ""]),
            output_backward: list(["scan_output_directions", ""]),
        })
    }

    fn run(
        &self,
        cx: &mut Cx<'_, '_>,
        mut states: Vec<Binding>,
        sequences: &[Value],
    ) -> Result<(Vec<Binding>, Vec<Value>), Stop> {
        let body = cx.graph("body")?;
        let at = |list: &[i64], index: usize| list.get(index).copied().unwrap_or(0);
        let mut axes = Vec::with_capacity(sequences.len());
        for (index, value) in sequences.iter().enumerate() {
            axes.push(axis_of(at(&self.input_axes, index), cx.g.rank(value.id))?);
        }
        let turns = cx.g.shape(sequences[0].id)[axes[0]];
        if sequences.iter().zip(&axes).any(|(value, &axis)| cx.g.shape(value.id)[axis] != turns) {
            return Err(Reason::Unsupported("the scanned axes differ in length").into());
        }
        let count = body.output.len().checked_sub(states.len());
        let count = count.ok_or_else(|| bad("body", "has too few outputs"))?;
        let mut stacks = vec![Vec::new(); count];
        let mut kinds = vec![DataType::Float; count];
        let before = cx.g.enter_loop();
        for turn in 0..turns {
            let mut arguments = std::mem::take(&mut states);
            let state_count = arguments.len();
            for (index, value) in sequences.iter().enumerate() {
                let position = if at(&self.backward, index) == 1 { turns - 1 - turn } else { turn };
                let part = cx.g.slice(value.id, axes[index], position, 1)?;
                arguments.push(Binding::Tensor(value.with(cx.g.squeeze(part, axes[index])?)));
            }
            let mut results = cx.run(body, arguments)?;
            let scanned = results.split_off(state_count);
            states = results;
            stack(cx, &mut stacks, &mut kinds, &scanned)?;
        }
        cx.g.leave_loop(before);
        let mut outputs = Vec::with_capacity(count);
        for (index, mut steps) in stacks.into_iter().enumerate() {
            if at(&self.output_backward, index) == 1 {
                steps.reverse();
            }
            let Some(&first) = steps.first() else {
                return Err(Reason::Unsupported("a scan over nothing").into());
            };
            let axis = axis_of(at(&self.output_axes, index), cx.g.rank(first))?;
            let joined = cx.g.concat(0, &steps)?;
            let moved = move_first(cx, joined, axis)?;
            outputs.push(Value::new(moved, kinds[index]));
        }
        Ok((states, outputs))
    }
}

/// Brings axis 0 to another place.
fn move_first(cx: &mut Cx<'_, '_>, x: NodeId, to: usize) -> Result<NodeId, Reason> {
    let mut perm: Vec<usize> = (1..cx.g.rank(x)).collect();
    perm.insert(to, 0);
    cx.g.transpose(x, &perm)
}

/// Adds the scan outputs of one turn, each with a new first axis.
fn stack(
    cx: &mut Cx<'_, '_>,
    stacks: &mut [Vec<NodeId>],
    kinds: &mut [DataType],
    results: &[Binding],
) -> Result<(), Stop> {
    for (at, value) in tensors(results)?.into_iter().enumerate() {
        kinds[at] = value.kind;
        stacks[at].push(cx.g.unsqueeze(value.id, 0)?);
    }
    Ok(())
}

fn tensors(bindings: &[Binding]) -> Result<Vec<Value>, Reason> {
    bindings
        .iter()
        .map(|binding| match binding {
            Binding::Tensor(value) => Ok(value.clone()),
            _ => Err(Reason::NotATensor("a scanned value")),
        })
        .collect()
}

/// A list of the operands.
fn sequence_construct(cx: &mut Cx<'_, '_>) -> Outputs {
    Ok(vec![Binding::Sequence(cx.tensors()?)])
}

fn sequence_empty(_: &mut Cx<'_, '_>) -> Outputs {
    Ok(vec![Binding::Sequence(Vec::new())])
}

fn sequence_at(cx: &mut Cx<'_, '_>) -> Outputs {
    let values = cx.sequence(0)?;
    let at = place(cx.const_int(1)?, values.len())?;
    match values.get(at) {
        Some(value) => one(value.clone()),
        None => Err(Reason::Unsupported("the position is past the end of the sequence").into()),
    }
}

fn sequence_length(cx: &mut Cx<'_, '_>) -> Outputs {
    let len = cx.sequence(0)?.len();
    Context::give(cx.g.scalar(len as f64)?, DataType::Int64)
}

fn sequence_insert(cx: &mut Cx<'_, '_>) -> Outputs {
    let (mut values, value) = (cx.sequence(0)?, cx.tensor(1)?);
    let at = if cx.has(2) { place(cx.const_int(2)?, values.len())? } else { values.len() };
    values.insert(at, value);
    Ok(vec![Binding::Sequence(values)])
}

fn sequence_erase(cx: &mut Cx<'_, '_>) -> Outputs {
    let mut values = cx.sequence(0)?;
    let last = values.len().checked_sub(1).ok_or(Reason::Unsupported("the sequence is empty"))?;
    let at = if cx.has(1) { place(cx.const_int(1)?, values.len())? } else { last };
    if at > last {
        return Err(Reason::Unsupported("the position is past the end of the sequence").into());
    }
    values.remove(at);
    Ok(vec![Binding::Sequence(values)])
}

/// Joins a list along an axis, old or new.
fn concat_from_sequence(cx: &mut Cx<'_, '_>) -> Outputs {
    let values = cx.sequence(0)?;
    let first = values.first().cloned().ok_or(Reason::Unsupported("the sequence is empty"))?;
    let new_axis = cx.flag("new_axis", false);
    let rank = cx.g.rank(first.id) + usize::from(new_axis);
    let axis = cx.axis(0, rank)?;
    let mut parts = Vec::with_capacity(values.len());
    for value in &values {
        parts.push(if new_axis { cx.g.unsqueeze(value.id, axis)? } else { value.id });
    }
    one(first.with(cx.g.concat(axis, &parts)?))
}

/// Cuts a tensor into a list of parts.
fn split_to_sequence(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let axis = cx.axis(0, cx.g.rank(x.id))?;
    let extent = cx.g.shape(x.id)[axis];
    let (lengths, keep) = if cx.has(1) {
        let scalar = cx.rank(1)? == 0;
        let lengths = extents(&cx.const_ints(1)?)?;
        match lengths.first() {
            Some(&len) if scalar => {
                let parts = extent.div_ceil(len.max(1));
                let all = (0..parts).map(|at| len.min(extent - at * len)).collect();
                (all, true)
            }
            _ => (lengths, true),
        }
    } else {
        (equal_parts(extent, extent), cx.flag("keepdims", true))
    };
    if lengths.iter().try_fold(0usize, |sum, &len| sum.checked_add(len)) != Some(extent) {
        return Err(cx.g.misfit("the parts do not add up to the axis", &[x.id]).into());
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(lengths.len());
    for len in lengths {
        let part = cx.g.slice(x.id, axis, start, len)?;
        parts.push(x.with(if keep { part } else { cx.g.squeeze(part, axis)? }));
        start += len;
    }
    Ok(vec![Binding::Sequence(parts)])
}

/// Runs a graph on every element of a list.
fn sequence_map(cx: &mut Cx<'_, '_>) -> Outputs {
    let body = cx.graph("body")?;
    let turns = cx.sequence(0)?.len();
    let mut lists = vec![Vec::new(); body.output.len()];
    for turn in 0..turns {
        let mut arguments = Vec::with_capacity(cx.inputs.len());
        for input in &cx.inputs {
            arguments.push(match input {
                Binding::Sequence(values) => match values.get(turn) {
                    Some(value) => Binding::Tensor(value.clone()),
                    None => {
                        return Err(Reason::Unsupported("the sequences differ in length").into());
                    }
                },
                other => other.clone(),
            });
        }
        let results = cx.run(body, arguments)?;
        for (list, value) in lists.iter_mut().zip(tensors(&results)?) {
            list.push(value);
        }
    }
    Ok(lists.into_iter().map(Binding::Sequence).collect())
}

/// An optional is its value, or nothing.
fn optional(cx: &mut Cx<'_, '_>) -> Outputs {
    Ok(vec![cx.inputs.first().cloned().unwrap_or(Binding::Absent)])
}

fn optional_has_element(cx: &mut Cx<'_, '_>) -> Outputs {
    let has = f64::from(u8::from(cx.has(0)));
    Context::give(cx.g.scalar(has)?, DataType::Bool)
}

fn optional_get_element(cx: &mut Cx<'_, '_>) -> Outputs {
    match cx.inputs.first() {
        Some(value @ (Binding::Tensor(_) | Binding::Sequence(_))) => Ok(vec![value.clone()]),
        _ => Err(Reason::Unsupported("the optional has no element").into()),
    }
}

/// A position in a list, counted from the end where it is negative; the end itself is one.
fn place(at: i64, len: usize) -> Result<usize, Reason> {
    let len_signed = integer(len as f64);
    let counted = if at < 0 { at.saturating_add(len_signed) } else { at };
    let place = usize::try_from(counted).ok().filter(|&place| place <= len);
    place.ok_or(Reason::Unsupported("the position is outside the sequence"))
}

fn data_dependent(what: &str) -> Reason {
    Reason::DataDependent { what: what.to_owned() }
}
