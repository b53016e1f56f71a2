//! How long one job may keep a child, where direct orders come without being asked for.

/// The places of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Jobs that are held at once at most, 1 or more.
    pub capacity: u16,
    /// Children that prove at once, 1 to `capacity`.
    pub children: u16,
}

impl Places {
    /// Returns the shortest lease in ms that can be kept if every place is taken at once and no job
    /// takes longer than so many ms.
    ///
    /// Children take what ends first, and none idles while a job waits. Of the `capacity - 1` other
    /// jobs some child gets `ceil(capacity / children) - 1` at most, so that a job waits for no
    /// more than these and then takes one turn itself.
    #[must_use]
    pub fn lease_ms(&self, job_ms: u64) -> u64 {
        self.turns().saturating_mul(job_ms)
    }

    /// Returns how many ms a job may take, of whatever kind, if leases are no shorter than so many
    /// ms: the inverse of [`lease_ms`](Self::lease_ms), rounded down.
    #[must_use]
    pub fn job_ms_max(&self, lease_ms: u64) -> u64 {
        lease_ms / self.turns()
    }

    /// Turns in which all places are worked off: 1 or more.
    fn turns(&self) -> u64 {
        u64::from(self.capacity.div_ceil(self.children.max(1)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs on children, the first free one takes the next: the worst wait of any order of jobs.
    #[test]
    fn no_job_waits_longer_than_the_lease_that_is_promised() {
        for capacity in 1..=6_u16 {
            for children in 1..=capacity {
                let places = Places { capacity, children };
                // Each job is short or long; the last one is the order that waits.
                for lengths in 0..1_u32 << capacity {
                    let mut free = vec![0_u64; children.into()];
                    let mut end = 0;
                    for job in 0..capacity {
                        let takes = if lengths >> job & 1 == 1 { 10 } else { 1 };
                        let child = free.iter_mut().min().unwrap();
                        *child += takes;
                        end = *child;
                    }
                    assert!(end <= places.lease_ms(10), "{places:?} {lengths:b}");
                }
                assert_eq!(places.job_ms_max(places.lease_ms(10)), 10);
            }
        }
    }

    #[test]
    fn four_places_and_one_child_are_four_turns() {
        let places = Places { capacity: 4, children: 1 };
        assert_eq!((places.lease_ms(5_000), places.job_ms_max(20_000)), (20_000, 5_000));
    }
}
