//! Asking several validators for one thing, so that none of them can hold it up.

use std::time::Duration;

use ciro_consensus::ReplicaId;
use libp2p::futures::StreamExt as _;
use libp2p::futures::stream::FuturesUnordered;
use tokio::time::sleep;

/// How long one has before another is asked beside it.
const HEAD_START: Duration = Duration::from_secs(1);
/// Validators that are asked for one thing at once.
const ASKED_MAX: usize = 4;

/// Validators that may have something, in the order in which they are asked. Whoever answers first
/// goes first from then on: one that is slow costs its head start once.
#[derive(Clone, Debug)]
pub(crate) struct Sources(Vec<ReplicaId>);

impl Sources {
    pub(crate) const fn new(order: Vec<ReplicaId>) -> Self {
        Self(order)
    }

    /// Asks the first, and the next one as soon as one has failed or has been slow. Returns what
    /// came first and from whom; `None` once all have failed.
    pub(crate) async fn first<T, F: Future<Output = Option<T>>>(
        &mut self,
        ask: impl Fn(ReplicaId) -> F,
    ) -> Option<(T, ReplicaId)> {
        let mut waiting = self.0.clone().into_iter();
        let mut asked = FuturesUnordered::new();
        loop {
            if asked.len() < ASKED_MAX
                && let Some(from) = waiting.next()
            {
                let answer = ask(from);
                asked.push(async move { (answer.await, from) });
            }
            let another = asked.len() < ASKED_MAX && waiting.len() > 0;
            tokio::select! {
                answered = asked.next() => {
                    // Nobody is left to ask.
                    let (answer, from) = answered?;
                    if let Some(answer) = answer {
                        self.prefer(from);
                        return Some((answer, from));
                    }
                }
                () = sleep(HEAD_START), if another => {}
            }
        }
    }

    fn prefer(&mut self, first: ReplicaId) {
        // The sort is stable: the others keep their order.
        self.0.sort_by_key(|id| *id != first);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;

    use super::*;

    fn sources(count: u32) -> Sources {
        Sources::new((0..count).map(ReplicaId).collect())
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
