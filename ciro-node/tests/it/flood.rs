//! A flood of connections that say nothing, from addresses of this machine where no validator is.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};

/// The last numbers of its addresses.
const HOSTS: [u8; 3] = [2, 3, 4];
/// Connections from each, which it may have: together they are a few more than a node lets in from
/// everywhere.
const EACH: usize = 44;
/// How often it looks who was thrown out.
const PAUSE: Duration = Duration::from_millis(20);

/// The flood, which goes on until it is dropped: whoever is thrown out comes again.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// Begins one.
    pub(crate) fn begin(node: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let mut open: [Vec<TcpStream>; HOSTS.len()] = HOSTS.map(|_| Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                for (host, open) in HOSTS.into_iter().zip(&mut open) {
                    open.retain(is_open);
                    // Whoever cannot connect just now tries again.
                    let more = open.len()..EACH;
                    open.extend(more.map_while(|_| connect(&runtime, host, node)));
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // If it panicked the test has failed already.
            let _ = thread.join();
        }
    }
}

/// Connects from an address of this machine, and says nothing.
pub(crate) fn connect(runtime: &Runtime, host: u8, to: SocketAddr) -> Option<TcpStream> {
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind(([127, 0, 0, host], 0).into()).ok()?;
        // It stays one that does not block.
        socket.connect(to).await.ok()?.into_std().ok()
    })
}

/// Whether a connection was not thrown out yet.
pub(crate) fn is_open(stream: &TcpStream) -> bool {
    match stream.peek(&mut [0]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
