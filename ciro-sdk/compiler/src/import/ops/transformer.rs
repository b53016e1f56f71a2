//! Operators that onnxruntime's tools for transformers make: embeddings, rotations, attention with
//! a cache.

use super::attention::{Masks, attend};
use super::cache::Cache;
use super::gather::gather_axis;
use super::heads::{Heads, merge_heads, past, remember, rotate, share_heads, split_heads};
use super::norm::{EPSILON_CONTRIB, centre, inverse_deviation};
use crate::float::{BinaryFn, NodeId, Reducer};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad, count};
use crate::import::data_type::DataType;
use crate::import::value::{Binding, Outputs, Value, one};

pub(super) const OPS: Family = &[
    ("com.microsoft.BiasAdd", 1, bias_add),
    ("com.microsoft.EmbedLayerNormalization", 1, embed_layer_norm),
    ("com.microsoft.GroupQueryAttention", 1, group_query_attention),
    ("com.microsoft.RotaryEmbedding", 1, rotary_embedding),
];

/// `x + bias + skip`.
fn bias_add(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, bias, skip) = (cx.number(0)?, cx.id(1)?, cx.id(2)?);
    let sum = cx.g.add(x.id, bias)?;
    one(x.with(cx.g.add(sum, skip)?))
}

/// The normalized sum of the embeddings of words, positions and segments: inputs `word ids, segment
/// ids`, three tables, `gamma, beta, mask, position ids`; the second output is how many places of
/// each row the mask lets count.
///
/// # Source
/// onnxruntime, `com.microsoft.EmbedLayerNormalization`: without a mask, the second output is 0.
fn embed_layer_norm(cx: &mut Cx<'_, '_>) -> Outputs {
    let (ids, words) = (cx.number(0)?, cx.number(2)?);
    let &[rows, length] = cx.g.shape(ids.id) else {
        return Err(cx.g.misfit("word ids are [N, length]", &[ids.id]).into());
    };
    let mut tables = vec![words.id, cx.id(3)?];
    tables.extend(cx.optional(4)?.map(|table| table.id));
    if tables.iter().any(|&table| cx.g.rank(table) != 2) {
        return Err(cx.g.misfit("tables of embeddings are [rows, width]", &tables).into());
    }
    let mut sum = gather_axis(cx, words.id, ids.id, 0)?;
    let places = match cx.optional(8)? {
        Some(positions) => gather_axis(cx, tables[1], positions.id, 0)?,
        None => cx.g.slice(tables[1], 0, 0, length)?,
    };
    sum = cx.g.add(sum, places)?;
    if let (Some(segments), Some(table)) = (cx.optional(1)?, cx.optional(4)?) {
        let segments = gather_axis(cx, table.id, segments.id, 0)?;
        sum = cx.g.add(sum, segments)?;
    }
    if cx.g.rank(sum) != 3 {
        return Err(cx.g.misfit("embeddings are [N, length, width]", &[sum]).into());
    }
    let axes = [2];
    let middle = centre(cx, sum, &axes)?;
    let inverse = inverse_deviation(cx, middle, &axes, EPSILON_CONTRIB)?;
    let y = cx.g.mul(middle, inverse)?;
    let (gamma, beta) = (cx.id(5)?, cx.id(6)?);
    let y = cx.g.mul(y, gamma)?;
    let y = cx.g.add(y, beta)?;
    let counted = match cx.optional(7)? {
        Some(mask) => {
            let counts = cx.g.with(BinaryFn::Equal, mask.id, 1.0)?;
            let counts = cx.g.reshape(counts, &[rows, length])?;
            cx.g.reduce(Reducer::Sum, counts, &[1])?
        }
        None => cx.g.full(&[rows], 0.0)?,
    };
    let counted = Binding::Tensor(Value::new(counted, DataType::Int32));
    let [y, sum] = [y, sum].map(|id| Binding::Tensor(words.with(id)));
    Ok(vec![y, counted, sum])
}

