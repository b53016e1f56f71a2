//! Places for those who use the interface, bounded in all and by address.
//!
//! Programs of this machine are not bound by their address, since a proxy before the node is one of
//! them, and a few places are theirs alone: whoever looks after the node gets in when it is full.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places for this machine alone, beside the others.
pub(super) const KEPT: usize = 16;
/// What one address may take: one place in so many, and at least one.
const PART: usize = 8;
/// The bits of an IPv6 address that name a network: whoever has one address of it has them all.
const NETWORK_BITS: u32 = 64;

/// Places, so many and no more.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: BTreeMap<IpAddr, usize>,
}

/// A place that somebody has, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    origin: IpAddr,
}

impl Places {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// Takes a place for an address, if there is one for it.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let origin = origin(address);
        let (max, part) = if origin.is_loopback() {
            (self.max.saturating_add(KEPT), usize::MAX)
        } else {
            (self.max, (self.max / PART).max(1))
        };
        let mut taken = self.lock();
        let by = taken.by.get(&origin).copied().unwrap_or(0);
        if taken.all >= max || by >= part {
            return None;
        }
        taken.all += 1;
        taken.by.insert(origin, by + 1);
        Some(Place { places: Arc::clone(self), origin })
    }

    /// Returns how many places are taken.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(by) = taken.by.get_mut(&self.origin) {
            *by -= 1;
            if *by == 0 {
                taken.by.remove(&self.origin);
            }
        }
    }
}

/// Returns what an address is counted as.
pub(crate) fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let mask = u128::MAX << (u128::BITS - NETWORK_BITS);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn no_address_takes_the_places_of_others() {
        let places = Places::new(32);
        let greedy: Vec<Place> = (0..40).filter_map(|_| places.take(ip("192.0.2.1"))).collect();
        assert_eq!(greedy.len(), 4);
        assert!(places.take(ip("::ffff:192.0.2.1")).is_none(), "the same one, written otherwise");
        let other = places.take(ip("192.0.2.2")).unwrap();
        drop(greedy);
        assert!(places.take(ip("192.0.2.1")).is_some(), "places come back");
        drop(other);
        assert_eq!(places.in_use(), 0);
        assert!(places.lock().by.is_empty());
    }

    #[test]
    fn the_addresses_of_one_network_count_as_one() {
        let places = Places::new(8);
        let _first = places.take(ip("2001:db8::1")).unwrap();
        assert!(places.take(ip("2001:db8::2:3:4:5")).is_none());
        assert!(places.take(ip("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn this_machine_gets_in_when_all_places_are_taken() {
        let places = Places::new(8);
        let others: Vec<Place> =
            (0..99).filter_map(|it| places.take(IpAddr::from([192, 0, 2, it]))).collect();
        assert_eq!(others.len(), 8);
        let own: Vec<Place> = (0..99).filter_map(|_| places.take(ip("127.0.0.1"))).collect();
        assert_eq!(own.len(), KEPT);
        assert!(places.take(ip("::1")).is_none(), "bounded too");
    }
}
