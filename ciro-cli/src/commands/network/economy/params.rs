//! Parameters by their names, such as `governance.voting_ms`.

use std::str::FromStr;

use anyhow::Result;
use ciro_protocol::economy::EconomyParams;
use serde_json::Value;

use crate::context::Failure;

/// Where to read on.
const RANGES: &str = "docs/economy.md has the range of every parameter";

/// A parameter and its new value: `NAME=VALUE`.
#[derive(Clone, Debug)]
pub(super) struct Change {
    name: String,
    value: String,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// All parameters by name.
pub(super) fn list(params: &EconomyParams) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // Numbers and texts always have a JSON form.
    collect(&serde_json::to_value(params).unwrap_or_default(), "", &mut found);
    found
}

fn collect(value: &Value, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let dot = if name.is_empty() { "" } else { "." };
                collect(value, &format!("{name}{dot}{member}"), found);
            }
        }
        Value::String(text) => found.push((name.to_owned(), text.clone())),
        other => found.push((name.to_owned(), other.to_string())),
    }
}

/// The parameters with changes, each in its range for a network of such ticks.
pub(super) fn changed(
    params: &EconomyParams,
    changes: &[Change],
    tick_ms: u64,
) -> Result<EconomyParams> {
    let mut value = serde_json::to_value(params)?;
    for change in changes {
        let pointer = format!("/{}", change.name.replace('.', "/"));
        let unknown = || {
            let hint = "`ciro gov params` lists all of them";
            Failure::new(format!("there is no parameter `{}`", change.name), hint)
        };
        let place = value.pointer_mut(&pointer).ok_or_else(unknown)?;
        *place = match place {
            Value::Object(_) => return Err(unknown().into()),
            // Amounts are texts, all others numbers.
            Value::String(_) => Value::String(change.value.clone()),
            _ => number(change)?,
        };
        // One after the other, so that the one that is wrong is named.
        serde_json::from_value::<EconomyParams>(value.clone()).map_err(|error| {
            let Change { name, value } = change;
            Failure::new(format!("`{value}` is no value of `{name}`: {error}"), RANGES)
        })?;
    }
    let changed: EconomyParams = serde_json::from_value(value)?;
    changed.check(tick_ms).map_err(|error| {
        Failure::new(format!("the parameters cannot be proposed: {error}"), RANGES)
    })?;
    Ok(changed)
}

fn number(change: &Change) -> Result<Value> {
    let number: u64 = change.value.parse().map_err(|_| {
        let message = format!("`{}` is no value of `{}`", change.value, change.name);
        Failure::new(
            message,
            "times are whole ms, parts are whole basis points or parts per billion",
        )
    })?;
    Ok(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> EconomyParams {
        let text = include_str!("params.json");
        serde_json::from_str(text).unwrap()
    }

    fn change(text: &str) -> Change {
        text.parse().unwrap()
    }

    #[test]
    fn parameters_are_changed_by_name() {
        let changes = ["governance.voting_ms=5000", "governance.deposit=2.5"].map(change);
        let changed = changed(&params(), &changes, 1_000).unwrap();
        assert_eq!(changed.governance.voting_ms, 5_000);
        assert_eq!(changed.governance.deposit.to_string(), "2.5");
        let listed = list(&changed);
        assert!(listed.contains(&("governance.deposit".to_owned(), "2.5".to_owned())));
        assert!(listed.contains(&("epoch_ms".to_owned(), params().epoch_ms.to_string())));
    }

    #[test]
    fn what_is_no_parameter_or_value_is_named() {
        for (text, expected) in [
            ("governance.pause_ms=1", "no parameter `governance.pause_ms`"),
            ("governance=1", "no parameter `governance`"),
            ("epoch_ms=soon", "`soon` is no value of `epoch_ms`"),
            ("governance.deposit=much", "`much` is no amount"),
            ("treasury_bps=10001", "economy.treasury_bps"),
            ("treasury_bps=70000", "`70000` is no value of `treasury_bps`"),
        ] {
            let error = changed(&params(), &[change(text)], 1_000).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
        assert!("epoch_ms".parse::<Change>().is_err());
    }
}
