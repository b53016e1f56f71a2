use super::*;
use crate::net::identity::Identity;

#[test]
fn nobody_but_validators_is_asked_whether_this_node_can_be_dialled() {
    assert!(!asked(4).use_connected);
}

#[test]
fn others_are_asked_soon_until_enough_may_have_agreed() {
    for validators in [4, 10, 256] {
        // Each time one is chosen at random: more than half of them have spoken by then.
        assert_eq!(asked(validators).confidence_max, validators);
    }
}

#[test]
fn a_relay_forgets_no_place_before_its_connection() {
    let limits = carried();
    assert!(limits.reservation_duration > Duration::from_secs(365 * 86_400));
    assert!(limits.max_circuit_duration.as_secs() <= u32::MAX.into());
}

#[test]
fn a_validator_that_loses_its_place_again_and_again_has_it_back() {
    let mut limits = carried();
    assert_eq!(limits.reservation_rate_limiters.len(), 1, "many may have one address");
    let peer = Identity::from_secret([1; 32]).unwrap().peer();
    let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
    let begun = Instant::now();
    let limiter = &mut limits.reservation_rate_limiters[0];
    let mut asked = |at| limiter.try_next(peer, &address, begun + Duration::from_secs(at));
    assert!((0..3_600).all(&mut asked));
    assert_eq!((0..999).filter(|_| asked(3_600)).count(), 60, "but not without end");
}

#[test]
fn a_validator_that_has_asked_for_too_many_circuits_waits_not_for_long() {
    let mut limits = carried();
    let peer = Identity::from_secret([1; 32]).unwrap().peer();
    let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
    let begun = Instant::now();
    let limiter = &mut limits.circuit_src_rate_limiters[0];
    let mut asked =
        |count: usize, at| (0..count).filter(|_| limiter.try_next(peer, &address, at)).count();
    assert_eq!(asked(999, begun), 600);
    assert_eq!(asked(99, begun + Duration::from_secs(1)), 10);
}
