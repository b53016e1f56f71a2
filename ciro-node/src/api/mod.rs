//! The HTTP interface. Paths and types are those of [`ciro_protocol::api`].

mod blob;
mod economy;
mod events;
mod explorer;
mod health;
mod job;
mod ledger;
mod listener;
mod paging;
mod places;
mod queue;
mod rate;
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
use tokio::sync::watch;
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::blobs::{Blobs, Needed};
use crate::bodies::Bodies;
use crate::config::ApiConfig;
use crate::driver::Shared;
use crate::ingress::Admission;
use crate::metrics::Metrics;
use crate::net::Service;
use crate::store::{Snapshot, StateStore, StoreError};
use listener::Patience;
pub(crate) use places::origin;
use places::{Place, Places};
use rate::Rates;
use reply::ApiError;
use request::Peer;

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
    /// Which of them may not go.
    pub needed: Arc<Needed>,
    /// The way to other validators, if there are any.
    pub service: Option<Arc<Service>>,
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
    /// Requests that wait.
    waiting: Arc<Places>,
    /// Streams of events: they stay for long, so they have places of their own.
    streams: Arc<Places>,
    rates: Arc<Rates>,
}

impl ApiState {
    /// Makes the state of an interface.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let waiting = Places::new(parts.config.waiting_max);
        let streams = Places::new(parts.config.waiting_max.div_ceil(2));
        Self { parts: Arc::new(parts), waiting, streams, rates: Arc::new(Rates::new()) }
    }

    /// Returns what a bus works with: the same gate, and the same state.
    pub(crate) fn bus_parts(&self) -> crate::bus::Parts {
        crate::bus::Parts {
            store: Arc::clone(&self.parts.store),
            admission: Arc::clone(&self.parts.admission),
            shared: Arc::clone(&self.parts.shared),
            metrics: self.parts.metrics.clone(),
            stopped: self.parts.stopped.clone(),
        }
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
    fn place_to_wait(&self, Peer(address): Peer) -> Result<Place, ApiError> {
        self.waiting.take(address).ok_or_else(|| {
            let detail = "as many requests as may are waiting already, in all or of this address";
            Problem::new(Code::TooManyWaiting, detail).into()
        })
    }

    /// Takes a place among those who read events.
    fn place_to_read(&self, Peer(address): Peer) -> Result<Place, ApiError> {
        self.streams.take(address).ok_or_else(|| {
            let detail = "as many streams as may are open already, in all or of this address";
            Problem::new(Code::TooManyWaiting, detail).into()
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
        .route(paths::ECONOMY, get(economy::economy))
        .route(paths::VALIDATORS, get(economy::validators))
        .route("/v1/stake/{address}", get(economy::stake))
        .route(paths::PROPOSALS, get(economy::proposals))
        .route(paths::LAUNCHES, get(economy::launches))
        .route("/v1/queue/{class}", get(queue::offers))
        .route(paths::EVENTS, get(events::stream))
        .route("/v1/blocks/{height}", get(ledger::block))
        .route(paths::LIVE, get(health::live))
        .route(paths::READY, get(health::ready))
        .route(paths::METRICS, get(health::metrics))
}

/// Serves connections until the node stops.
pub async fn serve(listener: TcpListener, router: Router, state: ApiState) {
    let places = Places::new(state.parts.config.connections_max);
    let stopped = state.parts.stopped.clone();
    drop(state);
    listener::serve(listener, router, (places, Patience::DEFAULT), stopped).await;
}

/// Counts a request by the first two parts of its path: ids are no labels.
async fn count(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    const ROUTES: [&str; 19] = [
        "/explorer",
        paths::CHAIN,
        paths::TRANSACTIONS,
        paths::BLOBS,
        paths::MODELS,
        paths::JOBS,
        paths::PROVIDERS,
        paths::EVENTS,
        paths::ECONOMY,
        paths::VALIDATORS,
        paths::PROPOSALS,
        paths::LAUNCHES,
        "/v1/stake",
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
