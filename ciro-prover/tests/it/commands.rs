//! What the commands say when something is wrong.

use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(crate::program()).args(arguments).output().unwrap()
}

fn error(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_account_needs_a_network_in_use_and_nothing_is_written_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let worker = folder.path().join("worker");
    let mut command = Command::new(crate::program());
    command.args(["init", text(&worker), "--account", "provider"]);
    let output = command.env("CIRO_HOME", folder.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("`ciro network use` chooses one"), "{error}");
    assert!(output.status.code() == Some(1) && !worker.exists());
}

#[test]
fn settings_are_written_once_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(&["init", text(folder.path())]);
    assert!(made.status.success());
    let again = error(&["init", text(folder.path())]);
    assert!(again.contains("cannot write"), "{again}");
    // The files that the settings name are not there yet.
    let config = folder.path().join("prover.toml");
    for command in ["start", "register", "status"] {
        let missing = error(&[command, "--config", text(&config)]);
        assert!(missing.contains("genesis.json"), "{command}: {missing}");
    }
}

#[test]
fn settings_that_nobody_knows_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prover.toml");
    std::fs::write(&config, "nodes = \"http://a\"\n").unwrap();
    let unknown = error(&["start", "--config", text(&config)]);
    assert!(unknown.contains("nodes"), "{unknown}");
    let missing = error(&["start", "--config", text(&folder.path().join("none.toml"))]);
    assert!(missing.contains("none.toml"), "{missing}");
}

#[test]
fn manual_pages_are_written_or_the_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert!(run(&["man", text(&pages)]).status.success());
    let page = std::fs::read_to_string(pages.join("ciro-prover-start.1")).unwrap();
    assert!(page.contains("Claims jobs"), "{page}");
    let inside = pages.join("ciro-prover.1").join("man1");
    let refused = error(&["man", text(&inside)]);
    assert!(refused.contains("cannot write manual pages to"), "{refused}");
}

#[test]
fn a_machine_is_measured_and_its_speed_written_into_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(&["init", text(folder.path())]).status.success());
    let config = folder.path().join("prover.toml");
    let measured = run(&["calibrate", "--write", "--config", text(&config)]);
    assert!(measured.status.success(), "{}", String::from_utf8_lossy(&measured.stderr));
    let told = String::from_utf8(measured.stdout).unwrap();
    let line = told.lines().find(|line| line.starts_with("cells_per_s = ")).unwrap();
    let setting = line.split("    ").next().unwrap();
    let settings = std::fs::read_to_string(&config).unwrap();
    assert!(settings.lines().any(|line| line == setting), "{told}");
    assert_eq!(told.matches(" cells/s").count(), 3, "{told}");
    assert!(!folder.path().join("data/calibration").exists());
}
