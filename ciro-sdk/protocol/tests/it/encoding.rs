//! One encoding of each value, and no panic on any bytes.

use std::sync::LazyLock;

use ciro_protocol::chain::{ChainSpec, FeeSpec, Genesis, PER_KEPT_BYTE_MAX, SpecError};
use ciro_protocol::economy::{EconomySpec, GenesisGrant, MILESTONES_MAX, Tranche};
use ciro_protocol::tx::{Action, Body};
use ciro_protocol::wire::List;
use ciro_protocol::{
    Amount, BlobList, DecodeError, Message, ModelCard, Receipt, ReceiptProof, SignedBatch,
    SignedTx, Transaction,
};
use proptest::prelude::*;

use crate::values;

/// What any message must fulfil: reading gives an error, or a value whose only encoding is the
/// bytes.
fn canonical<T: Message>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
}

/// Reads bytes as every message that there is.
fn canonical_as_anything(bytes: &[u8]) {
    canonical::<Transaction>(bytes);
    canonical::<SignedTx>(bytes);
    canonical::<SignedBatch>(bytes);
    canonical::<ModelCard>(bytes);
    canonical::<Receipt>(bytes);
    canonical::<ReceiptProof>(bytes);
    canonical::<BlobList>(bytes);
    canonical::<ChainSpec>(bytes);
    canonical::<Genesis>(bytes);
}

/// An encoding of every message, one of each kind of transaction among them.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut samples: Vec<Vec<u8>> = values::transactions().iter().map(Message::to_bytes).collect();
    samples.extend(values::transactions().iter().map(|tx| tx.body.to_bytes()));
    samples.extend(values::proposals().iter().map(|(_, tx)| tx.body.to_bytes()));
    samples.extend(values::receipts().iter().map(Message::to_bytes));
    samples.extend([
        values::batch().to_bytes(),
        values::card().to_bytes(),
        values::program_card().to_bytes(),
        values::receipt_proof().to_bytes(),
        values::blobs().to_bytes(),
        values::spec().to_bytes(),
        values::spec_with_programs().to_bytes(),
        ChainSpec { economy: Some(values::economy()), ..values::spec() }.to_bytes(),
        values::genesis().to_bytes(),
    ]);
    samples
});

#[test]
fn values_come_back_from_bytes_and_from_json() {
    fn check<T>(value: &T)
    where
        T: Message + PartialEq + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        assert_eq!(T::from_bytes(&value.to_bytes()).as_ref(), Ok(value));
        let json = serde_json::to_string(value).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
    }
    values::transactions().iter().for_each(check);
    values::proposals().iter().for_each(|(_, tx)| check(tx));
    values::receipts().iter().for_each(check);
    check(&values::batch());
    check(&values::card());
    check(&values::program_card());
    check(&values::receipt_proof());
    check(&values::blobs());
    check(&values::spec());
    check(&ChainSpec { economy: Some(values::economy()), ..values::spec() });
    check(&values::genesis());
}

#[test]
fn every_cut_and_every_flipped_bit_is_an_error_or_another_value() {
    for sample in SAMPLES.iter() {
        for len in 0..sample.len() {
            canonical_as_anything(&sample[..len]);
        }
        let mut longer = sample.clone();
        longer.push(0);
        canonical_as_anything(&longer);
        for place in 0..sample.len() {
            let mut flipped = sample.clone();
            flipped[place] ^= 1 << (place % 8);
            canonical_as_anything(&flipped);
        }
    }
}

