//! Attention.

use super::heads::{Heads, merge_heads, past, remember, rotate, share_heads, split_heads};
use crate::float::scalar::{c, x};
use crate::float::{BinaryFn, NodeId, Reducer, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::data_type::DataType;
use crate::import::value::{Binding, Outputs, one};

pub(super) const OPS: Family = &[
    ("Attention", 23, attention),
    ("RotaryEmbedding", 23, rotary_embedding),
    ("com.microsoft.Attention", 1, packed),
    ("com.microsoft.MultiHeadAttention", 1, multi_head),
];

/// What hides scores: 1 where a score counts, and what is added to it.
#[derive(Default)]
pub(super) struct Masks {
    pub(super) keep: Vec<NodeId>,
    pub(super) bias: Vec<NodeId>,
    /// Whether no row is hidden altogether, or it does not matter what becomes of one.
    pub(super) alive: bool,
}

/// `softmax(q k^T * scale + mask) v`, for each head.
///
/// # Source
/// ONNX `Attention`, opset 23 and later. Rows that are hidden altogether give 0.
fn attention(cx: &mut Cx<'_, '_>) -> Outputs {
    let (q, k, v) = (cx.number(0)?, cx.number(1)?, cx.number(2)?);
    let flat = cx.g.rank(q.id) == 3;
    let (q_heads, kv_heads) = (cx.int("q_num_heads", 0), cx.int("kv_num_heads", 0));
    let mut heads = Heads {
        q: if flat { split_heads(cx, q.id, q_heads)? } else { q.id },
        k: if flat { split_heads(cx, k.id, kv_heads)? } else { k.id },
        v: if flat { split_heads(cx, v.id, kv_heads)? } else { v.id },
    };
    let cached = past(cx, [4, 5])?;
    let past = remember(cx, &mut heads, cached)?;
    let present = (heads.k, heads.v);
    share_heads(cx, &mut heads)?;
    let width = cx.g.shape(heads.q).last().copied().unwrap_or(1);
    let scale = match cx.attribute("scale") {
        Some(scale) => f64::from(scale.f),
        None => 1.0 / (width as f64).sqrt(),
    };
    let masks = masks(cx, &heads, past)?;
    let cap = cx.float("softcap", 0.0);
    let (y, scores) = attend(cx, &heads, scale, cap, &masks)?;
    let y = if flat { merge_heads(cx, y)? } else { y };
    let values = [q.with(y), k.with(present.0), v.with(present.1), q.with(scores)];
    Ok(values.map(Binding::Tensor).to_vec())
}

/// `com.microsoft.MultiHeadAttention` without packed keys: `query, key, value, bias, padding mask,
/// bias, past key, past value`.
fn multi_head(cx: &mut Cx<'_, '_>) -> Outputs {
    let q = cx.number(0)?;
    let count = cx.int("num_heads", 0);
    if (8..cx.inputs.len()).any(|index| cx.has(index)) {
        return Err(Reason::Unsupported("caches of another length are not supported").into());
    }
    let (mut query, mut key, mut value) = (q.id, cx.number(1)?.id, cx.number(2)?.id);
    if let Some(bias) = cx.optional(3)? {
        let mut start = 0;
        for part in [&mut query, &mut key, &mut value] {
            let width = cx.g.shape(*part).last().copied().unwrap_or(0);
            let row = cx.g.slice(bias.id, 0, start, width)?;
            *part = cx.g.add(*part, row)?;
            start += width;
        }
    }
    let mut heads = Heads {
        q: split_heads(cx, query, count)?,
        k: split_heads(cx, key, count)?,
        v: split_heads(cx, value, count)?,
    };
    let past = past(cx, [6, 7])?;
    let offset = remember(cx, &mut heads, past)?;
    let mask = match cx.optional(4)? {
        Some(mask) => Some(padding(cx, mask.id, &heads)?),
        None => None,
    };
    let bias = cx.optional(5)?.map(|bias| bias.id);
    let y = contrib(cx, &heads, [mask, bias], offset)?;
    Ok([y, heads.k, heads.v].map(|id| Binding::Tensor(q.with(id))).to_vec())
}

/// `com.microsoft.Attention`: `input, weights, bias, mask, past, bias`.
fn packed(cx: &mut Cx<'_, '_>) -> Outputs {
    let input = cx.number(0)?;
    let count = cx.int("num_heads", 0);
    if cx.flag("do_rotary", false) {
        return Err(bad("do_rotary", "is not supported").into());
    }
    if cx.has(6) || cx.flag("past_present_share_buffer", false) {
        return Err(Reason::Unsupported("caches of another length are not supported").into());
    }
    let weights = cx.number(1)?.id;
    let mut product = cx.g.mat_mul(input.id, weights)?;
    if let Some(bias) = cx.optional(2)? {
        product = cx.g.add(product, bias.id)?;
    }
    let misfit =
        |cx: &Cx<'_, '_>| cx.g.misfit("packed attention needs [N, length, 3 * width]", &[product]);
    let &[_, _, width] = cx.g.shape(product) else { return Err(misfit(cx).into()) };
    let widths: Vec<usize> = match cx.ints("qkv_hidden_sizes") {
        Some(_) => cx.counts("qkv_hidden_sizes", 3, 0)?,
        None => vec![width / 3; 3],
    };
    let all = widths.iter().try_fold(0usize, |sum, &width| sum.checked_add(width));
    if all != Some(width) {
        return Err(misfit(cx).into());
    }
    let mut start = 0;
    let mut part = |cx: &mut Cx<'_, '_>, width: usize| {
        let part = cx.g.slice(product, 2, start, width)?;
        start += width;
        split_heads(cx, part, count)
    };
    let mut heads =
        Heads { q: part(cx, widths[0])?, k: part(cx, widths[1])?, v: part(cx, widths[2])? };
    let past = match cx.optional(4)? {
        Some(past) => {
            let [key, value] = [0, 1].map(|at| cx.g.slice(past.id, 0, at, 1));
            Some([cx.g.squeeze(key?, 0)?, cx.g.squeeze(value?, 0)?])
        }
        None => None,
    };
    let offset = remember(cx, &mut heads, past)?;
    let mask = match cx.optional(3)? {
        Some(mask) if cx.g.rank(mask.id) == 1 => Some(lengths(cx, mask.id, &heads)?),
        Some(mask) => Some(padding(cx, mask.id, &heads)?),
        None => None,
    };
    let bias = cx.optional(5)?.map(|bias| bias.id);
    let y = contrib(cx, &heads, [mask, bias], offset)?;
    let (key, value) = (cx.g.unsqueeze(heads.k, 0)?, cx.g.unsqueeze(heads.v, 0)?);
    let present = cx.g.concat(0, &[key, value])?;
    Ok([y, present].map(|id| Binding::Tensor(input.with(id))).to_vec())
}

/// A padding mask `[N, length]` or wider, in the axes of scores.
fn padding(cx: &mut Cx<'_, '_>, mask: NodeId, heads: &Heads) -> Result<NodeId, Reason> {
    let shape = cx.g.shape(mask).to_vec();
    let wide = match shape.as_slice() {
        &[n, length] if length == cx.g.shape(heads.k)[2] => vec![n, 1, 1, length],
        &[n, rows, length] => vec![n, 1, rows, length],
        [_, _, _, _] => shape.clone(),
        _ => return Err(Reason::Unsupported("a mask of this form is not supported")),
    };
    cx.g.reshape(mask, &wide)
}

/// The padding mask that says how many of the first places of each row count, `[N]`.
fn lengths(cx: &mut Cx<'_, '_>, lengths: NodeId, heads: &Heads) -> Result<NodeId, Reason> {
    let (rows, columns) = (cx.g.shape(heads.k)[0], cx.g.shape(heads.k)[2]);
    if cx.g.shape(lengths) != [rows] {
        return Err(Reason::Unsupported("a mask with the beginnings of rows is not supported"));
    }
    let lengths = cx.g.reshape(lengths, &[rows, 1, 1, 1])?;
    let places = cx.g.iota(columns)?;
    cx.g.binary(BinaryFn::Less, places, lengths)
}

/// Hidden scores of onnxruntime are far below others, by `mask_filter_value`; what is nearer would
/// count.
const FILTER_MAX: f64 = -1e3;

/// The operators of onnxruntime: a padding mask, and an additive bias.
///
/// onnxruntime lowers all that padding hides by one number, so that a query that padding leaves no
/// key reads those that it would read without padding.
fn contrib(
    cx: &mut Cx<'_, '_>,
    heads: &Heads,
    [mask, bias]: [Option<NodeId>; 2],
    offset: usize,
) -> Result<NodeId, Reason> {
    let filter = cx.float("mask_filter_value", -1e4);
    if mask.is_some() && (filter.is_nan() || filter > FILTER_MAX) {
        return Err(bad("mask_filter_value", "does not hide: it is above -1000"));
    }
    let mut masks = Masks { alive: true, ..Masks::default() };
    if cx.flag("unidirectional", false) {
        let shape = (cx.g.shape(heads.q)[2], cx.g.shape(heads.k)[2]);
        let distance = distances(cx, shape, offset)?;
        masks.keep.push(cx.g.with(BinaryFn::GreaterOrEqual, distance, 0.0)?);
    }
    if let Some(mask) = mask {
        let visible = match masks.keep[..] {
            [causal] => cx.g.binary(BinaryFn::And, mask, causal)?,
            _ => mask,
        };
        let last = cx.g.rank(visible) - 1;
        let alive = cx.g.reduce_keep(Reducer::Max, visible, &[last])?;
        let dead = cx.g.unary(UnaryFn::Not, alive)?;
        let never = cx.g.uniform(dead) == Some(0.0);
        masks.keep.push(if never { mask } else { cx.g.binary(BinaryFn::Or, mask, dead)? });
    }
    masks.bias.extend(bias);
    let width = cx.g.shape(heads.q)[3];
    let scale = match cx.float("scale", 0.0) {
        0.0 => 1.0 / (width as f64).sqrt(),
        scale => scale,
    };
    let (y, _) = attend(cx, heads, scale, 0.0, &masks)?;
    merge_heads(cx, y)
}

/// The masks of ONNX's operator: causal, windowed, given, and the lengths of keys.
fn masks(cx: &mut Cx<'_, '_>, heads: &Heads, past: usize) -> Result<Masks, Reason> {
    let (rows, columns) = (cx.g.shape(heads.q)[2], cx.g.shape(heads.k)[2]);
    let mut masks = Masks::default();
    let lengths = match cx.optional(6)? {
        Some(lengths) => {
            let count: usize = cx.g.shape(lengths.id).iter().product();
            Some(cx.g.reshape(lengths.id, &[count, 1, 1, 1])?)
        }
        None => None,
    };
    let (left, right) = (cx.int("left_window_size", -1), cx.int("right_window_size", -1));
    // A query may read a key where `row + offset - column` is at least the one bound and at most
    // the other.
    let mut bounds = Vec::new();
    if cx.flag("is_causal", false) {
        bounds.push((BinaryFn::GreaterOrEqual, 0));
    }
    if left >= 0 {
        bounds.push((BinaryFn::LessOrEqual, left));
    }
    if right >= 0 {
        bounds.push((BinaryFn::GreaterOrEqual, -right));
    }
    for (f, bound) in bounds {
        let distance = distances(cx, (rows, columns), past)?;
        let distance = match lengths {
            // The queries are the last of the keys that count.
            Some(lengths) => {
                let last = cx.g.with(BinaryFn::Sub, lengths, rows as f64)?;
                cx.g.add(distance, last)?
            }
            None => distance,
        };
        masks.keep.push(cx.g.with(f, distance, bound as f64)?);
    }
    if let Some(mask) = cx.optional(3)? {
        let rank = cx.g.rank(mask.id);
        let length = cx.g.shape(mask.id).last().copied().unwrap_or(1);
        let fill = if mask.kind == DataType::Bool { 0.0 } else { f64::NEG_INFINITY };
        let mut id = mask.id;
        if rank > 0 && length != 1 && length < columns {
            let mut pads = vec![(0, 0); rank];
            pads[rank - 1] = (0, columns - length);
            id = cx.g.pad(id, pads, fill)?;
        }
        if mask.kind == DataType::Bool { masks.keep.push(id) } else { masks.bias.push(id) }
    }
    if let Some(lengths) = lengths {
        let positions = cx.g.iota(columns)?;
        masks.keep.push(cx.g.binary(BinaryFn::Less, positions, lengths)?);
    }
    Ok(masks)
}

/// `row + offset - column`, a constant.
pub(super) fn distances(
    cx: &mut Cx<'_, '_>,
    (rows, columns): (usize, usize),
    offset: usize,
) -> Result<NodeId, Reason> {
    cx.g.allow(rows)?;
    let rows = cx.g.vector((0..rows).map(|row| (row + offset) as f64).collect())?;
    let rows = cx.g.unsqueeze(rows, 1)?;
    let columns = cx.g.iota(columns)?;
    cx.g.sub(rows, columns)
}

/// The result, and the scores that the attribute `qk_matmul_output_mode` asks for.
pub(super) fn attend(
    cx: &mut Cx<'_, '_>,
    heads: &Heads,
    scale: f64,
    cap: f64,
    masks: &Masks,
) -> Result<(NodeId, NodeId), Reason> {
    let keys = cx.g.swap_matrix(heads.k)?;
    let product = cx.g.mat_mul(heads.q, keys)?;
    let mut scores = cx.g.with(BinaryFn::Mul, product, scale)?;
    if cap > 0.0 {
        scores = cx.g.map((x() / c(cap)).tanh() * c(cap), scores)?;
    }
    let mode = cx.int("qk_matmul_output_mode", 0);
    let mut shown = scores;
    let mut masked = scores;
    for &bias in &masks.bias {
        masked = cx.g.add(masked, bias)?;
    }
    let keep = all_of(cx, &masks.keep)?;
    if let Some(keep) = keep {
        let hidden = cx.g.scalar(f64::NEG_INFINITY)?;
        masked = cx.g.choose(keep, masked, hidden)?;
    }
    if mode == 2 {
        shown = masked;
    }
    let last = cx.g.rank(masked) - 1;
    let mut weights = cx.g.softmax(masked, last)?;
    if !masks.alive
        && let Some(alive) = alive_rows(cx, keep, &masks.bias)?
    {
        let zero = cx.g.scalar(0.0)?;
        weights = cx.g.choose(alive, weights, zero)?;
    }
    if mode == 3 {
        shown = weights;
    }
    Ok((cx.g.mat_mul(weights, heads.v)?, shown))
}

fn all_of(cx: &mut Cx<'_, '_>, masks: &[NodeId]) -> Result<Option<NodeId>, Reason> {
    let mut all = None;
    for &mask in masks {
        all = Some(match all {
            None => mask,
            Some(before) => cx.g.binary(BinaryFn::And, before, mask)?,
        });
    }
    Ok(all)
}

/// Which rows of scores are not hidden altogether; `None` if none can be.
fn alive_rows(
    cx: &mut Cx<'_, '_>,
    keep: Option<NodeId>,
    bias: &[NodeId],
) -> Result<Option<NodeId>, Reason> {
    let mut sum = match keep {
        None => None,
        Some(keep) => {
            let (zero, hidden) = (cx.g.scalar(0.0)?, cx.g.scalar(f64::NEG_INFINITY)?);
            Some(cx.g.choose(keep, zero, hidden)?)
        }
    };
    for &bias in bias {
        sum = Some(match sum {
            None => bias,
            Some(sum) => cx.g.add(sum, bias)?,
        });
    }
    let Some(sum) = sum.filter(|&sum| cx.g.rank(sum) > 0) else { return Ok(None) };
    let best = cx.g.reduce_keep(Reducer::Max, sum, &[cx.g.rank(sum) - 1])?;
    let alive = cx.g.with(BinaryFn::Greater, best, f64::NEG_INFINITY)?;
    Ok((cx.g.uniform(alive) != Some(1.0)).then_some(alive))
}

/// Rotates pairs of features by angles that depend on the position.
fn rotary_embedding(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let shape = cx.g.shape(x.id).to_vec();
    let count = usize::try_from(cx.int("num_heads", 0)).unwrap_or(0);
    let heads = match *shape.as_slice() {
        [_, _, _, _] => cx.g.transpose(x.id, &[0, 2, 1, 3])?,
        [n, length, width] if count > 0 && width % count == 0 => {
            cx.g.reshape(x.id, &[n, length, count, width / count])?
        }
        _ => return Err(bad("num_heads", "must divide the width of the operand").into()),
    };
    let width = cx.g.shape(heads)[3];
    let turned = match usize::try_from(cx.int("rotary_embedding_dim", 0)).unwrap_or(0) {
        0 => width,
        turned if turned <= width && turned % 2 == 0 => turned,
        _ => return Err(bad("rotary_embedding_dim", "must be even and at most the width").into()),
    };
    let caches = [cache(cx, 1)?, cache(cx, 2)?];
    if cx.g.shape(caches[0]).last().map(|pairs| 2 * pairs) != Some(turned) {
        return Err(bad("rotary_embedding_dim", "is not that of the cache").into());
    }
    let y = rotate(cx, heads, caches, cx.flag("interleaved", false))?;
    let y =
        if shape.len() == 4 { cx.g.transpose(y, &[0, 2, 1, 3])? } else { cx.g.reshape(y, &shape)? };
    one(x.with(y))
}

/// The cosines or sines of input `index` for each position, `[N, length, 1, width / 2]`.
fn cache(cx: &mut Cx<'_, '_>, index: usize) -> Result<NodeId, Reason> {
    let table = cx.id(index)?;
    let rows = match cx.optional(3)? {
        Some(positions) => super::gather::gather_axis(cx, table, positions.id, 0)?,
        None => table,
    };
    if cx.g.rank(rows) != 3 {
        return Err(cx.g.misfit("the cache is [N, length, width / 2]", &[rows]));
    }
    cx.g.unsqueeze(rows, 2)
}
