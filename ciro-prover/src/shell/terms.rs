//! Whether the terms of direct orders are kept, now that preparations were measured.

use std::collections::BTreeMap;

use ciro_protocol::id::KeyDigest;
use ciro_protocol::provider::DirectKeys;

use super::Direct;
use crate::worker::{Places, Served, Settings};

/// Terms of direct orders that this machine cannot keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a direct order under the key {key} may take {takes_s} s of a child, its preparation included: \
     a lease is too short if every place is taken. Set `provider.direct.lease_min_s` to {lease_s}, \
     or lower `work.capacity` or `work.input_mb_max`, and run `ciro-prover register`"
)]
pub struct TermsError {
    /// The key that takes the longest.
    pub key: KeyDigest,
    /// How long, in seconds.
    pub takes_s: u64,
    /// The shortest lease that could be kept, in seconds.
    pub lease_s: u64,
}

/// Checks that an order under each key that the terms name, with the longest input, is done in the
/// time that is left for one job. Keys that are not proven here are not looked at.
pub(super) fn check(
    settings: &Settings,
    direct: &Direct,
    served: &BTreeMap<KeyDigest, Served>,
) -> Result<(), TermsError> {
    let DirectKeys::Listed(keys) = &direct.keys else { return Ok(()) };
    let takes_ms = |key: &KeyDigest| {
        let Served { cells, prepare_ms, .. } = served.get(key)?;
        let work_ms = settings.speed().work_ms(direct.input_bytes_max, *cells);
        Some((work_ms.saturating_add(*prepare_ms), *key))
    };
    let Some((ms, key)) = keys.iter().filter_map(takes_ms).max() else { return Ok(()) };
    if ms <= settings.open_ms_max {
        return Ok(());
    }
    let places = Places { capacity: settings.capacity, children: settings.children };
    let (takes_s, lease_s) = (ms.div_ceil(1_000), places.lease_ms(ms).div_ceil(1_000));
    Err(TermsError { key, takes_s, lease_s })
}

#[cfg(test)]
mod tests {
    use ciro_protocol::wire::List;

    use super::*;
    use crate::worker::tests::settings;

    #[test]
    fn terms_that_leave_no_time_for_the_preparation_are_refused() {
        // A second and a half for the proof, and nothing for the input: 1,500 ms, in two turns.
        let (key, settings) = (KeyDigest([1; 32]), Settings { open_ms_max: 1_700, ..settings() });
        let keys = DirectKeys::Listed(List::new(vec![key]).unwrap());
        let direct = Direct { models: vec![], keys, input_bytes_max: 0 };
        let prepared = |prepare_ms| {
            let mut served = settings.models.clone();
            served.values_mut().for_each(|it| it.prepare_ms = prepare_ms);
            served
        };
        assert_eq!(check(&settings, &direct, &prepared(200)), Ok(()));
        let refused = check(&settings, &direct, &prepared(201));
        assert_eq!(refused, Err(TermsError { key, takes_s: 2, lease_s: 4 }));
        // What is not named, or not proven here, promises nothing.
        assert_eq!(check(&settings, &direct, &BTreeMap::new()), Ok(()));
        let any = Direct { keys: DirectKeys::Any, ..direct };
        assert_eq!(check(&settings, &any, &prepared(201)), Ok(()));
    }
}
