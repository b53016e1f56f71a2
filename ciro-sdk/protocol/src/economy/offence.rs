//! Faults of validators, as consensus proves them, and the proof that a key has an owner.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::crypto::{Scheme as _, Stark};
use ciro_consensus::evidence::{Evidence, EvidenceDomain, EvidenceError, Rule, verify_evidence};
use ciro_consensus::{Breach, Digest, Epoch, ReplicaId, WireError};
use serde::{Deserialize, Serialize};

use crate::chain::ChainSpec;
use crate::id::{Chain, ValidatorId};
use crate::sign::{Address, Signable};
use crate::wire::Message;

/// What is punished once: the fault of a validator against a rule in an epoch.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Offence {
    /// Whose fault.
    pub validator: ValidatorId,
    /// The consensus epoch of the fault.
    pub epoch: u64,
    /// The number of the rule, 1 to 8.
    pub rule: u8,
}

/// What a fault can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It only delays.
    Delay,
    /// With others it forks the chain.
    Fork,
}

/// Why bytes prove no offence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OffenceError {
    /// They are no evidence.
    #[error("the bytes are no evidence")]
    Encoding(#[from] WireError),
    /// What the report names as the offender's key is none.
    #[error("{0} is no key of a validator")]
    Key(Address),
    /// It is about two signatures that may be given together.
    #[error("the evidence is about no rule")]
    Rule,
    /// It does not hold.
    #[error("the evidence proves nothing")]
    Evidence(#[from] EvidenceError),
}

impl Offence {
    /// Returns what evidence that was verified proves; `None` if it is about no rule.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let (epoch, offender, rule) = evidence.fault()?;
        Some(Self { validator: ValidatorId(offender.0), epoch: epoch.0, rule: rule as u8 })
    }

    /// Returns how consensus names it; `None` if there is no such rule.
    #[must_use]
    pub fn breach(&self) -> Option<Breach> {
        let rule = Rule::ALL.into_iter().find(|rule| *rule as u8 == self.rule)?;
        Some((Epoch(self.epoch), ReplicaId(self.validator.0), rule))
    }

    /// Returns what encoded evidence is about, verified or not.
    #[must_use]
    pub fn claimed(bytes: &[u8]) -> Option<Self> {
        Self::of(&Evidence::from_bytes(bytes).ok()?)
    }

    /// Verifies evidence under a key, on a network: a property of the bytes alone. That the key is
    /// the validator's whom the evidence names is for the ledger to say.
    ///
    /// # Errors
    ///
    /// [`OffenceError`] saying why it proves nothing.
    pub fn prove(
        bytes: &[u8],
        key: Address,
        spec: &ChainSpec,
        chain: Chain,
    ) -> Result<Self, OffenceError> {
        let evidence = Evidence::from_bytes(bytes)?;
        let key = Stark::expand(&key.0).map_err(|_| OffenceError::Key(key))?;
        let domain = EvidenceDomain::new(chain.0, &spec.params());
        verify_evidence::<Stark>(&domain, &key, &evidence)?;
        Self::of(&evidence).ok_or(OffenceError::Rule)
    }

    /// Returns what the fault can do. Two Prepares, Commits, proposals or checkpoints, and a
    /// forgotten Commit make forks; the other rules catch what only delays.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        if self.rule <= Rule::E5 as u8 { Severity::Fork } else { Severity::Delay }
    }
}

/// What a validator's key signs when it is registered: without it, one could register the key of
/// another and be punished in its place, or have it punished.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Possession {
    /// The network.
    pub chain: Chain,
    /// The key.
    pub key: Address,
    /// The account that registers it.
    pub operator: Address,
}

impl Message for Possession {
    const NAME: &'static str = "CIRO_POSSESSION_V1";
    const BYTES_MAX: usize = 128;
}

impl Signable for Possession {
    const DOMAIN: Digest = Digest::short_string("CIRO_POSSESSION_V1");

    fn signer(&self) -> Address {
        self.key
    }

    fn chain(&self) -> Chain {
        self.chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offences_are_named_as_consensus_names_them_and_no_others() {
        let offence = |rule| Offence { validator: ValidatorId(7), epoch: 3, rule };
        for rule in Rule::ALL {
            let breach = offence(rule as u8).breach();
            assert_eq!(breach, Some((Epoch(3), ReplicaId(7), rule)));
        }
        assert_eq!([0, 9, 255].map(|rule| offence(rule).breach()), [None; 3]);
    }
}
