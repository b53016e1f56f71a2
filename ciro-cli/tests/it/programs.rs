//! Proofs about programs on the command line.

use crate::sandbox::{Sandbox, filters};

/// A sandbox that holds the example's executable and its arguments.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_model("logreg_iris");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/programs/fibonacci");
    for name in ["fibonacci.executable.json", "arguments.json"] {
        std::fs::copy(std::path::Path::new(folder).join(name), sandbox.path(name)).unwrap();
    }
    sandbox.write("ten.json", "[10]");
    sandbox
}

const PROGRAM: &str = "fibonacci.executable.json";

#[test]
fn a_program_is_proven_and_verified() {
    let _filters = filters();
    let sandbox = sandbox();
    let key = sandbox.json(&format!("program key {PROGRAM} -o program.key"));
    assert_eq!(key["builtins"], serde_json::json!(["output", "range_check"]));
    let ran = sandbox.json(&format!("program run {PROGRAM} --arguments ten.json"));
    assert_eq!(ran["output"], serde_json::json!(["0xa", "0x37"]));
    let prove = format!("program prove {PROGRAM} --args ten.json -o proof.ciro");
    let proven = sandbox.json(&prove);
    assert_eq!((&proven["output"], &proven["program_key"]), (&ran["output"], &key["program_key"]));
    let verified = sandbox.json("verify proof.ciro --key program.key");
    assert_eq!((&verified["valid"], &verified["about"]), (&true.into(), &"program".into()));
    assert_eq!(verified["output"], ran["output"]);
    insta::assert_snapshot!("verified", sandbox.run("verify proof.ciro --key program.key").text());
    insta::assert_snapshot!("key", sandbox.run("inspect program.key").text());
    insta::assert_snapshot!("proof", sandbox.run("inspect proof.ciro").text());

    let refused = sandbox.run("verify proof.ciro --key program.key --input input_0.json");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let refused = sandbox.run("verify proof.ciro --key program.key --min-security-bits 101");
    assert_eq!(refused.code, Some(3), "{refused:?}");
    neither_kind_passes_for_the_other(&sandbox);
    #[cfg(unix)]
    keys_and_proofs_come_through_pipes(&sandbox);

    let mut damaged = sandbox.read("proof.ciro");
    *damaged.last_mut().unwrap() ^= 1;
    sandbox.write("damaged.ciro", damaged);
    assert_eq!(sandbox.run("verify damaged.ciro --key program.key").code, Some(3));
}

fn neither_kind_passes_for_the_other(sandbox: &Sandbox) {
    sandbox.done("key model.onnx -o model.key");
    sandbox.done("prove model.onnx --input input_0.json -o model.ciro");
    for (name, arguments) in [
        ("program_as_model", "verify proof.ciro --key model.key"),
        ("model_as_program", "verify model.ciro --key program.key"),
    ] {
        let run = sandbox.run(arguments);
        assert_eq!(run.code, Some(3), "{run:?}");
        insta::assert_snapshot!(name, run.text());
    }
}

/// What comes through a pipe is there once.
#[cfg(unix)]
fn keys_and_proofs_come_through_pipes(sandbox: &Sandbox) {
    use std::process::{Command, Stdio};
    let piped = |file: &str, arguments: &str| {
        let mut cat = Command::new("cat");
        let mut cat = cat.arg(sandbox.path(file)).stdout(Stdio::piped()).spawn().unwrap();
        let run = sandbox.run_from(arguments, cat.stdout.take().unwrap());
        cat.wait().unwrap();
        run
    };
    for (file, arguments) in [
        ("program.key", "verify proof.ciro --key /dev/stdin"),
        ("proof.ciro", "verify /dev/stdin --key program.key"),
        ("model.key", "verify model.ciro --key /dev/stdin"),
    ] {
        let run = piped(file, arguments);
        assert_eq!(run.code, Some(0), "{arguments}: {run:?}");
    }
}

#[test]
fn what_is_no_program_and_what_does_not_end_is_told() {
    let _filters = filters();
    let sandbox = sandbox();
    sandbox.write("empty.json", "{}");
    sandbox.write("word.json", "[\"ten\"]");
    sandbox.write("none.json", "[]");
    sandbox.write("endless.json", "[4294967295]");
    let check = |name: &str, arguments: &str| {
        let run = sandbox.run(arguments);
        assert_eq!(run.code, Some(1), "{run:?}");
        insta::assert_snapshot!(name, run.text());
    };
    check("no_executable", "program key empty.json -o program.key");
    check("no_felt", &format!("program run {PROGRAM} --arguments word.json"));
    check("no_argument", &format!("program run {PROGRAM} --arguments none.json"));
    let endless = format!("program run {PROGRAM} --arguments endless.json --max-memory 100MB");
    check("endless", &endless);
    assert!(!sandbox.path("program.key").exists());
}
