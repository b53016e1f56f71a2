//! Jobs that nobody claims are offered again: what the cluster lost comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ciro_protocol::id::JobId;
use ciro_protocol::order::Class;

use super::{Common, offers};
use crate::store::{Snapshot, StoreError};

/// How often open jobs are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Jobs that are looked at, and offered again, at once.
const JOBS_MAX: usize = 1024;

/// When each open job was offered last, by its place in the queue: a job that was lost and opened
/// again has another one.
#[derive(Debug, Default)]
struct Offered {
    last: BTreeMap<(usize, u64), Instant>,
}

impl Offered {
    /// Takes the jobs that are open in a class, and returns those whose time has come.
    fn due(
        &mut self,
        class: usize,
        open: &[(u64, JobId)],
        (now, every): (Instant, Duration),
    ) -> Vec<JobId> {
        let places: std::collections::BTreeSet<u64> = open.iter().map(|(at, _)| *at).collect();
        self.last.retain(|(of, at), _| *of != class || places.contains(at));
        let mut due = Vec::new();
        for (at, job) in open {
            // The outbox has offered what is new.
            let last = self.last.entry((class, *at)).or_insert(now);
            if now.duration_since(*last) >= every && due.len() < JOBS_MAX {
                *last = now;
                due.push(*job);
            }
        }
        due
    }
}

/// Offers again for as long as the node runs; returns why it cannot go on.
pub(super) async fn run(common: Arc<Common>) -> String {
    let every = Duration::from_millis(common.config.republish_ms);
    let mut offered = Offered::default();
    loop {
        tokio::time::sleep(LOOK.min(every)).await;
        for (place, class) in Class::ALL.into_iter().enumerate() {
            let open = match common.read(move |snapshot| open_jobs(snapshot, class)).await {
                Ok(open) => open,
                Err(reason) => return reason,
            };
            let due = offered.due(place, &open, (Instant::now(), every));
            if due.is_empty() {
                continue;
            }
            let topics = common.topics.clone();
            let found = common.read(move |snapshot| {
                let mut records = Vec::with_capacity(due.len());
                for job in due {
                    let open = offers::of_job(snapshot, job)?;
                    records.extend(open.map(|open| {
                        ciro_queue::kafka::offer(&topics, open.class, open.job, &open.record)
                    }));
                }
                Ok(records)
            });
            let records = match found.await {
                Ok(records) => records,
                Err(reason) => return reason,
            };
            tracing::info!(jobs = records.len(), class = class.name(), "offers jobs again");
            if let Err(error) = common.writer.send(&records).await {
                tracing::warn!(%error, "jobs are not offered again yet");
            }
        }
    }
}

fn open_jobs(snapshot: &Snapshot, class: Class) -> Result<Vec<(u64, JobId)>, StoreError> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let found = snapshot.queue(class, after, JOBS_MAX)?;
        let more = found.len() == JOBS_MAX;
        after = found.last().map_or(after, |(at, _)| *at);
        all.extend(found);
        if !more {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_offered_again_each_time_that_it_waited_long_enough() {
        let every = Duration::from_secs(30);
        let begin = Instant::now();
        let at = |seconds| (begin + Duration::from_secs(seconds), every);
        let (one, two) = (JobId([1; 32]), JobId([2; 32]));
        let mut offered = Offered::default();
        assert!(offered.due(0, &[(5, one)], at(0)).is_empty());
        assert!(offered.due(0, &[(5, one), (9, two)], at(20)).is_empty());
        assert_eq!(offered.due(0, &[(5, one), (9, two)], at(30)), [one]);
        assert!(offered.due(0, &[(5, one), (9, two)], at(49)).is_empty());
        // Claimed, lost and open again: it is new.
        assert_eq!(offered.due(0, &[(9, two), (11, one)], at(60)), [two]);
        assert!(offered.due(1, &[(9, two)], at(60)).is_empty(), "another class");
        assert_eq!(offered.due(0, &[(11, one)], at(90)), [one]);
        assert!(offered.due(0, &[], at(91)).is_empty());
        assert_eq!(offered.last.len(), 1, "only that of the other class");
    }
}
