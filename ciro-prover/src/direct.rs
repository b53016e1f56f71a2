//! What direct orders may be for, and whether this machine keeps what their terms promise: such an
//! order is held at once, and a lease that ends costs all of its collateral.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use ciro_protocol::model::KeyFacts;
use ciro_protocol::provider::{Asks, DirectKeys};
use ciro_protocol::wire::List;
use ciro_sdk::client::Client;

use crate::config::{Config, Models, WorkConfig};
use crate::worker::{Places, Speed};

/// Returns the facts of the keys that direct orders may be for: those of the chosen models that
/// have a price. None if whatever is registered may be ordered.
pub(crate) async fn facts(client: &Client, config: &Config) -> anyhow::Result<Vec<KeyFacts>> {
    let priced = config.provider.prices.classes();
    let mut keys = Vec::new();
    for model in config.direct_models() {
        let card = client.model(*model).await?.card;
        let facts = card.keys.iter().map(|key| key.facts);
        let before = keys.len();
        keys.extend(facts.filter(|it| priced.contains(&it.class())));
        if keys.len() == before {
            bail!(
                "model {model} of `provider.direct.models` has no key of a class that has a price \
                 in `provider.prices`"
            );
        }
    }
    Ok(keys)
}

/// Returns the keys that direct orders may be for.
pub(crate) fn keys(config: &Config, facts: &[KeyFacts]) -> anyhow::Result<DirectKeys> {
    let direct = config.provider.direct.as_ref().map(|direct| &direct.models);
    if let Some(Models::Any(_)) = direct {
        return Ok(DirectKeys::Any);
    }
    let keys: BTreeSet<_> = facts.iter().map(|it| it.digest).collect();
    let keys = List::new(keys.into_iter().collect());
    Ok(DirectKeys::Listed(keys.context("the keys of `provider.direct.models` are too many")?))
}

/// How the preparation of a prover counts, which nobody has measured yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// As long as a proof, a second at least: terms are to be kept once it is measured.
    Ahead,
    /// Not here: it is measured next, and checked then.
    Measured,
}

impl Preparation {
    fn ms(self, speed: Speed, cells: u64) -> u64 {
        match self {
            Self::Ahead => speed.proof_ms(cells).max(1_000),
            Self::Measured => 0,
        }
    }
}

/// Checks that all that direct orders may ask for at once is done within their leases, and returns
/// for how many ms an open job may keep a child then; `u64::MAX` where no keys are named. Keys that
/// do not say how much work they are count with their input alone.
///
/// # Errors
///
/// What cannot be kept, and what to change.
pub(crate) fn open_ms_max(
    work: &WorkConfig,
    asks: &Asks,
    (facts, preparation): (&[KeyFacts], Preparation),
) -> anyhow::Result<u64> {
    let Some(terms) = &asks.direct else { return Ok(u64::MAX) };
    let keys = match &terms.keys {
        DirectKeys::Listed(keys) if !keys.is_empty() => keys,
        DirectKeys::Listed(_) | DirectKeys::Any => return Ok(u64::MAX),
    };
    if terms.collateral_max > work.collateral_max || terms.input_bytes_max > work.input_bytes_max()
    {
        bail!(
            "direct orders may ask for {} CIRO of collateral and an input of {} bytes, and \
             `work.collateral_max` or `work.input_mb_max` is less: run `ciro-prover register`",
            terms.collateral_max,
            terms.input_bytes_max
        );
    }
    if let Some(key) = keys.iter().find(|key| facts.iter().all(|it| it.digest != **key)) {
        bail!(
            "direct orders may be for the key {key}, and no model of `provider.direct.models` has \
             it in a class that has a price in `provider.prices`: name its model there, or run \
             `ciro-prover register`"
        );
    }
    let places = Places { capacity: asks.capacity, children: work.children };
    let cells = facts.iter().filter(|it| keys.contains(&it.digest)).map(|it| it.cells);
    let (speed, cells) = (work.speed(), cells.max().unwrap_or(0));
    let job_ms = speed.work_ms(terms.input_bytes_max, cells);
    let job_ms = job_ms.saturating_add(preparation.ms(speed, cells));
    let (least_ms, lease_ms) = (places.lease_ms(job_ms), terms.lease_min_ms);
    if lease_ms < least_ms {
        bail!(
            "a direct order may take {} s of a child, and with {} places for {} children waits for \
             others: a lease of {} s is too short. Set `provider.direct.lease_min_s` to {}, or \
             lower `work.capacity` or `work.input_mb_max`, and run `ciro-prover register`",
            job_ms.div_ceil(1_000),
            places.capacity,
            places.children,
            lease_ms / 1_000,
            least_ms.div_ceil(1_000)
        );
    }
    Ok(places.job_ms_max(lease_ms))
}

