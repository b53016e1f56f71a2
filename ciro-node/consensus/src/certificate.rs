//! Quorums of signatures under one statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crypto::{CryptoError, PublicKey, Scheme, Signature};
use crate::stake::{Tally, VALIDATORS_MAX, ValidatorSet};
use crate::types::{Digest, ReplicaId};
use crate::wire::{Reader, Wire, WireError, put_list};

/// Signatures of distinct validators, ordered by identity, under one statement.
///
/// The statement is not part of the certificate: its context always determines it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    signatures: Vec<(ReplicaId, Signature)>,
}

/// Why a certificate does not prove its statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The signers are not in strictly increasing order.
    #[error("signer `{0}` is out of order")]
    Order(ReplicaId),
    /// A signer is no validator of the epoch.
    #[error("signer `{0}` is no validator of the epoch")]
    Stranger(ReplicaId),
    /// The signers hold too little stake.
    #[error("signers hold {stake} of {total} stake units, more than two thirds are needed")]
    NoQuorum {
        /// The signers' stake.
        stake: u128,
        /// The stake of the whole set.
        total: u128,
    },
    /// A signature is wrong.
    #[error("signature of `{signer}` is invalid")]
    Signature {
        /// Whose signature it is.
        signer: ReplicaId,
        /// What is wrong with it.
        source: CryptoError,
    },
}

impl Certificate {
    /// Collects signatures, ordered by signer, until they hold a quorum; `None` if they never do.
    #[must_use]
    pub fn collect<'a>(
        set: &ValidatorSet,
        signatures: impl IntoIterator<Item = (ReplicaId, &'a Signature)>,
    ) -> Option<Self> {
        Self::gather(signatures, set, |tally| set.is_quorum(tally))
    }

    /// Collects signatures, ordered by signer, until there are enough.
    pub(crate) fn gather<'a>(
        signatures: impl IntoIterator<Item = (ReplicaId, &'a Signature)>,
        set: &ValidatorSet,
        enough: impl Fn(&Tally) -> bool,
    ) -> Option<Self> {
        let by_signer: BTreeMap<ReplicaId, &Signature> = signatures.into_iter().collect();
        let mut certificate = Self::default();
        let mut tally = Tally::default();
        for (signer, signature) in by_signer {
            set.add(&mut tally, signer);
            certificate.signatures.push((signer, *signature));
            if enough(&tally) {
                return Some(certificate);
            }
        }
        None
    }

    /// Returns the signers and their signatures in order.
    #[must_use]
    pub fn signatures(&self) -> &[(ReplicaId, Signature)] {
        &self.signatures
    }

    /// Returns the signers in order.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = ReplicaId> {
        self.signatures.iter().map(|(signer, _)| *signer)
    }
}

/// A validator set with its keys expanded for verification.
#[derive(Clone, Debug)]
pub struct Committee<S: Scheme> {
    set: Arc<ValidatorSet>,
    keys: BTreeMap<ReplicaId, (PublicKey, S::VerifyingKey)>,
}

impl<S: Scheme> Committee<S> {
    /// Expands the keys of `set`. A key the scheme refuses verifies nothing, so its holder never
    /// votes.
    #[must_use]
    pub fn new(set: Arc<ValidatorSet>) -> Self {
        Self::expand(set, |_| None)
    }

    /// Expands the keys of the set that follows this one, reusing those that did not change.
    #[must_use]
    pub fn successor(&self, set: Arc<ValidatorSet>) -> Self {
        // A set that came from a log or another replica counts with the bug of this one.
        #[cfg(feature = "mutations")]
        let set = Arc::new(self.set.counts_alike(set));
        Self::expand(set, |key| {
            self.keys.values().find(|(known, _)| known == key).map(|(_, expanded)| expanded.clone())
        })
    }

    fn expand(
        set: Arc<ValidatorSet>,
        known: impl Fn(&PublicKey) -> Option<S::VerifyingKey>,
    ) -> Self {
        let keys = set.iter().filter_map(|validator| {
            let key = known(&validator.key).or_else(|| S::expand(&validator.key).ok())?;
            Some((validator.id, (validator.key, key)))
        });
        Self { keys: keys.collect(), set }
    }

    /// Returns the validators.
    #[must_use]
    pub const fn set(&self) -> &Arc<ValidatorSet> {
        &self.set
    }

    /// Returns the expanded key of a validator.
    #[must_use]
    pub fn key(&self, id: ReplicaId) -> Option<&S::VerifyingKey> {
        self.keys.get(&id).map(|(_, key)| key)
    }

