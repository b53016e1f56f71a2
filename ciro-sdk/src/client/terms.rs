//! Terms of an order: what providers ask for, and what the user wishes.

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{ModelInfo, ProviderInfo};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{KeyDigest, ModelId, ProviderId};
use ciro_protocol::order::{Class, Mode};

use super::{Client, ClientError, PROVIDER_PAGES_MAX};
use crate::verify::Key;

/// What is paid, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who may take the job.
    pub mode: Mode,
    /// The price at first.
    pub price_min: Amount,
    /// The price at last; it goes to escrow.
    pub price_max: Amount,
    /// How long the price rises, in ms.
    pub ramp_ms: u64,
    /// How long a provider holds the job, in ms.
    pub lease_ms: u64,
    /// How long until the job is refunded, in ms.
    pub deadline_in_ms: u64,
    /// What a provider puts at stake.
    pub collateral: Amount,
    /// How many providers may try.
    pub attempts_max: u8,
}

/// What the user asks of the terms; what is left out follows what providers ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The registered model; without it one that has the key and that everybody may prove.
    pub model: Option<ModelId>,
    /// The compiled model that the user has: of several registered ones that have the key, one with
    /// these bytes is taken.
    pub blob: Option<BlobId>,
    /// The price at first.
    pub price_min: Option<Amount>,
    /// The highest price.
    pub price_max: Option<Amount>,
    /// The provider that gets the job at once, at its own price.
    pub direct: Option<ProviderId>,
    /// The providers that the input is sealed for, who alone may take the job; none for an open
    /// input.
    pub recipients: Vec<ProviderId>,
}

impl Client {
    /// Terms that fit the network and what its providers ask for. Anybody may ask for anything, so
    /// it is bonds that count, and not the dearest or the cheapest ask:
    ///
    /// - collateral is the median of the asks for the class, weighted by bond, or the network's
    ///   least if that is more;
    /// - the price rises to twice the median, from what a quarter of all bonds asks for at most, or
    ///   from half the median if that is more.
    ///
    /// If nobody asks, the hint stands for every ask.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn quote(&self, class: Class, hint: Amount) -> Result<Terms, ClientError> {
        Ok(self.terms_of(&self.free_providers(PROVIDER_PAGES_MAX).await?, class, hint))
    }

    pub(super) fn terms_of(&self, providers: &[ProviderInfo], class: Class, hint: Amount) -> Terms {
        let ask = |it: &ProviderInfo| Some((it.asks.price(class)?, it.whole_bond()));
        let mut asks: Vec<_> = providers.iter().filter_map(ask).collect();
        asks.sort_unstable();
        let [median, low] = [2, 4].map(|parts| asked(&asks, parts).unwrap_or(hint));
        let price_max = median.checked_mul(2).unwrap_or(median);
        let jobs = &self.spec().jobs;
        Terms {
            mode: Mode::Open,
            price_min: low.max(median.fraction(1, 2)),
            price_max,
            ramp_ms: 5_000,
            lease_ms: 60_000.clamp(jobs.lease_min_ms, jobs.lease_max_ms),
            deadline_in_ms: 300_000.min(jobs.deadline_max_ms / 4 * 3),
            collateral: median.max(jobs.collateral_min(price_max)),
            attempts_max: jobs.attempts_max.min(3),
        }
    }

    /// The registered model that has a key, and terms as the user wishes. The highest price of a
    /// direct order is what its provider asks for now, so that it cannot ask for more meanwhile.
    ///
    /// # Errors
    /// [`ClientError::NoModel`] if no model has the key, [`ClientError::Restricted`] if none of
    /// them is everybody's to prove and none is named, or any error of the connection.
    pub async fn terms(&self, key: &Key, wish: &Wish) -> Result<(ModelId, Terms), ClientError> {
        let (model, terms) = self.terms_for((key.digest().into(), key.class()), wish).await?;
        Ok((model.card.id(), terms))
    }

    /// As [`Self::terms`], for a key of this class.
    pub(crate) async fn terms_for(
        &self,
        (key, class): (KeyDigest, Class),
        wish: &Wish,
    ) -> Result<(ModelInfo, Terms), ClientError> {
        let info = match wish.model {
            Some(id) => self.model(id).await?,
            None => self.model_of(key, wish.blob).await?,
        };
        let mut providers = self.free_providers(PROVIDER_PAGES_MAX).await?;
        if !wish.recipients.is_empty() {
            providers.retain(|it| wish.recipients.contains(&it.provider));
        }
        let mut terms = self.terms_of(&providers, class, info.listing.price_hint);
        if let Some(direct) = wish.direct {
            terms = self.direct_terms(direct, class, terms).await?;
        }
        if let Some(most) = wish.price_max {
            terms.price_max = most;
            terms.price_min = terms.price_min.min(most);
        }
        if let Some(least) = wish.price_min {
            terms.price_min = least;
        }
        let least = self.spec().jobs.collateral_min(terms.price_max);
        terms.collateral = terms.collateral.max(least);
        Ok((info, terms))
    }

    /// Terms that a provider takes an order on at once.
    async fn direct_terms(
        &self,
        direct: ProviderId,
        class: Class,
        terms: Terms,
    ) -> Result<Terms, ClientError> {
        let mut terms = Terms { mode: Mode::Direct(direct), ..terms };
        let named = match self.provider_of(direct).await {
            Ok(named) => named,
            // A provider that is not there is for the ledger to name, as is one that takes none, or
            // none of this class.
            Err(ClientError::NotThere { .. }) => return Ok(terms),
            Err(error) => return Err(error),
        };
        if let Some(ask) = named.asks.price(class) {
            terms.price_max = ask;
            terms.price_min = terms.price_min.min(ask);
        }
        if let Some(takes) = &named.asks.direct {
            terms.collateral = terms.collateral.min(takes.collateral_max);
            terms.lease_ms = terms.lease_ms.max(takes.lease_min_ms);
            terms.deadline_in_ms = terms.deadline_in_ms.max(2 * terms.lease_ms);
        }
        Ok(terms)
    }
}

/// The least price that providers with one of so many parts of all bonds ask for at most; of asks
/// with the bonds behind them, the cheapest first.
fn asked(asks: &[(Amount, Amount)], parts: u128) -> Option<Amount> {
    // On a network without a least bond every ask counts for something. No sum of bonds leaves 128
    // bits: a bond is below 2^90, and the answers of a node have far fewer than 2^36 providers.
    let weight = |(_, bond): &(Amount, Amount)| bond.units().max(1);
    let whole: u128 = asks.iter().map(weight).sum();
    let mut passed = 0;
    let found = asks.iter().find(|&ask| {
        passed += weight(ask);
        passed * parts >= whole
    });
    found.map(|(price, _)| *price)
}
