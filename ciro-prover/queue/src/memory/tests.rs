//! The queue in memory against the suite of all backends.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ciro_protocol::id::JobId;

use super::{MemoryBroker, MemoryQueue};
use crate::conformance::{Backend, conformance, record};
use crate::{JobQueue as _, QueueError};

/// Runs a future that waits for nothing but itself.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..10 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the future waits for something that does not come");
}

impl Backend for MemoryBroker {
    type Queue = MemoryQueue;

    async fn publish(&mut self, _: JobId, record: Vec<u8>) {
        Self::publish(self, record).unwrap();
    }

    async fn connect(&mut self) -> Self::Queue {
        Self::connect(self)
    }

    async fn dead(&mut self) -> Option<(Vec<u8>, String)> {
        self.take_dead()
    }
}

#[test]
fn the_queue_in_memory_conforms() {
    run(conformance(&mut MemoryBroker::new(100_000), 100_000));
}

#[test]
fn a_consumer_waits_is_woken_and_is_told_when_another_takes_over() {
    let broker = MemoryBroker::new(1);
    let mut queue = broker.connect();
    let context = &mut Context::from_waker(Waker::noop());
    {
        let mut waiting = pin!(queue.next());
        assert!(waiting.as_mut().poll(context).is_pending());
        broker.publish(record(1, 1).1).unwrap();
        assert!(waiting.as_mut().poll(context).is_ready());
    }
    assert!(broker.publish(vec![]).is_err(), "the queue is full");
    let _other = broker.connect();
    assert_eq!(run(queue.next()), Err(QueueError::Closed));
}
