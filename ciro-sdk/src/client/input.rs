//! Inputs as they travel to providers: open for everybody, or sealed for some.

use std::fmt;
use std::str::FromStr;

use ciro_model::integer::StatedInput;
use ciro_protocol::api::{self, ProviderInfo};
use ciro_protocol::id::ProviderId;
use ciro_protocol::order::LISTED_MAX;
use ciro_protocol::provider::{SealingCard, SealingKey};
use ciro_protocol::sign::{Address, KeyCache, SecretKey, Signed};
use ciro_protocol::wire::List;

use super::sealing::{SealError, SealingSecret, seal};
use super::{Client, ClientError};
#[cfg(feature = "prove")]
use crate::blinding::BlindingSeed;
use crate::network::SecretInput;
#[cfg(feature = "prove")]
use crate::prove::Model;
#[cfg(feature = "prove")]
use crate::verify::Opening;
use crate::verify::{InputStatement, Key};

/// An input of an order, with the bytes that are uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderInput {
    pub(super) statement: InputStatement,
    pub(super) bytes: Vec<u8>,
    pub(super) recipients: List<ProviderId, LISTED_MAX>,
    /// The account whose orders a sealed input is proven for.
    pub(super) requester: Option<Address>,
}

/// How the user names a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderName {
    /// By its number: whose account that is, the node says.
    Number(ProviderId),
    /// By its account, which no node can pretend to be.
    Account(Address),
}

/// A provider that inputs are sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its number, which the order names.
    pub provider: ProviderId,
    /// Its account, which vouches for the key.
    pub account: Address,
    /// What is sealed with.
    pub key: SealingKey,
}

impl OrderInput {
    /// An input that everybody may read, as may the proof's.
    pub fn open(statement: InputStatement) -> Self {
        let bytes = statement.to_bytes();
        Self { statement, bytes, recipients: List::default(), requester: None }
    }

    /// Some open input of a key's proofs: as long as every other one, and so for the same fee.
    pub fn sample(key: &Key) -> Self {
        let draw = || key.interface().draw(&mut |interval| interval.lo);
        let inputs = (0..key.batch()).map(|_| StatedInput::Public(draw()));
        Self::open(InputStatement::new(inputs.collect()))
    }

    /// An input that the recipients alone can read: they prove it under this key, whose proofs
    /// commit to it.
    ///
    /// # Errors
    /// [`ClientError::SecretInput`] if proofs for the key would show it, [`ClientError::Seal`] if
    /// there are no recipients, or more than an order names.
    pub fn sealed(
        input: &SecretInput,
        key: &Key,
        recipients: &[Recipient],
    ) -> Result<Self, ClientError> {
        let statement = input.stated(key)?;
        let keys: Vec<_> = recipients.iter().map(|it| (it.provider, it.key)).collect();
        let bytes = seal(&input.to_bytes(), &keys)?;
        let numbers = keys.iter().map(|(provider, _)| *provider).collect();
        let recipients = List::new(numbers).map_err(|_| SealError::Recipients(keys.len()))?;
        Ok(Self { statement, bytes, recipients, requester: Some(input.requester()) })
    }

    /// As [`Self::sealed`], of integers, under blinding values that nobody has used; with what
    /// opens the proof's commitments, for which the model is run. Recipients prove it for orders of
    /// `requester` alone, who has to sign the order.
    ///
    /// # Errors
    /// As [`Self::sealed`]; [`ClientError::Random`] if there are no random numbers.
    #[cfg(feature = "prove")]
    pub fn seal(
        input: InputStatement,
        (model, key): (&Model, &Key),
        (requester, recipients): (Address, &[Recipient]),
    ) -> Result<(Self, Vec<Opening>), ClientError> {
        let seed = BlindingSeed::random().map_err(ClientError::Random)?;
        let input = SecretInput::new((key, requester), input, seed)?;
        Ok((Self::sealed(&input, key, recipients)?, input.openings(model, key)?))
    }

    /// What is uploaded.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What orders and proofs state of it.
    pub fn statement(&self) -> &InputStatement {
        &self.statement
    }
}

impl Client {
    /// What an account publishes so that others can seal inputs for it.
    ///
    /// # Errors
    /// [`ClientError::Sign`] if it cannot be signed.
    pub fn sealing_card(&self, account: &SecretKey) -> Result<Signed<SealingCard>, ClientError> {
        let key = SealingSecret::of(account).key();
        let card = SealingCard { chain: self.chain(), account: account.address(), key };
        Ok(Signed::new(card, account)?)
    }

    /// Finds providers and the keys that their accounts vouch for.
    ///
    /// # Errors
    /// [`ClientError::NotThere`] if there is no such provider, [`ClientError::NoSealing`] if it
    /// takes no sealed inputs, [`ClientError::Sealing`] if its account does not vouch for the key.
    pub async fn recipients(&self, names: &[ProviderName]) -> Result<Vec<Recipient>, ClientError> {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let info = match name {
                ProviderName::Account(account) => self.provider(*account).await?,
                ProviderName::Number(provider) => self.provider_of(*provider).await?,
            };
            let recipient = self.recipient(&info, *name)?;
            if !found.contains(&recipient) {
                found.push(recipient);
            }
        }
        Ok(found)
    }

    fn recipient(&self, info: &ProviderInfo, name: ProviderName) -> Result<Recipient, ClientError> {
        let provider = info.provider;
        let account = match name {
            ProviderName::Account(account) => account,
            ProviderName::Number(_) => info.account,
        };
        let signed = info.asks.sealing.as_ref().ok_or(ClientError::NoSealing(provider))?;
        let refused = |source| ClientError::Sealing { provider, source };
        if signed.body.account != account {
            let (expected, got) = (account, signed.body.account);
            return Err(refused(ciro_protocol::sign::SignError::Signer { expected, got }));
        }
        signed.verify(self.chain(), &mut KeyCache::new(1)).map_err(refused)?;
        Ok(Recipient { provider, account, key: signed.body.key })
    }

    pub(super) async fn provider_of(
        &self,
        number: ProviderId,
    ) -> Result<ProviderInfo, ClientError> {
        let found: Option<ProviderInfo> = self.one(api::PROVIDERS, number.0).await?;
        let found = found.filter(|it| it.provider == number);
        found.ok_or(ClientError::NotThere { what: "provider", number: number.0 })
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(provider) => provider.fmt(f),
            Self::Account(account) => account.fmt(f),
        }
    }
}

/// A text that names no provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a provider's number nor its account (`0x` and 64 hexadecimal digits)")]
pub struct ProviderNameError(String);

impl FromStr for ProviderName {
    type Err = ProviderNameError;

    fn from_str(text: &str) -> Result<Self, ProviderNameError> {
        let refused = || ProviderNameError(text.chars().take(80).collect());
        if text.starts_with("0x") {
            return text.parse().map(Self::Account).map_err(|_| refused());
        }
        text.parse().map(Self::Number).map_err(|_| refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_named_by_number_or_account() {
        let account = SecretKey::from_seed(b"a").address();
        for name in [ProviderName::Number(ProviderId(7)), ProviderName::Account(account)] {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for text in ["", "-1", "seven", "0x", "0x7", "4294967296"] {
            let refused = text.parse::<ProviderName>().unwrap_err().to_string();
            assert!(refused.contains("neither a provider's number"), "{refused}");
        }
    }
}
