//! A proof for one key is none for another: models that compute the same and mean something else.

use ciro_cairo::{
    CairoKey, CairoKeyError, EmitSettings, Identity, InputMode, StatementError, commit_input,
    parse_claim,
};
use ciro_model::integer::ops::{ArgMax, Combine};
use ciro_model::integer::{Decoding, Encoding, IntegerModel, Interval, ModelBuilder, StatedInput};
use ciro_model::tensor::Tensor;

use crate::support::Compiled;

/// What a model's integers mean.
#[derive(Clone)]
struct Meaning {
    input: &'static str,
    scale: f64,
    output: &'static str,
    node: &'static str,
    classes: [&'static str; 2],
}

const MEANING: Meaning =
    Meaning { input: "x", scale: 0.5, output: "y", node: "y", classes: ["good", "bad"] };

/// `argmax(2 x)`.
fn model(meaning: &Meaning) -> IntegerModel {
    let mut builder = ModelBuilder::new();
    let input = builder.input(meaning.input, vec![1, 2]);
    let encoding = Encoding::Affine { scale: meaning.scale, lo: -9, hi: 9 };
    let x = builder.view(input, encoding).unwrap();
    let double = Combine { coefficients: vec![2], constant: 0 };
    let y = builder.push(meaning.node, double, &[x], 1.0).unwrap();
    let y = builder.push("class", ArgMax, &[y], 1.0).unwrap();
    let classes = meaning.classes.map(str::to_owned).to_vec();
    builder.output(meaning.output, y, Decoding::Names(classes));
    builder.finish().unwrap()
}

fn twins() -> Vec<Meaning> {
    vec![
        MEANING,
        Meaning { input: "z", ..MEANING },
        Meaning { scale: 0.25, ..MEANING },
        Meaning { output: "verdict", ..MEANING },
        Meaning { node: "doubled", ..MEANING },
        Meaning { classes: ["bad", "good"], ..MEANING },
    ]
}

#[test]
fn models_of_equal_code_and_other_meaning_state_another_identity() {
    let compiled: Vec<Compiled> = twins()
        .iter()
        .map(|meaning| Compiled::new(&model(meaning), EmitSettings::default()))
        .collect();
    let input = [Tensor::new(vec![1, 2], vec![3, -4]).unwrap()];
    for (at, one) in compiled.iter().enumerate() {
        let execution = one.check(&input);
        assert_eq!(one.key.identity(), Identity::of(&one.model));
        for (other_at, other) in compiled.iter().enumerate() {
            if at == other_at {
                continue;
            }
            assert_ne!(one.program.hash(), other.program.hash(), "{at} {other_at}");
            assert_ne!(one.key.digest(), other.key.digest());
            let stated = parse_claim(&other.key, &execution.output);
            assert_eq!(stated, Err(StatementError::Identity), "{at} {other_at}");
        }
    }
}

#[test]
fn equal_integers_have_other_commitments_under_another_model() {
    let input = [Tensor::new(vec![1, 2], vec![3, -4]).unwrap()];
    let blinding = 77.into();
    let mut commitments: Vec<_> = twins()
        .iter()
        .map(|meaning| {
            let compiled = Compiled::new(&model(meaning), EmitSettings::default());
            let mode = InputMode::Committed(blinding);
            let (statement, _) = compiled.subject().run(&input, mode).unwrap();
            let expected = commit_input(compiled.key.identity(), &input, blinding);
            assert_eq!(statement.input, StatedInput::Committed(expected.to_bytes_be()));
            expected
        })
        .collect();
    commitments.sort_unstable();
    commitments.dedup();
    assert_eq!(commitments.len(), twins().len());
}

#[test]
fn keys_that_no_model_has_are_refused_by_what_is_wrong() {
    let key = Compiled::new(&model(&MEANING), EmitSettings::default()).key;
    assert_eq!(CairoKey::from_bytes(&key.to_bytes()), Ok(key.clone()));
    let real = |scale: f64| Decoding::Real { scale };
    type Change = Box<dyn Fn(&mut CairoKey)>;
    let changes: Vec<Change> = vec![
        Box::new(move |key| key.interface.outputs[0].decoding = real(f64::NAN)),
        Box::new(move |key| key.interface.outputs[0].decoding = real(0.0)),
        Box::new(move |key| key.interface.outputs[0].decoding = real(-1.0)),
        Box::new(move |key| key.interface.outputs[0].decoding = real(f64::INFINITY)),
        Box::new(|key| key.interface.outputs[0].decoding = Decoding::Names(vec![])),
        Box::new(|key| {
            key.interface.outputs[0].decoding = Decoding::Names(vec!["a".into(), "\u{1b}".into()])
        }),
        Box::new(|key| key.interface.outputs[0].interval = Interval::new(0, 1 << 30)),
        Box::new(|key| key.interface.outputs[0].interval = Interval { lo: 1, hi: 0 }),
        Box::new(|key| key.interface.outputs[0].shape = vec![usize::MAX, 2]),
        Box::new(|key| key.interface.outputs[0].name = "y\nsecurity  999 bits\n".into()),
        Box::new(|key| key.interface.inputs[0].name = "\u{202e}x".into()),
        Box::new(|key| key.interface.inputs[0].shape = vec![1 << 20; 2]),
        Box::new(|key| {
            key.interface.inputs[0].views[0] = Encoding::Integer { lo: 0, hi: i32::MAX }
        }),
        Box::new(|key| {
            key.interface.inputs[0].views[0] = Encoding::Affine { scale: f64::NAN, lo: 0, hi: 1 };
        }),
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut key = key.clone();
        change(&mut key);
        let error = CairoKey::from_bytes(&key.to_bytes()).unwrap_err();
        assert!(matches!(error, CairoKeyError::Interface { .. }), "{at}: {error}");
        assert!(ciro_model::is_plain(&error.to_string()), "{at}: {error:?}");
    }
    let long = [key.to_bytes(), vec![0; 1 << 20]].concat();
    assert!(matches!(CairoKey::from_bytes(&long), Err(CairoKeyError::TooLarge(_))));
}
