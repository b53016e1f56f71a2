//! Every kind of transaction with every answer that it can get. A kind or a refusal that the
//! protocol has and this list lacks does not compile.

use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::Body;

/// Lists the kinds of transactions, each with the refusals that are its own.
macro_rules! answers {
    ($($kind:ident: $($refusal:ident)*;)*) => {
        /// The kinds of transactions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Kind { $($kind,)* }

        impl Kind {
            pub(super) const ALL: &[Self] = &[$(Self::$kind),*];

            pub(super) const fn of(body: &Body) -> Self {
                match body { $(Body::$kind { .. } => Self::$kind,)* }
            }

            /// The refusals that are its own.
            const fn own(self) -> &'static [Refusal] {
                match self { $(Self::$kind => &[$(Refusal::$refusal),*],)* }
            }
        }
    };
}

answers! {
    Transfer: ZeroAmount InsufficientFunds;
    Faucet: FaucetClosed FaucetTaken FaucetDry;
    RegisterModel: NotOwner NoKeys RouteClosed ModelTooLarge ModelExists InsufficientFunds;
    UpdateModel: ModelUnknown NotOwner ModelRetired;
    RetireModel: ModelUnknown NotOwner ModelRetired;
    RegisterProvider: ProviderExists AsksRange BondTooSmall InsufficientFunds;
    SetAsks: ProviderUnknown AsksRange;
    AddBond: ProviderUnknown ZeroAmount InsufficientFunds;
    Unbond: ProviderUnknown ZeroAmount ProviderJailed ProviderHolds BondLocked;
    Unjail: ProviderUnknown NotJailed JailNotOver;
    Order: ModelUnknown ModelRetired KeyUnknown PolicyTooWeak PolicyUnmet PriceRange LeaseRange
        DeadlineRange AttemptsRange CollateralTooSmall InputTooLarge InsufficientFunds
        ProviderUnknown ProviderJailed ProviderInactive ClassNotOffered RegionMismatch
        MemoryTooSmall NotListed NotRecipient CapacityFull CollateralUnaffordable
        DirectNotOffered DirectNotServed DirectTermsUnmet AskAbovePrice;
    Cancel: JobUnknown JobClaimed JobSettled JobRefunded NotRequester;
    Claim: JobUnknown JobClaimed JobSettled JobRefunded ProviderUnknown WrongAttempt
        DeadlinePassed ProviderJailed ProviderInactive FailedBefore ClassNotOffered RegionMismatch
        MemoryTooSmall NotListed NotRecipient CapacityFull CollateralUnaffordable;
    Release: JobUnknown JobNotClaimed JobSettled JobRefunded WrongAttempt NotHolder;
    Renew: JobUnknown JobNotClaimed JobSettled JobRefunded WrongAttempt NotHolder DeadlinePassed
        RenewalsSpent;
    SubmitProof: JobUnknown JobNotClaimed JobSettled JobRefunded WrongAttempt NotHolder
        DeadlinePassed VerifierInactive WrongKey WrongInput;
    ReportFraud: JobUnknown JobNotClaimed JobSettled JobRefunded WrongAttempt NotHolder;
    ClaimGrant: EconomyClosed GrantUnknown NotGrantee NothingVested;
    ClaimAirdrop: EconomyClosed AirdropClosed NoShare AirdropTaken;
    RegisterValidator: EconomyClosed ValidatorExists KeyTaken CommissionRange SelfBondTooSmall
        NotPossessed ValidatorsFull InsufficientFunds;
    SetCommission: EconomyClosed NotOperator CommissionRange CommissionTooSoon;
    Delegate: EconomyClosed ValidatorUnknown ZeroAmount ValidatorTombstoned ValidatorWorn
        InsufficientFunds;
    Undelegate: EconomyClosed ValidatorUnknown ZeroAmount NotDelegated BondHeld ValidatorWorn;
    Redelegate: EconomyClosed SameValidator ValidatorUnknown ValidatorTombstoned ZeroAmount
        NotDelegated BondHeld ValidatorWorn;
    ClaimRewards: EconomyClosed ValidatorUnknown NothingEarned;
    UnjailValidator: EconomyClosed NotOperator ValidatorTombstoned NotJailed JailNotOver;
    ReportOffence: EconomyClosed ValidatorUnknown OffenderKey OffenceKnown OffenceOutOfTime
        OffenderWeightless;
    Propose: EconomyClosed ProposalUnsound LaunchRange LaunchUnknown LaunchOver MilestoneUnknown
        MilestonePaid ProposalsFull InsufficientFunds;
    Vote: EconomyClosed ValidatorUnknown ProposalUnknown VotingOver NotDelegated StakeTooLate
        VotedSo;
}

/// What every transaction may be refused for.
const ALWAYS: [Refusal; 3] = [Refusal::Expired, Refusal::ValidityTooLong, Refusal::Duplicate];
/// What every transaction may be refused for that costs something.
const PAID: [Refusal; 2] = [Refusal::FeeAboveMax, Refusal::FeeUnaffordable];

impl Kind {
    /// Everything that it can be refused for.
    pub(super) fn refusals(self) -> impl Iterator<Item = Refusal> {
        // Who asks for test money has none.
        let paid: &[Refusal] = if self == Self::Faucet { &[] } else { &PAID };
        ALWAYS.iter().chain(paid).chain(self.own()).copied()
    }
}

const fn has(list: &[Refusal], refusal: Refusal) -> bool {
    let mut place = 0;
    while place < list.len() {
        if list[place] as usize == refusal as usize {
            return true;
        }
        place += 1;
    }
    false
}

const fn is_listed(refusal: Refusal) -> bool {
    let mut kind = 0;
    while kind < Kind::ALL.len() {
        if has(Kind::ALL[kind].own(), refusal) {
            return true;
        }
        kind += 1;
    }
    has(&ALWAYS, refusal) || has(&PAID, refusal)
}

const _: () = {
    let mut place = 0;
    while place < Refusal::ALL.len() {
        assert!(is_listed(Refusal::ALL[place]), "a refusal is of no kind of transaction");
        place += 1;
    }
};

/// What happens without a transaction, as the model names it.
pub(super) const HAPPENINGS: [&str; 43] = [
    "a bond is free",
    "a lease ends",
    "a held job expires",
    "an open job expires",
    "a fault that delays is punished",
    "a fault that forks is punished",
    "convicts count together",
    "offence_known",
    "offence_out_of_time",
    "offender_weightless",
    "a convict that votes no longer counts",
    "a slot does not count",
    "a newcomer is elected",
    "a newcomer has less weight than stake",
    "a newcomer has run",
    "a member leaves",
    "members in jail stay",
    "the set stays",
    "validator_unknown",
    "a validator was away",
    "rewards are released",
    "nobody is paid",
    "the airdrop ends",
    "stake waits for evidence",
    "stake leaves",
    "stake moves",
    "stake cannot move",
    "a vote has no quorum",
    "a vote rejects",
    "a vote vetoes",
    "a vote passes",
    "a proposal is executed",
    "a proposal fails: parameters were replaced",
    "a proposal fails: the treasury has less",
    "a proposal fails: more than votes may take",
    "a proposal fails: less of the tranche is left",
    "a proposal fails: the launch is over",
    "a proposal fails: not the next milestone",
    "a launch is opened",
    "a milestone is paid",
    "a launch is completed",
    "a launch is ended",
    "a launch expires",
];
