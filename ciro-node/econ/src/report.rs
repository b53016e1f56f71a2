//! The table and the page.

use std::fmt::Write as _;

use ciro_protocol::amount::Amount;

use crate::agents::SOLD_BPS;
use crate::run::{Row, Run};

/// Points of a plot.
const POINTS: usize = 240;
/// The size of a plot, in pixels.
const SIZE: (f64, f64) = (640.0, 200.0);

/// Returns the run as comma-separated values, a line a day.
#[must_use]
pub fn csv(run: &Run) -> String {
    let mut text = String::from(
        "day,price_usd,demand_usd,volume_ciro,unmet_ciro,fees_ciro,released_ciro,pool_ciro,\
         staked_ciro,circulating_ciro,burned_ciro,treasury_ciro,yield_bps,\
         attack_third_usd,attack_two_thirds_usd\n",
    );
    for row in &run.rows {
        let usd = |micro: u128| format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            row.day,
            usd(row.price),
            usd(row.demand),
            row.volume,
            row.unmet,
            row.fees,
            row.released,
            row.pool,
            row.staked,
            row.circulating(),
            row.burned,
            row.treasury,
            row.yield_bps,
            row.attack_usd(1, 3),
            row.attack_usd(2, 3),
        );
    }
    text
}

/// Returns a page that needs nothing else: headline numbers with what they rest on, and plots.
#[must_use]
pub fn html(run: &Run) -> String {
    let (scenario, years) = (&run.scenario, run.rows.len() / 365);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Ciro: {name}</title>\
         <style>body{{font:15px/1.5 sans-serif;max-width:44em;margin:2em auto;padding:0 1em}}\
         table{{border-collapse:collapse}}td,th{{padding:.3em .8em;border-bottom:1px solid #ccc;\
         text-align:left;vertical-align:top}}svg{{width:100%;height:auto}}</style>\
         <h1>{name}: {years} years</h1><p>{about}. Seed {seed}. Every balance is one of the \
         ledger's own rules; the price is an input.</p>",
        name = scenario.name,
        about = scenario.about,
        seed = run.seed,
    );
    page.push_str(
        "<h2>Numbers, and what they rest on</h2><table><tr><th>what<th>how much<th>rests on",
    );
    for (what, how_much, rests_on) in headlines(run) {
        let _ = write!(page, "<tr><td>{what}<td>{how_much}<td>{rests_on}");
    }
    page.push_str("</table><h2>Assumed</h2><ul>");
    for assumption in assumptions(run) {
        let _ = write!(page, "<li>{assumption}");
    }
    page.push_str("</ul>");
    for (title, value) in plots() {
        page.push_str(&plot(title, &run.rows, value));
    }
    page.push_str("</html>\n");
    page
}

/// What a plot shows of a day.
type Value = fn(&Row) -> f64;

