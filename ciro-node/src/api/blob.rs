//! Blobs.

use std::io::SeekFrom;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use ciro_protocol::api::{BlobStatus, Code, Problem, WHOLE_BLOB_BYTES_MAX};
use ciro_protocol::blob::{BlobId, BlobList, CHUNK_BYTES};
use ciro_protocol::wire::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::ApiState;
use super::reply::{ApiError, octets};
use super::request::{Names, Peer, body, message, name};
use crate::blobs::{Blobs, Origin, StoreBlobError};

pub(super) async fn begin(
    State(state): State<ApiState>,
    peer: Peer,
    headers: HeaderMap,
    content: Body,
) -> Result<Json<BlobStatus>, ApiError> {
    let bytes =
        body(state.rates.announcements.check(peer), &headers, content, BlobList::BYTES_MAX).await?;
    let list: BlobList = message(&bytes)?;
    on_disk(&state, move |blobs| blobs.begin(list, Origin::Client)).await
}

pub(super) async fn chunk(
    State(state): State<ApiState>,
    peer: Peer,
    Names((id, index)): Names<(String, String)>,
    headers: HeaderMap,
    content: Body,
) -> Result<Json<BlobStatus>, ApiError> {
    let (id, index) = (name("id", &id)?, name("index", &index)?);
    let max = usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX);
    let bytes = body(state.rates.uploads.check(peer), &headers, content, max).await?;
    let needed = Arc::clone(&state.parts.needed);
    on_disk(&state, move |blobs| blobs.put_chunk(id, index, &bytes, || needed.blobs())).await
}

pub(super) async fn whole(
    State(state): State<ApiState>,
    peer: Peer,
    Names(id): Names<String>,
    headers: HeaderMap,
    content: Body,
) -> Result<Json<BlobStatus>, ApiError> {
    let id = name("id", &id)?;
    let bytes =
        body(state.rates.uploads.check(peer), &headers, content, WHOLE_BLOB_BYTES_MAX).await?;
    let needed = Arc::clone(&state.parts.needed);
    on_disk(&state, move |blobs| blobs.put(id, &bytes, || needed.blobs())).await
}

async fn on_disk(
    state: &ApiState,
    work: impl FnOnce(&Blobs) -> Result<BlobStatus, StoreBlobError> + Send + 'static,
) -> Result<Json<BlobStatus>, ApiError> {
    let blobs = Arc::clone(&state.parts.blobs);
    let metrics = state.parts.metrics.clone();
    let done = tokio::task::spawn_blocking(move || {
        let status = work(&blobs)?;
        metrics.blobs(blobs.taken());
        Ok::<_, StoreBlobError>(status)
    });
    let status = done.await.map_err(|_| ApiError::internal("storing a blob panicked"))??;
    Ok(Json(status))
}

/// Fetches a blob from other validators if it is not here. Whether it then is, the caller sees.
async fn bring(state: &ApiState, peer: Peer, id: BlobId) {
    let Some(service) = &state.parts.service else { return };
    let blobs = Arc::clone(&state.parts.blobs);
    let here = tokio::task::spawn_blocking(move || blobs.len(id).is_some()).await;
    if here.unwrap_or(false) {
        return;
    }
    // Without a place the blob is not looked for: it may be there on the next request.
    let Ok(_place) = state.place_to_wait(peer) else { return };
    if let Err(error) = service.bring(id).await {
        tracing::debug!(blob = %id, %error, "a blob is not at any validator");
    }
}

pub(super) async fn list(
    State(state): State<ApiState>,
    peer: Peer,
    Names(id): Names<String>,
) -> Result<Response, ApiError> {
    let id: BlobId = name("id", &id)?;
    bring(&state, peer, id).await;
    let blobs = Arc::clone(&state.parts.blobs);
    let read = tokio::task::spawn_blocking(move || blobs.list(id)).await;
    let list = read.map_err(|_| ApiError::internal("reading a blob panicked"))??;
    list.map(octets).ok_or_else(|| ApiError::not_found(format!("blob {id}")))
}

pub(super) async fn data(
    State(state): State<ApiState>,
    peer: Peer,
    Names(id): Names<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: BlobId = name("id", &id)?;
    bring(&state, peer, id).await;
    let blobs = Arc::clone(&state.parts.blobs);
    let opened = tokio::task::spawn_blocking(move || blobs.open_data(id)).await;
    let opened = opened.map_err(|_| ApiError::internal("opening a blob panicked"))??;
    let (file, len) = opened.ok_or_else(|| ApiError::not_found(format!("blob {id}")))?;
    let wanted = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (from, to, status) = match wanted.map_or(Wanted::All, |wanted| range(wanted, len)) {
        Wanted::All => (0, len, StatusCode::OK),
        Wanted::Part(from, to) => (from, to, StatusCode::PARTIAL_CONTENT),
        Wanted::Nothing => {
            let detail = format!("the blob has {len} bytes");
            return Err(Problem::new(Code::BadRange, detail).into());
        }
    };
    let mut file = tokio::fs::File::from_std(file);
    let sought = file.seek(SeekFrom::Start(from)).await;
    sought.map_err(|error| ApiError::internal(&error.to_string()))?;
    let mut response = octets(Body::from_stream(ReaderStream::new(file.take(to - from))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = format!("bytes {from}-{}/{len}", to.saturating_sub(1)).parse()
    {
        headers.insert(header::CONTENT_RANGE, value);
    }
    if let Ok(value) = format!("\"{id}\"").parse() {
        headers.insert(header::ETAG, value);
    }
    Ok(response)
}

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// All, as for a header that is not understood (RFC 9110 §14.2).
    All,
    /// From here to before there.
    Part(u64, u64),
    /// Nothing that is there.
    Nothing,
}

fn range(text: &str, len: u64) -> Wanted {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| plain)
    };
    let Some((from, to)) = text.strip_prefix("bytes=").and_then(|it| it.split_once('-')) else {
        return Wanted::All;
    };
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to && from < len => {
            Wanted::Part(from, to.saturating_add(1).min(len))
        }
        (Some(from), Some(to)) if from > to => Wanted::All,
        (Some(from), None) if to.is_empty() && from < len => Wanted::Part(from, len),
        (Some(_), Some(_)) => Wanted::Nothing,
        (Some(_), None) if to.is_empty() => Wanted::Nothing,
        (None, Some(last)) if from.is_empty() && last > 0 && len > 0 => {
            Wanted::Part(len.saturating_sub(last), len)
        }
        (None, Some(_)) if from.is_empty() => Wanted::Nothing,
        _ => Wanted::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        let of = |text| range(text, 10);
        assert_eq!(of("bytes=0-0"), Wanted::Part(0, 1));
        assert_eq!(of("bytes=2-"), Wanted::Part(2, 10));
        assert_eq!(of("bytes=2-99"), Wanted::Part(2, 10));
        assert_eq!(of("bytes=-3"), Wanted::Part(7, 10));
        assert_eq!(of("bytes=-99"), Wanted::Part(0, 10));
        for nothing in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(of(nothing), Wanted::Nothing, "{nothing}");
        }
        for all in ["", "bytes=", "bytes=-", "bytes=a-b", "bytes=3-1", "lines=0-1", "bytes=0-1,3-4"]
        {
            assert_eq!(of(all), Wanted::All, "{all}");
        }
        assert_eq!(range("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(range("bytes=-1", 0), Wanted::Nothing);
    }
}
