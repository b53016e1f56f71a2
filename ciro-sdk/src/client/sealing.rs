//! Inputs sealed for providers: each has a key of its own to the one ciphertext, by HPKE
//! ([RFC 9180](https://www.rfc-editor.org/rfc/rfc9180), base mode, X25519, HKDF-SHA256,
//! ChaCha20-Poly1305).
//!
//! ```text
//! "CIROSEAL"   8 bytes
//! version      u16: 1
//! recipients   u16 count, at most 16, then for each:
//!   provider   u32
//!   wrapped    32 bytes: the encapsulated key; 48 bytes: the content's key, sealed
//! content      XChaCha20-Poly1305 under that key, which is used once, with a nonce of zeros and
//!              everything before as associated data
//! ```
//!
//! All integers are little endian. Nobody learns more from it than for whom it is, and how long
//! the input is.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use ciro_protocol::id::ProviderId;
use ciro_protocol::order::LISTED_MAX;
use ciro_protocol::provider::SealingKey;
use ciro_protocol::sign::SecretKey;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem as _, X25519HkdfSha256};
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"CIROSEAL";
const VERSION: u16 = 1;
/// What the wrapped keys are bound to.
const INFO: &[u8] = b"CIRO_SEALED_INPUT_V1";
/// Magic, version and the count of recipients.
const HEAD_BYTES: usize = 8 + 2 + 2;
const ENCAPSULATED_BYTES: usize = 32;
const WRAPPED_BYTES: usize = 32 + 16;
const RECIPIENT_BYTES: usize = 4 + ENCAPSULATED_BYTES + WRAPPED_BYTES;
/// The tag of the content.
const TAG_BYTES: usize = 16;

type Kem = X25519HkdfSha256;

/// What opens the inputs that are sealed for a provider: it follows from the key of its account.
pub struct SealingSecret(<Kem as hpke::Kem>::PrivateKey, SealingKey);

impl fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingSecret({})", self.1)
    }
}

/// Inputs that are not sealed, or cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Nobody is named, or more than an order names.
    #[error("an input is sealed for 1 to {LISTED_MAX} providers, not for {0}")]
    Recipients(usize),
    /// A provider's key is none.
    #[error("the key that provider {0} published cannot be sealed for")]
    Key(ProviderId),
    /// There are no random numbers.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The bytes are no sealed input.
    #[error("not a sealed input of version {VERSION}")]
    Form,
    /// It is sealed for others.
    #[error("the input is not sealed for provider {0}")]
    NotRecipient(ProviderId),
    /// It is sealed with another key, or damaged.
    #[error("the input was sealed with another key than the provider's, or was changed since")]
    Opened,
}

impl SealingSecret {
    /// Derives the secret of a provider's account: the same one every time.
    pub fn of(account: &SecretKey) -> Self {
        Self::from_bytes(&Self::bytes_of(account))
    }

    /// The 32 bytes that [`Self::from_bytes`] takes, for a process that must not know the
    /// account's key.
    pub fn bytes_of(account: &SecretKey) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(account.derive("CIRO_SEALING_KEY_V1"))
    }

    /// The secret that follows from 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (secret, public) = Kem::derive_keypair(bytes);
        let mut key = [0; 32];
        public.write_exact(&mut key);
        Self(secret, SealingKey(key))
    }

    /// What others seal with.
    pub fn key(&self) -> SealingKey {
        self.1
    }

    /// Opens what was sealed for a provider, whose secret this is.
    ///
    /// # Errors
    /// [`SealError`] if it is not sealed for it, or anything was changed; no bytes panic.
    pub fn open(&self, provider: ProviderId, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (head, content) = split(sealed)?;
        let recipients = head[HEAD_BYTES..].chunks_exact(RECIPIENT_BYTES);
        let mut own = recipients.filter(|entry| entry[..4] == provider.0.to_le_bytes());
        let entry = own.next().ok_or(SealError::NotRecipient(provider))?;
        let (encapsulated, wrapped) = entry[4..].split_at(ENCAPSULATED_BYTES);
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated);
        let encapsulated = encapsulated.map_err(|_| SealError::Opened)?;
        let key = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            INFO,
            wrapped,
            &entry[..4],
        );
        let key = Zeroizing::new(key.map_err(|_| SealError::Opened)?);
        let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| SealError::Opened)?;
        cipher
            .decrypt(&XNonce::default(), Payload { msg: content, aad: head })
            .map_err(|_| SealError::Opened)
    }
}

/// How long an input of so many bytes is once it is sealed.
fn sealed_bytes(bytes: usize, recipients: usize) -> usize {
    HEAD_BYTES + recipients * RECIPIENT_BYTES + bytes + TAG_BYTES
}

