//! `docs/economy.md` names every parameter, operation and refusal of the economy.

use ciro_protocol::Refusal;
use serde_json::Value;

use crate::values;

/// The names of all numbers in a value, however deep.
fn names(value: &Value, found: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    for (name, field) in fields {
        if field.is_object() { names(field, found) } else { found.push(name.clone()) }
    }
}

#[test]
fn the_page_names_every_parameter_operation_and_refusal() {
    let page = include_str!("../../../../docs/economy.md");
    let mut expected = Vec::new();
    names(&serde_json::to_value(values::economy().params).unwrap(), &mut expected);
    assert_eq!(expected.len(), 24, "{expected:?}");
    let kinds = values::transactions().into_iter().map(|tx| tx.body.body.kind());
    let kinds = kinds.skip_while(|kind| *kind != "claim_grant");
    expected.extend(kinds.map(str::to_owned));
    let refusals = Refusal::ALL.iter().skip_while(|it| **it != Refusal::EconomyClosed);
    expected.extend(refusals.map(|refusal| refusal.name().to_owned()));
    let missing: Vec<_> =
        expected.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/economy.md does not name {missing:?}");
}
