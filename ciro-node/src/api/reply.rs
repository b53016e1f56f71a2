//! Answers and errors.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use ciro_protocol::api::{Code, OCTETS, PROBLEM, Problem};
use ciro_sdk::error_chain;

use crate::blobs::StoreBlobError;
use crate::ingress::Refused;
use crate::store::StoreError;

/// An error on its way out.
#[derive(Debug)]
pub(super) struct ApiError(Box<Problem>);

impl ApiError {
    /// Says that the node failed. What happened stands in its log.
    pub(super) fn internal(reason: &str) -> Self {
        tracing::error!(reason, "a request failed");
        Problem::new(Code::Internal, "the node failed, its log says how").into()
    }

    /// Says that a part of the address is not what it should be.
    pub(super) fn parameter(name: &str, reason: impl std::fmt::Display) -> Self {
        Problem::new(Code::BadParameter, format!("`{name}`: {reason}")).into()
    }

    /// Says that there is nothing of a name.
    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Problem::new(Code::NotFound, format!("there is no {what}")).into()
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(&error_chain(&error))
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        if matches!(refused, Refused::Store(_) | Refused::Judge) {
            return Self::internal(&error_chain(&refused));
        }
        Problem::from(refused).into()
    }
}

impl From<StoreBlobError> for ApiError {
    fn from(error: StoreBlobError) -> Self {
        let text = error_chain(&error);
        let problem = match error {
            StoreBlobError::Content(_) | StoreBlobError::OtherId { .. } => {
                Problem::new(Code::BadBlob, text)
            }
            StoreBlobError::TooLong { .. } => Problem::new(Code::BodyTooLarge, text),
            StoreBlobError::Unknown(_) => Problem::new(Code::NotFound, text)
                .hint("announce the blob by its list first: `POST /v1/blobs`"),
            StoreBlobError::Full { .. } => Problem::new(Code::StorageFull, text),
            StoreBlobError::Uploads(_) => Problem::new(Code::QueueFull, text),
            StoreBlobError::File { .. } => return Self::internal(&text),
        };
        problem.into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let status = StatusCode::from_u16(problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let transient = problem.known().is_some_and(Code::is_transient);
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if transient {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Answers with bytes, which no browser may take for a page.
pub(super) fn octets(bytes: impl Into<Body>) -> Response {
    let headers = [(header::CONTENT_TYPE, OCTETS), (header::CONTENT_DISPOSITION, "attachment")];
    (headers, bytes.into()).into_response()
}

pub(super) async fn not_found(uri: Uri) -> ApiError {
    ApiError::not_found(format!("path `{}`", uri.path()))
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let detail = format!("`{method}` is not served at `{}`", uri.path());
    Problem::new(Code::MethodNotAllowed, detail).into()
}
