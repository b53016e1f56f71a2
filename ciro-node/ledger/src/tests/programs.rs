//! Jobs about programs go the way of all jobs: under a key of their own, in the class of Cairo, on
//! networks that have opened the route.

use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::Purse;
use ciro_protocol::id::{InputDigest, JobId, KeyDigest, OutputDigest};
use ciro_protocol::model::Listing;
use ciro_protocol::order::{Class, Input, JobOrder, Mode, Needs, Offer, Policy, Region, Route};
use ciro_protocol::provider::{Ask, Asks, Profile};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Body, Claim, Proven, RegisterModel, RegisterProvider, SubmitProof};
use ciro_protocol::wire::{Bytes, List};

use super::support::{GENESIS_MS, PEOPLE, batch, card, key, spec, units, unsigned};
use crate::state::{PURSES, View as _};
use crate::{Block, MemoryState, check_invariants, execute, genesis};

const REQUESTER: usize = 0;
const PROVIDER: usize = 4;
/// A provider that takes the smallest models alone.
const SMALL: usize = 5;
const KEY: KeyDigest = KeyDigest([1; 32]);
const ARGUMENTS: InputDigest = InputDigest([4; 32]);

/// A lie about a proof.
type Change = fn(&mut Proven);

struct Market {
    spec: ChainSpec,
    state: MemoryState,
    height: u64,
}

impl Market {
    fn new(routes: &[Route]) -> Self {
        let spec = ChainSpec { routes: List::new(routes.to_vec()).unwrap(), verifier: 2, ..spec() };
        let mut state = MemoryState::default();
        state.commit(&genesis(spec.clone()).unwrap().1).unwrap();
        Self { spec, state, height: 0 }
    }

    /// Executes a transaction in a block of its own.
    fn run(&mut self, account: usize, body: Body) -> (JobId, Option<Refusal>) {
        self.height += 1;
        let time_ms = GENESIS_MS + self.height;
        let tx = unsigned(account, self.height, time_ms + 1_000, body);
        let id = tx.body.id();
        let batches = [batch(self.height, time_ms, vec![tx])];
        let block = Block { height: self.height, batches: &batches, punish: &[] };
        let outcome = execute(&self.spec, &self.state, &block).unwrap();
        self.state.commit(&outcome.writes).unwrap();
        check_invariants(&self.state).unwrap();
        (id.into(), outcome.receipts[0].refused)
    }

    fn register(&mut self) -> Option<Refusal> {
        let card = card(REQUESTER, 1, vec![key(1, Route::Program)]);
        let listing = Listing { providers: List::default(), price_hint: units(1) };
        self.run(REQUESTER, Body::RegisterModel(Box::new(RegisterModel { card, listing }))).1
    }

    fn provider(&mut self, account: usize, class: Class) {
        let profile = Profile {
            name: Text::new("provider").unwrap(),
            region: Region::new(*b"DE").unwrap(),
            memory_mb: 1_000,
        };
        let prices = List::new(vec![Ask { class, price: units(100) }]).unwrap();
        let asks = Asks { prices, capacity: 4, direct: None, sealing: None };
        let body = RegisterProvider { profile, asks, bond: units(8_000) };
        assert_eq!(self.run(account, Body::RegisterProvider(body)).1, None);
    }

    fn balance(&self, account: usize) -> Amount {
        let purse = Purse::Account(PEOPLE[account]);
        let value = self.state.get(&PURSES.key(&purse));
        value.map_or(Amount::ZERO, |value| PURSES.decode(&[], &value).unwrap())
    }
}

fn order() -> Body {
    Body::Order(Box::new(JobOrder {
        model: card(REQUESTER, 1, vec![key(1, Route::Program)]).id(),
        key: KEY,
        input: Input {
            blob: BlobId([3; 32]),
            bytes: 46,
            statement: ARGUMENTS,
            recipients: List::default(),
        },
        offer: Offer {
            mode: Mode::Open,
            price_min: units(100),
            price_max: units(100),
            ramp_start_ms: GENESIS_MS,
            ramp_ms: 0,
            lease_ms: 20_000,
            deadline_ms: GENESIS_MS + 60_000,
            collateral: units(1_000),
            attempts_max: 1,
        },
        policy: Policy { bits: 100, proven: false },
        needs: Needs::default(),
        memo: Bytes::default(),
    }))
}

fn submit(job: JobId, attempt: u8, change: impl FnOnce(&mut Proven)) -> Body {
    let mut proven = Proven {
        verifier: 2,
        key_blob: BlobId([5; 32]),
        bundle: BlobId([6; 32]),
        bundle_bytes: 70,
        key: KEY,
        input: ARGUMENTS,
        output: OutputDigest([8; 32]),
    };
    change(&mut proven);
    Body::SubmitProof(SubmitProof { job, attempt, proven })
}

#[test]
fn a_network_that_has_not_opened_the_route_registers_no_program() {
    let refused = Market::new(&[Route::Tensor, Route::Cairo]).register();
    assert_eq!(refused, Some(Refusal::RouteClosed));
    assert_eq!(Market::new(&[Route::Tensor, Route::Program]).register(), None);
}

#[test]
fn a_job_about_a_program_is_claimed_in_its_class_and_settled_by_its_arguments_alone() {
    let mut market = Market::new(&[Route::Program]);
    assert_eq!(market.register(), None);
    market.provider(PROVIDER, Class::Cairo);
    market.provider(SMALL, Class::Xs);
    let (job, refused) = market.run(REQUESTER, order());
    assert_eq!(refused, None);
    let claim = |attempt| Body::Claim(Claim { job, attempt });
    assert_eq!(market.run(SMALL, claim(1)).1, Some(Refusal::ClassNotOffered));
    // A proof that somebody has copied counts for nothing before its job is held, nor by another.
    let copied = || submit(job, 1, |_| {});
    assert_eq!(market.run(PROVIDER, copied()).1, Some(Refusal::JobNotClaimed));
    assert_eq!(market.run(PROVIDER, claim(1)).1, None);
    let cases: [(Change, Refusal); 3] = [
        (|it| it.key.0[0] ^= 1, Refusal::WrongKey),
        (|it| it.input.0[0] ^= 1, Refusal::WrongInput),
        (|it| it.verifier = 1, Refusal::VerifierInactive),
    ];
    for (change, refusal) in cases {
        assert_eq!(market.run(PROVIDER, submit(job, 1, change)).1, Some(refusal));
    }
    assert_eq!(market.run(SMALL, copied()).1, Some(Refusal::NotHolder));
    assert_eq!(market.run(PROVIDER, submit(job, 2, |_| {})).1, Some(Refusal::WrongAttempt));
    let before = market.balance(PROVIDER);
    assert_eq!(market.run(PROVIDER, copied()).1, None);
    assert_ne!(market.balance(PROVIDER), before);
    assert_eq!(market.run(PROVIDER, copied()).1, Some(Refusal::JobSettled));
}
