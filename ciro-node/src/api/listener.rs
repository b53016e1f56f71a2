//! Connections: who gets one, and for how long a peer may keep it without doing anything.
//!
//! A peer that sends no request, or does not read its answer, holds its place no longer than a
//! limit. Whoever gets no place is told by the end of the connection.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};
use tokio_util::task::TaskTracker;

use super::places::{Place, Places};
use super::request::Peer;

/// The pause after the system gave no connection, for instance for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long a peer may keep still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Before the head of a request is whole, from the connection or the last answer on.
    pub(super) head: Duration,
    /// Before it reads more of an answer.
    pub(super) answer: Duration,
}

impl Patience {
    pub(super) const DEFAULT: Self =
        Self { head: Duration::from_secs(30), answer: Duration::from_secs(30) };
}

/// Serves connections until the node stops, then ends those that are open when they have their
/// answer.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    (places, patience): (Arc<Places>, Patience),
    stopped: watch::Receiver<bool>,
) {
    let connections = TaskTracker::new();
    let mut until = pin!(end(stopped.clone()));
    loop {
        let (stream, address) = tokio::select! {
            () = &mut until => break,
            accepted = accept(&listener) => accepted,
        };
        match places.take(address.ip()) {
            Some(place) => {
                let stream = Patient { stream, limit: patience.answer, blocked: None };
                let router = router.clone();
                let held = (place, Peer(address.ip()));
                connections.spawn(answer(stream, router, (held, patience.head), stopped.clone()));
            }
            None => tracing::debug!(%address, "there is no place for a connection"),
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Waits until the node stops.
async fn end(mut stopped: watch::Receiver<bool>) {
    // Whoever could say so has left: the node has ended.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection waits for full packets");
                }
                return (stream, address);
            }
            Err(error) => {
                tracing::warn!(%error, "the system gives no connection");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn answer<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    stream: Patient<S>,
    router: Router,
    ((_place, peer), head): ((Place, Peer), Duration),
    stopped: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEAD_BYTES_MAX);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end(stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// A stream whose peer must read: a write that waits for longer than the limit fails.
struct Patient<S> {
    stream: S,
    limit: Duration,
    /// Runs while a write waits.
    blocked: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.blocked = None;
            return written;
        }
        let limit = self.limit;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(blocked.as_mut().poll(context));
        let reason = "the peer does not read its answer";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    /// Longer than any test runs.
    const LONG: Duration = Duration::from_secs(3600);

    struct Server {
        address: SocketAddr,
        places: Arc<Places>,
        stop: watch::Sender<bool>,
        task: tokio::task::JoinHandle<()>,
    }

    /// Serves `/short`, and `/endless` that never ends.
    async fn server(max: usize, patience: Patience) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let chunk = || Ok::<_, io::Error>(vec![b'x'; 9999]);
        let endless = move || async move {
            let parts = tokio_stream::iter(std::iter::repeat_with(chunk));
            Body::from_stream(parts)
        };
        let peer = |Peer(address): Peer| async move { address.to_string() };
        let router = Router::new().route("/short", get(peer)).route("/endless", get(endless));
        let (places, (stop, stopped)) = (Places::new(max), watch::channel(false));
        let task = serve(listener, router, (Arc::clone(&places), patience), stopped);
        Server { address, places, stop, task: tokio::spawn(task) }
    }

    /// Sends bytes and reads all that comes, until the node ends the connection.
    async fn talk(server: &Server, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut read = Vec::new();
        // A connection that is reset has ended too.
        let _ = stream.read_to_end(&mut read).await;
        String::from_utf8_lossy(&read).into_owned()
    }

    #[tokio::test]
    async fn a_peer_that_sends_no_request_loses_its_connection() {
        let server = server(8, Patience { head: SHORT, answer: LONG }).await;
        for sent in [&b""[..], b"GET /short HTTP/1.1\r\nHost: a\r\nX: "] {
            let answer = talk(&server, sent).await;
            assert!(!answer.contains("200 OK"), "{answer}");
        }
        // Between two requests as well.
        let answer = talk(&server, b"GET /short HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_its_answer_loses_its_connection() {
        let server = server(8, Patience { head: LONG, answer: SHORT }).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        // It reads the beginning alone: the buffers of both sides fill up.
        stream.read_exact(&mut [0; 12]).await.unwrap();
        while server.places.in_use() > 0 {
            sleep(SHORT).await;
        }
    }

    #[tokio::test]
    async fn connections_beyond_the_places_end_at_once_and_those_within_are_served() {
        let server = server(1, Patience { head: LONG, answer: LONG }).await;
        let mut silent = Vec::new();
        for _ in 0..super::super::places::KEPT + 1 {
            silent.push(TcpStream::connect(server.address).await.unwrap());
        }
        let request = b"GET /short HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        // Connections are accepted in order, so all places are taken by now.
        assert_eq!(talk(&server, request).await, "");
        silent.clear();
        while server.places.in_use() > 0 {
            sleep(SHORT).await;
        }
        assert!(talk(&server, request).await.contains("200 OK"));
        server.stop.send_replace(true);
        server.task.await.unwrap();
    }
}
