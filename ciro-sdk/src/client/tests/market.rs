//! Markets in which somebody registers, asks and answers whatever suits him.

use ciro_protocol::api::{Finality, JobInfo, JobState};
use ciro_protocol::id::InputDigest;
use ciro_protocol::model::{KeyEntry, Listing, ModelCard, NextListing};
use ciro_protocol::order::Mode;
use ciro_protocol::provider::Ask;
use ciro_protocol::wire::{Bytes, List};
use ciro_stark::Policy;

use super::*;
use crate::network::{SecretInputError, facts_of};

/// A registered model with the key, whose compiled bytes are these.
fn registered(bytes: &[u8]) -> ModelInfo {
    let (key, text) = (key(), "1");
    let entry = KeyEntry { bytes: Bytes::new(key.to_bytes()).unwrap(), facts: facts_of(&key) };
    let card = ModelCard {
        owner: SecretKey::from_seed(b"owner").address(),
        name: Text::new(text).unwrap(),
        version: Text::new(text).unwrap(),
        licence: Text::new(text).unwrap(),
        blob: BlobId::of(bytes).unwrap(),
        bytes: bytes.len() as u64,
        keys: List::new(vec![entry]).unwrap(),
    };
    let listing = Listing { providers: List::default(), price_hint: Amount::CIRO };
    ModelInfo { model: card.id(), card, listing, next: None, retired: false }
}

fn restricted(model: &ModelInfo) -> ModelInfo {
    let providers = List::new(vec![ProviderId(9)]).unwrap();
    ModelInfo { listing: Listing { providers, ..model.listing.clone() }, ..model.clone() }
}

fn restricted_later(model: &ModelInfo) -> ModelInfo {
    let next = NextListing { from_ms: u64::MAX, listing: restricted(model).listing };
    ModelInfo { next: Some(next), ..model.clone() }
}

/// Looks for a model of the key among these, the first of them on a page of its own; the node
/// knows only the one that is expected by its id, and is asked for one page if that is the first.
async fn found(
    models: &[ModelInfo],
    blob: Option<BlobId>,
    (expected, pages): (usize, usize),
) -> Result<ModelInfo, ClientError> {
    let first = Page { items: vec![models[0].clone()], next: Some("more".to_owned()) };
    let second = Page { items: models[1..].to_vec(), next: None };
    let mut answers = vec![told(&first), told(&second)];
    answers.truncate(pages);
    answers.push(told(&models[expected]));
    let node = node(answers);
    let found = client(&node.url).model_of_key(&key(), blob).await;
    assert_eq!(node.asked.lock().unwrap().len(), pages + 1);
    found
}

#[tokio::test]
async fn a_model_that_its_owner_restricts_is_taken_by_nobody_who_has_not_named_it() {
    let mut models = [&b"a"[..], b"b", b"c"].map(registered);
    models.sort_by_key(|it| it.model);
    let open = models.clone();
    let blobs = models.clone().map(|it| Some(it.card.blob));
    // No page is read after the one that has the model of least id, or that of the wanted bytes.
    assert_eq!(found(&open, None, (0, 1)).await.unwrap(), open[0]);
    assert_eq!(found(&open, blobs[0], (0, 1)).await.unwrap(), open[0]);
    assert_eq!(found(&open, blobs[2], (2, 2)).await.unwrap(), open[2]);
    for restrict in [restricted, restricted_later] {
        models[0] = restrict(&open[0]);
        assert_eq!(found(&models, None, (1, 2)).await.unwrap(), models[1]);
        assert_eq!(found(&models, blobs[2], (2, 2)).await.unwrap(), models[2]);
        assert_eq!(found(&models, blobs[0], (1, 2)).await.unwrap(), models[1]);
        let all = open.clone().map(|it| restrict(&it));
        for (blob, expected) in [(None, 0), (blobs[1], 1)] {
            let refused = found(&all, blob, (expected, 2)).await;
            assert!(matches!(refused, Err(ClientError::Restricted(_))), "{refused:?}");
        }
        // It is restricted after the page was read.
        let pages = Page { items: vec![open[0].clone()], next: None };
        let node = node(vec![told(&pages), told(&all[0])]);
        let refused = client(&node.url).model_of_key(&key(), None).await;
        assert!(matches!(refused, Err(ClientError::Restricted(_))), "{refused:?}");
    }
}

