//! What is assumed.

use crate::dice::Dice;

/// A day, in the numbers of scenarios.
pub type Day = u32;

/// What is assumed of the world outside of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What is paid for inference on the first day, in USD.
    pub demand_usd: u64,
    /// What is paid at most, in USD a day.
    pub demand_cap_usd: u64,
    /// How demand grows far from its cap, in millionths a day.
    pub growth_ppm: u64,
    /// The price of a CIRO on the first day, in millionths of a USD.
    pub price_micro_usd: u64,
    /// The deviation of the price's daily change, in basis points.
    pub volatility_bps: u32,
    /// A fall of the price: the day, and what is left, in basis points.
    pub shock: Option<(Day, u64)>,
    /// A time in which stakers ask for this many times the yield: from, until, times.
    pub exodus: Option<(Day, Day, u64)>,
}

/// All scenarios.
pub const ALL: [Scenario; 4] = [BASELINE, STAGNATION, SHOCK, EXODUS];

const BASELINE: Scenario = Scenario {
    name: "baseline",
    about: "demand grows tenfold within about four years and levels off",
    demand_usd: 20_000,
    demand_cap_usd: 1_000_000,
    growth_ppm: 2_000,
    price_micro_usd: 100_000,
    volatility_bps: 300,
    shock: None,
    exodus: None,
};

const STAGNATION: Scenario = Scenario {
    name: "stagnation",
    about: "demand stays where it begins",
    growth_ppm: 0,
    ..BASELINE
};

const SHOCK: Scenario = Scenario {
    name: "shock",
    about: "as the baseline, and the price falls by four fifths after three years",
    shock: Some((1_095, 2_000)),
    ..BASELINE
};

const EXODUS: Scenario = Scenario {
    name: "exodus",
    about: "as the baseline, and stakers ask for four times the yield during the fourth year",
    exodus: Some((1_095, 1_460, 4)),
    ..BASELINE
};

/// The world outside, day by day.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    scenario: Scenario,
    dice: Dice,
    /// Demand without its noise, in millionths of a USD.
    trend: u128,
    /// Paid for inference today, in millionths of a USD.
    pub(crate) demand: u128,
    /// The price of a CIRO, in millionths of a USD.
    pub(crate) price: u128,
    /// How many times the usual yield stakers ask for.
    pub(crate) fear: u64,
}

impl Weather {
    pub(crate) fn new(scenario: Scenario, seed: u64) -> Self {
        let trend = u128::from(scenario.demand_usd) * 1_000_000;
        let price = u128::from(scenario.price_micro_usd);
        let dice = Dice::new(seed ^ 0x77_6561_7468_6572);
        Self { scenario, dice, trend, demand: trend, price, fear: 1 }
    }

    pub(crate) fn next(&mut self, day: Day) {
        let cap = u128::from(self.scenario.demand_cap_usd) * 1_000_000;
        let room = cap.saturating_sub(self.trend);
        self.trend += self.trend * u128::from(self.scenario.growth_ppm) / 1_000_000 * room / cap;
        self.demand = changed(self.trend, self.dice.around(1_000));
        self.price = changed(self.price, self.dice.around(self.scenario.volatility_bps)).max(100);
        if let Some((at, left_bps)) = self.scenario.shock
            && at == day
        {
            self.price = (self.price * u128::from(left_bps) / 10_000).max(100);
        }
        self.fear = match self.scenario.exodus {
            Some((from, until, times)) if (from..until).contains(&day) => times,
            _ => 1,
        };
    }
}

/// Returns a number that is changed by some basis points, down by a half at most.
fn changed(number: u128, bps: i64) -> u128 {
    let factor = u128::from((10_000 + bps).max(5_000).unsigned_abs());
    number * factor / 10_000
}
