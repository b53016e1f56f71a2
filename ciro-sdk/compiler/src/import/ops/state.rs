//! Operators of sequence models that carry a state from block to block.

use crate::float::scalar::x;
use crate::float::{BinaryFn, Movement, NodeId, Op, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::value::{Binding, Outputs, one};

pub(super) const OPS: Family = &[
    ("CausalConvWithState", 27, causal_conv),
    ("LinearAttention", 27, linear_attention),
    ("TensorScatter", 24, tensor_scatter),
];

/// A depthwise convolution over the past `k - 1` positions and each position itself.
fn causal_conv(cx: &mut Cx<'_, '_>) -> Outputs {
    let (input, weights) = (cx.number(0)?, cx.number(1)?);
    let (shape, kernel) = (cx.g.shape(input.id).to_vec(), cx.g.shape(weights.id).to_vec());
    let (&[n, channels, _], &[_, 1, k]) = (shape.as_slice(), kernel.as_slice()) else {
        return Err(cx
            .g
            .misfit("a causal convolution needs [N, C, length] and [C, 1, k]", &[input.id])
            .into());
    };
    let past = match cx.optional(3)? {
        Some(past) => past.id,
        None => cx.g.full(&[n, channels, k.saturating_sub(1)], 0.0)?,
    };
    let padded = cx.g.concat(2, &[past, input.id])?;
    let op =
        Op::Conv { strides: vec![1], dilations: vec![1], pads: vec![(0, 0)], groups: channels };
    let bias = cx.optional(2)?.map(|bias| bias.id);
    let operands: Vec<NodeId> = [padded, weights.id].into_iter().chain(bias).collect();
    let mut y = cx.g.push(op, &operands)?;
    match cx.text("activation", "none") {
        "none" => {}
        "silu" | "swish" => y = cx.g.map(x() * x().sigmoid(), y)?,
        _ => return Err(bad("activation", "is not one of ONNX's values").into()),
    }
    let kept = k.saturating_sub(1);
    let present = cx.g.slice(padded, 2, cx.g.shape(padded)[2] - kept, kept)?;
    Ok([input.with(y), input.with(present)].map(Binding::Tensor).to_vec())
}

/// Attention without softmax: a matrix of states, updated and read position after position.
///
/// # Source
/// ONNX `LinearAttention`: the state decays (`gated`), and what it already says of a key is taken
/// off its value (`delta`).
fn linear_attention(cx: &mut Cx<'_, '_>) -> Outputs {
    let (q, k, v) = (cx.number(0)?, cx.number(1)?, cx.number(2)?);
    let heads = |name| usize::try_from(cx.int(name, 0)).unwrap_or(0);
    let (q_heads, kv_heads) = (heads("q_num_heads"), heads("kv_num_heads"));
    if kv_heads == 0 || q_heads % kv_heads != 0 {
        return Err(bad("kv_num_heads", "must divide q_num_heads").into());
    }
    let query = by_position(cx, q.id, q_heads)?;
    let (key, value) = (by_position(cx, k.id, kv_heads)?, by_position(cx, v.id, kv_heads)?);
    let &[n, turns, _, width] = cx.g.shape(query) else {
        return Err(cx.g.misfit("linear attention needs [N, length, width]", &[q.id]).into());
    };
    let out_width = cx.g.shape(value)[3];
    let decay = decay(cx, kv_heads)?;
    let beta = match cx.optional(5)? {
        Some(beta) => Some(cx.g.unsqueeze(beta.id, 3)?),
        None => None,
    };
    let mut state = match cx.optional(3)? {
        Some(state) => state.id,
        None => cx.g.full(&[n, kv_heads, width, out_width], 0.0)?,
    };
    let scale = match cx.float("scale", 0.0) {
        0.0 => 1.0 / (width as f64).sqrt(),
        scale => scale,
    };
    let positions: Result<Vec<u32>, _> =
        (0..q_heads).map(|head| u32::try_from(head / (q_heads / kv_heads))).collect();
    let positions = positions.map_err(|_| bad("q_num_heads", "is too large"))?;
    let mut outputs = Vec::with_capacity(turns);
    for turn in 0..turns {
        let at = |cx: &mut Cx<'_, '_>, x: NodeId| -> Result<NodeId, Reason> {
            let part = cx.g.slice(x, 1, turn, 1)?;
            cx.g.squeeze(part, 1)
        };
        if let Some(decay) = decay {
            let decay = at(cx, decay)?;
            let decay = cx.g.unsqueeze(decay, 3)?;
            state = cx.g.mul(state, decay)?;
        }
        let (key, mut value) = (at(cx, key)?, at(cx, value)?);
        let column = cx.g.unsqueeze(key, 3)?;
        if let Some(beta) = beta {
            // What the state says of this key: the column's product with the state.
            let row = cx.g.unsqueeze(key, 2)?;
            let known = cx.g.mat_mul(row, state)?;
            let known = cx.g.squeeze(known, 2)?;
            let fresh = cx.g.sub(value, known)?;
            let beta = at(cx, beta)?;
            value = cx.g.mul(fresh, beta)?;
        }
        let row = cx.g.unsqueeze(value, 2)?;
        let written = cx.g.mul(column, row)?;
        state = cx.g.add(state, written)?;
        let shared = cx.g.select(state, 1, positions.clone())?;
        let query = at(cx, query)?;
        let query = cx.g.unsqueeze(query, 2)?;
        let read = cx.g.mat_mul(query, shared)?;
        let read = cx.g.with(BinaryFn::Mul, read, scale)?;
        outputs.push(cx.g.reshape(read, &[n, 1, q_heads * out_width])?);
    }
    let y = cx.g.concat(1, &outputs)?;
    Ok([q.with(y), q.with(state)].map(Binding::Tensor).to_vec())
}

/// `[N, length, heads * width]` to `[N, length, heads, width]`.
fn by_position(cx: &mut Cx<'_, '_>, x: NodeId, heads: usize) -> Result<NodeId, Reason> {
    match *cx.g.shape(x) {
        [n, length, width] if heads > 0 && width % heads == 0 => {
            cx.g.reshape(x, &[n, length, heads, width / heads])
        }
        _ => Err(cx.g.misfit("linear attention needs [N, length, heads * width]", &[x])),
    }
}

/// `exp(decay)` as `[N, length, heads, 1 or width]`.
fn decay(cx: &mut Cx<'_, '_>, heads: usize) -> Result<Option<NodeId>, Reason> {
    let Some(decay) = cx.optional(4)? else { return Ok(None) };
    let decay = by_position(cx, decay.id, heads)?;
    cx.g.unary(UnaryFn::Exp, decay).map(Some)
}

/// Writes a block into a cache at constant positions.
fn tensor_scatter(cx: &mut Cx<'_, '_>) -> Outputs {
    let (cache, update) = (cx.tensor(0)?, cx.tensor(1)?);
    let shape = cx.g.shape(cache.id).to_vec();
    let axis = cx.axis(-2, shape.len())?;
    let block = cx.g.shape(update.id).to_vec();
    let fits = block.len() == shape.len()
        && (0..shape.len())
            .all(|a| if a == axis { block[a] <= shape[a] } else { block[a] == shape[a] });
    let starts = if cx.has(2) { cx.const_ints(2)? } else { vec![0; shape[0]] };
    if !fits || axis == 0 || starts.len() != shape[0] {
        return Err(cx
            .g
            .misfit("the update does not fit the cache", &[cache.id, update.id])
            .into());
    }
    let circular = cx.text("mode", "linear") == "circular";
    let (from, to) = (ciro_model::tensor::strides(&block), ciro_model::tensor::strides(&shape));
    let count: usize = shape.iter().product();
    let mut indices: Vec<usize> = (0..count).collect();
    for at in 0..block.iter().product::<usize>() {
        let place = |a: usize| at / from[a] % block[a];
        let start =
            usize::try_from(starts[place(0)]).map_err(|_| bad("axis", "is written before 0"))?;
        let moved = place(axis).saturating_add(start);
        let moved = if circular { moved % shape[axis] } else { moved };
        if moved >= shape[axis] {
            return Err(Reason::Unsupported("the update is past the end of the cache").into());
        }
        let target: usize =
            (0..shape.len()).map(|a| if a == axis { moved } else { place(a) } * to[a]).sum();
        indices[target] = count + at;
    }
    let indices: Result<Vec<u32>, _> = indices.into_iter().map(u32::try_from).collect();
    let indices = indices.map_err(|_| cx.g.misfit("below 2^32 elements", &[cache.id]))?;
    let scatter = Op::Move(Movement::Index { shape, indices });
    one(cache.with(cx.g.push(scatter, &[cache.id, update.id])?))
}
