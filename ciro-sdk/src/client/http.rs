//! Requests that may be repeated: every one of the node's interface is idempotent.

use std::time::{Duration, Instant};

use ciro_protocol::api::{self, Code, Problem};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use super::{ANSWER_BYTES_MAX, ClientError};

/// How long a stream may say nothing: a node gives a sign of life every 15 s, and lets nobody wait
/// for longer than [`api::WAIT_MAX`].
const SILENCE_MAX: Duration = Duration::from_secs(45);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than a node lets anybody wait.
const REQUEST_TIMEOUT: Duration = api::WAIT_MAX.saturating_add(Duration::from_secs(15));
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// Requests to one node.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    base: String,
    patience: Duration,
    /// How long a stream may say nothing.
    silence: Duration,
}

/// An answer that is read as it comes, line by line.
#[derive(Debug)]
pub struct Stream {
    response: reqwest::Response,
    url: String,
    silence: Duration,
    /// What came of the line that is not whole yet, and of those behind it.
    buffer: Vec<u8>,
}

impl Http {
    pub(super) fn new(url: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::Url(url.chars().take(200).collect());
        let parsed = reqwest::Url::parse(url).map_err(|_| refused())?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(refused());
        }
        let base = parsed.as_str().trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .user_agent(concat!("ciro/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none());
        let local =
            parsed.host_str().is_some_and(|host| host == "localhost" || host == "127.0.0.1");
        let client = if local { client.no_proxy() } else { client };
        let client = client
            .build()
            .map_err(|source| ClientError::Transport { url: base.clone(), source })?;
        Ok(Self { client, base, patience: Duration::from_secs(20), silence: SILENCE_MAX })
    }

    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    #[cfg(test)]
    pub(super) fn with_silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Gets a value.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        json(&self.call(Method::GET, path, None, ANSWER_BYTES_MAX).await?)
    }

    /// Gets at most `max` bytes.
    pub(super) async fn bytes(&self, path: &str, max: usize) -> Result<Vec<u8>, ClientError> {
        self.call(Method::GET, path, None, max).await
    }

    /// Sends bytes for a value.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        json(&self.call(method, path, Some(body), ANSWER_BYTES_MAX).await?)
    }

    /// Asks once how the node is: a node that is not ready says so with another status.
    pub(super) async fn health(&self) -> Result<api::Health, ClientError> {
        let request = self.client.get(format!("{}{}", self.base, api::READY));
        let response = request.timeout(CONNECT_TIMEOUT).send().await;
        let response = response.map_err(|source| self.broken(source))?;
        json(&self.read(response, PROBLEM_BYTES_MAX).await?)
    }

    /// Begins to read an answer of any length.
    pub(super) async fn stream(&self, path: &str) -> Result<Stream, ClientError> {
        let url = format!("{}{path}", self.base);
        let (base, silence) = (&self.base, self.silence);
        let response = heard(base, silence, self.client.get(&url).send()).await?;
        let response = response.map_err(|source| self.broken(source))?;
        if response.status().is_success() {
            return Ok(Stream { response, url: base.clone(), silence, buffer: Vec::new() });
        }
        let status = response.status().as_u16();
        let bytes = heard(base, silence, self.read(response, PROBLEM_BYTES_MAX)).await??;
        Err(problem(status, &bytes))
    }

    /// Repeats a request until it is served, it is refused for good, or patience ends.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.once(method.clone(), path, body.clone(), max).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            if !error.is_transient() || begun.elapsed() + pause > self.patience {
                return Err(error);
            }
            tracing::debug!(%path, %error, "asks again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.timeout(REQUEST_TIMEOUT);
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, api::OCTETS).body(body),
            None => request,
        };
        let response = request.send().await.map_err(|source| self.broken(source))?;
        let status = response.status();
        if status.is_success() {
            return self.read(response, max).await;
        }
        Err(problem(status.as_u16(), &self.read(response, PROBLEM_BYTES_MAX).await?))
    }

    async fn read(
        &self,
        mut response: reqwest::Response,
        max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| self.broken(source))? {
            if bytes.len() + chunk.len() > max {
                let reason = format!("it has more than {max} bytes");
                return Err(ClientError::Answer { what: "the request", reason });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn broken(&self, source: reqwest::Error) -> ClientError {
        ClientError::Transport { url: self.base.clone(), source: source.without_url() }
    }
}

impl Stream {
    #[cfg(test)]
    pub(super) fn with_silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Waits for the next line, without its end; `None` once no whole one follows.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if the connection breaks, [`ClientError::Silent`] if the node
    /// says nothing for 45 s, [`ClientError::Answer`] if a line has more than `max` bytes.
    pub async fn line(&mut self, max: usize) -> Result<Option<Vec<u8>>, ClientError> {
        let mut searched = 0;
        loop {
            let end = self.buffer[searched..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| searched + end) {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return Ok(Some(line));
            }
            searched = self.buffer.len();
            if searched > max {
                let reason = format!("a line has more than {max} bytes");
                return Err(ClientError::Answer { what: "the stream", reason });
            }
            let chunk = heard(&self.url, self.silence, self.response.chunk()).await?;
            let broken = |source: reqwest::Error| ClientError::Transport {
                url: self.url.clone(),
                source: source.without_url(),
            };
            match chunk.map_err(broken)? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Waits for what a node says, for so long.
async fn heard<T>(
    url: &str,
    silence: Duration,
    said: impl Future<Output = T>,
) -> Result<T, ClientError> {
    let silent = |_| ClientError::Silent { url: url.to_owned(), seconds: silence.as_secs() };
    tokio::time::timeout(silence, said).await.map_err(silent)
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ClientError::Answer { what: "the request", reason: error.to_string() })
}

/// What a node says that it does not do; what it says badly is told by the status.
fn problem(status: u16, bytes: &[u8]) -> ClientError {
    let problem = serde_json::from_slice::<Problem>(bytes).ok();
    let problem = problem.filter(|problem| problem.status == status);
    let unspoken = || {
        let code = if status == 404 { Code::NotFound } else { Code::Internal };
        let detail = format!("the node answered with status {status}");
        Problem { status, ..Problem::new(code, detail) }
    };
    ClientError::Problem(Box::new(problem.unwrap_or_else(unspoken)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none_are_refused_by_name() {
        for url in ["", "127.0.0.1:26610", "ftp://a", "http://", "unix:/run/a", "file:///etc"] {
            assert!(matches!(Http::new(url), Err(ClientError::Url(_))), "{url}");
        }
        assert_eq!(Http::new("http://a:1/").unwrap().base, "http://a:1");
    }

    #[test]
    fn a_problem_is_read_and_anything_else_is_told_by_its_status() {
        let said = Problem::new(Code::QueueFull, "too much");
        let bytes = serde_json::to_vec(&said).unwrap();
        let read = problem(503, &bytes);
        assert!(read.is_transient() && read.code() == Some(Code::QueueFull));
        assert_eq!(problem(404, b"<html>").code(), Some(Code::NotFound));
        assert!(problem(502, b"bad gateway").is_transient());
    }
}
