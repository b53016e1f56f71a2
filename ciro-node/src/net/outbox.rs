//! Messages of consensus on their way to one validator: what comes while a frame is under way goes
//! with the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ciro_consensus::message::{MESSAGE_BYTES_MAX, Message};
use ciro_consensus::wire::WireError;
use libp2p::request_response::OutboundRequestId;

use super::behaviour::PATIENCE;

/// Messages of one frame, at most.
const FRAME_MESSAGES_MAX: usize = 256;
/// Bytes from which on a frame takes no further message.
const FRAME_BYTES_FULL: usize = 1 << 20;
/// Bytes of a frame at most: one of the longest messages after what filled it nearly.
pub(super) const FRAME_BYTES_MAX: usize = FRAME_BYTES_FULL + MESSAGE_BYTES_MAX + 1024;
/// Frames under way at once, of those that were sent not long ago.
const FRAMES_MAX: usize = 4;
/// Frames under way at once, of all.
pub(super) const UNDER_WAY_MAX: usize = 2 * FRAMES_MAX;
/// How long a frame is in the way of others. Of whatever waits longer than that behind one that is
/// lost, replicas have asked again.
const STALE_AFTER: Duration = Duration::from_secs(2);
/// How long a frame is under way before it counts as lost. A frame that goes to a connection which
/// is being closed disappears without a word, and closing one whose other end is dead takes long.
const LOST_AFTER: Duration = PATIENCE.saturating_add(Duration::from_secs(2));
/// Bytes that wait for a peer, at most: beyond it new messages are dropped.
const WAITING_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;
/// Messages that wait for a peer, at most.
const WAITING_MAX: usize = 4096;

/// The way to one validator.
#[derive(Debug)]
pub(super) struct Outbox<Id = OutboundRequestId> {
    /// Messages, and since when they wait.
    waiting: VecDeque<(Instant, Arc<[u8]>)>,
    bytes: usize,
    /// Frames that nobody has heard of since they were sent.
    under_way: Vec<(Id, Instant)>,
}

impl<Id> Default for Outbox<Id> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, under_way: Vec::new() }
    }
}

impl<Id: PartialEq> Outbox<Id> {
    /// Takes a message; false if there is no room and it is dropped.
    pub(super) fn push(&mut self, message: Arc<[u8]>, now: Instant) -> bool {
        let bytes = self.bytes.saturating_add(message.len());
        if bytes > WAITING_BYTES_MAX || self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.bytes = bytes;
        self.waiting.push_back((now, message));
        true
    }

    /// Returns the next frame, if one may go. Whoever sends it says so.
    pub(super) fn frame(&mut self, now: Instant) -> Option<Vec<u8>> {
        let in_the_way = self.under_way.iter().filter(|(_, sent)| !is_stale(*sent, now)).count();
        if in_the_way >= FRAMES_MAX
            || self.under_way.len() >= UNDER_WAY_MAX
            || self.waiting.is_empty()
        {
            return None;
        }
        let mut frame = Vec::new();
        for _ in 0..FRAME_MESSAGES_MAX {
            if frame.len() >= FRAME_BYTES_FULL {
                break;
            }
            let Some((_, message)) = self.waiting.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(message.len());
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            frame.extend(length.to_le_bytes());
            frame.extend_from_slice(&message);
        }
        Some(frame)
    }

    /// Takes note that a frame was sent.
    pub(super) fn sent(&mut self, id: Id, now: Instant) {
        self.under_way.push((id, now));
    }

    /// Takes note that a frame arrived, or never will.
    pub(super) fn ended(&mut self, id: &Id) {
        self.under_way.retain(|(sent, _)| sent != id);
    }

    /// Gives up frames that nobody has heard of for too long, and returns how many they are. What
    /// has waited behind them for long goes with them: replicas ask again.
    pub(super) fn give_up(&mut self, now: Instant) -> usize {
        let before = self.under_way.len();
        let lost = |sent: Instant| now.saturating_duration_since(sent) > LOST_AFTER;
        self.under_way.retain(|(_, sent)| !lost(*sent));
        let lost = before - self.under_way.len();
        if lost > 0 {
            let stale = self.waiting.iter().take_while(|(since, _)| is_stale(*since, now)).count();
            for (_, message) in self.waiting.drain(..stale) {
                self.bytes = self.bytes.saturating_sub(message.len());
            }
        }
        lost
    }

