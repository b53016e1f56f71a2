//! Messages of consensus on their way to one validator: what comes while a frame is under way goes
//! with the next one.

use std::collections::VecDeque;
use std::sync::Arc;

use ciro_consensus::message::{MESSAGE_BYTES_MAX, Message};
use ciro_consensus::wire::WireError;

/// Messages of one frame, at most.
const FRAME_MESSAGES_MAX: usize = 256;
/// Bytes from which on a frame takes no further message.
const FRAME_BYTES_FULL: usize = 1 << 20;
/// Bytes of a frame at most: one of the longest messages after what filled it nearly.
pub(super) const FRAME_BYTES_MAX: usize = FRAME_BYTES_FULL + MESSAGE_BYTES_MAX + 1024;
/// Frames under way at once.
const FRAMES_MAX: usize = 4;
/// Bytes that wait for a peer, at most: beyond it new messages are dropped.
const WAITING_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;
/// Messages that wait for a peer, at most.
const WAITING_MAX: usize = 4096;

/// The way to one validator.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Arc<[u8]>>,
    bytes: usize,
    under_way: usize,
}

impl Outbox {
    /// Takes a message; false if there is no room and it is dropped.
    pub(super) fn push(&mut self, message: Arc<[u8]>) -> bool {
        let bytes = self.bytes.saturating_add(message.len());
        if bytes > WAITING_BYTES_MAX || self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.bytes = bytes;
        self.waiting.push_back(message);
        true
    }

    /// Returns the next frame, if one may go.
    pub(super) fn frame(&mut self) -> Option<Vec<u8>> {
        if self.under_way >= FRAMES_MAX || self.waiting.is_empty() {
            return None;
        }
        let mut frame = Vec::new();
        for _ in 0..FRAME_MESSAGES_MAX {
            if frame.len() >= FRAME_BYTES_FULL {
                break;
            }
            let Some(message) = self.waiting.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(message.len());
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            frame.extend(length.to_le_bytes());
            frame.extend_from_slice(&message);
        }
        self.under_way += 1;
        Some(frame)
    }

    /// Takes note that a frame arrived, or never will.
    pub(super) fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Forgets what was meant for a peer that is gone: replicas ask again.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Why a frame holds no messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// It ends within a message, or holds none.
    #[error("the frame ends early")]
    Short,
    /// There are too many.
    #[error("the frame holds more than {FRAME_MESSAGES_MAX} messages")]
    TooMany,
    /// One is no message.
    #[error(transparent)]
    Message(#[from] WireError),
}

/// Reads the messages of a frame.
pub(super) fn messages(mut frame: &[u8]) -> Result<Vec<Message>, FrameError> {
    let mut found = Vec::new();
    loop {
        let (length, rest) = frame.split_first_chunk::<4>().ok_or(FrameError::Short)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (message, rest) = rest.split_at_checked(length).ok_or(FrameError::Short)?;
        if found.len() >= FRAME_MESSAGES_MAX {
            return Err(FrameError::TooMany);
        }
        found.push(Message::from_bytes(message)?);
        if rest.is_empty() {
            return Ok(found);
        }
        frame = rest;
    }
}

#[cfg(test)]
mod tests {
    use ciro_consensus::crypto::{Scheme as _, Stark};
    use ciro_consensus::message::{Body, Status};
    use ciro_consensus::{Epoch, ReplicaId, Seq, View};

    use super::*;

    fn message(view: u64) -> Message {
        let status =
            Status { view: View(view), active: true, stable: Seq::ZERO, executed: Seq::ZERO };
        let key = ciro_protocol::SecretKey::from_seed(b"a test").into_consensus();
        let hash = ciro_consensus::Digest::from_u64(1);
        let signature = Stark::sign(&key, &hash).unwrap();
        Message { sender: ReplicaId(1), epoch: Epoch(0), signature, body: Body::Status(status) }
    }

    #[test]
    fn what_comes_while_frames_are_under_way_goes_with_the_next() {
        let mut outbox = Outbox::default();
        let push = |outbox: &mut Outbox, view| outbox.push(message(view).to_bytes().into());
        let mut frames = Vec::new();
        for view in 0..10 {
            assert!(push(&mut outbox, view));
            frames.extend(outbox.frame());
        }
        assert_eq!(frames.len(), FRAMES_MAX);
        outbox.ended();
        frames.extend(outbox.frame());
        assert!(outbox.frame().is_none());
        let came: Vec<Message> = frames.iter().flat_map(|it| messages(it).unwrap()).collect();
        assert_eq!(came, (0..10).map(message).collect::<Vec<_>>());
    }

    #[test]
    fn a_peer_that_takes_nothing_costs_bounded_memory() {
        let mut outbox = Outbox::default();
        let long: Arc<[u8]> = vec![0; MESSAGE_BYTES_MAX].into();
        assert!(outbox.push(Arc::clone(&long)) && outbox.push(Arc::clone(&long)));
        assert!(!outbox.push(Arc::from([0])));
        assert!(outbox.frame().unwrap().len() <= FRAME_BYTES_MAX);
        outbox.clear();
        for _ in 0..WAITING_MAX {
            assert!(outbox.push(Arc::from([0])));
        }
        assert!(!outbox.push(Arc::from([0])));
    }

    #[test]
    fn frames_that_are_none_are_refused() {
        assert_eq!(messages(&[]), Err(FrameError::Short));
        assert_eq!(messages(&[1, 0, 0]), Err(FrameError::Short));
        assert_eq!(messages(&[9, 0, 0, 0, 1]), Err(FrameError::Short));
        assert!(matches!(messages(&[1, 0, 0, 0, 1]), Err(FrameError::Message(_))));
        let bytes = message(1).to_bytes();
        let mut outbox = Outbox::default();
        outbox.push(bytes.clone().into());
        let mut frame = outbox.frame().unwrap();
        let one = frame.clone();
        for _ in 0..FRAME_MESSAGES_MAX {
            frame.extend_from_slice(&one);
        }
        assert_eq!(messages(&frame), Err(FrameError::TooMany));
        frame.truncate(one.len() - 1);
        assert_eq!(messages(&frame), Err(FrameError::Short));
    }
}