/// Rotates pairs of features of `x: [N, length, heads * width]` or `[N, heads, length, width]` by
/// angles that depend on the position.
///
/// # Source
/// onnxruntime, `com.microsoft.RotaryEmbedding`: positions are those of each place, or the first.
fn rotary_embedding(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, positions) = (cx.number(0)?, cx.id(1)?);
    let shape = cx.g.shape(x.id).to_vec();
    let tables = [cx.id(2)?, cx.id(3)?];
    let given = count(cx.int("num_heads", 0) as f64)?;
    let heads = match *shape.as_slice() {
        [_, _, _, _] => cx.g.transpose(x.id, &[0, 2, 1, 3])?,
        [n, length, width] => {
            let turned = count(cx.int("rotary_embedding_dim", 0) as f64)?;
            let pairs = cx.g.shape(tables[0]).last().copied().unwrap_or(1);
            let own = if turned > 0 && given > 0 { width / given } else { 2 * pairs };
            if own == 0 || width % own != 0 {
                return Err(bad("num_heads", "must divide the width of the operand").into());
            }
            cx.g.reshape(x.id, &[n, length, width / own, own])?
        }
        _ => return Err(cx.g.misfit("a rotation needs three or four axes", &[x.id]).into()),
    };
    let length = cx.g.shape(heads)[1];
    let positions = match cx.g.shape(positions) {
        [1] if length != 1 => {
            let places = cx.g.iota(length)?;
            let places = cx.g.add(places, positions)?;
            cx.g.unsqueeze(places, 0)?
        }
        [1] => cx.g.unsqueeze(positions, 0)?,
        _ => positions,
    };
    let angles = angles(cx, tables, positions)?;
    let y = rotate(cx, heads, angles, cx.flag("interleaved", false))?;
    let y =
        if shape.len() == 4 { cx.g.transpose(y, &[0, 2, 1, 3])? } else { cx.g.reshape(y, &shape)? };
    one(x.with(y))
}

/// Cosines and sines, `[N, length, 1, pairs]`, at positions `[N, length]`.
fn angles(
    cx: &mut Cx<'_, '_>,
    [cos, sin]: [NodeId; 2],
    positions: NodeId,
) -> Result<[NodeId; 2], Reason> {
    let mut read = |table| {
        let rows = gather_axis(cx, table, positions, 0)?;
        if cx.g.rank(rows) != 3 {
            return Err(cx.g.misfit("positions are [N, length]", &[positions]));
        }
        cx.g.unsqueeze(rows, 2)
    };
    Ok([read(cos)?, read(sin)?])
}

/// Attention of groups of queries that share keys and values, with a cache: inputs `query, key,
/// value, past key, past value, last place of each row, number of places, cosines, sines,
/// positions, bias`.
///
/// # Source
/// onnxruntime, `com.microsoft.GroupQueryAttention`. Without keys, the query holds all three.
fn group_query_attention(cx: &mut Cx<'_, '_>) -> Outputs {
    let query = cx.number(0)?;
    let (queries, keys) = (cx.int("num_heads", 0), cx.int("kv_num_heads", 0));
    plain(cx)?;
    let mut parts = parts(cx, query.id, [queries, keys])?;
    let past = past(cx, [3, 4])?;
    let rows = [0, 1].map(|axis| cx.g.shape(query.id)[axis]);
    let cache = Cache::of(cx, past, rows)?;
    if cx.flag("do_rotary", false) {
        let places = match cx.optional(9)? {
            Some(places) => places.id,
            None => cache.positions(cx)?,
        };
        let tables = [cx.id(7)?, cx.id(8)?];
        let angles = angles(cx, tables, places)?;
        let interleaved = cx.flag("rotary_interleaved", false);
        for (part, heads) in parts.iter_mut().zip([queries, keys]) {
            let &[n, length, width] = cx.g.shape(*part) else { continue };
            let heads = count(heads as f64)?.max(1);
            let split = cx.g.reshape(*part, &[n, length, heads, width / heads])?;
            let turned = rotate(cx, split, angles, interleaved)?;
            *part = cx.g.reshape(turned, &[n, length, width])?;
        }
    }
    let [q, k, v] = parts;
    let mut heads = Heads {
        q: split_heads(cx, q, queries)?,
        k: split_heads(cx, k, keys)?,
        v: split_heads(cx, v, keys)?,
    };
    let new = [heads.k, heads.v];
    remember(cx, &mut heads, past)?;
    let present = cache.given_on(cx, new, [heads.k, heads.v])?;
    share_heads(cx, &mut heads)?;
    let masks = masks(cx, &heads, cache)?;
    let width = cx.g.shape(heads.q)[3];
    let scale = match cx.float("scale", 0.0) {
        0.0 => 1.0 / (width as f64).sqrt(),
        scale => scale,
    };
    let (y, _) = attend(cx, &heads, scale, cx.float("softcap", 0.0), &masks)?;
    let y = merge_heads(cx, y)?;
    Ok([y, present[0], present[1]].map(|id| Binding::Tensor(query.with(id))).to_vec())
}