fn plots() -> [(&'static str, Value); 8] {
    [
        ("Price of a CIRO, USD (an input)", |row| millionths(row.price)),
        ("Paid for inference, CIRO a day", |row| whole(row.volume)),
        ("Released of the pool, CIRO a day", |row| whole(row.released)),
        ("Fees of the market for each CIRO released", |row| {
            whole(row.fees) / whole(row.released).max(1e-9)
        }),
        ("At stake, share of what circulates, %", |row| {
            100.0 * whole(row.staked) / whole(row.circulating()).max(1e-9)
        }),
        ("Yield of stake before commission, % a year", |row| {
            millionths(row.yield_bps.into()) * 1e4
        }),
        ("A third of the stake, millions of USD", |row| millionths(row.attack_usd(1, 3))),
        ("Burned in all, CIRO", |row| whole(row.burned)),
    ]
}

/// For the eye alone: digits beyond the fifteenth do not show.
#[expect(clippy::cast_precision_loss, reason = "a plot has fewer digits")]
const fn float(number: u128) -> f64 {
    number as f64
}

fn millionths(number: u128) -> f64 {
    float(number) / 1e6
}

fn whole(amount: Amount) -> f64 {
    float(amount.units()) / 1e18
}

fn headlines(run: &Run) -> Vec<(&'static str, String, &'static str)> {
    let rows = &run.rows;
    let (Some(last), Some(first)) = (rows.last(), rows.first()) else { return Vec::new() };
    let released: f64 = rows.iter().map(|row| whole(row.released)).sum();
    let year: f64 = rows.iter().take(365).map(|row| whole(row.released)).sum();
    let covered = rows.iter().find(|row| row.fees >= row.released && !row.released.is_zero());
    let covered = covered.map_or("never".to_owned(), |row| format!("on day {}", row.day));
    let cheapest = rows.iter().skip(90).map(|row| row.attack_usd(1, 3)).min().unwrap_or_default();
    let unmet = rows.iter().filter(|row| !row.unmet.is_zero()).count();
    let yields = rows.iter().skip(90).map(|row| row.yield_bps);
    let yields = (yields.clone().min().unwrap_or_default(), yields.max().unwrap_or_default());
    let percent = |bps: u64| format!("{}.{:02} %", bps / 100, bps % 100);
    vec![
        (
            "Released of the pool in all",
            format!("{released:.0} CIRO"),
            "the rule of emission alone, and somebody to be paid",
        ),
        (
            "Released in the first year, for what circulated on its first day",
            format!("{:.1} %", 100.0 * year / whole(first.circulating()).max(1e-9)),
            "the rule of emission, and what the genesis gives out",
        ),
        ("Fees of a day reach its emission", covered, "demand, price, the market's part of 2 %"),
        (
            "Yield of stake after a quarter",
            format!("{} to {}", percent(yields.0), percent(yields.1)),
            "what holders ask for, and that they do as they say",
        ),
        (
            "A third of the stake at its cheapest, after a quarter",
            format!("{:.2} million USD", millionths(cheapest)),
            "the price, and that one could buy as much at it",
        ),
        (
            "At stake on the last day",
            format!(
                "{:.1} % of what circulates",
                100.0 * whole(last.staked) / whole(last.circulating()).max(1e-9)
            ),
            "what holders ask for",
        ),
        (
            "Days on which less could be bought than was to be paid",
            unmet.to_string(),
            "what holders sell: an exchange with more sellers has fewer",
        ),
    ]
}

fn assumptions(run: &Run) -> Vec<String> {
    let scenario = &run.scenario;
    let mut all = vec![
        format!("On the first day {} USD are paid for inference, at most {} a day later; far from that, demand grows by {} millionths a day, with a deviation of 10 % between days.", scenario.demand_usd, scenario.demand_cap_usd, scenario.growth_ppm),
        format!("A CIRO costs {} millionths of a USD at first; its price changes by a random part with a deviation of {} basis points a day, and by nothing that happens here.", scenario.price_micro_usd, scenario.volatility_bps),
        "Holders ask for a yield between 2 and 22 % a year, drawn once. Once a month they stake half of what they have if they get it, and take a third of their stake out below four fifths of it.".to_owned(),
        format!("Of rewards that are claimed {} % are sold. Providers sell all that they earn. Who buys inference buys what it costs on that day.", SOLD_BPS / 100),
        "Validators are those of the genesis, always there and never at fault; nobody votes, and the treasury spends nothing.".to_owned(),
    ];
    if let Some((day, left)) = scenario.shock {
        all.push(format!("On day {day} the price falls to {} % of what it was.", left / 100));
    }
    if let Some((from, until, times)) = scenario.exodus {
        all.push(format!(
            "From day {from} to day {until} holders ask for {times} times the yield."
        ));
    }
    all
}

fn plot(title: &str, rows: &[Row], value: Value) -> String {
    let step = rows.len().div_ceil(POINTS).max(1);
    let values: Vec<f64> = rows.iter().step_by(step).map(value).collect();
    let most = values.iter().copied().fold(0.0, f64::max).max(1e-12);
    let count = float(u128::try_from(values.len().saturating_sub(1).max(1)).unwrap_or(1));
    let mut points = String::new();
    for (place, value) in values.iter().enumerate() {
        let x = 60.0 + (SIZE.0 - 70.0) * float(u128::try_from(place).unwrap_or(0)) / count;
        let y = 10.0 + (SIZE.1 - 30.0) * (1.0 - value / most);
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    let (width, height) = SIZE;
    let (right, base) = (width - 10.0, height - 20.0);
    let years = rows.len() / 365;
    format!(
        "<h3>{title}</h3><svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">\
         <path d=\"M60 10V{base}H{right}\" fill=\"none\" stroke=\"#999\"/>\
         <text x=\"55\" y=\"16\" text-anchor=\"end\" font-size=\"11\">{most}</text>\
         <text x=\"55\" y=\"{base}\" text-anchor=\"end\" font-size=\"11\">0</text>\
         <text x=\"{right}\" y=\"{height}\" text-anchor=\"end\" font-size=\"11\">{years} years</text>\
         <polyline points=\"{points}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"1.5\"/></svg>",
        most = short(most),
    )
}

/// Spells a number with three digits.
fn short(number: f64) -> String {
    for (unit, name) in [(1e9, " G"), (1e6, " M"), (1e3, " k")] {
        if number >= unit {
            return format!("{:.2}{name}", number / unit);
        }
    }
    format!("{number:.3}")
}