#[cfg(test)]
mod tests {
    use ciro_protocol::amount::Amount;
    use ciro_protocol::id::KeyDigest;
    use ciro_protocol::order::Route;
    use ciro_protocol::provider::DirectTerms;

    use super::*;

    /// The settings of the template: 4 places, 1 child, 2,000,000 cells and 1,000,000 bytes a
    /// second.
    fn work() -> WorkConfig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prover.toml");
        std::fs::write(&path, Config::template()).unwrap();
        Config::read(&path).unwrap().work
    }

    fn facts(cells: u64) -> KeyFacts {
        KeyFacts {
            digest: KeyDigest([1; 32]),
            route: Route::Tensor,
            bits: 100,
            proven_bits: 60,
            batch: 1,
            cells,
        }
    }

    fn asks(lease_min_ms: u64, keys: DirectKeys) -> Asks {
        let direct = DirectTerms {
            keys,
            collateral_max: Amount::ciro(1),
            lease_min_ms,
            input_bytes_max: 1_000_000,
        };
        Asks { prices: List::default(), capacity: 4, direct: Some(direct), sealing: None }
    }

    #[test]
    fn terms_that_cannot_be_kept_if_every_place_is_taken_are_refused() {
        let listed = || DirectKeys::Listed(List::new(vec![KeyDigest([1; 32])]).unwrap());
        let open = |lease_min_ms, keys, cells| {
            let facts = [facts(cells)];
            let measured = (&facts[..], Preparation::Measured);
            open_ms_max(&work(), &asks(lease_min_ms, keys), measured)
        };
        // A second for the input, and one and a half for the proof: four times ten seconds.
        assert_eq!(open(10_000, listed(), 2_000_000).unwrap(), 2_500);
        let refused = open(9_999, listed(), 2_000_000).unwrap_err().to_string();
        assert!(refused.contains("`provider.direct.lease_min_s` to 10,"), "{refused}");
        assert!(open(10_000, listed(), 2_000_001).is_err());
        // What is not named takes no time that is known.
        assert_eq!(open(0, DirectKeys::Any, 1 << 40).unwrap(), u64::MAX);
        assert_eq!(open(0, DirectKeys::Listed(List::default()), 1).unwrap(), u64::MAX);
        let none = Asks { direct: None, ..asks(0, DirectKeys::Any) };
        let open = open_ms_max(&work(), &none, (&[], Preparation::Measured));
        assert_eq!(open.unwrap(), u64::MAX);
    }

    /// A start measures what nobody knows before, and would refuse what was just registered.
    #[test]
    fn terms_are_registered_with_time_for_the_preparation() {
        let listed = || DirectKeys::Listed(List::new(vec![KeyDigest([1; 32])]).unwrap());
        let open = |lease_min_ms, cells| {
            let facts = [facts(cells)];
            let ahead = (&facts[..], Preparation::Ahead);
            open_ms_max(&work(), &asks(lease_min_ms, listed()), ahead)
        };
        // A second for the input, three for the proof, and two as for its preparation.
        assert_eq!(open(24_000, 4_000_000).unwrap(), 6_000);
        assert!(open(23_999, 4_000_000).is_err());
        // One at least.
        assert_eq!(open(8_000, 0).unwrap(), 2_000);
        assert!(open(7_999, 0).is_err());
    }

    /// They were registered with other models, and nobody knows what their proofs take.
    #[test]
    fn terms_for_keys_of_models_that_the_settings_do_not_name_are_refused() {
        let listed = DirectKeys::Listed(List::new(vec![KeyDigest([1; 32])]).unwrap());
        let asks = asks(100_000, listed);
        let refused = open_ms_max(&work(), &asks, (&[], Preparation::Measured));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(&KeyDigest([1; 32]).to_string()), "{refused}");
        assert!(refused.contains("run `ciro-prover register`"), "{refused}");
    }

    #[test]
    fn terms_that_go_beyond_the_settings_are_refused() {
        let listed = DirectKeys::Listed(List::new(vec![KeyDigest([1; 32])]).unwrap());
        let mut asks = asks(100_000, listed);
        if let Some(terms) = &mut asks.direct {
            terms.collateral_max = Amount::ciro(3);
        }
        let facts = [facts(1)];
        let refused = open_ms_max(&work(), &asks, (&facts, Preparation::Measured));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("`work.collateral_max`"), "{refused}");
    }
}