#[test]
fn bad_bytes_are_named() {
    let tx = values::transactions().remove(0);
    let bytes = tx.to_bytes();
    let name = "CIRO_SIGNED_TX_V1";
    let mut other = bytes.clone();
    other[0] = 9;
    let version = DecodeError::Version { name, expected: 1, got: 9 };
    assert_eq!(SignedTx::from_bytes(&other), Err(version));
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(SignedTx::from_bytes(&longer), Err(DecodeError::Trailing { name, bytes: 1 }));
    let cut = SignedTx::from_bytes(&bytes[..40]).unwrap_err();
    assert!(matches!(cut, DecodeError::Malformed { at: 34.., .. }), "{cut}");
    let max = SignedTx::BYTES_MAX;
    let huge = DecodeError::TooLong { name, len: max + 1, max };
    assert_eq!(SignedTx::from_bytes(&vec![0; max + 1]), Err(huge));
    // A list that claims four billion entries costs nothing.
    let mut list = 1_u16.to_le_bytes().to_vec();
    list.extend(5_u64.to_le_bytes());
    list.extend(u32::MAX.to_le_bytes());
    let refused = BlobList::from_bytes(&list).unwrap_err();
    assert!(refused.to_string().contains("at most 16384"), "{refused}");
    // More money than there is.
    let mut transfer = tx.body;
    transfer.header.fee_max = Amount::SUPPLY;
    let mut bytes = transfer.to_bytes();
    let place = 2 + 32 + 32 + 16 + 8 + 15;
    bytes[place] = 0xff;
    let refused = Transaction::from_bytes(&bytes).unwrap_err();
    assert!(refused.to_string().contains("supply"), "{refused}");
}

#[test]
fn a_launch_of_seventeen_milestones_is_none() {
    let (_, tx) = values::proposals().swap_remove(2);
    let Body::Propose(propose) = &tx.body.body else { panic!("{tx:?}") };
    let Action::OpenLaunch { to, .. } = &propose.action else { panic!("{propose:?}") };
    let many = vec![Amount::CIRO; MILESTONES_MAX + 1];
    let longer = serde_json::json!({
        "action": "open_launch", "to": to, "milestones": many, "lasts_ms": 1,
    });
    let refused = serde_json::from_value::<Action>(longer).unwrap_err();
    assert!(refused.to_string().contains("17 entries, at most 16 are allowed"), "{refused}");
    // The length stands behind the title, the tag and the address.
    let bytes = tx.body.to_bytes();
    let place = bytes.len() - (8 + 2 * 16 + 4);
    assert_eq!(bytes[place..place + 4], 2_u32.to_le_bytes());
    let mut longer = bytes;
    longer[place] = 17;
    let refused = Transaction::from_bytes(&longer).unwrap_err();
    assert!(refused.to_string().contains("17 entries, at most 16 are allowed"), "{refused}");
}

#[test]
fn specifications_are_checked() {
    let good = values::spec();
    assert_eq!(good.check(), Ok(()));
    let mut spec = good.clone();
    spec.jobs.attempts_max = 9;
    assert_eq!(spec.check().unwrap_err().to_string(), "`jobs.attempts_max` is 9, expected 1 to 8");
    for operations in [0, 65, 4096] {
        let mut spec = good.clone();
        spec.consensus.operations_per_block = operations;
        let name = "consensus.operations_per_block";
        let expected = SpecError::Range { name, value: operations.into(), min: 1, max: 64 };
        assert_eq!(spec.check(), Err(expected), "a block that no answer has room for");
    }
    let mut spec = good.clone();
    spec.routes = List::default();
    assert_eq!(spec.check(), Err(SpecError::Routes));
    let mut spec = good.clone();
    spec.accounts = List::new(vec![good.accounts[0]; 2]).unwrap();
    assert_eq!(spec.check(), Err(SpecError::Account(good.accounts[0].address)));
    let mut spec = good.clone();
    let mut account = good.accounts[0];
    account.amount = Amount::SUPPLY;
    spec.accounts = List::new(vec![account]).unwrap();
    assert_eq!(spec.check(), Err(SpecError::Supply));
    let mut spec = good.clone();
    spec.validators = List::new(vec![good.validators[0]; 2]).unwrap();
    assert_eq!(spec.check(), Err(SpecError::Key(0)));
    let mut spec = good.clone();
    spec.validators = List::default();
    assert!(matches!(spec.check(), Err(SpecError::Validators(_))));
    let mut spec = good.clone();
    (spec.fees.per_input_byte, spec.fees.per_bundle_byte) = (PER_KEPT_BYTE_MAX, PER_KEPT_BYTE_MAX);
    assert_eq!(spec.check(), Ok(()));
    let value = PER_KEPT_BYTE_MAX.checked_add(Amount::from_units(1).unwrap()).unwrap();
    spec.fees.per_bundle_byte = value;
    let name = "fees.per_bundle_byte";
    assert_eq!(spec.check(), Err(SpecError::KeptByte { name, value }));
    spec.fees.per_input_byte = value;
    let name = "fees.per_input_byte";
    assert_eq!(spec.check(), Err(SpecError::KeptByte { name, value }));
    let mut spec = good.clone();
    spec.jobs.collateral_min_bps = 10_001;
    let range =
        SpecError::Range { name: "jobs.collateral_min_bps", value: 10_001, min: 0, max: 10_000 };
    assert_eq!(spec.check(), Err(range));
    let mut spec = good;
    spec.consensus.checkpoint_interval = 3;
    assert!(matches!(spec.check(), Err(SpecError::Consensus(_))));
}

