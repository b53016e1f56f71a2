//! How often an address may ask for what costs the node something: token buckets.
//!
//! Programs of this machine are not bound, since a proxy before the node is one of them; such a
//! proxy limits its own clients.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ciro_protocol::api::{Code, Problem};

use super::places::origin;
use super::reply::ApiError;
use super::request::Peer;

/// Addresses that are remembered: beyond that, the one that has asked for nothing for longest is
/// forgotten.
const REMEMBERED: usize = 1 << 14;

/// The limits of the interface.
#[derive(Debug)]
pub(super) struct Rates {
    /// Transactions, which cost a signature and a try on the head.
    pub(super) transactions: Rate,
    /// Announcements of blobs, of which few may be open.
    pub(super) announcements: Rate,
    /// Chunks and whole blobs, of up to 4 MiB each.
    pub(super) uploads: Rate,
}

impl Rates {
    pub(super) fn new() -> Self {
        Self {
            transactions: Rate::new("transactions", 100, 1_000),
            announcements: Rate::new("announcements", 5, 64),
            uploads: Rate::new("uploads", 100, 1_000),
        }
    }
}

/// Requests of one kind: so many a second, and so many at once after a rest.
#[derive(Debug)]
pub(super) struct Rate {
    kind: &'static str,
    per_second: u32,
    burst: u32,
    /// The moment at which the bucket of each address is full again.
    full: Mutex<BTreeMap<IpAddr, Instant>>,
}

impl Rate {
    const fn new(kind: &'static str, per_second: u32, burst: u32) -> Self {
        Self { kind, per_second, burst, full: Mutex::new(BTreeMap::new()) }
    }

    /// Counts a request of an address.
    pub(super) fn check(&self, Peer(address): Peer) -> Result<(), ApiError> {
        if self.admits(address, Instant::now()) {
            return Ok(());
        }
        let (kind, rate) = (self.kind, self.per_second);
        let detail = format!("at most {rate} {kind} a second are taken from one address");
        Err(Problem::new(Code::RateLimited, detail).into())
    }

    fn admits(&self, address: IpAddr, now: Instant) -> bool {
        let origin = origin(address);
        if origin.is_loopback() {
            return true;
        }
        // A bucket that is full after `burst` tokens' time is empty now: the generic cell rate
        // algorithm, which needs one number for each address.
        let token = Duration::from_secs(1) / self.per_second;
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let then = full.get(&origin).copied().unwrap_or(now).max(now) + token;
        if then > now + token * self.burst {
            return false;
        }
        if full.len() >= REMEMBERED && !full.contains_key(&origin) {
            full.retain(|_, then| *then > now);
            if full.len() >= REMEMBERED
                && let Some(first) = full.iter().min_by_key(|(_, then)| **then).map(|(it, _)| *it)
            {
                full.remove(&first);
            }
        }
        full.insert(origin, then);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_burst_and_then_its_rate_and_takes_nothing_from_others() {
        let rate = Rate::new("tests", 10, 3);
        let (one, two) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let start = Instant::now();
        let admitted = |address, ms| rate.admits(address, start + Duration::from_millis(ms));
        assert_eq!([0; 5].map(|ms| admitted(one, ms)), [true, true, true, false, false]);
        assert!(admitted(two, 0));
        assert_eq!([99, 100, 100, 200].map(|ms| admitted(one, ms)), [false, true, false, true]);
        assert_eq!([9_000; 4].map(|ms| admitted(one, ms)), [true, true, true, false]);
        assert!((0..99).all(|_| admitted([127, 0, 0, 1].into(), 0)), "this machine");
    }

    #[test]
    fn no_number_of_addresses_takes_more_memory() {
        let rate = Rate::new("tests", 1, 1);
        let start = Instant::now();
        for number in 0..u32::try_from(REMEMBERED).unwrap() + 9 {
            let at = start + Duration::from_nanos(number.into());
            assert!(rate.admits(IpAddr::V4(number.wrapping_add(0x0B00_0000).into()), at));
        }
        assert_eq!(rate.full.lock().unwrap().len(), REMEMBERED);
    }
}
