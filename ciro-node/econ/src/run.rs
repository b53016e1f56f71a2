//! A run, day by day.

use anyhow::{Context as _, Result, bail};
use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::event::{Bucket, Purse};
use ciro_protocol::id::{InputDigest, JobId, KeyDigest, ModelId, OutputDigest};
use ciro_protocol::model::{KeyEntry, KeyFacts, Listing, ModelCard};
use ciro_protocol::order::{Class, Input, JobOrder, Mode, Needs, Offer, Policy, Region, Route};
use ciro_protocol::provider::{Ask, Asks, Profile};
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::sign::{Address, SecretKey};
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Body, Proven, RegisterModel, RegisterProvider, SubmitProof, Transfer};
use ciro_protocol::wire::{Bytes, List};

use crate::agents::Agents;
use crate::network::{DAY_MS, People, spec};
use crate::scenario::{Day, Scenario, Weather};
use crate::world::World;

/// Validators, holders and grantees.
const COUNTS: [u64; 3] = [16, 120, 24];

/// A day in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The day.
    pub day: Day,
    /// The price of a CIRO, in millionths of a USD.
    pub price: u128,
    /// What was to be paid for inference, in millionths of a USD.
    pub demand: u128,
    /// What was paid for inference.
    pub volume: Amount,
    /// What was to be paid, and could not be bought.
    pub unmet: Amount,
    /// The market's part of what was paid.
    pub fees: Amount,
    /// What the pool of rewards released.
    pub released: Amount,
    /// What is left in the pool.
    pub pool: Amount,
    /// What is at stake.
    pub staked: Amount,
    /// What is in nobody's hands yet, or gone: pool, reserves, what vests, treasury, burned.
    pub locked: Amount,
    /// What was burned.
    pub burned: Amount,
    /// What the treasury has.
    pub treasury: Amount,
    /// What stake yields, in basis points a year, before commission.
    pub yield_bps: u64,
}

impl Row {
    /// What is among people, at stake or not.
    #[must_use]
    pub const fn circulating(&self) -> Amount {
        Amount::SUPPLY.saturating_sub(self.locked)
    }

    /// What a part of the stake costs, in USD, rounded down: `part` of `whole`.
    #[must_use]
    pub const fn attack_usd(&self, part: u64, whole: u64) -> u128 {
        // Units of a millionth of CIRO: no product leaves 128 bits.
        self.staked.fraction(part, whole).units() / 1_000_000_000_000 * self.price
            / 1_000_000_000_000
    }
}

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was assumed.
    pub scenario: Scenario,
    /// The seed.
    pub seed: u64,
    /// Its days.
    pub rows: Vec<Row>,
}

/// Plays so many days of a scenario.
///
/// # Errors
///
/// If the ledger refuses what the run needs, or the state is broken.
pub fn run(scenario: Scenario, seed: u64, days: Day) -> Result<Run> {
    let people = people();
    let agents = Agents::new(&people, seed);
    let mut market = Market::new(people)?;
    let mut weather = Weather::new(scenario.clone(), seed);
    let mut rows: Vec<Row> = Vec::new();
    for day in 1..=days {
        weather.next(day);
        let known = rows.last().map_or(1_500, |row| row.yield_bps);
        let mut deeds = agents.act(&market.world, day, (known, weather.fear))?;
        let before = market.world.has(Purse::Rewards)?;
        let ordered = market.order(&weather, &mut deeds)?;
        let receipts = market.world.day(deeds, market.people.provider)?;
        ordered.check(&receipts)?;
        rows.push(market.row(day, &weather, (before, ordered))?);
    }
    Ok(Run { scenario, seed, rows })
}

fn people() -> People {
    let one = |kind: u8, number: u64| {
        SecretKey::from_seed(&[&[kind][..], &number.to_le_bytes()].concat()).address()
    };
    let [operators, holders, grantees] = COUNTS;
    People {
        operators: (0..operators).map(|number| one(b'o', number)).collect(),
        holders: (0..holders).map(|number| one(b'h', number)).collect(),
        grantees: (0..grantees).map(|number| one(b'g', number)).collect(),
        requester: one(b'r', 0),
        provider: one(b'p', 0),
        exchange: one(b'x', 0),
    }
}

/// Those who buy and sell inference: one job a day stands for the day's.
struct Market {
    world: World,
    people: People,
    model: ModelId,
}

/// What was ordered on a day.
struct Ordered {
    volume: Amount,
    unmet: Amount,
    /// Where the transactions of the market are among the day's.
    from: usize,
}

impl Ordered {
    /// Checks that the market's transactions were executed.
    fn check(&self, receipts: &[TxReceipt]) -> Result<()> {
        let market = receipts.get(self.from..).unwrap_or_default();
        match market.iter().find_map(|receipt| receipt.refused) {
            Some(refusal) => bail!("the ledger refuses the day's job: {refusal}"),
            None => Ok(()),
        }
    }
}