#[test]
fn an_order_costs_what_its_input_takes_a_proof_what_its_bundle_takes_and_nothing_else_does() {
    let fees = values::spec().fees;
    let mut longest = Vec::new();
    for tx in values::transactions() {
        let kept = match &tx.body.body {
            Body::Order(order) => {
                let mut longer = order.clone();
                longer.input.bytes = u64::MAX;
                longest.push(values::signed(1, Body::Order(longer)));
                2 * u128::from(order.input.bytes)
            }
            Body::SubmitProof(submit) => {
                let mut longer = *submit;
                longer.proven.bundle_bytes = u64::MAX;
                longest.push(values::signed(1, Body::SubmitProof(longer)));
                3 * u128::from(submit.proven.bundle_bytes)
            }
            _ => 0,
        };
        let (per_input_byte, per_bundle_byte) = (Amount::ZERO, Amount::ZERO);
        let without = FeeSpec { per_input_byte, per_bundle_byte, ..fees }.of(&tx).unwrap();
        let more = fees.of(&tx).unwrap().checked_sub(without).unwrap();
        assert_eq!(more.units(), kept, "{}", tx.body.body.kind());
    }
    let (per_input_byte, per_bundle_byte) = (PER_KEPT_BYTE_MAX, PER_KEPT_BYTE_MAX);
    let fees = FeeSpec { per_input_byte, per_bundle_byte, ..fees };
    let costs: Vec<_> = longest.iter().map(|tx| fees.of(tx)).collect();
    assert_eq!(costs, [None, None], "more than there is");
}

#[test]
fn a_provider_pays_for_a_claim_and_a_proof() {
    let (fees, mut paid, mut bundle_bytes) = (values::spec().fees, 0, 0);
    for tx in values::transactions() {
        if matches!(tx.body.body, Body::Claim(_) | Body::SubmitProof(_)) {
            paid += fees.of(&tx).unwrap().units();
            bundle_bytes += tx.body.body.bundle_bytes();
        }
    }
    assert_eq!(fees.of_provider(bundle_bytes).unwrap().units(), paid);
}

#[test]
fn the_least_collateral_is_a_part_of_the_highest_price_rounded_down() {
    let jobs = values::spec().jobs;
    for (price_max, least) in [(0, 0), (9, 0), (10, 1), (1_999, 199)] {
        let units = |units| Amount::from_units(units).unwrap();
        assert_eq!(jobs.collateral_min(units(price_max)), units(least));
    }
}

#[test]
fn the_clock_may_keep_up_with_ticks() {
    let mut spec = values::spec();
    let least = 2 * spec.time.tick_ms;
    spec.time.step_max_ms = least;
    assert_eq!(spec.check(), Ok(()));
    spec.time.step_max_ms = least - 1;
    let (name, value) = ("time.step_max_ms", least - 1);
    let expected = SpecError::Range { name, value, min: least, max: 60_000 };
    assert_eq!(spec.check(), Err(expected));
}

