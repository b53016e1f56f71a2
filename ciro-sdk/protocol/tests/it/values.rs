//! One value of everything that travels.

use ciro_consensus::{ChainId, Digest};
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::{Batch, SignedBatch};
use ciro_protocol::blob::{BlobId, BlobList};
use ciro_protocol::chain::{
    ChainSpec, ConsensusSpec, FaucetSpec, FeeSpec, Genesis, GenesisAccount, GenesisValidator,
    JobSpec, LimitSpec, ProviderSpec, TimeSpec, Word,
};
use ciro_protocol::economy::{
    AirdropShare, AirdropSpec, Allocation, Commission, EconomyParams, EconomySpec, GenesisGrant,
    GovernanceParams, PenaltyParams, Possession, StakeParams, TallyParams, Tranche, VestingSpec,
    airdrop_root,
};
use ciro_protocol::id::{
    Chain, GrantId, InputDigest, JobId, KeyDigest, LaunchId, ModelId, OutputDigest, ProposalId,
    ProviderId, SubmitterId, ValidatorId,
};
use ciro_protocol::light::{Leaf, ReceiptProof, StateProof, StateWords, TreeNode, TreeRoot};
use ciro_protocol::model::{KeyEntry, KeyFacts, Listing, ModelCard};
use ciro_protocol::order::{Class, Input, JobOrder, Mode, Needs, Offer, Policy, Region, Route};
use ciro_protocol::provider::{
    Ask, Asks, DirectKeys, DirectTerms, Profile, SealingCard, SealingKey,
};
use ciro_protocol::receipt::{Outcome, Receipt, RefundReason, Settlement};
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::text::Text;
use ciro_protocol::tx::{
    Action, AddBond, Body, Cancel, Claim, ClaimAirdrop, ClaimGrant, ClaimRewards, Delegate,
    Propose, Proven, Redelegate, RegisterModel, RegisterProvider, RegisterValidator, Release,
    ReleaseReason, Renew, ReportFraud, ReportOffence, RetireModel, SetAsks, SetCommission,
    SignedTx, SubmitProof, Transaction, Transfer, TxHeader, Unbond, Undelegate, UpdateModel, Vote,
    VoteOption,
};
use ciro_protocol::wire::{Bytes, List};

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed])
}

pub(crate) fn chain() -> Chain {
    Chain(ChainId::new("ciro-test"))
}

fn units(units: u128) -> Amount {
    Amount::from_units(units).unwrap()
}

pub(crate) fn signed(seed: u8, body: Body) -> SignedTx {
    let header = TxHeader {
        chain: chain(),
        account: key(seed).address(),
        salt: [7; 16],
        valid_until_ms: 1_700_000_000_000,
        fee_max: units(5_000),
    };
    Signed::new(Transaction { header, body }, &key(seed)).unwrap()
}

fn asks() -> Asks {
    let prices = vec![Ask { class: Class::Xs, price: units(5) }];
    let keys = List::new(vec![KeyDigest([1; 32]), KeyDigest([2; 32])]).unwrap();
    let direct = DirectTerms {
        keys: DirectKeys::Listed(keys),
        collateral_max: Amount::CIRO,
        lease_min_ms: 10_000,
        input_bytes_max: 1 << 20,
    };
    let card = SealingCard { chain: chain(), account: key(1).address(), key: SealingKey([7; 32]) };
    let sealing = Some(Signed::new(card, &key(1)).unwrap());
    Asks { prices: List::new(prices).unwrap(), capacity: 3, direct: Some(direct), sealing }
}

fn listing() -> Listing {
    let providers = List::new(vec![ProviderId(1), ProviderId(2)]).unwrap();
    Listing { providers, price_hint: units(11) }
}

pub(crate) fn card() -> ModelCard {
    let facts = KeyFacts {
        digest: KeyDigest([1; 32]),
        route: Route::Tensor,
        bits: 100,
        proven_bits: 60,
        batch: 1,
        cells: 1 << 12,
    };
    let entry = KeyEntry { bytes: Bytes::new(vec![5; 9]).unwrap(), facts };
    ModelCard {
        owner: key(1).address(),
        name: Text::new("credit risk").unwrap(),
        version: Text::new("1.2").unwrap(),
        licence: Text::new("MIT").unwrap(),
        blob: BlobId([2; 32]),
        bytes: 1_234,
        keys: List::new(vec![entry]).unwrap(),
    }
}

