//! The heads of attention: how they are split, shared, remembered and rotated.

use crate::float::NodeId;
use crate::import::Reason;
use crate::import::context::{Cx, bad};

/// Queries, keys and values as `[N, heads, length, width]`.
pub(super) struct Heads {
    pub(super) q: NodeId,
    pub(super) k: NodeId,
    pub(super) v: NodeId,
}

/// Cached keys and values, inputs of these numbers: both or neither.
pub(super) fn past(
    cx: &Cx<'_, '_>,
    [key, value]: [usize; 2],
) -> Result<Option<[NodeId; 2]>, Reason> {
    match (cx.optional(key)?, cx.optional(value)?) {
        (Some(key), Some(value)) => Ok(Some([key.id, value.id])),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Reason::MissingInput(value)),
        (None, Some(_)) => Err(Reason::MissingInput(key)),
    }
}

/// The number of places that a cache, `[N, heads, places, width]`, holds.
pub(super) fn places(cx: &Cx<'_, '_>, past: Option<[NodeId; 2]>) -> usize {
    past.and_then(|[key, _]| cx.g.shape(key).get(2).copied()).unwrap_or(0)
}

/// Puts cached keys and values before those of the queries; gives the number of places before.
pub(super) fn remember(
    cx: &mut Cx<'_, '_>,
    heads: &mut Heads,
    past: Option<[NodeId; 2]>,
) -> Result<usize, Reason> {
    let Some([key, value]) = past else { return Ok(0) };
    heads.k = cx.g.concat(2, &[key, heads.k])?;
    heads.v = cx.g.concat(2, &[value, heads.v])?;
    Ok(places(cx, past))
}

/// `[N, length, heads * width]` to `[N, heads, length, width]`.
pub(super) fn split_heads(cx: &mut Cx<'_, '_>, x: NodeId, count: i64) -> Result<NodeId, Reason> {
    let shape = cx.g.shape(x).to_vec();
    let count = usize::try_from(count).unwrap_or(0);
    match *shape.as_slice() {
        [_, _, _, _] => Ok(x),
        [n, length, width] if count > 0 && width % count == 0 => {
            let split = cx.g.reshape(x, &[n, length, count, width / count])?;
            cx.g.transpose(split, &[0, 2, 1, 3])
        }
        _ => Err(bad("num_heads", "must divide the width of the operand")),
    }
}

/// `[N, heads, length, width]` to `[N, length, heads * width]`.
pub(super) fn merge_heads(cx: &mut Cx<'_, '_>, x: NodeId) -> Result<NodeId, Reason> {
    let &[n, heads, length, width] = cx.g.shape(x) else {
        return Err(cx.g.misfit("attention needs [N, heads, length, width]", &[x]));
    };
    let x = cx.g.transpose(x, &[0, 2, 1, 3])?;
    cx.g.reshape(x, &[n, length, heads * width])
}

/// Repeats each head of keys and values for the group of queries that reads it.
pub(super) fn share_heads(cx: &mut Cx<'_, '_>, heads: &mut Heads) -> Result<(), Reason> {
    let ranks = [heads.q, heads.k, heads.v].map(|id| cx.g.rank(id));
    if ranks != [4; 3] {
        return Err(cx.g.misfit("attention needs [N, heads, length, width]", &[heads.q, heads.k]));
    }
    let (queries, keys) = (cx.g.shape(heads.q)[1], cx.g.shape(heads.k)[1]);
    if queries == keys {
        return Ok(());
    }
    if keys == 0 || queries % keys != 0 {
        return Err(cx.g.misfit("the heads of keys divide those of queries", &[heads.q, heads.k]));
    }
    let repeats = queries / keys;
    let positions: Result<Vec<u32>, _> = (0..queries).map(|q| u32::try_from(q / repeats)).collect();
    let positions = positions.map_err(|_| bad("q_num_heads", "is too large"))?;
    heads.k = cx.g.select(heads.k, 1, positions.clone())?;
    heads.v = cx.g.select(heads.v, 1, positions)?;
    Ok(())
}

/// The first features of `heads: [N, length, heads, width]`, in pairs, turned by the angles whose
/// cosines and sines are `[N, length, 1, pairs]`; the others as they are.
pub(super) fn rotate(
    cx: &mut Cx<'_, '_>,
    heads: NodeId,
    [cos, sin]: [NodeId; 2],
    interleaved: bool,
) -> Result<NodeId, Reason> {
    let width = cx.g.shape(heads)[3];
    let turned = 2 * cx.g.shape(cos).last().copied().unwrap_or(0);
    if turned > width {
        return Err(cx.g.misfit("there are more angles than pairs of features", &[heads, cos]));
    }
    let (first, second) = halves(cx, heads, turned, interleaved)?;
    let (a, b) = (cx.g.mul(first, cos)?, cx.g.mul(second, sin)?);
    let real = cx.g.sub(a, b)?;
    let (a, b) = (cx.g.mul(first, sin)?, cx.g.mul(second, cos)?);
    let imaginary = cx.g.add(a, b)?;
    let mut y = if interleaved {
        let real = cx.g.unsqueeze(real, 4)?;
        let imaginary = cx.g.unsqueeze(imaginary, 4)?;
        let pairs = cx.g.concat(4, &[real, imaginary])?;
        let mut flat = cx.g.shape(heads).to_vec();
        flat[3] = turned;
        cx.g.reshape(pairs, &flat)?
    } else {
        cx.g.concat(3, &[real, imaginary])?
    };
    if turned < width {
        let rest = cx.g.slice(heads, 3, turned, width - turned)?;
        y = cx.g.concat(3, &[y, rest])?;
    }
    Ok(y)
}

/// Both members of every pair of the first `turned` features.
fn halves(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    turned: usize,
    interleaved: bool,
) -> Result<(NodeId, NodeId), Reason> {
    if !interleaved {
        let half = turned / 2;
        return Ok((cx.g.slice(x, 3, 0, half)?, cx.g.slice(x, 3, half, half)?));
    }
    let every_second = |start: usize| -> Result<Vec<u32>, Reason> {
        let positions: Result<Vec<u32>, _> =
            (start..turned).step_by(2).map(u32::try_from).collect();
        positions.map_err(|_| bad("rotary_embedding_dim", "is too large"))
    };
    Ok((cx.g.select(x, 3, every_second(0)?)?, cx.g.select(x, 3, every_second(1)?)?))
}
