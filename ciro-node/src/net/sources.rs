//! Asking several validators for one thing, so that none of them can hold it up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ciro_consensus::ReplicaId;
use libp2p::futures::StreamExt as _;
use libp2p::futures::stream::FuturesUnordered;
use tokio::time::sleep;

/// How long one has before another is asked beside it.
const HEAD_START: Duration = Duration::from_secs(1);
/// What part of its head start one may use up and still counts as prompt.
const PROMPT_PART: u32 = 4;
/// How long one that was late or slow is asked after others, however fast it is then: otherwise it
/// could be so for every second thing.
const SLOW_MIN: Duration = Duration::from_secs(60);
/// Validators that are asked for one thing at once.
const ASKED_MAX: usize = 4;

/// How long a validator lets others wait. The order is that in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pace {
    /// It answers within a part of its head start.
    Prompt,
    /// It answers, but just before another one is asked: many such answers add up.
    Late,
    /// It has used up its head start without an answer.
    Slow,
}

/// Validators that have let others wait: whatever is wanted next, they are asked after those that
/// have not, for a minute, and until they have answered in time again.
#[derive(Debug, Default)]
pub(crate) struct Slow(Mutex<BTreeMap<ReplicaId, (Pace, Instant)>>);

impl Slow {
    /// Returns how long a validator lets others wait.
    pub(crate) fn pace(&self, id: ReplicaId) -> Pace {
        self.lock().get(&id).map_or(Pace::Prompt, |(pace, _)| *pace)
    }