/// A provider with an ask for the key's class, and a bond.
fn asking(number: u32, price: Amount, bond: Amount) -> ProviderInfo {
    let prices = List::new(vec![Ask { class: key().class(), price }]).unwrap();
    let account = SecretKey::from_seed(&number.to_le_bytes()).address();
    let known = provider(account, None);
    let asks = Asks { prices, ..Asks::default() };
    ProviderInfo { provider: ProviderId(number), asks, bond, ..known }
}

fn cents(count: u64) -> Amount {
    Amount::CIRO.fraction(count, 100)
}

#[test]
fn the_cheapest_and_the_dearest_ask_set_no_terms() {
    let (here, class, bond) = (client("http://127.0.0.1:1"), key().class(), Amount::ciro(100));
    let asks = [Amount::ZERO, cents(1), cents(1), Amount::ciro(400)];
    let mut providers: Vec<_> =
        (0..).zip(asks).map(|(number, price)| asking(number, price, bond)).collect();
    let of = |providers: &[ProviderInfo]| {
        let terms = here.terms_of(providers, class, Amount::CIRO);
        (terms.price_min, terms.price_max, terms.collateral)
    };
    let half = cents(1).fraction(1, 2);
    assert_eq!(of(&providers), (half, cents(2), cents(1)));
    // Where all ask for the same, nobody waits for the price to rise.
    assert_eq!(of(&providers[1..3]), (cents(1), cents(2), cents(1)));
    assert_eq!(of(&[]), (Amount::CIRO, Amount::ciro(2), Amount::CIRO));
    // Bonds count, not heads.
    providers.push(asking(9, cents(3), Amount::ciro(1_000)));
    assert_eq!(of(&providers), (cents(3), cents(6), cents(3)));
}

#[tokio::test]
async fn providers_that_may_not_claim_set_no_terms() {
    let bond = Amount::ciro(100);
    let honest = ProviderInfo { locked: bond, ..asking(0, cents(1), Amount::ZERO) };
    let unbonded = asking(1, Amount::ciro(400), Amount::ciro(99));
    let jailed =
        ProviderInfo { jailed_until_ms: Some(1), ..asking(2, Amount::ZERO, Amount::ciro(900)) };
    let page = Page { items: vec![unbonded, honest.clone(), jailed], next: None };
    let node = node(vec![told(&page), told(&page)]);
    let client = client(&node.url);
    let terms = client.quote(key().class(), Amount::CIRO).await.unwrap();
    let quoted = (terms.price_min, terms.price_max, terms.collateral);
    assert_eq!(quoted, (cents(1), cents(2), cents(1)));
    assert_eq!(client.free_providers(1).await.unwrap(), [honest]);
}

#[tokio::test]
async fn a_direct_order_pays_what_its_provider_asks_for_and_no_more() {
    let (model, bond) = (registered(b"m"), Amount::ciro(100));
    let named = asking(3, cents(5), bond);
    let page = Page { items: vec![asking(1, cents(20), bond), named.clone()], next: None };
    let only = Page { items: vec![named], next: None };
    let none: Page<ProviderInfo> = Page { items: vec![], next: None };
    let asked = async |wish: Wish, last: &Page<ProviderInfo>| {
        let node = node(vec![told(&model), told(&page), told(last)]);
        client(&node.url).terms(&key(), &wish).await.unwrap().1
    };
    let direct = Some(ProviderId(3));
    let wish = Wish { model: Some(model.model), direct, ..Wish::default() };
    let terms = asked(wish.clone(), &only).await;
    assert_eq!((terms.mode, terms.price_max), (Mode::Direct(ProviderId(3)), cents(5)));
    assert!(terms.price_min <= terms.price_max);
    let more = Wish { price_max: Some(cents(7)), ..wish.clone() };
    assert_eq!(asked(more, &only).await.price_max, cents(7));
    // A provider that is not there is for the ledger to name.
    assert_eq!(asked(wish, &none).await.mode, Mode::Direct(ProviderId(3)));
}

#[tokio::test]
async fn collateral_is_the_networks_least_at_least() {
    let model = registered(b"m");
    let page = Page { items: vec![asking(1, Amount::ZERO, Amount::ciro(100))], next: None };
    let node = node(vec![told(&model), told(&page)]);
    let client = client(&node.url);
    let price_max = Some(Amount::ciro(50));
    let wish = Wish { model: Some(model.model), price_max, ..Wish::default() };
    let terms = client.terms(&key(), &wish).await.unwrap().1;
    assert_eq!(terms.collateral, client.spec().jobs.collateral_min(Amount::ciro(50)));
    assert!(!terms.collateral.is_zero());
}