    /// Forgets what was meant for a peer that is gone: replicas ask again.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn is_stale(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) > STALE_AFTER
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
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let push =
            |outbox: &mut Outbox<u64>, view| outbox.push(message(view).to_bytes().into(), now);
        let mut frames = Vec::new();
        for view in 0..10 {
            assert!(push(&mut outbox, view));
            if let Some(frame) = outbox.frame(now) {
                outbox.sent(view, now);
                frames.push(frame);
            }
        }
        assert_eq!(frames.len(), FRAMES_MAX);
        outbox.ended(&0);
        outbox.ended(&0);
        frames.extend(outbox.frame(now));
        outbox.sent(10, now);
        assert!(outbox.frame(now).is_none());
        let came: Vec<Message> = frames.iter().flat_map(|it| messages(it).unwrap()).collect();
        assert_eq!(came, (0..10).map(message).collect::<Vec<_>>());
    }

    /// Sends a message in a frame of its own, if one may go.
    fn frame(outbox: &mut Outbox<u64>, view: u64, now: Instant) -> Option<Vec<u8>> {
        outbox.push(message(view).to_bytes().into(), now);
        outbox.frame(now).inspect(|_| outbox.sent(view, now))
    }

    #[test]
    fn what_is_lost_takes_nothing_with_it_that_is_young() {
        let (mut outbox, begun) = (Outbox::default(), Instant::now());
        for view in 0..4 {
            assert!(frame(&mut outbox, view, begun).is_some());
        }
        assert_eq!(frame(&mut outbox, 4, begun + STALE_AFTER), None);
        let later = begun + STALE_AFTER + Duration::from_millis(1);
        for view in 5..9 {
            assert!(frame(&mut outbox, view, later).is_some(), "they are in nobody's way");
        }
        let late = begun + LOST_AFTER + Duration::from_millis(1);
        assert_eq!(frame(&mut outbox, 9, late), None, "so many are under way at most");
        assert_eq!(outbox.give_up(late), FRAMES_MAX);
        let next = outbox.frame(late).unwrap();
        assert_eq!(messages(&next).unwrap(), [message(9)]);
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn frames_of_which_nobody_hears_again_are_in_nobodys_way_for_ever() {
        let (mut outbox, begun) = (Outbox::default(), Instant::now());
        for view in 0..4 {
            assert!(frame(&mut outbox, view, begun).is_some());
        }
        assert_eq!(frame(&mut outbox, 4, begun), None);
        assert_eq!(outbox.give_up(begun + LOST_AFTER), 0);
        let late = begun + LOST_AFTER + Duration::from_millis(1);
        assert_eq!(outbox.give_up(late), FRAMES_MAX);
        let next = frame(&mut outbox, 5, late).unwrap();
        assert_eq!(messages(&next).unwrap(), [message(5)], "what waited is as old");
        // One that arrives after all frees nothing twice.
        outbox.ended(&0);
        for view in 6..9 {
            assert!(frame(&mut outbox, view, late).is_some());
        }
        assert_eq!(frame(&mut outbox, 9, late), None);
    }

    #[test]
    fn a_peer_that_takes_nothing_costs_bounded_memory() {
        let mut outbox = Outbox::<u64>::default();
        let long: Arc<[u8]> = vec![0; MESSAGE_BYTES_MAX].into();
        let now = Instant::now();
        assert!(outbox.push(Arc::clone(&long), now) && outbox.push(Arc::clone(&long), now));
        assert!(!outbox.push(Arc::from([0]), now));
        assert!(outbox.frame(now).unwrap().len() <= FRAME_BYTES_MAX);
        outbox.clear();
        for _ in 0..WAITING_MAX {
            assert!(outbox.push(Arc::from([0]), now));
        }
        assert!(!outbox.push(Arc::from([0]), now));
    }

    #[test]
    fn frames_that_are_none_are_refused() {
        assert_eq!(messages(&[]), Err(FrameError::Short));
        assert_eq!(messages(&[1, 0, 0]), Err(FrameError::Short));
        assert_eq!(messages(&[9, 0, 0, 0, 1]), Err(FrameError::Short));
        assert!(matches!(messages(&[1, 0, 0, 0, 1]), Err(FrameError::Message(_))));
        let bytes = message(1).to_bytes();
        let (mut outbox, now) = (Outbox::<u64>::default(), Instant::now());
        outbox.push(bytes.clone().into(), now);
        let mut frame = outbox.frame(now).unwrap();
        let one = frame.clone();
        for _ in 0..FRAME_MESSAGES_MAX {
            frame.extend_from_slice(&one);
        }
        assert_eq!(messages(&frame), Err(FrameError::TooMany));
        frame.truncate(one.len() - 1);
        assert_eq!(messages(&frame), Err(FrameError::Short));
    }
}
