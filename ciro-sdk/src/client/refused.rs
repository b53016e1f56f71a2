//! What to do when the ledger refuses.

use ciro_protocol::refusal::Refusal;

/// The sentence, for whatever a person can do something about.
pub(super) fn advice(refusal: Refusal) -> Option<&'static str> {
    use Refusal as R;
    Some(match refusal {
        R::FeeUnaffordable | R::InsufficientFunds => {
            "pay less, or have money sent to the account first"
        }
        R::ZeroAmount => "name an amount above nothing",
        R::FaucetTaken => "take another account, or have money sent to this one",
        R::FaucetDry => "ask again tomorrow",
        R::FaucetClosed => "have money sent to the account",
        R::EconomyClosed => "take a network whose specification has an `economy`",
        R::GrantUnknown | R::NotGrantee => "claim a grant of this account",
        R::NothingVested => "wait until more has vested, or the cliff is over",
        R::AirdropClosed => "what nobody claimed in time is the treasury's: nothing is left",
        R::AirdropTaken => "the share was paid: look at what its owner holds",
        R::NoShare => "take index, owner and amount from the list of shares as it was published",
        R::ValidatorUnknown => "choose one of the list of validators",
        R::ValidatorExists => "change the terms of the account's validator, or use another account",
        R::NotOperator => "sign with the account that registered the validator",
        R::KeyTaken | R::NotPossessed => "register a key of your own, which signs for it",
        R::CommissionRange => {
            "stay within the maximum and the step that the validator has promised"
        }
        R::CommissionTooSoon => "wait until the last change is old enough: `commission_ms`",
        R::SelfBondTooSmall => "bond as much as `self_bond_min` at least",
        R::ValidatorsFull => "delegate to a validator, or propose more of them",
        R::ValidatorTombstoned | R::ValidatorWorn => "choose another validator",
        R::NotDelegated => "look at what the account has with the validator, and ask for less",
        R::SameValidator => "name two validators",
        R::NothingEarned => "wait until an epoch of rewards has ended",
        R::NotJailed => "nothing is to be done",
        R::JailNotOver => "wait until the time in jail is over",
        R::OffenceKnown | R::OffenceOutOfTime | R::OffenderWeightless => "nothing is to be done",
        R::OffenderKey => "report it under the key of the validator that the evidence names",
        R::ProposalUnknown => "choose one of the list of proposals",
        R::ProposalsFull => "wait until one of the votes has ended",
        R::ProposalUnsound => "keep every parameter in its range, and amounts above nothing",
        R::VotingOver => "look at how the vote ended",
        R::VotedSo => "nothing is to be done, or vote otherwise",
        R::BondHeld => "take no more than what is above the bond of the genesis",
        R::CollateralTooSmall => "ask for more collateral, or name a lower highest price",
        R::DirectNotOffered => {
            "order without naming a provider, or name one that takes such orders"
        }
        R::DirectNotServed => "order without naming a provider, or name one that lists the key",
        R::DirectTermsUnmet => "keep the provider's terms, or order without naming one",
        R::StakeTooLate => "vote with stake that was there when the proposal was made",
        R::LaunchRange => {
            "name 1 to 16 milestones above nothing, and a time longer than a vote and its timelock"
        }
        R::LaunchUnknown => "choose one of the list of launches",
        R::LaunchOver => "look at how the launch ended, or propose another one",
        R::MilestoneUnknown | R::MilestonePaid => {
            "look at the launch's milestones, which count from 0, and name one that is not paid"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_economy_says_what_to_do() {
        let first = Refusal::ALL.iter().position(|it| *it == Refusal::EconomyClosed).unwrap();
        for refusal in &Refusal::ALL[first..] {
            assert!(advice(*refusal).is_some(), "{}", refusal.name());
        }
    }
}
