//! What calls give, on this machine.

use ciro_wasm::{Call, Room, Rooms};
use serde_json::Value;

use crate::proofs::{Pair, example, golden};

/// Arguments, the code that they give, and the check of the proof that fails.
type Case<'a> = (&'a [(Room, &'a [u8])], &'a str, Option<&'a str>);

fn ask(call: Call, given: &[(Room, &[u8])]) -> Value {
    let mut rooms = Rooms::default();
    for (room, bytes) in given {
        if let Some(place) = rooms.make(*room, bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    serde_json::from_str(&rooms.answer(call)).unwrap()
}

fn iris() -> (Pair, Vec<u8>) {
    example("logreg_iris", 1)
}

#[test]
fn a_valid_proof_says_what_went_in_and_came_out() {
    let (pair, input) = iris();
    let given = [(Room::Key, &pair.key[..]), (Room::Proof, &pair.proof), (Room::Input, &input)];
    let answer = &ask(Call::Verify, &given)["ok"];
    assert_eq!(answer["route"], "tensor");
    assert_eq!((&answer["inputChecked"], &answer["clamped"]), (&true.into(), &0.into()));
    assert!(answer["securityBits"].as_u64() >= Some(100));
    let sample = &answer["samples"][0];
    assert_eq!(sample["inputs"][0]["values"].as_array().map(Vec::len), Some(4));
    assert!(sample["outputs"].as_array().is_some_and(|outputs| !outputs.is_empty()));
}

#[test]
fn failures_have_the_codes_and_checks_of_the_command() {
    let (pair, input) = iris();
    let (other, _) = example("linreg_diabetes", 1);
    let asked = |text: &'static str| (Room::Asked, text.as_bytes());
    let (key, proof) = ((Room::Key, &pair.key[..]), (Room::Proof, &pair.proof[..]));
    let moved = br#"{"input_data": [[5.0, 3.0, 1.5, 0.1]]}"#;
    let context =
        r#"{"context":"0000000000000000000000000000000000000000000000000000000000000001"}"#;
    let none: Option<&str> = None;
    let cases: &[Case<'_>] = &[
        (&[key], "argument", none),
        (&[proof], "argument", none),
        (&[(Room::Key, b"key"), proof], "key", none),
        (&[key, (Room::Proof, b"proof")], "invalid_proof", Some("format")),
        (&[key, (Room::Proof, &other.proof)], "invalid_proof", Some("model_key")),
        (&[key, proof, (Room::Input, moved)], "invalid_proof", Some("inputs")),
        (&[key, proof, (Room::Input, b"{}")], "input", none),
        (&[key, proof, asked(context)], "invalid_proof", Some("context")),
        (&[key, proof, asked(r#"{"context":"x"}"#)], "argument", none),
        (&[key, proof, asked(r#"{"minProvenBits":100}"#)], "invalid_proof", Some("security")),
        (&[key, proof, asked(r#"{"unknown":1}"#)], "argument", none),
        (&[key, proof, (Room::Input, &input), asked(r#"{"blinding":"1"}"#)], "argument", none),
    ];
    for (given, code, check) in cases {
        let error = &ask(Call::Verify, given)["error"];
        assert_eq!(
            (error["code"].as_str(), error["check"].as_str()),
            (Some(*code), *check),
            "{error}"
        );
    }
}

#[test]
fn more_bytes_than_a_proof_has_are_no_proof() {
    let mut rooms = Rooms::default();
    assert!(rooms.make(Room::Proof, (64 << 20) + 1).is_none());
    let answer: Value = serde_json::from_str(&rooms.answer(Call::Verify)).unwrap();
    assert_eq!(answer["error"]["check"], "format");
}

#[test]
fn a_key_says_what_its_model_takes_and_gives() {
    let (pair, _) = iris();
    let answer = &ask(Call::InspectKey, &[(Room::Key, &pair.key)])["ok"];
    assert_eq!(answer["inputs"][0]["shape"], serde_json::json!([1, 4]));
    assert_eq!(answer["entries"][0]["preset"], "standard");
    assert_eq!(answer["entries"][0]["batch"], 1);
}

#[test]
fn a_proof_and_a_key_say_whether_they_hide_and_what_is_committed() {
    let asked = br#"{"minSecurityBits":0}"#;
    let mut seen = [0; 2];
    for Pair { name, key, proof } in golden() {
        let hides = name.contains("hiding");
        seen[usize::from(hides)] += 1;
        let given = [(Room::Asked, &asked[..]), (Room::Key, &key), (Room::Proof, &proof)];
        let answer = &ask(Call::Verify, &given)["ok"];
        assert_eq!(answer["hides"], hides, "{name}: {answer}");
        let committed = answer["samples"][0]["committed"].as_array().unwrap();
        assert_eq!(committed.is_empty(), !name.starts_with("committed"), "{name}");
        let is_one = |it: &Value| it["commitment"].as_str().map(str::len) == Some(64);
        assert!(committed.iter().all(is_one), "{name}: {committed:?}");
        let answer = &ask(Call::InspectKey, &[(Room::Key, &key)])["ok"];
        assert_eq!(answer["entries"][0]["hides"], hides, "{name}: {answer}");
        assert_eq!(answer["leftOut"], serde_json::json!([]), "{name}");
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}

#[test]
fn an_input_becomes_the_integers_of_the_proof() {
    let (pair, input) = iris();
    let given = [(Room::Key, &pair.key[..]), (Room::Input, &input)];
    let answer = &ask(Call::EncodeInput, &given)["ok"];
    assert_eq!(answer["samples"][0]["tensors"][0]["integers"].as_array().map(Vec::len), Some(4));
    assert_eq!(answer["digest"].as_str().map(str::len), Some(64));
    let two = br#"{"input_data": [[5, 3, 1, 0.1, 5, 3, 1, 0.1]]}"#;
    let given = [(Room::Key, &pair.key[..]), (Room::Input, two)];
    assert_eq!(ask(Call::EncodeInput, &given)["error"]["code"], "key");
}

#[test]
fn a_receipt_is_decided_by_the_genesis() {
    let given = [(Room::Genesis, &b"{}"[..]), (Room::Receipt, b"")];
    assert_eq!(ask(Call::VerifyReceipt, &given)["error"]["code"], "genesis");
    assert_eq!(ask(Call::VerifyReceipt, &given[..1])["error"]["code"], "genesis");
}
