//! Help texts, as people see them.

use crate::sandbox::Sandbox;

#[track_caller]
fn check(arguments: &str) {
    let name = arguments.replace([' ', '-'], "_");
    insta::assert_snapshot!(name.trim_matches('_'), Sandbox::new().run(arguments).text());
}

#[test]
fn the_command_introduces_itself() {
    check("--help");
}

#[test]
fn every_command_says_what_it_takes() {
    let help = Sandbox::new().done("--help").stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let commands: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"transpile") && commands.contains(&"verify"), "{commands:?}");
    for command in commands {
        check(&format!("{command} --help"));
    }
}

#[cfg(feature = "cairo")]
#[test]
fn every_action_on_a_program_says_what_it_takes() {
    for action in ["key", "run", "prove"] {
        check(&format!("program {action} --help"));
    }
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    let sandbox = Sandbox::new();
    for arguments in [
        "",
        "proof",
        "prove",
        "prove model.onnx -o proof.ciro",
        "prove model.onnx --input x.json -o proof.ciro --route stark",
        "prove model.onnx --input x.json -o proof.ciro --preset weak",
        "verify proof.ciro",
        "verify proof.ciro --key k --model m",
        "check model.onnx --batch 0",
        "check model.onnx --max-memory plenty",
        "check model.onnx --threads 0",
        "run model.onnx",
        "demo --quiet --verbose",
        "verify proof.ciro --key k --calibration c.npz",
        "verify proof.ciro --key k --uncalibrated",
        "verify proof.ciro --model m --calibration c.npz --uncalibrated",
        "verify proof.ciro --key k --allow-clamped",
    ] {
        assert_eq!(sandbox.run(arguments).code, Some(2), "ciro {arguments}");
    }
}

#[test]
fn manual_pages_are_written_or_the_folder_is_named() {
    let sandbox = Sandbox::new();
    sandbox.done("man pages/man1");
    let page = String::from_utf8(sandbox.read("pages/man1/ciro-prove.1")).unwrap();
    assert!(page.contains(".SH SYNOPSIS") && page.contains("PROOF"), "{page}");
    let refused = sandbox.run("man pages/man1/ciro.1/man1");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("cannot write manual pages to"), "{}", refused.stderr);
}
