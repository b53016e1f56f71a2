//! Turns panics of a dependency into errors, without a message on stderr.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` and returns the panic's message if it panics.
///
/// The process's panic hook is wrapped once: it stays silent on a thread that runs `f` and is what
/// it was elsewhere.
pub(crate) fn silent<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.get() {
                previous(info);
            }
        }));
    });
    let outer = SILENT.replace(true);
    // What `f` owned is dropped with the panic: nothing half-changed can be seen afterwards.
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    SILENT.set(outer);
    result.map_err(|payload| {
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| payload.downcast_ref::<&str>().copied());
        message.unwrap_or("panic without a message").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_messages() {
        assert_eq!(silent(|| 7), Ok(7));
        assert_eq!(silent(|| -> u8 { panic!("broken {}", 1) }), Err("broken 1".to_owned()));
        assert!(!SILENT.get());
    }
}
