//! Why a transaction changes nothing: one name for each reason, the same for ledger, nodes and
//! clients.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Lists refusals once: variant, name, text.
macro_rules! refusals {
    ($($variant:ident $name:literal $text:literal)*) => {
        /// Why a transaction changes nothing but the fee.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize,
            Deserialize, thiserror::Error,
        )]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Refusal {
            $(#[doc = concat!("The reason `", $name, "`: ", $text, ".")]
            #[error($text)]
            $variant,)*
        }

        impl Refusal {
            /// All refusals in the order of their tags.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the name, as in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

refusals! {
    Expired "expired" "the transaction was valid until an earlier time than the ledger's"
    ValidityTooLong "validity_too_long" "the transaction is valid for longer than the network remembers it: take the time from the network and less ahead"
    Duplicate "duplicate" "the transaction was executed before"
    FeeAboveMax "fee_above_max" "the fee exceeds the most that the transaction may cost"
    FeeUnaffordable "fee_unaffordable" "the account cannot pay the fee"
    InsufficientFunds "insufficient_funds" "the account holds less than it is to pay"
    ZeroAmount "zero_amount" "the amount is nothing"
    FaucetClosed "faucet_closed" "the network has no faucet"
    FaucetTaken "faucet_taken" "the account had its test money"
    FaucetDry "faucet_dry" "today's test money is spent"
    ModelExists "model_exists" "the model is registered already"
    ModelUnknown "model_unknown" "there is no such model"
    ModelRetired "model_retired" "the model is retired"
    NotOwner "not_owner" "the account is not the model's owner"
    ModelTooLarge "model_too_large" "the model exceeds the network's limit"
    NoKeys "no_keys" "the model has no key, or one twice"
    RouteClosed "route_closed" "the network does not verify proofs of this route"
    KeyUnknown "key_unknown" "the model has no such key"
    PolicyTooWeak "policy_too_weak" "the order asks for fewer bits of security than the network demands"
    PolicyUnmet "policy_unmet" "proofs for this key have fewer bits of security than the order asks for"
    PriceRange "price_range" "the lowest price exceeds the highest"
    LeaseRange "lease_range" "the lease is shorter or longer than the network allows"
    DeadlineRange "deadline_range" "the deadline has passed or lies too far ahead"
    AttemptsRange "attempts_range" "the number of attempts is none, exceeds the network's limit, or is more than one for a direct order"
    CollateralTooSmall "collateral_too_small" "the order asks for less collateral than the network's part of its highest price"
    InputTooLarge "input_too_large" "the input exceeds the network's limit"
    ProviderExists "provider_exists" "the account is a provider already"
    ProviderUnknown "provider_unknown" "there is no such provider"
    BondTooSmall "bond_too_small" "the bond would be below the network's minimum"
    BondLocked "bond_locked" "less of the bond is free"
    ProviderInactive "provider_inactive" "the provider's bond is below the network's minimum"
    ProviderJailed "provider_jailed" "the provider is in jail"
    NotJailed "not_jailed" "the provider is not in jail"
    JailNotOver "jail_not_over" "the provider's time in jail is not over"
    AsksRange "asks_range" "a class is listed twice, or the capacity is above the network's limit"
    ClassNotOffered "class_not_offered" "the provider does not offer this class"
    AskAbovePrice "ask_above_price" "the provider asks for more than the order's highest price"
    CapacityFull "capacity_full" "the provider holds as many jobs as it can"
    CollateralUnaffordable "collateral_unaffordable" "less of the provider's bond is free than the job's collateral"
    RegionMismatch "region_mismatch" "the provider is not where the order wants it"
    MemoryTooSmall "memory_too_small" "the provider has less memory than the order wants"
    NotListed "not_listed" "the model is not listed for the provider"
    NotRecipient "not_recipient" "the input is not sealed for the provider"
    FailedBefore "failed_before" "the provider has failed this job before"
    JobUnknown "job_unknown" "there is no such job"
    JobNotClaimed "job_not_claimed" "nobody holds the job"
    JobClaimed "job_claimed" "a provider holds the job"
    JobSettled "job_settled" "the job is settled"
    JobRefunded "job_refunded" "the job is refunded"
    NotRequester "not_requester" "the account has not ordered the job"
    NotHolder "not_holder" "the account's provider does not hold the job"
    WrongAttempt "wrong_attempt" "the attempt is not the current one"
    DeadlinePassed "deadline_passed" "the job's deadline has passed"
    RenewalsSpent "renewals_spent" "the lease was renewed as often as it can be"
    WrongKey "wrong_key" "the proof is for another key than the order's"
    WrongInput "wrong_input" "the proof is about another input than the order's"
    VerifierInactive "verifier_inactive" "the proof is judged by a verifier that is not in force"
    DirectNotOffered "direct_not_offered" "the provider takes no direct orders"
    DirectTermsUnmet "direct_terms_unmet" "the direct order has more collateral, a shorter lease, an earlier deadline or a longer input than the provider takes"
    DirectNotServed "direct_not_served" "the provider takes no direct orders for this key"
    ProviderHolds "provider_holds" "the provider holds jobs: its bond answers for them until they end"
    EconomyClosed "economy_closed" "the network has no stake, emission or governance"
    GrantUnknown "grant_unknown" "there is no such grant"
    NotGrantee "not_grantee" "the grant is another account's"
    NothingVested "nothing_vested" "nothing more of the grant has vested"
    AirdropClosed "airdrop_closed" "the network has no airdrop, or its time is over"
    AirdropTaken "airdrop_taken" "the share was paid out before"
    NoShare "no_share" "the share and its path do not lead to the root of the airdrop"
    ValidatorUnknown "validator_unknown" "there is no such validator"
    ValidatorExists "validator_exists" "the account is a validator's operator already"
    NotOperator "not_operator" "the account is no validator's operator"
    KeyTaken "key_taken" "another validator has the key"
    NotPossessed "not_possessed" "the key has not signed that the account registers it"
    CommissionRange "commission_range" "the commission exceeds what the validator has promised, or its terms contradict each other"
    CommissionTooSoon "commission_too_soon" "the commission was changed not long enough ago"
    SelfBondTooSmall "self_bond_too_small" "the validator's own stake would be below the network's minimum"
    ValidatorsFull "validators_full" "the network has as many validators as it takes"
    ValidatorTombstoned "validator_tombstoned" "the validator was convicted and never comes back"
    ValidatorWorn "validator_worn" "the validator has lost nearly all of its stake: it takes no more"
    NotDelegated "not_delegated" "less than this is at the validator's stake"
    SameValidator "same_validator" "the stake is with this validator already"
    NothingEarned "nothing_earned" "the stake has earned nothing since the last time"
    OffenceKnown "offence_known" "the offence was punished before"
    OffenceOutOfTime "offence_out_of_time" "evidence counts in the epoch of the fault and the next one"
    ProposalUnknown "proposal_unknown" "there is no such proposal"
    ProposalsFull "proposals_full" "as many proposals are voted on as may be at a time"
    ProposalUnsound "proposal_unsound" "what is proposed cannot be executed: a parameter is out of its range, or the amount is nothing"
    VotingOver "voting_over" "the proposal is not voted on any more"
    VotedSo "voted_so" "the stake has this vote already"
    BondHeld "bond_held" "the bond stands behind the validator's weight in consensus: it stays while consensus counts that"
    StakeTooLate "stake_too_late" "the stake came while the proposal was voted on: it votes on later ones"
    LaunchRange "launch_range" "a launch has milestones that are each more than nothing and together no more than the supply, and lasts longer than a vote and its timelock and no longer than ten years"
    LaunchUnknown "launch_unknown" "there is no such launch"
    LaunchOver "launch_over" "the launch is completed, ended or expired"
    MilestoneUnknown "milestone_unknown" "the launch has no such milestone"
    MilestonePaid "milestone_paid" "the milestone is paid"
    OffenderKey "offender_key" "the key is not that of the validator whom the evidence names"
    OffenderWeightless "offender_weightless" "the validator had no vote in the epoch of the fault"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for refusal in Refusal::ALL {
            let json = serde_json::to_string(refusal).unwrap();
            assert_eq!(json, format!("\"{}\"", refusal.name()));
        }
    }
}
