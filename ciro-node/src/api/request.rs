//! Reading requests: names, parameters, bodies. Whatever is not what belongs there gets one clear
//! error.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ciro_protocol::api::{Code, OCTETS, PAGE_MAX, Problem, parse_wait};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use tokio_stream::StreamExt as _;

use super::reply::ApiError;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// How much is read of a body that is refused already, and for how long.
const HEAR_OUT_BYTES: usize = 1 << 20;
const HEAR_OUT_TIMEOUT: Duration = Duration::from_secs(2);

/// Who asks, as the connection says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<Self>().copied();
        peer.ok_or_else(|| ApiError::internal("a request has no connection"))
    }
}

/// Parts of the path.
pub(super) struct Names<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(names)| Self(names))
            .map_err(|rejected| ApiError::parameter("path", rejected.body_text()))
    }
}

/// The parameters behind the question mark.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(params)| Self(params))
            .map_err(|rejected| ApiError::parameter("query", rejected.body_text()))
    }
}

/// Reads a name that people or programs spell.
pub(super) fn name<T: FromStr>(what: &'static str, text: &str) -> Result<T, ApiError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| ApiError::parameter(what, error))
}

/// Reads `wait`; until when the request may wait.
pub(super) fn deadline(wait: Option<&str>) -> Result<Option<Instant>, ApiError> {
    let Some(text) = wait else { return Ok(None) };
    let wait = parse_wait(text).ok_or_else(|| {
        let reason = "expected a whole number with the unit `s` or `ms`, at most 30 s";
        ApiError::parameter("wait", reason)
    })?;
    Ok(Some(Instant::now() + wait))
}

/// Reads `limit`.
pub(super) fn limit(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit.unwrap_or(PAGE_MAX) {
        limit if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        limit => {
            let reason = format!("{limit} is not between 1 and {PAGE_MAX}");
            Err(ApiError::parameter("limit", reason))
        }
    }
}

/// Reads a body of at most `max` bytes, if its sender is admitted. A sender whose body is refused
/// is heard out for a moment: one that still writes when the connection closes may never see the
/// answer.
pub(super) async fn body(
    admitted: Result<(), ApiError>,
    headers: &HeaderMap,
    body: Body,
    max: usize,
) -> Result<Vec<u8>, ApiError> {
    let mut stream = body.into_data_stream();
    let read = match admitted {
        Ok(()) => read(headers, &mut stream, max).await,
        Err(refused) => Err(refused),
    };
    if read.is_err() {
        hear_out(&mut stream).await;
    }
    read
}

async fn hear_out(stream: &mut BodyDataStream) {
    let until = Instant::now() + HEAR_OUT_TIMEOUT;
    let mut left = HEAR_OUT_BYTES;
    while let Ok(Some(Ok(part))) = timeout_at(until, stream.next()).await
        && let Some(rest) = left.checked_sub(part.len())
    {
        left = rest;
    }
}

async fn read(
    headers: &HeaderMap,
    stream: &mut BodyDataStream,
    max: usize,
) -> Result<Vec<u8>, ApiError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if media.is_none_or(|media| !media.eq_ignore_ascii_case(OCTETS)) {
        let got = media.map_or("no type".to_owned(), |media| format!("`{media:.80}`"));
        let detail = format!("expected `{OCTETS}`, got {got}");
        return Err(Problem::new(Code::MediaType, detail).into());
    }
    let too_large = || -> ApiError {
        Problem::new(Code::BodyTooLarge, format!("at most {max} bytes belong here")).into()
    };
    let said = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let said = said.and_then(|said| said.parse::<usize>().ok());
    if said.is_some_and(|said| said > max) {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(said.unwrap_or(0).min(64 << 10));
    let until = Instant::now() + BODY_TIMEOUT;
    loop {
        let next = timeout_at(until, stream.next()).await.map_err(|_| {
            let detail = format!("the body took more than {BODY_TIMEOUT:?}");
            Problem::new(Code::Timeout, detail)
        })?;
        match next {
            None => return Ok(bytes),
            Some(Ok(part)) if bytes.len() + part.len() <= max => bytes.extend(part),
            Some(Ok(_)) => return Err(too_large()),
            Some(Err(error)) => {
                let detail = format!("the body broke off: {error}");
                return Err(Problem::new(Code::MalformedBody, detail).into());
            }
        }
    }
}

/// Reads an encoded message.
pub(super) fn message<T: ciro_protocol::Message>(bytes: &[u8]) -> Result<T, ApiError> {
    T::from_bytes(bytes)
        .map_err(|error| Problem::new(Code::MalformedBody, error.to_string()).into())
}
