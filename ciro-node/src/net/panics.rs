//! What happens if something panics. libp2p does where it takes for granted what a peer may do
//! otherwise; `docs/network.md` says what reaches it here and makes it do so.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Lets something run until it panics, and never again: what it left behind is not to be trusted.
#[derive(Debug, Default)]
pub(super) struct Fuse {
    blown: bool,
}

impl Fuse {
    /// Whether something has panicked.
    pub(super) const fn is_blown(&self) -> bool {
        self.blown
    }

    /// Runs something, or says that it has panicked now or before.
    pub(super) fn run<T>(&mut self, what: impl FnOnce() -> T) -> Option<T> {
        if self.blown {
            return None;
        }
        let done = once(what);
        self.blown = done.is_none();
        done
    }
}

/// Runs something, or says that it has panicked.
pub(super) fn once<T>(what: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(what));
    done.inspect_err(|_| tracing::error!("a protocol of libp2p has panicked")).ok()
}

/// Does something if it is dropped by a panic: nobody waits for a task that runs as long as the
/// node.
pub(super) struct End<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for End<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Whether a task is noticed that ends one way or the other.
    async fn noticed(panics: bool) -> bool {
        let noticed = Arc::new(AtomicBool::new(false));
        let notice = Arc::clone(&noticed);
        let end = End(move || notice.store(true, Ordering::Relaxed));
        let task = tokio::spawn(async move {
            let _end = end;
            tokio::task::yield_now().await;
            assert!(!panics, "as libp2p does");
        });
        assert_eq!(task.await.is_err(), panics);
        noticed.load(Ordering::Relaxed)
    }

    #[test]
    fn what_has_panicked_runs_no_more() {
        let mut fuse = Fuse::default();
        assert_eq!(fuse.run(|| 1), Some(1));
        assert!(!fuse.is_blown());
        assert_eq!(fuse.run(|| u32::from_str("x").expect("as libp2p does")), None);
        assert_eq!(fuse.run(|| 2), None);
        assert!(fuse.is_blown());
        assert_eq!(once(|| 3), Some(3), "others do");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_noticed_and_one_that_ends_is_not() {
        assert!(noticed(true).await);
        assert!(!noticed(false).await);
    }
}
