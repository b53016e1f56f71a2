//! Batches of a validator that has lost its vote.

use super::*;

/// What was shown while its submitter had a vote may be ordered later: some hold it, and others
/// must not call it wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_valid_whoever_votes_and_taken_from_those_who_do() {
    let world = World::new(nothing);
    let members = Arc::clone(world.service.net().peers().members());
    let (first, second) = (world.batch_at((3, 1), 1), world.batch_at((3, 2), 1));
    assert!(matches!(world.push(3, &first, &[]).await, BatchAnswer::Accepted));
    members.unseat(ReplicaId(3));
    // It may come again with its next vote: whoever brings it goes on trying.
    assert!(matches!(world.push(3, &second, &[]).await, BatchAnswer::Busy));
    for batch in [first, second] {
        let held = world.service.hold(Arc::new(batch), ReplicaId(2), PROPOSED).await;
        assert!(held.is_ok(), "{held:?}");
    }
    // Of a number that nobody has here nothing can be said.
    let mut unknown = world.batch_at((3, 3), 1);
    unknown.body.submitter = SubmitterId(9);
    let held = world.service.hold(Arc::new(unknown), ReplicaId(2), PROPOSED).await;
    assert!(matches!(held, Err(NotHeld::Later)), "{held:?}");
}
