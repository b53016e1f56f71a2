//! Runs are what the rules and the assumptions say.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use ciro_econ::scenario::ALL;
use ciro_econ::{Run, report, run};
use ciro_protocol::Amount;

/// Plays two years.
fn play(name: &str, seed: u64) -> Run {
    let scenario = ALL.into_iter().find(|it| it.name == name).unwrap();
    run(scenario, seed, 730).unwrap()
}

#[test]
fn equal_seeds_give_equal_runs_and_others_give_others() {
    let (one, again, other) = (play("baseline", 1), play("baseline", 1), play("baseline", 2));
    assert_eq!(one.rows, again.rows);
    assert_ne!(one.rows, other.rows);
    assert_eq!(report::html(&one), report::html(&again));
}

#[test]
fn the_pool_releases_what_the_rule_says_whatever_people_do() {
    for scenario in ALL {
        let run = run(scenario, 3, 200).unwrap();
        let mut last = Amount::SUPPLY.share(5_000);
        for row in &run.rows {
            let most = last.fraction(474_322, 1_000_000_000);
            assert!(row.released <= most, "day {}", row.day);
            // What rounding leaves in the pool: a unit for each validator.
            assert!(most.units() - row.released.units() <= 16, "day {}", row.day);
            last = row.pool;
        }
    }
}

#[test]
fn stake_follows_its_yield() {
    let run = play("baseline", 1);
    let (first, last) = (&run.rows[0], &run.rows[729]);
    assert!(first.yield_bps > 10_000, "few have staked: {}", first.yield_bps);
    assert!(last.staked > first.staked && last.yield_bps < first.yield_bps / 4);
}

#[test]
fn an_exodus_takes_stake_away_and_a_shock_makes_an_attack_cheap() {
    let days = 1_500;
    let of = |name: &str| {
        let scenario = ALL.into_iter().find(|it| it.name == name).unwrap();
        run(scenario, 5, days).unwrap().rows
    };
    let (baseline, exodus, shock) = (of("baseline"), of("exodus"), of("shock"));
    assert_eq!(baseline[1_093], exodus[1_093], "nothing has happened yet");
    assert!(exodus[1_450].staked.units() < baseline[1_450].staked.units() * 9 / 10);
    assert!(exodus[1_450].yield_bps > baseline[1_450].yield_bps);
    assert!(shock[1_095].attack_usd(1, 3) * 4 < baseline[1_095].attack_usd(1, 3));
}

#[test]
fn fees_of_the_market_are_burned_by_half() {
    let run = play("stagnation", 1);
    let fees: u128 = run.rows.iter().map(|row| row.fees.units()).sum();
    let burned = run.rows[729].burned.units();
    // Transactions cost fees, too.
    assert!(burned >= fees / 2 - 730 && burned < fees / 2 + fees / 20, "{burned} of {fees}");
}

#[test]
fn the_table_has_a_line_a_day_and_the_page_needs_nothing_else() {
    let run = play("shock", 1);
    let csv = report::csv(&run);
    assert_eq!(csv.lines().count(), 731);
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().all(|line| line.split(',').count() == columns));
    let html = report::html(&run);
    assert_eq!(html.matches("<polyline").count(), 8);
    assert!(!html.contains("http") && !html.contains("<script"));
    assert!(html.contains("falls to 20 %"), "what is assumed is said");
}