/// A program under a key for runs of a million steps.
pub(crate) fn program_card() -> ModelCard {
    let entry = KeyEntry {
        bytes: Bytes::new(b"ciro-program-job/1\n".to_vec()).unwrap(),
        facts: KeyFacts {
            digest: KeyDigest([9; 32]),
            route: Route::Program,
            bits: 100,
            proven_bits: 50,
            batch: 1,
            cells: 0,
        },
    };
    let name = Text::new("fibonacci").unwrap();
    ModelCard { name, keys: List::new(vec![entry]).unwrap(), ..card() }
}

fn order() -> JobOrder {
    JobOrder {
        model: card().id(),
        key: KeyDigest([1; 32]),
        input: Input {
            blob: BlobId([3; 32]),
            bytes: 80,
            statement: InputDigest([4; 32]),
            recipients: List::new(vec![ProviderId(3)]).unwrap(),
        },
        offer: Offer {
            mode: Mode::Direct(ProviderId(3)),
            price_min: units(1),
            price_max: units(9),
            ramp_start_ms: 1,
            ramp_ms: 2,
            lease_ms: 3,
            deadline_ms: 4,
            collateral: units(5),
            attempts_max: 1,
        },
        policy: Policy { bits: 100, proven: false },
        needs: Needs {
            memory_mb: 512,
            regions: List::new(vec![Region::new(*b"DE").unwrap()]).unwrap(),
        },
        memo: Bytes::new(b"hello".to_vec()).unwrap(),
    }
}

fn submit() -> SubmitProof {
    let proven = Proven {
        verifier: 1,
        key_blob: BlobId([5; 32]),
        bundle: BlobId([6; 32]),
        bundle_bytes: 70,
        key: KeyDigest([1; 32]),
        input: InputDigest([4; 32]),
        output: OutputDigest([8; 32]),
    };
    SubmitProof { job: JobId([9; 32]), attempt: 2, proven }
}

/// One transaction of each kind.
pub(crate) fn transactions() -> Vec<SignedTx> {
    let job = JobId([9; 32]);
    let model = ModelId([3; 32]);
    let profile = Profile {
        name: Text::new("provider").unwrap(),
        region: Region::new(*b"FR").unwrap(),
        memory_mb: 1_000,
    };
    let fraud = signed(2, Body::SubmitProof(submit()));
    let reason = ReleaseReason::InputUnavailable;
    let bodies = vec![
        Body::Transfer(Transfer { to: key(2).address(), amount: Amount::CIRO }),
        Body::Faucet,
        Body::RegisterModel(Box::new(RegisterModel { card: card(), listing: listing() })),
        Body::UpdateModel(UpdateModel { model, listing: listing() }),
        Body::RetireModel(RetireModel { model }),
        Body::RegisterProvider(RegisterProvider { profile, asks: asks(), bond: units(77) }),
        Body::SetAsks(SetAsks { asks: asks() }),
        Body::AddBond(AddBond { amount: units(3) }),
        Body::Unbond(Unbond { amount: units(4) }),
        Body::Unjail,
        Body::Order(Box::new(order())),
        Body::Cancel(Cancel { job }),
        Body::Claim(Claim { job, attempt: 1 }),
        Body::Release(Release { job, attempt: 1, reason }),
        Body::Renew(Renew { job, attempt: 1 }),
        Body::SubmitProof(submit()),
        Body::ReportFraud(Box::new(ReportFraud {
            header: fraud.body.header,
            submitted: submit(),
            signature: fraud.signature,
        })),
    ];
    bodies.into_iter().chain(of_economy()).map(|body| signed(1, body)).collect()
}

pub(crate) fn batch() -> SignedBatch {
    let body = Batch {
        chain: chain(),
        submitter: SubmitterId(3),
        signer: key(4).address(),
        nonce: 12,
        time_ms: 1_700_000_000_001,
        txs: List::new(transactions()).unwrap(),
        attachments: List::new(vec![BlobId([5; 32]), BlobId([6; 32])]).unwrap(),
    };
    Signed::new(body, &key(4)).unwrap()
}

