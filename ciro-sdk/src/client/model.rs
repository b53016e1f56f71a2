//! Models on the network.

use std::path::Path;

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{Code, ModelInfo};
use ciro_protocol::blob::{BlobId, CHUNKS_MAX};
use ciro_protocol::id::{KeyDigest, ModelId, ProviderId};
use ciro_protocol::model::{KEY_BYTES_MAX, KEYS_MAX, KeyEntry, KeyFacts, Listing, ModelCard};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Body, RegisterModel};
use ciro_protocol::wire::{Bytes, List};

use super::{Client, ClientError};
use crate::files::FileError;
use crate::network::facts_of;
use crate::verify::Key;

/// Pages of models that are looked through for a key.
const PAGES_MAX: usize = 100;

/// What is registered.
#[derive(Clone, Debug)]
pub struct Deployment<'a> {
    /// The bytes of the `.ciro-model` file.
    pub model: &'a [u8],
    /// Its keys, at most four; made here from the model.
    pub keys: &'a [Key],
    /// A name, up to 64 bytes.
    pub name: &'a str,
    /// A version, up to 32 bytes.
    pub version: &'a str,
    /// A licence, up to 64 bytes.
    pub licence: &'a str,
    /// Who may prove it; empty for everybody.
    pub providers: &'a [ProviderId],
    /// A price to begin with.
    pub price_hint: Amount,
}

/// A model that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its id.
    pub model: ModelId,
    /// What it is.
    pub card: ModelCard,
    /// Whether it was registered before.
    pub known: bool,
}

impl Client {
    /// Uploads a model and registers it; the same model is registered once, however often this is
    /// asked for.
    ///
    /// # Errors
    /// [`ClientError`] if the network does not take the model, or the account cannot pay.
    pub async fn deploy(
        &self,
        account: &SecretKey,
        deployment: &Deployment<'_>,
    ) -> Result<Deployed, ClientError> {
        let keys = deployment.keys.iter().map(|key| (key.to_bytes(), facts_of(key)));
        self.register(account, deployment, keys.collect()).await
    }

    /// As [`Self::deploy`], under these keys with what they say.
    pub(crate) async fn register(
        &self,
        account: &SecretKey,
        deployment: &Deployment<'_>,
        keys: Vec<(Vec<u8>, KeyFacts)>,
    ) -> Result<Deployed, ClientError> {
        let card = self.card(account, deployment, keys)?;
        let model = card.id();
        match self.model(model).await {
            Ok(_) => return Ok(Deployed { model, card, known: true }),
            Err(error) if error.code() == Some(Code::NotFound) => {}
            Err(error) => return Err(error),
        }
        self.upload(deployment.model).await?;
        let providers = List::new(deployment.providers.to_vec());
        let providers = providers.map_err(|many| ClientError::Text {
            what: "list of providers",
            value: format!("{} entries", many.len),
            reason: many.to_string(),
        })?;
        let listing = Listing { providers, price_hint: deployment.price_hint };
        let body = RegisterModel { card: card.clone(), listing };
        match self.execute(account, Body::RegisterModel(Box::new(body))).await {
            Ok(_) => Ok(Deployed { model, card, known: false }),
            Err(error) if already(&error) => Ok(Deployed { model, card, known: true }),
            Err(error) => Err(error),
        }
    }

    /// Finds a registered model that has a key and that everybody may prove; of several, one whose
    /// compiled bytes are these, and else the one with the least id.
    ///
    /// A key is public, and whoever registers it once more says who may prove that model: one that
    /// is restricted, or will be, is taken by nobody who has not named it.
    ///
    /// # Errors
    /// [`ClientError::NoModel`] if there is none among the first ten thousand,
    /// [`ClientError::Restricted`] if all of them are for some providers alone.
    pub async fn model_of_key(
        &self,
        key: &Key,
        blob: Option<BlobId>,
    ) -> Result<ModelInfo, ClientError> {
        self.model_of(key.digest().into(), blob).await
    }