impl Market {
    fn new(people: People) -> Result<Self> {
        let mut world = World::new(spec(&people)?)?;
        let facts = KeyFacts {
            digest: KeyDigest([1; 32]),
            route: Route::Tensor,
            bits: 100,
            proven_bits: 100,
            batch: 1,
            cells: 1 << 10,
        };
        let card = ModelCard {
            owner: people.requester,
            name: Text::new("a model")?,
            version: Text::new("1")?,
            licence: Text::new("MIT")?,
            blob: BlobId([1; 32]),
            bytes: 1,
            keys: List::new(vec![KeyEntry { bytes: Bytes::new(vec![1])?, facts }])?,
        };
        let model = card.id();
        let listing = Listing { providers: List::default(), price_hint: Amount::ZERO };
        let price = Amount::ZERO;
        let prices = List::new(vec![Ask { class: Class::Xs, price }])?;
        let profile = Profile {
            name: Text::new("a provider")?,
            region: Region::new(*b"DE").context("a region")?,
            memory_mb: 1_000,
        };
        let asks = Asks { prices, capacity: 4, direct: None, sealing: None };
        let register = RegisterProvider { profile, asks, bond: Amount::ciro(1_000) };
        let receipts = world.day(
            vec![
                (people.requester, Body::RegisterModel(Box::new(RegisterModel { card, listing }))),
                (people.provider, Body::RegisterProvider(register)),
            ],
            people.provider,
        )?;
        Ordered { volume: Amount::ZERO, unmet: Amount::ZERO, from: 0 }.check(&receipts)?;
        Ok(Self { world, people, model })
    }

    /// Buys CIRO for the day's demand, and orders, claims and settles a job at that price. The
    /// provider sells what it has earned: its costs are in USD.
    fn order(&self, weather: &Weather, deeds: &mut Vec<(Address, Body)>) -> Result<Ordered> {
        let from = deeds.len();
        let People { requester, provider, exchange, .. } = self.people;
        let wanted = weather.demand * 10_u128.pow(18) / weather.price;
        let wanted = Amount::from_units(wanted).unwrap_or(Amount::SUPPLY);
        // Nine tenths at most: sellers do not empty the book.
        let volume = wanted.min(self.world.has(Purse::Account(exchange))?.share(9_000));
        let unmet = wanted.saturating_sub(volume);
        let earned =
            self.world.has(Purse::Account(provider))?.saturating_sub(Amount::ciro(500_000));
        let mut sell = |by, to, amount: Amount| {
            if !amount.is_zero() {
                deeds.push((by, Body::Transfer(Transfer { to, amount })));
            }
        };
        sell(provider, exchange, earned);
        sell(exchange, requester, volume);
        if volume.is_zero() {
            return Ok(Ordered { volume, unmet, from });
        }
        deeds.push((requester, Body::Order(Box::new(self.job(volume)))));
        Ok(Ordered { volume, unmet, from })
    }

    fn job(&self, price: Amount) -> JobOrder {
        let now = self.world.now();
        JobOrder {
            model: self.model,
            key: KeyDigest([1; 32]),
            input: Input {
                blob: BlobId([2; 32]),
                bytes: 1,
                statement: InputDigest([3; 32]),
                recipients: List::default(),
            },
            offer: Offer {
                mode: Mode::Open,
                price_min: price,
                price_max: price,
                ramp_start_ms: now,
                ramp_ms: 0,
                lease_ms: 2_000,
                deadline_ms: now + 5 * DAY_MS,
                collateral: Amount::ZERO,
                attempts_max: 1,
            },
            policy: Policy { bits: 100, proven: false },
            needs: Needs { memory_mb: 0, regions: List::default() },
            memo: Bytes::default(),
        }
    }

    fn row(
        &self,
        day: Day,
        weather: &Weather,
        (before, ordered): (Amount, Ordered),
    ) -> Result<Row> {
        let totals = self.world.totals()?;
        let of = |bucket| totals.get(&bucket).copied().unwrap_or_default();
        let kinds = [
            Bucket::Rewards,
            Bucket::Reserve,
            Bucket::Vesting,
            Bucket::Airdrop,
            Bucket::Treasury,
            Bucket::Launches,
            Bucket::Burned,
        ];
        let locked = kinds.into_iter().map(|kind| of(kind).units()).sum();
        let pool = self.world.has(Purse::Rewards)?;
        let (released, staked) = (before.saturating_sub(pool), of(Bucket::Stake));
        let stakers = released.share(9_000).units();
        let yield_bps = stakers * 3_650_000 / staked.units().max(1);
        Ok(Row {
            day,
            price: weather.price,
            demand: weather.demand,
            volume: ordered.volume,
            unmet: ordered.unmet,
            fees: ordered.volume.share(200),
            released,
            pool,
            staked,
            locked: Amount::from_units(locked).context("more is locked than there is")?,
            burned: of(Bucket::Burned),
            treasury: of(Bucket::Treasury),
            yield_bps: u64::try_from(yield_bps).unwrap_or(u64::MAX),
        })
    }
}

/// Returns what claims and settles a job.
pub(crate) fn settle(job: JobId, provider: Address) -> [(Address, Body); 2] {
    let proven = Proven {
        verifier: 1,
        key_blob: BlobId([1; 32]),
        bundle: BlobId([2; 32]),
        bundle_bytes: 200_000,
        key: KeyDigest([1; 32]),
        input: InputDigest([3; 32]),
        output: OutputDigest([4; 32]),
    };
    let claim = Body::Claim(ciro_protocol::tx::Claim { job, attempt: 1 });
    let submit = Body::SubmitProof(SubmitProof { job, attempt: 1, proven });
    [(provider, claim), (provider, submit)]
}
