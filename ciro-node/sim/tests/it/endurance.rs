//! A long life: what a replica holds does not grow with the chain.

use ciro_consensus::{
    ChainId, Digest, Footprint, Genesis, Params, ReplicaId, Validator, ValidatorSet,
};
use ciro_sim::{Cluster, Keyed, Source, key_of};

const BLOCKS: u64 = 100_000;
const OPERATIONS: usize = 2;

fn cluster(params: &Params) -> Cluster<Keyed> {
    let validators = (0..4).map(ReplicaId).map(|id| Validator { id, key: key_of(id), stake: 1 });
    let set = ValidatorSet::new(validators).unwrap();
    let root = Digest::short_string("genesis");
    let genesis = Genesis::new(ChainId::new("ciro-endurance"), params.clone(), set, root);
    Cluster::new(&genesis, (0..4).map(ReplicaId).map(key_of)).unwrap()
}

#[test]
fn memory_stays_bounded_over_a_hundred_thousand_blocks() {
    let params = Params {
        checkpoint_interval: 16,
        epoch_length: 512,
        operations_per_block: OPERATIONS,
        ..Params::default()
    };
    let mut cluster = cluster(&params);
    let mut source = Source::default();
    let bound = Footprint::bound(&params, 4);
    let mut early = None;
    while cluster.height().0 < BLOCKS {
        let before = cluster.height();
        cluster.run(&source.take(64 * OPERATIONS)).unwrap();
        assert!(cluster.height() > before);
        for replica in cluster.replicas() {
            assert_eq!(replica.footprint().exceeds(&bound), None);
        }
        // The same place in an epoch, a hundred thousand blocks apart.
        let height = cluster.height().0;
        if height.is_multiple_of(params.epoch_length) {
            let now: Vec<Footprint> = cluster.replicas().iter().map(|it| it.footprint()).collect();
            let first = early.get_or_insert_with(|| now.clone());
            assert_eq!(*first, now, "at block {height}");
        }
    }
    assert!(early.is_some());
}
