//! What the ledger holds.

use axum::Json;
use axum::extract::State;
use ciro_ledger::state::{MODELS, ModelRecord, OWNERS, PROVIDERS, PURSES, ProviderRecord, TAKEN};
use ciro_protocol::api::{
    AccountInfo, BlockInfo, BlockTx, ChainInfo, Finality, ModelInfo, Page, ProviderInfo,
};
use ciro_protocol::chain::Word;
use ciro_protocol::event::Purse;
use ciro_protocol::id::{ModelId, ProviderId};
use ciro_protocol::sign::Address;

use super::ApiState;
use super::paging::{Paging, page};
use super::reply::ApiError;
use super::request::{Names, Params, name};
use crate::store::{BlockTxRow, Snapshot, StoreError};

pub(super) async fn chain(State(state): State<ApiState>) -> Json<ChainInfo> {
    let parts = &state.parts;
    Json(ChainInfo {
        chain: parts.chain,
        genesis: (*parts.genesis).clone(),
        head: *parts.shared.head().borrow(),
        certified: state.certified(),
        pin: parts.admission.members.roll().pin(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

pub(super) async fn account(
    State(state): State<ApiState>,
    Names(address): Names<String>,
) -> Result<Json<AccountInfo>, ApiError> {
    let address: Address = name("address", &address)?;
    let look = move |snapshot: &Snapshot| {
        Ok(AccountInfo {
            address,
            balance: snapshot.entry(PURSES, &Purse::Account(address))?.unwrap_or_default(),
            provider: snapshot.entry(OWNERS, &address)?,
            faucet_taken: snapshot.entry(TAKEN, &address)?.is_some(),
        })
    };
    state.read(look).await.map(Json)
}

pub(super) async fn models(
    State(state): State<ApiState>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<ModelInfo>>, ApiError> {
    let (after, limit) = paging.read::<ModelId>()?;
    let look = move |snapshot: &Snapshot| {
        let time_ms = snapshot.head()?.words.time_ms;
        let found = snapshot.entries(MODELS, after.as_ref(), limit)?.into_iter();
        Ok(found.map(|(id, record)| model_info(id, record.at(time_ms))).collect::<Vec<_>>())
    };
    let items = state.read(look).await?;
    Ok(page(items, limit, |it| it.model))
}

pub(super) async fn model(
    State(state): State<ApiState>,
    Names(id): Names<String>,
) -> Result<Json<ModelInfo>, ApiError> {
    let id: ModelId = name("id", &id)?;
    let look = move |snapshot: &Snapshot| {
        let time_ms = snapshot.head()?.words.time_ms;
        let record = snapshot.entry(MODELS, &id)?;
        Ok(record.map(|record| model_info(id, record.at(time_ms))))
    };
    let found = state.read(look).await?;
    found.map(Json).ok_or_else(|| ApiError::not_found(format!("model {id}")))
}

fn model_info(model: ModelId, record: ModelRecord) -> ModelInfo {
    let ModelRecord { card, listing, next, retired } = record;
    ModelInfo { model, card, listing, next, retired }
}

pub(super) async fn providers(
    State(state): State<ApiState>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<ProviderInfo>>, ApiError> {
    let (after, limit) = paging.read::<u32>()?;
    let look = move |snapshot: &Snapshot| {
        let found = snapshot.numbered(PROVIDERS, ProviderId, after, limit)?.into_iter();
        found.map(|(id, record)| provider_info(snapshot, id, record)).collect()
    };
    let items: Vec<ProviderInfo> = state.read(look).await?;
    Ok(page(items, limit, |it| it.provider))
}

pub(super) async fn provider(
    State(state): State<ApiState>,
    Names(address): Names<String>,
) -> Result<Json<ProviderInfo>, ApiError> {
    let address: Address = name("address", &address)?;
    let look = move |snapshot: &Snapshot| {
        let Some(id) = snapshot.entry(OWNERS, &address)? else { return Ok(None) };
        let Some(record) = snapshot.entry(PROVIDERS, &id)? else { return Ok(None) };
        provider_info(snapshot, id, record).map(Some)
    };
    let found = state.read(look).await?;
    found.map(Json).ok_or_else(|| ApiError::not_found(format!("provider of account {address}")))
}

fn provider_info(
    snapshot: &Snapshot,
    provider: ProviderId,
    record: ProviderRecord,
) -> Result<ProviderInfo, StoreError> {
    let bond = snapshot.entry(PURSES, &Purse::Bond(provider))?.unwrap_or_default();
    let ProviderRecord { account, profile, asks, held, locked, .. } = record;
    let (jailed_until_ms, settled, lost) = (record.jailed_until_ms, record.settled, record.lost);
    Ok(ProviderInfo {
        provider,
        account,
        profile,
        asks,
        bond,
        locked,
        held,
        jailed_until_ms,
        settled,
        lost,
    })
}

pub(super) async fn block(
    State(state): State<ApiState>,
    Names(height): Names<String>,
) -> Result<Json<BlockInfo>, ApiError> {
    let height: u64 = name("height", &height)?;
    let row = state.read(move |snapshot| snapshot.block(height)).await?;
    let row = row.filter(|_| height > 0);
    let row = row.ok_or_else(|| ApiError::not_found(format!("block {height}")))?;
    let certified = height <= state.certified();
    let tx = |BlockTxRow { kind, account, receipt }| BlockTx {
        id: receipt.id,
        kind,
        account,
        tally: receipt.tally,
        fee: receipt.fee,
        refused: receipt.refused,
    };
    Ok(Json(BlockInfo {
        height,
        state_root: Word(row.words.root()),
        time_ms: row.words.time_ms,
        finality: if certified { Finality::Certified } else { Finality::Committed },
        batches: row.batches,
        transactions: row.txs.into_iter().map(tx).collect(),
    }))
}
