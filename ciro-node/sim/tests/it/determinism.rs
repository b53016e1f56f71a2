//! One seed, one run: in this process, in another one, with any number of threads.

use std::env;
use std::path::Path;
use std::process::Command;

use ciro_sim::{Plan, Profile, Sweep, World, text};

/// Returns the command, which cargo builds before this test, two folders up.
///
/// A compiler wrapper that is a shell script loses `CARGO_BIN_EXE_ciro-sim`: its name is none for a
/// shell.
fn simulator() -> Command {
    let test = env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    Command::new(folder.join(format!("ciro-sim{}", env::consts::EXE_SUFFIX)))
}

fn trace_of(seed: u64, profile: Profile) -> u128 {
    World::new(Plan::new(seed, 4, 20, profile)).run().trace
}

#[test]
fn a_seed_gives_one_trace_in_every_process() {
    for (seed, profile) in [(7, Profile::Mixed), (8, Profile::Churn), (9, Profile::Fork)] {
        let trace = format!("trace {:032x}", trace_of(seed, profile));
        for _ in 0..2 {
            let output = simulator()
                .args(["--replay", &seed.to_string(), "--profile", profile.name()])
                .output()
                .unwrap();
            assert!(output.status.success());
            let printed = String::from_utf8(output.stdout).unwrap();
            assert!(printed.lines().any(|line| line == trace), "{profile} seed {seed}: {trace}");
        }
    }
}

#[test]
fn seeds_give_different_traces() {
    assert_ne!(trace_of(1, Profile::Mixed), trace_of(2, Profile::Mixed));
}

#[test]
fn threads_do_not_change_what_runs_give() {
    let run = |jobs| {
        let profile = Profile::Mixed;
        let sweep = Sweep { seeds: 0..40, nodes: 4, blocks: 20, profile, jobs, stop_early: false };
        let report = sweep.run();
        (report.trace, report.stats.messages, report.stats.finality_ms(500))
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn recording_a_timeline_changes_nothing() {
    let plan = Plan::new(5, 4, 20, Profile::Mixed);
    let recorded = World::new(plan).recording().run();
    assert_eq!(recorded.trace, trace_of(5, Profile::Mixed));
    assert!(text(&recorded.moments).contains("executes block 20"));
}

#[test]
fn a_broken_run_ends_with_a_failure_and_its_replay() {
    let bad = simulator().args(["--nodes", "3"]).output().unwrap();
    assert_eq!(bad.status.code(), Some(2));
    let error = String::from_utf8(bad.stderr).unwrap();
    assert!(error.contains("--nodes is 3, expected 4 to 200"), "{error}");
}
