//! Seven validators: one whose machine runs twice, one that registers and leaves under load, and
//! what they decide. `.ci/run economy_long`.

mod equivocation;
mod events;
mod leaving;
mod votes;

use serde_json::{Value, json};

use crate::devnet::Devnet;

/// Starts a network of seven validators, whose ticks and patience are for a machine that all of
/// them share.
fn up(providers: usize, change: impl FnOnce(&mut Value)) -> Devnet {
    let up = format!("--validators 7 --providers {providers}");
    Devnet::of_spec((&up, 7 + providers), |spec| {
        spec["time"]["tick_ms"] = json!(500);
        spec["consensus"]["progress_timeout_ms"] = json!(3_000);
        // However loaded the machine is: nobody is absent.
        spec["economy"]["params"]["penalty"]["presence_bps"] = json!(0);
        change(spec);
    })
}
