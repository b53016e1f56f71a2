//! The Cairo route on the command line.

use crate::sandbox::Sandbox;

#[test]
fn transpile_writes_a_package_and_nothing_over_another() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let report = sandbox.json("transpile model.onnx -o package");
    assert_eq!(report["program_hash"].as_str().map(str::len), Some(64));
    for file in ["Scarb.toml", "src/lib.cairo", "src/layers.cairo", "src/ops/linear.cairo"] {
        assert!(report["files"].as_array().unwrap().contains(&file.into()), "{report}");
        assert!(sandbox.path("package").join(file).is_file(), "{file}");
    }
    let again = sandbox.run("transpile model.onnx -o package");
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("`package` is not an empty folder"), "{again:?}");
}

#[test]
fn a_committed_input_is_proven_verified_and_opened() {
    let sandbox = Sandbox::with_model("linreg_diabetes");
    let keys = sandbox.json("key model.onnx --route tensor,cairo --batch 1,8 -o model.key");
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(3), "{keys}");
    let prove = "prove model.onnx --route cairo --commit-input --input input_0.json -o proof.ciro";
    let proven = sandbox.json(prove);
    assert_eq!(proven["route"], "cairo");
    assert!(proven["steps"].as_u64() > Some(0) && proven.get("cells").is_none(), "{proven}");
    let verified = sandbox.json("verify proof.ciro --key model.key");
    assert_eq!((&verified["valid"], &verified["output"]), (&true.into(), &proven["output"]));

    let blinding = proven["blinding"].as_str().unwrap();
    let open = "verify proof.ciro --key model.key --input input_0.json";
    sandbox.done(&format!("{open} --blinding {blinding}"));
    for arguments in [open.to_owned(), format!("{open} --blinding {}", "0".repeat(64))] {
        assert_eq!(sandbox.run(&arguments).code, Some(3), "{arguments}");
    }
    // A bundle does not choose that a program is compiled and run.
    let model = "verify proof.ciro --model model.onnx --calibration inputs.npz";
    let refused = sandbox.run(model);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("with `--route cairo`"), "{refused:?}");
    sandbox.done(&format!("{model} --route cairo"));
    sandbox.done("key model.onnx -o tensor.key");
    assert_eq!(sandbox.run("verify proof.ciro --key tensor.key").code, Some(3));
}

#[test]
fn keys_that_a_route_does_not_have_are_refused_by_name() {
    let sandbox = Sandbox::with_model("linreg_diabetes");
    let run = sandbox.run("key model.onnx --route tensor,cairo --batch 8 -o model.key");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("the cairo route proves one inference at a time, not 8"),
        "{run:?}"
    );
    assert!(!sandbox.path("model.key").exists());
}
