//! The demo.

use crate::sandbox::{Sandbox, filters};

#[test]
fn the_demo_proves_a_digit_and_rejects_a_forgery() {
    let sandbox = Sandbox::new();
    let report = sandbox.json("demo");
    assert_eq!((&report["valid"], &report["prediction"]), (&true.into(), &6.into()));
    assert_eq!(report["forgery"]["rejected"], true);
    for field in ["prove_ms", "verify_ms", "proof_bytes"] {
        assert!(report[field].as_f64() > Some(0.0), "{field}");
    }
    assert!(sandbox.names().is_empty(), "the demo writes nothing");
}

#[test]
fn the_demo_shows_what_it_does() {
    let _filters = filters();
    insta::assert_snapshot!("demo", Sandbox::new().done("demo").text());
}
