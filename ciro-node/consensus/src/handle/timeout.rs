//! Timeouts.

use crate::crypto::Scheme;
use crate::io::Timer;
use crate::replica::Replica;

impl<S: Scheme> Replica<S> {
    pub(crate) fn on_timeout(&mut self, timer: Timer) {
        if !self.take_timer(timer) {
            return;
        }
        match timer {
            // PBFT §4.4: the timer of a backup expires in view v, it asks for view v + 1. PBFT
            // §4.5.2: the NewView did not come in time, the next view is asked for, with twice the
            // patience.
            Timer::Progress | Timer::NewView => self.start_view_change(self.view().next()),
            Timer::Relay => self.relay_operations(),
            Timer::Resend => self.resend(),
        }
    }
}
