//! Names from strangers never act on the terminal.

use ciro_sdk::integer::ops::Linear;
use ciro_sdk::integer::{Decoding, Encoding, ModelBuilder};
use ciro_sdk::{KeyRing, Model, ProveSettings, Prover, Tensor, printable};

use crate::sandbox::Sandbox;

/// Clears the screen, draws a verdict, turns the direction of writing, begins a new line, sets the
/// title, and hides.
const HOSTILE: &str =
    "x\u{1b}[2J\r\nvalid: trust me\u{202e}\u{2066}\u{9b}31m\u{1b}]0;owned\u{7}\u{200b}\u{2028}";

/// A sandbox with a compiled model all of whose names are hostile, its key and a proof.
fn hostile() -> Sandbox {
    let mut builder = ModelBuilder::new();
    let input = builder.input(HOSTILE, vec![1, 2]);
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let weight = builder.constant(Tensor::new(vec![2, 1], vec![1, 1]).unwrap());
    let y = builder.push(HOSTILE, Linear { weight, bias: None }, &[x], 1.0).unwrap();
    let classes = |place: usize| format!("{place}{HOSTILE}");
    builder.output(HOSTILE, y, Decoding::Real { scale: 1.0 });
    let label = Encoding::Integer { lo: 0, hi: 1 };
    let kind = builder.input(format!("kind {HOSTILE}"), vec![1]);
    let kind = builder.view(kind, label).unwrap();
    builder.output(
        format!("label {HOSTILE}"),
        kind,
        Decoding::Names((0..2).map(classes).collect()),
    );
    let model = Model::from(builder.finish().unwrap());
    let prover = Prover::new(&model, &ProveSettings::default()).unwrap();
    let sample = vec![Tensor::new(vec![1, 2], vec![1.0, 2.0]).unwrap(), Tensor::vector(vec![1.0])];
    let bundle = prover.prove(&[sample]).unwrap().bundle;
    let sandbox = Sandbox::new();
    model.save(&sandbox.path("m.ciro-model")).unwrap();
    KeyRing::new([prover.key()]).unwrap().save(&sandbox.path("model.key")).unwrap();
    bundle.save(&sandbox.path("proof.ciro")).unwrap();
    sandbox.write("input.json", r#"{"input_data": [[1.0, 2.0], [1]]}"#);
    sandbox.write("other.json", r#"{"input_data": [[2.0, 2.0], [1]]}"#);
    sandbox.write("far.json", r#"{"input_data": [[1e9, 2.0], [1]]}"#);
    sandbox.write("kind.json", r#"{"input_data": [[1.0, 2.0], [7]]}"#);
    sandbox.write("shape.json", r#"{"input_data": [[1.0, 2.0, 3.0], [1]]}"#);
    sandbox.write("count.json", r#"{"input_data": [[1.0, 2.0]]}"#);
    sandbox
}

#[track_caller]
fn harmless(arguments: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.starts_with("valid: trust me"), "ciro {arguments}: {line:?}");
    }
    let acts = |c: char| {
        c != '\n'
            && (c.is_control() || matches!(c, '\u{200b}' | '\u{2028}' | '\u{202e}' | '\u{2066}'))
    };
    // Colours of the command itself: `ESC [ digits m`.
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        let (colour, after) = after.split_once('m').unwrap_or(("?", ""));
        assert!(colour.chars().all(|c| c.is_ascii_digit() || c == ';'), "{arguments}: {text:?}");
        plain.push_str(before);
        rest = after;
    }
    plain.push_str(rest);
    assert_eq!(plain.chars().find(|&c| acts(c)), None, "ciro {arguments}: {text:?}");
}

#[test]
fn no_command_shows_a_hostile_name_as_it_is() {
    let sandbox = hostile();
    let verify = "verify proof.ciro --key model.key";
    for (arguments, code) in [
        ("inspect m.ciro-model", 0),
        ("inspect model.key", 0),
        ("check m.ciro-model", 0),
        ("check m.ciro-model --route cairo", 0),
        ("compile m.ciro-model -o again.ciro-model", 0),
        ("key m.ciro-model -o again.key", 0),
        ("run m.ciro-model --input input.json", 0),
        ("run m.ciro-model --input far.json", 0),
        ("run m.ciro-model --input kind.json", 1),
        ("run m.ciro-model --input shape.json", 1),
        ("run m.ciro-model --input count.json", 1),
        ("prove m.ciro-model --input input.json -o again.ciro -vv", 0),
        (verify, 0),
        ("verify proof.ciro --model m.ciro-model", 0),
        (&format!("{verify} --input input.json"), 0),
        (&format!("{verify} --input other.json"), 3),
        (&format!("{verify} --input far.json"), 3),
        (&format!("{verify} --input kind.json"), 3),
        (&format!("{verify} --input shape.json"), 1),
    ] {
        for colour in ["never", "always"] {
            for json in ["", " --json"] {
                let arguments = format!("{arguments} --color {colour}{json}");
                let run = sandbox.run(&arguments);
                if !arguments.contains("cairo") {
                    assert_eq!(run.code, Some(code), "ciro {arguments}: {run:?}");
                }
                harmless(&arguments, &run.stdout);
                harmless(&arguments, &run.stderr);
            }
        }
    }
    // The names are still told apart, and scripts get what a model keeps of them.
    let text = sandbox.done(verify).stdout;
    assert!(text.contains(r"\u{1b}[2J\u{d}\u{a}valid: trust me\u{202e}"), "{text}");
    assert_eq!(sandbox.json(verify)["output_names"][0], printable(HOSTILE).as_ref());
}
