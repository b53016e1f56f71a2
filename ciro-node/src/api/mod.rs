//! The HTTP interface. Paths and types are those of [`ciro_protocol::api`].

mod blob;
mod events;
mod explorer;
mod health;
mod job;
mod ledger;
mod listener;
mod queue;
mod reply;
mod request;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post, put};
use ciro_protocol::api as paths;
use ciro_protocol::api::{Code, Problem};
use ciro_protocol::chain::Genesis;
use ciro_protocol::id::Chain;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::blobs::Blobs;
use crate::bodies::Bodies;
use crate::config::ApiConfig;
use crate::driver::Shared;
use crate::ingress::Admission;
use crate::metrics::Metrics;
use crate::store::{Snapshot, StateStore, StoreError};
use listener::Limited;
use reply::ApiError;

/// What the interface shows.
#[derive(Debug)]
pub struct Parts {
    /// The network.
    pub genesis: Arc<Genesis>,
    /// Its name under signatures.
    pub chain: Chain,
    /// The state.
    pub store: Arc<StateStore>,
    /// The blobs.
    pub blobs: Arc<Blobs>,
    /// The bodies of batches.
    pub bodies: Arc<Bodies>,
    /// The gate for transactions.
    pub admission: Arc<Admission>,
    /// What the threads tell.
    pub shared: Arc<Shared>,
    /// What is counted.
    pub metrics: Metrics,
    /// How many wait for a checkpoint.
    pub hurry: Arc<AtomicUsize>,
    /// Whether the node stops.
    pub stopped: watch::Receiver<bool>,
    /// The settings.
    pub config: ApiConfig,
}

/// What every request works with.
#[derive(Clone, Debug)]
pub struct ApiState {
    parts: Arc<Parts>,
    waiting: Arc<Semaphore>,
}

impl ApiState {
    /// Makes the state of an interface.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let waiting = Arc::new(Semaphore::new(parts.config.waiting_max));
        Self { parts: Arc::new(parts), waiting }
    }

    /// Reads the state, away from the threads that serve connections.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Snapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = Arc::clone(&self.parts.store);
        let looked = tokio::task::spawn_blocking(move || look(&store.snapshot()?)).await;
        Ok(looked.map_err(|_| ApiError::internal("reading the state panicked"))??)
    }

    /// Takes a place among those who wait.
    fn wait_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| {
            let max = self.parts.config.waiting_max;
            Problem::new(Code::TooManyWaiting, format!("{max} requests are waiting already")).into()
        })
    }

    /// Returns the height up to which the state is certified.
    fn certified(&self) -> u64 {
        self.parts.shared.certified().borrow().height
    }
}

/// Builds the routes. Returns the origin that is none, if there is one.
///
/// # Errors
///
/// The first of `cors` that is no origin.
pub fn router(state: ApiState, cors: &[String]) -> Result<Router, String> {
    let origins: Result<Vec<HeaderValue>, String> =
        cors.iter().map(|origin| origin.parse().map_err(|_| origin.clone())).collect();
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT];
    let cors = CorsLayer::new().allow_origin(origins?).allow_methods(methods);
    let nosniff = SetResponseHeaderLayer::overriding(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    Ok(routes()
        .merge(explorer::routes())
        .fallback(reply::not_found)
        .method_not_allowed_fallback(reply::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), count))
        .layer(nosniff)
        .layer(cors)
        .with_state(state))
}

fn routes() -> Router<ApiState> {
    Router::new()
        .route(paths::CHAIN, get(ledger::chain))
        .route(paths::TRANSACTIONS, post(transaction::submit))
        .route("/v1/transactions/{id}", get(transaction::status))
        .route(paths::BLOBS, post(blob::begin))
        .route("/v1/blobs/{id}", get(blob::data).put(blob::whole))
        .route("/v1/blobs/{id}/list", get(blob::list))
        .route("/v1/blobs/{id}/chunks/{index}", put(blob::chunk))
        .route("/v1/accounts/{address}", get(ledger::account))
        .route(paths::MODELS, get(ledger::models))
        .route("/v1/models/{id}", get(ledger::model))
        .route(paths::JOBS, get(job::list))
        .route("/v1/jobs/{id}", get(job::one))
        .route("/v1/jobs/{id}/receipt", get(job::receipt))
        .route(paths::PROVIDERS, get(ledger::providers))
        .route("/v1/providers/{address}", get(ledger::provider))
        .route("/v1/queue/{class}", get(queue::offers))
        .route(paths::EVENTS, get(events::stream))
        .route("/v1/blocks/{height}", get(ledger::block))
        .route(paths::LIVE, get(health::live))
        .route(paths::READY, get(health::ready))
        .route(paths::METRICS, get(health::metrics))
}

/// Serves connections until the node stops.
pub async fn serve(listener: TcpListener, router: Router, state: ApiState) {
    let mut stopped = state.parts.stopped.clone();
    let listener = Limited::new(listener, state.parts.config.connections_max);
    let until = async move {
        // Whoever could say so has left: the node has ended.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
        state.parts.shared.fail(format!("the interface failed: {error}"));
    }
}

/// Counts a request by the first two parts of its path: ids are no labels.
async fn count(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    const ROUTES: [&str; 14] = [
        "/explorer",
        paths::CHAIN,
        paths::TRANSACTIONS,
        paths::BLOBS,
        paths::MODELS,
        paths::JOBS,
        paths::PROVIDERS,
        paths::EVENTS,
        "/v1/accounts",
        "/v1/queue",
        "/v1/blocks",
        paths::LIVE,
        paths::READY,
        paths::METRICS,
    ];
    let path = request.uri().path();
    let route = ROUTES.into_iter().find(|route| path.starts_with(route)).unwrap_or("other");
    let response = next.run(request).await;
    state.parts.metrics.request(route, response.status().as_u16());
    response
}