    /// Takes note of how long validators have let others wait. For a while the worst counts.
    fn note(&self, ids: impl IntoIterator<Item = ReplicaId>, pace: Pace, now: Instant) {
        let mut slow = self.lock();
        for id in ids {
            let known = slow.get(&id).copied();
            let counts = |(worst, since): (Pace, Instant)| {
                worst > pace && now.saturating_duration_since(since) < SLOW_MIN
            };
            if known.is_some_and(counts) {
                continue;
            }
            match pace {
                Pace::Prompt => slow.remove(&id),
                Pace::Late | Pace::Slow => slow.insert(id, (pace, now)),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplicaId, (Pace, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Validators that may have something, in the order in which they are asked. Whoever answers first
/// goes first from then on, unless it was late: one that is costs its head start once.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    order: Vec<ReplicaId>,
    slow: Arc<Slow>,
}

impl Sources {
    pub(crate) fn new(order: Vec<ReplicaId>) -> Self {
        Self::noting(order, Arc::default())
    }

    /// Takes note of who is slow, for those that are asked later for other things.
    pub(crate) const fn noting(order: Vec<ReplicaId>, slow: Arc<Slow>) -> Self {
        Self { order, slow }
    }

    /// Asks the first, and the next one as soon as one has failed or has been slow. Returns what
    /// came first and from whom; `None` once all have failed.
    pub(crate) async fn first<T, F: Future<Output = Option<T>>>(
        &mut self,
        ask: impl Fn(ReplicaId) -> F,
    ) -> Option<(T, ReplicaId)> {
        self.first_after(HEAD_START, ask).await
    }

    /// Does the same with another head start, for what takes long to send.
    pub(crate) async fn first_after<T, F: Future<Output = Option<T>>>(
        &mut self,
        head_start: Duration,
        ask: impl Fn(ReplicaId) -> F,
    ) -> Option<(T, ReplicaId)> {
        let mut waiting = self.order.clone().into_iter();
        let mut asked = FuturesUnordered::new();
        // Who has time left.
        let mut silent = BTreeSet::new();
        loop {
            if asked.len() < ASKED_MAX
                && let Some(from) = waiting.next()
            {
                let (answer, begun) = (ask(from), Instant::now());
                asked.push(async move { (answer.await, from, begun.elapsed()) });
                silent.insert(from);
            }
            let another = asked.len() < ASKED_MAX && waiting.len() > 0;
            tokio::select! {
                answered = asked.next() => {
                    // Nobody is left to ask.
                    let (answer, from, took) = answered?;
                    if silent.remove(&from) {
                        let late = took > head_start / PROMPT_PART;
                        let pace = if late { Pace::Late } else { Pace::Prompt };
                        self.slow.note([from], pace, Instant::now());
                    }
                    if let Some(answer) = answer {
                        self.prefer(from);
                        return Some((answer, from));
                    }
                }
                () = sleep(head_start), if another => {
                    self.slow.note(std::mem::take(&mut silent), Pace::Slow, Instant::now());
                }
            }
        }
    }

    /// Asks none of those that were slow: whoever must ask all in vain waits for them.
    pub(crate) fn without_slow(mut self) -> Self {
        self.order.retain(|id| self.slow.pace(*id) != Pace::Slow);
        self
    }

    /// Does not ask one any more.
    pub(crate) fn leave_out(&mut self, one: ReplicaId) {
        self.order.retain(|id| *id != one);
    }

    fn prefer(&mut self, first: ReplicaId) {
        // The sort is stable: the others keep their order.
        self.order.sort_by_cached_key(|id| (self.slow.pace(*id), *id != first));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn sources(count: u32) -> Sources {
        Sources::new((0..count).map(ReplicaId).collect())
    }

    fn paces(slow: &Slow) -> [Pace; 2] {
        [0, 1].map(|id| slow.pace(ReplicaId(id)))
    }

    #[tokio::test]
    async fn whoever_says_nothing_is_not_waited_for_twice() {
        let mut sources = sources(3);
        let asked = Mutex::new(Vec::new());
        let ask = |from: ReplicaId| {
            asked.lock().unwrap().push(from.0);
            async move { if from.0 == 0 { pending().await } else { Some(from.0) } }
        };
        let begun = std::time::Instant::now();
        assert_eq!(sources.first(ask).await, Some((1, ReplicaId(1))));
        assert!(begun.elapsed() >= HEAD_START);
        let begun = std::time::Instant::now();
        assert_eq!(sources.first(ask).await, Some((1, ReplicaId(1))));
        assert!(begun.elapsed() < HEAD_START);
        assert_eq!(*asked.lock().unwrap(), [0, 1, 1]);
    }

    #[tokio::test]
    async fn whoever_is_slow_is_known_to_be_for_a_while_and_until_it_answers_in_time() {
        let slow = Arc::new(Slow::default());
        let sources =
            |order: [u32; 3]| Sources::noting(order.map(ReplicaId).to_vec(), Arc::clone(&slow));
        let ask = |from: ReplicaId| async move {
            if from.0 == 0 { pending().await } else { (from.0 == 2).then_some(()) }
        };
        assert_eq!(sources([0, 1, 2]).first(ask).await, Some(((), ReplicaId(2))));
        assert_eq!(paces(&slow), [Pace::Slow, Pace::Prompt], "1 has said that it has nothing");
        assert_eq!(sources([2, 1, 0]).first(ask).await, Some(((), ReplicaId(2))));
        assert_eq!(paces(&slow), [Pace::Slow, Pace::Prompt], "0 was not asked");
        let all = |from: ReplicaId| async move { Some(from) };
        assert_eq!(sources([0, 1, 2]).first(all).await, Some((ReplicaId(0), ReplicaId(0))));
        assert_eq!(paces(&slow), [Pace::Slow, Pace::Prompt], "that was too soon");
        let later = Instant::now() + SLOW_MIN;
        slow.note([ReplicaId(0)], Pace::Late, later);
        assert_eq!(paces(&slow), [Pace::Late, Pace::Prompt]);
        slow.note([ReplicaId(0)], Pace::Prompt, later);
        assert_eq!(paces(&slow), [Pace::Late, Pace::Prompt], "that was too soon");
        slow.note([ReplicaId(0)], Pace::Prompt, later + SLOW_MIN);
        assert_eq!(paces(&slow), [Pace::Prompt; 2]);
    }

    #[tokio::test]
    async fn whoever_answers_just_in_time_is_asked_after_others_the_next_time() {
        let mut sources = sources(3);
        let ask = |from: ReplicaId| async move {
            if from.0 == 0 {
                sleep(HEAD_START - Duration::from_millis(100)).await;
            }
            (from.0 < 2).then_some(from.0)
        };
        assert_eq!(sources.first(ask).await, Some((0, ReplicaId(0))));
        let begun = std::time::Instant::now();
        for _ in 0..10 {
            assert_eq!(sources.first(ask).await, Some((1, ReplicaId(1))));
        }
        assert!(begun.elapsed() < HEAD_START / 2);
        assert_eq!(sources.slow.pace(ReplicaId(0)), Pace::Late);
    }

    #[tokio::test]
    async fn what_takes_long_to_send_comes_from_one_alone() {
        let mut sources = sources(3);
        let asked = Mutex::new(Vec::new());
        let ask = |from: ReplicaId| {
            asked.lock().unwrap().push(from.0);
            async move {
                sleep(HEAD_START + HEAD_START / 2).await;
                Some(from.0)
            }
        };
        assert_eq!(sources.first_after(5 * HEAD_START, ask).await, Some((0, ReplicaId(0))));
        assert_eq!(*asked.lock().unwrap(), [0]);
    }

    #[tokio::test]
    async fn whoever_has_nothing_costs_no_time() {
        let begun = std::time::Instant::now();
        let ask = |from: ReplicaId| async move { (from.0 == 40).then_some("it") };
        assert_eq!(sources(50).first(ask).await, Some(("it", ReplicaId(40))));
        assert_eq!(sources(40).first(ask).await, None);
        assert_eq!(sources(0).first(ask).await, None);
        assert!(begun.elapsed() < HEAD_START);
    }

    #[tokio::test]
    async fn no_more_are_asked_at_once_than_allowed() {
        let asked = Mutex::new(0);
        let ask = |_| {
            *asked.lock().unwrap() += 1;
            pending::<Option<()>>()
        };
        let patience = HEAD_START * u32::try_from(ASKED_MAX).unwrap() + HEAD_START / 2;
        assert!(tokio::time::timeout(patience, sources(9).first(ask)).await.is_err());
        assert_eq!(*asked.lock().unwrap(), ASKED_MAX);
    }
}
