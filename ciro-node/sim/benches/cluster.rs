//! Blocks through whole clusters, signatures real.
//!
//! `cargo bench --profile dev -p ciro-sim`

use std::time::{Duration, Instant};

use ciro_sim::{Source, stark_cluster};
use criterion::{BenchmarkId, Criterion, Throughput};

/// One full block of 512 operations at all replicas together, one thread.
fn blocks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("block of 512 operations");
    group.sample_size(10).warm_up_time(Duration::from_millis(100));
    for nodes in [4, 7, 16] {
        group.throughput(Throughput::Elements(512));
        group.bench_with_input(BenchmarkId::from_parameter(nodes), &nodes, |bencher, nodes| {
            bencher.iter_custom(|blocks| {
                let mut cluster = stark_cluster(*nodes, 512).expect("the parameters are valid");
                let count = usize::try_from(blocks).expect("few blocks") * 512;
                let operations = Source::default().take(count);
                let started = Instant::now();
                cluster.run(&operations).expect("nobody misbehaves");
                started.elapsed()
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    blocks(&mut criterion);
    criterion.final_summary();
}