/// Refuses what `com.microsoft.GroupQueryAttention` may do beyond plain causal attention.
fn plain(cx: &Cx<'_, '_>) -> Result<(), Reason> {
    if cx.has(11) || cx.int("smooth_softmax", -1) > 0 {
        return Err(Reason::Unsupported("scores of nothing beside the keys are not supported"));
    }
    if (12..cx.inputs.len()).any(|index| cx.has(index)) {
        return Err(Reason::Unsupported(
            "normalized queries and keys, quantized caches and rows of unlike queries are not \
             supported",
        ));
    }
    if cx.int("causal", 1) == 0 {
        return Err(bad("causal", "must be 1"));
    }
    if cx.int("local_window_size", -1) == 0 {
        return Err(bad("local_window_size", "must be positive, or -1"));
    }
    if cx.flag("sliding_window_cache", false) {
        return Err(bad("sliding_window_cache", "must be 0"));
    }
    for name in ["k_quant_type", "v_quant_type"] {
        if cx.text(name, "NONE") != "NONE" {
            return Err(bad(name, "must be NONE"));
        }
    }
    Ok(())
}

/// Queries, keys and values, `[N, length, heads * width]` each.
fn parts(
    cx: &mut Cx<'_, '_>,
    query: NodeId,
    [queries, keys]: [i64; 2],
) -> Result<[NodeId; 3], Reason> {
    let &[_, _, width] = cx.g.shape(query) else {
        return Err(cx.g.misfit("queries are [N, length, heads * width]", &[query]));
    };
    match (cx.optional(1)?, cx.optional(2)?) {
        (Some(key), Some(value)) => return Ok([query, key.id, value.id]),
        (None, None) => {}
        (Some(_), None) => return Err(Reason::MissingInput(2)),
        (None, Some(_)) => return Err(Reason::MissingInput(1)),
    }
    let (queries, keys) = (count(queries as f64)?, count(keys as f64)?);
    let all = queries.saturating_add(2 * keys);
    if all == 0 || width % all != 0 {
        return Err(bad("num_heads", "and `kv_num_heads` must divide the width of the operand"));
    }
    let each = width / all;
    let (q, kv) = (queries * each, keys * each);
    Ok([
        cx.g.slice(query, 2, 0, q)?,
        cx.g.slice(query, 2, q, kv)?,
        cx.g.slice(query, 2, q + kv, kv)?,
    ])
}

/// Every query reads the places up to its own that its row has, perhaps not those too far back.
fn masks(cx: &mut Cx<'_, '_>, heads: &Heads, cache: Cache) -> Result<Masks, Reason> {
    let keys = cx.g.shape(heads.k)[2];
    if keys == 0 || keys != cache.columns() {
        return Err(cx.g.misfit("attention needs a key for each query", &[heads.q, heads.k]));
    }
    let window = cx.int("local_window_size", -1);
    let keep = cache.readable(cx, (window > 0).then_some(window as f64))?;
    let mut masks = Masks { keep, bias: vec![], alive: true };
    masks.bias.extend(cx.optional(10)?.map(|bias| bias.id));
    Ok(masks)
}