#[test]
fn economies_are_checked() {
    let with = |change: fn(&mut EconomySpec)| {
        let mut economy = values::economy();
        change(&mut economy);
        ChainSpec { economy: Some(economy), ..values::spec() }.check()
    };
    assert_eq!(with(|_| ()), Ok(()));
    let range = |name, change: fn(&mut EconomySpec)| match with(change) {
        Err(SpecError::Range { name: got, .. }) => assert_eq!(got, name),
        other => panic!("{name}: {other:?}"),
    };
    range("economy.allocation", |it| it.allocation.team_bps += 1);
    range("economy.vesting.cliff_ms", |it| it.vesting.cliff_ms = 4_001);
    range("economy.vesting.duration_ms", |it| it.vesting.duration_ms = 0);
    range("economy.epoch_ms", |it| it.params.epoch_ms = 0);
    range("economy.emission_ppb", |it| it.params.emission_ppb = 100_000_001);
    range("economy.stake.seats", |it| it.params.stake.seats = 257);
    range("economy.penalty.bounty_bps", |it| it.params.penalty.bounty_bps = 5_001);
    range("economy.governance.tally.threshold_bps", |it| {
        it.params.governance.tally.threshold_bps = 4_999;
    });
    assert_eq!(with(|it| it.commission.bps = 2_001), Err(SpecError::Commission));
    assert_eq!(with(|it| it.params.stake.self_bond_min = Amount::ZERO), Err(SpecError::SelfBond));
    let dear = |it: &mut EconomySpec| it.params.governance.deposit = Amount::ciro(1_000_001);
    assert_eq!(with(dear), Err(SpecError::Deposit));
    range("economy.penalty.slot_ms", |it| it.params.penalty.slot_ms = 1);
    let much = |it: &mut EconomySpec| it.params.stake.self_bond_min = Amount::CIRO;
    assert_eq!(with(much), Err(SpecError::Bond(0)));
    let generous = |tranche, amount| {
        let to = values::key(5).address();
        List::new(vec![GenesisGrant { tranche, to, amount }; 2]).unwrap()
    };
    let mut economy = values::economy();
    economy.grants = generous(Tranche::Team, Amount::SUPPLY.share(1_000));
    let spec = ChainSpec { economy: Some(economy.clone()), ..values::spec() };
    assert_eq!(spec.check(), Err(SpecError::Grants(Tranche::Team)), "20 % of 15 %");
    economy.grants = generous(Tranche::Public, Amount::CIRO);
    let spec = ChainSpec { economy: Some(economy), ..values::spec() };
    assert_eq!(spec.check(), Err(SpecError::Grants(Tranche::Public)), "granted and claimed");
    let mut members = values::spec().validators.to_vec();
    members[0].id = u32::MAX - 1;
    let validators = List::new(members).unwrap();
    let spec = ChainSpec { economy: Some(values::economy()), validators, ..values::spec() };
    assert!(matches!(spec.check(), Err(SpecError::Range { name: "validators.id", .. })));
    let mut spec = ChainSpec { economy: Some(values::economy()), ..values::spec() };
    let mut account = spec.accounts[0];
    account.amount = Amount::SUPPLY.share(1_500);
    spec.accounts = List::new(vec![account]).unwrap();
    assert_eq!(spec.check(), Err(SpecError::Supply), "faucet and stake are the ecosystem's too");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        canonical_as_anything(&bytes);
        let mut versioned = vec![1, 0];
        versioned.extend(bytes);
        canonical_as_anything(&versioned);
    }

    #[test]
    fn no_mixture_of_messages_panics(
        sample in 0_usize..100,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = SAMPLES[sample % SAMPLES.len()].clone();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        canonical_as_anything(&bytes);
    }
}