pub(crate) fn receipts() -> [Receipt; 2] {
    let settlement = Settlement {
        provider: ProviderId(3),
        price: units(8),
        market_fee: units(1),
        output: OutputDigest([8; 32]),
        bundle: BlobId([6; 32]),
        verifier: 1,
        claimed_ms: 5,
        tx: signed(1, Body::Unjail).body.id(),
    };
    let settled = Receipt {
        job: JobId([9; 32]),
        requester: key(1).address(),
        model: card().id(),
        key: KeyDigest([1; 32]),
        input: InputDigest([4; 32]),
        attempts: 1,
        escrow: units(9),
        refund: units(1),
        opened_ms: 4,
        ended_ms: 6,
        height: 7,
        outcome: Outcome::Settled(settlement),
    };
    let outcome = Outcome::Refunded { reason: RefundReason::Expired };
    [settled.clone(), Receipt { outcome, ..settled }]
}

pub(crate) fn receipt_proof() -> ReceiptProof {
    let [receipt, _] = receipts();
    ReceiptProof {
        receipt,
        state: StateWords { tree: TreeRoot([1; 32]), time_ms: 9 },
        path: StateProof {
            leaf: Some(Leaf { key: TreeNode([2; 32]), value: TreeNode([3; 32]) }),
            siblings: List::new(vec![TreeNode([4; 32]); 3]).unwrap(),
        },
        finality: Bytes::new(vec![1, 2, 3]).unwrap(),
    }
}

pub(crate) fn blobs() -> BlobList {
    BlobList::of(b"some bytes").unwrap()
}

pub(crate) fn spec() -> ChainSpec {
    let validators = vec![GenesisValidator { id: 0, key: key(4).address(), stake: 10 }];
    let accounts = vec![GenesisAccount { address: key(1).address(), amount: Amount::CIRO }];
    ChainSpec {
        name: Text::new("ciro-test").unwrap(),
        routes: List::new(vec![Route::Tensor, Route::Cairo]).unwrap(),
        verifier: 1,
        security_bits_min: 100,
        genesis_ms: 1_700_000_000_000,
        consensus: ConsensusSpec {
            checkpoint_interval: 8,
            epoch_length: 256,
            operations_per_block: 64,
            clients: 1024,
            progress_timeout_ms: 1_000,
        },
        time: TimeSpec {
            tick_ms: 1_000,
            step_max_ms: 5_000,
            validity_max_ms: 600_000,
            unbonding_ms: 120_000,
            jail_ms: 60_000,
        },
        limits: LimitSpec {
            bundle_bytes: 4 << 20,
            input_bytes: 256 << 20,
            model_bytes: 1 << 30,
            timers_per_block: 256,
        },
        fees: FeeSpec {
            base: units(10),
            per_byte: units(1),
            per_check: units(5),
            per_input_byte: units(2),
            per_bundle_byte: units(3),
            deposit_per_mib: units(100),
            market_bps: 200,
            burn_bps: 5_000,
        },
        jobs: JobSpec {
            attempts_max: 5,
            renewals_max: 3,
            lease_min_ms: 5_000,
            lease_max_ms: 600_000,
            deadline_max_ms: 3_600_000,
            collateral_min_bps: 1_000,
            release_bps: 500,
            expiry_burn_bps: 5_000,
            fraud_bond_bps: 1_000,
            reporter_bps: 500,
        },
        providers: ProviderSpec {
            bond_min: units(100),
            capacity_max: 64,
            strikes_max: 3,
            strike_window_ms: 86_400_000,
        },
        faucet: Some(FaucetSpec {
            per_account: units(1_000),
            per_day: units(100_000),
            total: units(1_000_000),
        }),
        validators: List::new(validators).unwrap(),
        accounts: List::new(accounts).unwrap(),
        economy: None,
    }
}

/// The specification of a network that settles proofs about programs too.
pub(crate) fn spec_with_programs() -> ChainSpec {
    let routes = List::new(vec![Route::Tensor, Route::Cairo, Route::Program]).unwrap();
    ChainSpec { routes, verifier: 2, ..spec() }
}