    /// As [`Self::model_of_key`].
    pub(super) async fn model_of(
        &self,
        digest: KeyDigest,
        blob: Option<BlobId>,
    ) -> Result<ModelInfo, ClientError> {
        let restricted = |it: &ModelInfo| {
            let later = it.next.as_ref().map(|next| &next.listing);
            later.into_iter().chain([&it.listing]).any(|it| !it.providers.is_empty())
        };
        let rank = |it: &ModelInfo| (restricted(it), Some(it.card.blob) != blob, it.card.id());
        let (mut found, mut after): (Option<ModelInfo>, Option<String>) = (None, None);
        for _ in 0..PAGES_MAX {
            let page = self.models(after.as_deref()).await?;
            let fitting =
                page.items.into_iter().filter(|it| !it.retired && it.card.key(digest).is_some());
            found = found.into_iter().chain(fitting).min_by_key(rank);
            after = page.next;
            // Models come in the order of their ids: no later one ranks before this.
            let best =
                |it: &ModelInfo| !restricted(it) && blob.is_none_or(|blob| it.card.blob == blob);
            if after.is_none() || found.as_ref().is_some_and(best) {
                break;
            }
        }
        let found = found.ok_or(ClientError::NoModel(digest))?;
        // It may have changed since the first page.
        let found = self.model(found.card.id()).await?;
        if restricted(&found) { Err(ClientError::Restricted(digest)) } else { Ok(found) }
    }

    fn card(
        &self,
        account: &SecretKey,
        deployment: &Deployment<'_>,
        keys: Vec<(Vec<u8>, KeyFacts)>,
    ) -> Result<ModelCard, ClientError> {
        let found = deployment.model.len() as u64;
        let limit = self.spec().limits.model_bytes.min(CHUNKS_MAX as u64 * (1 << 20));
        let too_long = |what, found, limit| ClientError::TooLong { what, found, limit };
        if found > limit {
            return Err(too_long("the model", found, limit));
        }
        let blob = BlobId::of(deployment.model).map_err(|_| too_long("the model", found, limit))?;
        let mut entries = Vec::new();
        for (bytes, facts) in keys {
            let (length, most) = (bytes.len() as u64, KEY_BYTES_MAX as u64);
            let bytes = Bytes::new(bytes).map_err(|_| too_long("a key", length, most))?;
            entries.push(KeyEntry { bytes, facts });
        }
        let found = entries.len();
        let wrong = || ClientError::Keys { found, limit: KEYS_MAX };
        if entries.is_empty() {
            return Err(wrong());
        }
        Ok(ModelCard {
            owner: account.address(),
            name: text("name", deployment.name)?,
            version: text("version", deployment.version)?,
            licence: text("licence", deployment.licence)?,
            blob,
            bytes: deployment.model.len() as u64,
            keys: List::new(entries).map_err(|_| wrong())?,
        })
    }
}

/// The name that a model's file gives it: the file's own, or that of its folder for a file that is
/// called `model`.
///
/// # Errors
/// [`FileError`] if there is no such file.
pub fn default_name(path: &Path) -> Result<String, FileError> {
    let found = path.canonicalize();
    let path = found.map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().and_then(|folder| folder.file_name());
    Ok(match folder {
        Some(folder) if stem == "model" => folder.to_string_lossy().into_owned(),
        _ => stem,
    })
}

/// Whether somebody, or an earlier try, has registered the model meanwhile.
fn already(error: &ClientError) -> bool {
    let refused = matches!(error, ClientError::Refused { refusal: Refusal::ModelExists, .. });
    refused || error.code() == Some(Code::Refused(Refusal::ModelExists))
}

fn text<const MAX: usize>(what: &'static str, value: &str) -> Result<Text<MAX>, ClientError> {
    Text::new(value).map_err(|error| ClientError::Text {
        what,
        value: value.chars().take(80).collect(),
        reason: error.to_string(),
    })
}