/// Seals bytes for providers, each with the key that it has published.
///
/// # Errors
/// [`SealError`] if nobody or too many are named, a key is none, or there are no random numbers.
pub fn seal(bytes: &[u8], recipients: &[(ProviderId, SealingKey)]) -> Result<Vec<u8>, SealError> {
    let count = u16::try_from(recipients.len()).ok();
    let count = count.filter(|count| (1..=LISTED_MAX).contains(&usize::from(*count)));
    let count = count.ok_or(SealError::Recipients(recipients.len()))?;
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut()).map_err(SealError::Random)?;
    let mut sealed = Vec::with_capacity(sealed_bytes(bytes.len(), recipients.len()));
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&VERSION.to_le_bytes());
    sealed.extend_from_slice(&count.to_le_bytes());
    for (provider, public) in recipients {
        let refused = |_| SealError::Key(*provider);
        let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&public.0).map_err(refused)?;
        let name = provider.0.to_le_bytes();
        let (encapsulated, wrapped) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeS::Base,
            &public,
            INFO,
            &key[..],
            &name,
        )
        .map_err(refused)?;
        sealed.extend_from_slice(&name);
        sealed.extend_from_slice(&encapsulated.to_bytes());
        sealed.extend_from_slice(&wrapped);
    }
    let cipher = XChaCha20Poly1305::new_from_slice(&key[..]).map_err(|_| SealError::Form)?;
    let payload = Payload { msg: bytes, aad: &sealed };
    let content = cipher.encrypt(&XNonce::default(), payload).map_err(|_| SealError::Form)?;
    sealed.extend_from_slice(&content);
    Ok(sealed)
}

/// Everything before the content, and the content.
fn split(sealed: &[u8]) -> Result<(&[u8], &[u8]), SealError> {
    let head = sealed.get(..HEAD_BYTES).ok_or(SealError::Form)?;
    let known = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
    let count = head.strip_prefix(&known[..]).and_then(|count| count.try_into().ok());
    let count = usize::from(u16::from_le_bytes(count.ok_or(SealError::Form)?));
    if !(1..=LISTED_MAX).contains(&count) {
        return Err(SealError::Recipients(count));
    }
    sealed.split_at_checked(HEAD_BYTES + count * RECIPIENT_BYTES).ok_or(SealError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(seed: &[u8]) -> SealingSecret {
        SealingSecret::of(&SecretKey::from_seed(seed))
    }

    #[test]
    fn recipients_open_what_is_sealed_and_nobody_else_does() {
        let secrets = [secret(b"a"), secret(b"b"), secret(b"c")];
        let named = [(ProviderId(0), secrets[0].key()), (ProviderId(7), secrets[1].key())];
        for bytes in [&b""[..], b"an input", &[5; 100_000]] {
            let sealed = seal(bytes, &named).unwrap();
            assert_eq!(sealed.len(), sealed_bytes(bytes.len(), 2));
            for (at, (provider, _)) in named.iter().enumerate() {
                assert_eq!(secrets[at].open(*provider, &sealed).unwrap(), bytes);
            }
            let stranger = secrets[2].open(ProviderId(2), &sealed);
            assert_eq!(stranger, Err(SealError::NotRecipient(ProviderId(2))));
            assert_eq!(secrets[2].open(ProviderId(0), &sealed), Err(SealError::Opened));
            assert_eq!(secrets[0].open(ProviderId(7), &sealed), Err(SealError::Opened));
        }
        let twice = [seal(b"x", &named).unwrap(), seal(b"x", &named).unwrap()];
        assert_ne!(twice[0], twice[1]);
    }

    #[test]
    fn whatever_is_changed_or_cut_off_is_noticed() {
        let secret = secret(b"a");
        let sealed = seal(b"an input", &[(ProviderId(1), secret.key())]).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            secret.open(ProviderId(1), &changed).unwrap_err();
            secret.open(ProviderId(1), &sealed[..at]).unwrap_err();
        }
        secret.open(ProviderId(1), &[&sealed[..], &[0]].concat()).unwrap_err();
    }

    #[test]
    fn an_input_is_sealed_for_some_and_with_keys_alone() {
        let key = secret(b"a").key();
        assert_eq!(seal(b"x", &[]), Err(SealError::Recipients(0)));
        let many: Vec<_> = (0..17).map(|id| (ProviderId(id), key)).collect();
        assert_eq!(seal(b"x", &many), Err(SealError::Recipients(17)));
        // A point of small order gives a shared secret that everybody knows.
        let zero = [(ProviderId(3), SealingKey([0; 32]))];
        assert_eq!(seal(b"x", &zero), Err(SealError::Key(ProviderId(3))));
    }

    #[test]
    fn a_secret_follows_from_the_account_and_says_nothing_of_it() {
        assert_eq!(secret(b"a").key(), secret(b"a").key());
        assert_ne!(secret(b"a").key(), secret(b"b").key());
        let account = SecretKey::from_seed(b"a");
        assert_ne!(account.derive("x"), account.derive("y"));
        let shown = format!("{:?}", secret(b"a"));
        assert_eq!(shown, format!("SealingSecret({})", secret(b"a").key()));
    }
}