/// A job as an honest node tells of it.
fn job(client: &Client, salt: [u8; 16]) -> JobInfo {
    let key = key();
    let input = OrderInput::sample(&key);
    let terms = client.terms_of(&[], key.class(), Amount::CIRO);
    let submission = Submission::new((ModelId([1; 32]), terms), &key, &input);
    let order = client.job_order(&submission.ordered(), 1_700_000_000_000).unwrap();
    let account = SecretKey::from_seed(b"somebody");
    let body = Body::Order(Box::new(order.clone()));
    let signed = client.sign(&account, body, (salt, 1)).unwrap();
    JobInfo {
        job: signed.body.id().into(),
        state: JobState::Open,
        requester: account.address(),
        order,
        signed,
        class: key.class(),
        opened_ms: 1,
        opened_height: 1,
        attempt: 1,
        held: None,
        receipt: None,
        finality: Finality::Committed,
    }
}

/// An order that its account has not signed.
fn unsigned(own: &JobInfo, other: &JobInfo) -> JobInfo {
    let signed = Signed { signature: other.signed.signature, ..own.signed.clone() };
    JobInfo { signed, ..own.clone() }
}

#[tokio::test]
async fn a_job_is_what_its_id_says_whatever_the_node_tells() {
    let here = client("http://127.0.0.1:1");
    let [own, other] = [[1; 16], [2; 16]].map(|salt| job(&here, salt));
    let mut input = own.clone();
    input.order.input.statement = InputDigest([9; 32]);
    let requester = SecretKey::from_seed(b"another").address();
    let lies = [
        other.clone(),
        JobInfo { job: own.job, ..other.clone() },
        JobInfo { signed: other.signed.clone(), ..own.clone() },
        JobInfo { requester, ..own.clone() },
        unsigned(&own, &other),
        input,
    ];
    let answers = [&own].into_iter().chain(&lies).map(told);
    let node = node(answers.chain(lies.iter().map(told)).collect());
    let client = client(&node.url);
    assert_eq!(client.job_info(own.job).await.unwrap(), own);
    for _ in &lies {
        let refused = client.job_info(own.job).await.unwrap_err();
        assert!(refused.to_string().contains("it is about another order"), "{refused}");
    }
    let (id, input) = (own.job, own.order.input.statement);
    let ordered = Job { id, key: key(), input, policy: Policy::default() };
    for _ in &lies {
        let refused = client.settled(&ordered, Duration::ZERO, |_| ()).await.unwrap_err();
        assert!(refused.to_string().contains("it is about another order"), "{refused}");
    }
}

#[tokio::test]
async fn a_list_has_the_jobs_of_the_account_and_what_they_say() {
    let here = client("http://127.0.0.1:1");
    let [own, other] = [[1; 16], [2; 16]].map(|salt| job(&here, salt));
    let page = |item: &JobInfo| told(&Page { items: vec![item.clone()], next: None });
    let renamed = JobInfo { job: other.job, ..own.clone() };
    let invented = unsigned(&own, &other);
    let node = node(vec![page(&own), page(&own), page(&renamed), page(&invented)]);
    let client = client(&node.url);
    let listed = client.jobs_of(own.requester, None).await.unwrap();
    assert_eq!(listed.items, std::slice::from_ref(&own));
    let stranger = SecretKey::from_seed(b"another").address();
    for account in [stranger, own.requester, own.requester] {
        let refused = client.jobs_of(account, None).await;
        assert!(matches!(refused, Err(ClientError::Answer { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_sealed_input_is_ordered_by_the_account_that_it_is_sealed_for() {
    let (client, key) = (client("http://127.0.0.1:1"), key());
    let requester = Some(SecretKey::from_seed(b"owner").address());
    let input = OrderInput { requester, ..OrderInput::sample(&key) };
    let terms = client.terms_of(&[], key.class(), Amount::CIRO);
    let submission = Submission::new((ModelId([1; 32]), terms), &key, &input);
    let account = SecretKey::from_seed(b"stranger");
    let refused = client.order(&account, &submission, Duration::ZERO).await;
    let found = account.address();
    let expected = SecretInputError::OtherRequester { found };
    assert!(matches!(refused, Err(ClientError::SecretInput(it)) if it == expected));
}
