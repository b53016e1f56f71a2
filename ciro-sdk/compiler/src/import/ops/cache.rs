//! Caches of keys and values whose rows are filled up to places of their own.

use std::iter::repeat_n;

use super::attention::distances;
use super::heads::places;
use crate::float::{BinaryFn, NodeId};
use crate::import::Reason;
use crate::import::context::{Cx, count, integer};

/// What `com.microsoft.GroupQueryAttention` reads of a cache, and where it puts new keys.
///
/// Keys are read where they lie: all places of the cache, then the new ones. What a row does not
/// fill is hidden; only the cache that is given on has the new keys of a row behind those that it
/// had.
#[derive(Clone, Copy)]
pub(super) struct Cache {
    /// Cached keys and values, `[N, heads, before, width]`.
    past: Option<[NodeId; 2]>,
    /// How many places they have.
    before: usize,
    /// How many places are new.
    length: usize,
    /// How many places of the cache each row fills, `[N, 1, 1, 1]`; `None` if all of them.
    filled: Option<NodeId>,
    /// The last new place of each row that counts, `[N, 1, 1, 1]`; `None` if all count.
    last: Option<NodeId>,
}

impl Cache {
    /// The cache of `rows` rows before `length` new places: input 5 is the last place of each row,
    /// input 6 the number of places, which is that of the new ones where nothing is cached yet.
    pub(super) fn of(
        cx: &mut Cx<'_, '_>,
        past: Option<[NodeId; 2]>,
        [rows, length]: [usize; 2],
    ) -> Result<Self, Reason> {
        let before = places(cx, past);
        let full = Self { past, before, length, filled: None, last: None };
        let Some(last) = cx.optional(5)? else { return Ok(full) };
        let end = full.columns().checked_sub(1);
        let at_end = |last: &f64| usize::try_from(integer(*last)).ok() == end;
        if cx.g.value(last.id).is_some_and(|value| value.data().iter().all(at_end)) {
            return Ok(full);
        }
        let last = cx.g.reshape(last.id, &[rows, 1, 1, 1])?;
        if before == 0 {
            return Ok(Self { last: Some(last), ..full });
        }
        let total = total(cx)?;
        if total > before && Some(total) != before.checked_add(length) {
            return Err(Reason::Unsupported(
                "`total_sequence_length` must be the number of all places, or at most that of the \
                 cache's",
            ));
        }
        if total == length {
            let nothing = cx.g.full(&[rows, 1, 1, 1], 0.0)?;
            return Ok(Self { filled: Some(nothing), last: Some(last), ..full });
        }
        let filled = cx.g.with(BinaryFn::Sub, last, length as f64 - 1.0)?;
        Ok(Self { filled: Some(filled), ..full })
    }

    /// How many places there are, cached and new ones.
    pub(super) fn columns(self) -> usize {
        self.before.saturating_add(self.length)
    }

    /// The positions of the new places, `[1, length]` or `[N, length]`.
    pub(super) fn positions(self, cx: &mut Cx<'_, '_>) -> Result<NodeId, Reason> {
        let new = cx.g.iota(self.length)?;
        let new = cx.g.unsqueeze(new, 0)?;
        match self.filled {
            Some(filled) => {
                let rows = cx.g.shape(filled)[0];
                let filled = cx.g.reshape(filled, &[rows, 1])?;
                cx.g.add(new, filled)
            }
            None => cx.g.with(BinaryFn::Add, new, self.before as f64),
        }
    }

    /// Which keys a query may read: those up to its own place that its row has, of which `window`
    /// may leave the last ones alone.
    pub(super) fn readable(
        self,
        cx: &mut Cx<'_, '_>,
        window: Option<f64>,
    ) -> Result<Vec<NodeId>, Reason> {
        let columns = self.columns();
        cx.g.allow(columns)?;
        let numbers = |count: usize| (0..count).map(|place| place as f64);
        let distance = distances(cx, (self.length, columns), self.before)?;
        let mut held = vec![cx.g.with(BinaryFn::GreaterOrEqual, distance, 0.0)?];
        if let Some(window) = window {
            let distance = self.among_held(cx, distance)?;
            held.push(cx.g.with(BinaryFn::Less, distance, window)?);
        }
        // Places of the other kind are before every end.
        if let Some(filled) = self.filled {
            let cached = numbers(self.before).chain(repeat_n(-1.0, self.length));
            let cached = cx.g.vector(cached.collect())?;
            held.push(cx.g.binary(BinaryFn::Less, cached, filled)?);
        }
        if let Some(last) = self.last {
            let new = repeat_n(-1.0, self.before).chain(numbers(self.length));
            let new = cx.g.vector(new.collect())?;
            held.push(cx.g.binary(BinaryFn::LessOrEqual, new, last)?);
        }
        Ok(held)
    }

    /// Distances between queries and keys without the places that a row does not fill.
    fn among_held(self, cx: &mut Cx<'_, '_>, distance: NodeId) -> Result<NodeId, Reason> {
        let Some(filled) = self.filled else { return Ok(distance) };
        let fewer = cx.g.with(BinaryFn::Sub, filled, self.before as f64)?;
        let cached = repeat_n(1.0, self.before).chain(repeat_n(0.0, self.length));
        let cached = cx.g.vector(cached.collect())?;
        let fewer = cx.g.mul(fewer, cached)?;
        cx.g.add(distance, fewer)
    }

    /// The cache that is given on: `joined` are all places of the cache before those of `new`.
    pub(super) fn given_on(
        self,
        cx: &mut Cx<'_, '_>,
        new: [NodeId; 2],
        joined: [NodeId; 2],
    ) -> Result<[NodeId; 2], Reason> {
        match (self.past, self.filled) {
            (Some([key, value]), Some(filled)) => Ok([
                self.followed(cx, [key, new[0]], filled)?,
                self.followed(cx, [value, new[1]], filled)?,
            ]),
            _ => Ok(joined),
        }
    }

    /// What each row fills of `past`, then `new`, then zeros.
    fn followed(
        self,
        cx: &mut Cx<'_, '_>,
        [past, new]: [NodeId; 2],
        filled: NodeId,
    ) -> Result<NodeId, Reason> {
        let places = total(cx)?.max(self.before);
        let more = places - self.before;
        let past = cx.g.pad(past, vec![(0, 0), (0, 0), (0, more), (0, 0)], 0.0)?;
        let at = cx.g.iota(places)?;
        let at = cx.g.unsqueeze(at, 1)?;
        let new = match self.length {
            1 => {
                let own = cx.g.binary(BinaryFn::Equal, at, filled)?;
                let zero = cx.g.scalar(0.0)?;
                cx.g.choose(own, new, zero)?
            }
            length => {
                let behind = cx.g.iota(length)?;
                let begins = cx.g.sub(at, behind)?;
                let own = cx.g.binary(BinaryFn::Equal, begins, filled)?;
                cx.g.mat_mul(own, new)?
            }
        };
        let held = cx.g.binary(BinaryFn::Less, at, filled)?;
        cx.g.choose(held, past, new)
    }
}

/// The number of places of the longest row.
fn total(cx: &Cx<'_, '_>) -> Result<usize, Reason> {
    let total = cx.tensor(6)?;
    match cx.g.value(total.id).map(|value| value.data()) {
        Some(&[total]) => count(total),
        _ => Err(Reason::DataDependent { what: "`total_sequence_length`".to_owned() }),
    }
}