pub(crate) fn economy() -> EconomySpec {
    let amount = Amount::CIRO;
    let grant = GenesisGrant { tranche: Tranche::Team, to: key(5).address(), amount };
    EconomySpec {
        allocation: Allocation {
            rewards_bps: 5_000,
            team_bps: 1_500,
            investors_bps: 1_500,
            ecosystem_bps: 1_500,
            public_bps: 500,
        },
        vesting: VestingSpec { start_ms: 1_700_000_000_000, cliff_ms: 1_000, duration_ms: 4_000 },
        grants: List::new(vec![grant]).unwrap(),
        airdrop: Some(AirdropSpec { root: airdrop_root(&[share()]).0, until_ms: 1 << 42 }),
        commission: Commission { bps: 500, max_bps: 2_000, step_bps: 100 },
        params: params(),
    }
}

fn params() -> EconomyParams {
    EconomyParams {
        epoch_ms: 86_400_000,
        emission_ppb: 474_322,
        treasury_bps: 1_000,
        stake: StakeParams {
            self_bond_min: units(1_000_000_000),
            validators_max: 256,
            seats: 64,
            commission_ms: 86_400_000,
            unbonding_ms: 1_814_400_000,
        },
        penalty: PenaltyParams {
            fork_bps: 500,
            delay_bps: 10,
            correlation_epochs: 2,
            bounty_bps: 500,
            slot_ms: 20_000,
            presence_bps: 5_000,
            downtime_bps: 1,
            jail_ms: 3_600_000,
        },
        governance: GovernanceParams {
            deposit: Amount::CIRO,
            open_max: 16,
            voting_ms: 604_800_000,
            timelock_ms: 172_800_000,
            spend_bps: 50,
            tally: TallyParams { quorum_bps: 3_340, threshold_bps: 5_000, veto_bps: 3_340 },
        },
    }
}

fn share() -> AirdropShare {
    AirdropShare { index: 0, to: key(6).address(), amount: units(12) }
}

/// One transaction of each kind that concerns supply, stake and governance.
fn of_economy() -> Vec<Body> {
    let (validator, to, amount) = (ValidatorId(3), ValidatorId(4), units(8));
    let body = Possession { chain: chain(), key: key(7).address(), operator: key(1).address() };
    let possession = Signed::new(body, &key(7)).unwrap().signature;
    let commission = economy().commission;
    let register =
        RegisterValidator { key: key(7).address(), possession, commission, bond: amount };
    let action = Action::SetParams { params: params() };
    let propose = Propose { title: Text::new("longer epochs").unwrap(), action };
    let (proposal, choice) = (ProposalId(2), VoteOption::Veto);
    vec![
        Body::ClaimGrant(ClaimGrant { grant: GrantId(1) }),
        Body::ClaimAirdrop(Box::new(ClaimAirdrop { share: share(), path: List::default() })),
        Body::RegisterValidator(Box::new(register)),
        Body::SetCommission(SetCommission { bps: 600 }),
        Body::Delegate(Delegate { validator, amount }),
        Body::Undelegate(Undelegate { validator, amount }),
        Body::Redelegate(Redelegate { from: validator, to, amount }),
        Body::ClaimRewards(ClaimRewards { validator }),
        Body::UnjailValidator,
        Body::ReportOffence(ReportOffence {
            key: key(7).address(),
            evidence: Bytes::new(vec![1, 2]).unwrap(),
        }),
        Body::Propose(Box::new(propose)),
        Body::Vote(Vote { proposal, validator, choice }),
    ]
}

/// One proposal of each action that the transactions of each kind have not.
pub(crate) fn proposals() -> Vec<(&'static str, SignedTx)> {
    let (to, amount, launch) = (key(6).address(), units(12), LaunchId(3));
    let milestones = List::new(vec![units(5), Amount::CIRO]).unwrap();
    let actions = [
        ("spend", Action::Spend { to, amount }),
        ("grant", Action::Grant { tranche: Tranche::Team, to, amount }),
        ("open_launch", Action::OpenLaunch { to, milestones, lasts_ms: 7_776_000_000 }),
        ("pay_milestone", Action::PayMilestone { launch, milestone: 1 }),
        ("end_launch", Action::EndLaunch { launch }),
    ];
    let propose = |(name, action)| {
        let title = Text::new("a launch").unwrap();
        (name, signed(1, Body::Propose(Box::new(Propose { title, action }))))
    };
    actions.map(propose).into()
}

pub(crate) fn genesis() -> Genesis {
    Genesis { spec: spec(), state_root: Word(Digest::from_u64(99)) }
}