    /// Checks that a validator signed the statement with this hash.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Stranger`] or [`CertificateError::Signature`].
    pub fn verify(
        &self,
        signer: ReplicaId,
        hash: &Digest,
        signature: &Signature,
    ) -> Result<(), CertificateError> {
        let key = self.key(signer).ok_or(CertificateError::Stranger(signer))?;
        S::verify(key, hash, signature)
            .map_err(|source| CertificateError::Signature { signer, source })
    }

    /// Checks that a quorum signed the statement with this hash.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] naming the first thing wrong; stake is summed before any signature is
    /// checked.
    pub fn verify_certificate(
        &self,
        hash: &Digest,
        certificate: &Certificate,
    ) -> Result<(), CertificateError> {
        if let Some(pair) = certificate.signatures.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(CertificateError::Order(pair[1].0));
        }
        if let Some(stranger) = certificate.signers().find(|signer| !self.set.contains(*signer)) {
            return Err(CertificateError::Stranger(stranger));
        }
        let tally = self.set.tally(certificate.signers());
        if !self.set.certifies(&tally) {
            let (stake, total) = (tally.stake(), self.set.total());
            return Err(CertificateError::NoQuorum { stake, total });
        }
        for (signer, signature) in &certificate.signatures {
            self.verify(*signer, hash, signature)?;
        }
        Ok(())
    }
}

impl Wire for Certificate {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(&self.signatures, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let signatures: Vec<(ReplicaId, Signature)> = input.list("certificate", VALIDATORS_MAX)?;
        if signatures.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            Ok(Self { signatures })
        } else {
            Err(WireError::NotCanonical { what: "certificate" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Stark, StarkSigningKey};
    use crate::stake::Validator;

    fn committee(stakes: &[u64]) -> (Vec<StarkSigningKey>, Committee<Stark>) {
        let keys: Vec<StarkSigningKey> = (1..=stakes.len())
            .map(|i| StarkSigningKey::from_bytes(Digest::from_u128(i as u128).as_bytes()).unwrap())
            .collect();
        let validators = keys.iter().zip(stakes).zip(0..).map(|((key, stake), id)| Validator {
            id: ReplicaId(id),
            key: Stark::public_key(key),
            stake: *stake,
        });
        let set = ValidatorSet::new(validators).unwrap();
        (keys, Committee::new(Arc::new(set)))
    }

    fn signed(keys: &[StarkSigningKey], hash: &Digest) -> Vec<(ReplicaId, Signature)> {
        keys.iter()
            .zip(0..)
            .map(|(key, id)| (ReplicaId(id), Stark::sign(key, hash).unwrap()))
            .collect()
    }

    #[test]
    fn a_certificate_stops_at_its_quorum() {
        let (keys, committee) = committee(&[1, 1, 1, 1]);
        let hash = Digest::from_u64(9);
        let all = signed(&keys, &hash);
        let collect = |n: usize| {
            Certificate::collect(committee.set(), all[..n].iter().map(|(id, s)| (*id, s)))
        };
        assert_eq!(collect(2), None);
        let certificate = collect(4).unwrap();
        assert_eq!(certificate.signers().len(), 3);
        assert_eq!(committee.verify_certificate(&hash, &certificate), Ok(()));
        let mut bytes = Vec::new();
        certificate.put(&mut bytes);
        assert_eq!(Certificate::get(&mut Reader::new(&bytes)), Ok(certificate));
    }

    #[test]
    fn every_flaw_is_named() {
        let (keys, committee) = committee(&[1, 1, 1, 1]);
        let hash = Digest::from_u64(9);
        let all = signed(&keys, &hash);
        let check = |signatures: Vec<(ReplicaId, Signature)>| {
            committee.verify_certificate(&hash, &Certificate { signatures }).unwrap_err()
        };
        assert_eq!(check(vec![all[1], all[0], all[2]]), CertificateError::Order(ReplicaId(0)));
        assert_eq!(
            check(vec![all[0], all[1], (ReplicaId(9), all[2].1)]),
            CertificateError::Stranger(ReplicaId(9))
        );
        assert_eq!(check(vec![all[0], all[1]]), CertificateError::NoQuorum { stake: 2, total: 4 });
        assert_eq!(
            check(vec![all[0], all[1], (ReplicaId(2), all[3].1)]),
            CertificateError::Signature { signer: ReplicaId(2), source: CryptoError::Signature }
        );
    }
}
