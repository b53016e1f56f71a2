//! Who votes in consensus, as the state says, and what changes from one epoch to the next.

use std::collections::BTreeMap;

use ciro_protocol::chain::ChainSpec;

use crate::state::{Overlay, SETS, Seat, StateError, View};

/// Returns who votes in an epoch of consensus, by number. Of a network with an economy the state
/// knows the epochs from two before the one at hand to the next, and the one after that once it is
/// elected; any other has the validators of its genesis for ever.
///
/// # Errors
///
/// [`StateError`] if the state is damaged, or does not know the epoch.
pub fn seats(view: &dyn View, spec: &ChainSpec, epoch: u64) -> Result<Vec<Seat>, StateError> {
    if spec.economy.is_none() {
        return Ok(genesis_seats(spec));
    }
    Ok(Overlay::new(view).expect(SETS, &epoch)?.into_inner())
}

/// Returns how who votes after the next epoch differs from who votes in the next. A validator that
/// has a vote no longer has the weight 0.
pub(crate) fn changes(before: &[Seat], after: &[Seat]) -> Vec<Seat> {
    let by_id = |seats: &[Seat]| -> BTreeMap<u32, Seat> {
        seats.iter().map(|seat| (seat.id, *seat)).collect()
    };
    let (before, after) = (by_id(before), by_id(after));
    let gone = before.values().filter(|seat| !after.contains_key(&seat.id));
    let gone = gone.map(|seat| (seat.id, Seat { weight: 0, ..*seat }));
    let mut changes: BTreeMap<u32, Seat> = gone.collect();
    changes.extend(after.into_iter().filter(|(id, seat)| before.get(id) != Some(seat)));
    changes.into_values().collect()
}

/// Returns the validators of the genesis, by number.
pub(crate) fn genesis_seats(spec: &ChainSpec) -> Vec<Seat> {
    let seats = spec.validators.iter();
    let mut seats: Vec<Seat> =
        seats.map(|it| Seat { id: it.id, key: it.key, weight: it.stake }).collect();
    seats.sort_by_key(|seat| seat.id);
    seats
}
