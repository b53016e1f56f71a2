//! What the module exports: five functions over numbers, and its memory.
//!
//! The host asks for a room for each argument, writes the bytes there, calls, and reads the answer:
//!
//! ```text
//! ciro_room(room, len) -> address     0 if the bytes are more than the room takes
//! ciro_call(call) -> 1 or 0           0 if there is no such call
//! ciro_answer() -> address            JSON, until the next call
//! ciro_answer_len() -> bytes
//! ciro_version() -> number            of this interface
//! ```
//!
//! No address comes in, so nothing here can be told to read or write elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ask::{Call, Room, Rooms};

/// The version of this interface: the script and the module must agree.
const VERSION: u32 = 1;

/// What the host and the module share.
#[derive(Default)]
struct Shared {
    rooms: Rooms,
    answer: Vec<u8>,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

fn with_shared<T>(act: impl FnOnce(&mut Shared) -> T) -> T {
    let mut shared: MutexGuard<'_, Option<Shared>> =
        SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    act(shared.get_or_insert_default())
}

/// Makes room for the bytes of an argument, all of them zero, and returns its address.
#[unsafe(no_mangle)]
extern "C" fn ciro_room(room: u32, len: usize) -> *mut u8 {
    let Some(room) = Room::of(room) else { return std::ptr::null_mut() };
    with_shared(|shared| {
        shared.rooms.make(room, len).map_or(std::ptr::null_mut(), <[u8]>::as_mut_ptr)
    })
}

/// Answers a call from what is in the rooms, and empties them.
#[unsafe(no_mangle)]
extern "C" fn ciro_call(call: u32) -> u32 {
    let Some(call) = Call::of(call) else { return 0 };
    with_shared(|shared| {
        // The last answer is dropped before memory is taken for the next one.
        shared.answer = Vec::new();
        shared.answer = std::mem::take(&mut shared.rooms).answer(call).into_bytes();
    });
    1
}

/// The address of the answer.
#[unsafe(no_mangle)]
extern "C" fn ciro_answer() -> *const u8 {
    with_shared(|shared| shared.answer.as_ptr())
}

/// How many bytes the answer has.
#[unsafe(no_mangle)]
extern "C" fn ciro_answer_len() -> usize {
    with_shared(|shared| shared.answer.len())
}

/// The version of this interface.
#[unsafe(no_mangle)]
extern "C" fn ciro_version() -> u32 {
    VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test alone: what is shared is shared by threads too.
    #[test]
    fn rooms_are_bounded_and_unknown_calls_are_none() {
        assert_eq!(ciro_version(), VERSION);
        assert!(ciro_room(99, 1).is_null());
        assert!(ciro_room(0, usize::MAX).is_null());
        assert_eq!(ciro_call(99), 0);
        assert!(!ciro_room(1, 3).is_null());
        assert_eq!(ciro_call(0), 1);
        assert!(ciro_answer_len() > 0 && !ciro_answer().is_null());
    }
}
