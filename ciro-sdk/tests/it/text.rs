//! Columns of text: the dictionary that makes them integers is part of the model and of its key.

use std::path::{Path, PathBuf};

use ciro_sdk::inputs::{Elements, InputError, Inputs};
use ciro_sdk::{CompileSettings, Model, ProveError, ProveSettings, Prover, Route, verify};

use crate::support::compiled;

/// The greatest error of a probability.
const TOLERANCE: f64 = 0.01;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn columns_of_text_count_as_onnxruntime_has_them() {
    for name in ["text_strict", "text_lenient"] {
        let (model, samples) = compiled(&folder(name));
        let expected = std::fs::read(folder(name).join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        let labels = expected["labels"].as_array().unwrap();
        assert_eq!(samples.len(), labels.len());
        for (at, sample) in samples.iter().enumerate() {
            let outputs = model.run(sample).unwrap();
            let label = labels[at].as_i64().unwrap();
            assert_eq!(i64::from(outputs[0].integers.data()[0]), label, "{name}, {at}");
            for (column, got) in outputs[1].values.data().iter().enumerate() {
                let want = expected["probabilities"][at][column].as_f64().unwrap();
                assert!((got - want).abs() < TOLERANCE, "{name}, {at}: {got} for {want}");
            }
        }
    }
}

/// Samples of one row, from texts and an age.
fn row(city: &str, plan: &str) -> Inputs {
    let text = format!(r#"{{"input_data": [["{city}"], ["{plan}"], [33.5]]}}"#);
    Inputs::from_bytes(text.as_bytes(), "row").unwrap()
}

/// What holds elements to texts of their own is a check of public codes alone.
#[test]
fn no_commitment_stands_for_texts_that_elements_must_be() {
    let (model, _) = compiled(&folder("text_strict"));
    let settings = ProveSettings { commit_input: true, ..ProveSettings::default() };
    Prover::new(&model, &settings).unwrap_err();
    let settings = ProveSettings { route: Route::Cairo, ..settings };
    if Route::Cairo.is_built() {
        let refused = Prover::new(&model, &settings).unwrap_err();
        assert!(matches!(refused, ProveError::CommitTexts(_)), "{refused:?}");
    }
}

#[test]
fn a_proof_about_text_is_about_that_text() {
    let (model, _) = compiled(&folder("text_lenient"));
    let specs = model.input_specs();
    let samples = |city, plan| row(city, plan).samples(&specs).unwrap();
    let prover = Prover::new(&model, &ProveSettings::default()).unwrap();
    let key = prover.key();
    let proven = prover.prove(&samples("Ülm", "gold")).unwrap();
    let verified = verify(&proven.bundle, &key).unwrap();
    let sample = &verified.samples[0];
    let shown = sample.real_inputs.as_ref().unwrap();
    let texts: Vec<_> = shown.iter().map(|input| input.texts.clone()).collect();
    assert_eq!(texts, [Some(vec![Some("Ülm".to_owned())]), Some(vec![None]), None]);
    assert_eq!(key.input_specs(), specs);
    sample.check_inputs(&key, &samples("Ülm", "gold")[0]).unwrap();
    // The model does not tell texts apart that it does not know.
    sample.check_inputs(&key, &samples("Ülm", "silver")[0]).unwrap();
    for (city, plan) in [("Oslo", "gold"), ("ulm", "gold"), ("Ülm", "pro")] {
        sample.check_inputs(&key, &samples(city, plan)[0]).unwrap_err();
    }
}

#[test]
fn an_encoder_that_refuses_what_it_does_not_know_binds_its_own_column() {
    let (model, _) = compiled(&folder("text_strict"));
    let specs = model.input_specs();
    row("Lyon", "pro").samples(&specs).unwrap();
    // `Oslo` is a city and a plan, `Lyon` a city alone.
    row("Oslo", "Oslo").samples(&specs).unwrap();
    for (city, plan) in [("Lyon", "Lyon"), ("Atlantis", "pro"), ("pro", "pro"), ("Lyon", "")] {
        let refused = row(city, plan).samples(&specs);
        assert!(matches!(refused, Err(InputError::UnknownText { .. })), "{city}, {plan}");
    }
    // Nor does the encoding take the code of another text from whoever makes one.
    let mut codes = row("Lyon", "pro").samples(&specs).unwrap().remove(0);
    codes[0] = codes[0].map(|_| 7.0);
    model.encode(&codes).unwrap_err();
    codes[0] = codes[0].map(|_| 5.0);
    model.encode(&codes).unwrap_err();
}

/// The model of `text_lenient` with one city by another name, everything else equal.
fn renamed(to: &str) -> Model {
    let inputs = Inputs::read(&folder("text_lenient").join("inputs.npz")).unwrap();
    let mut arrays = inputs.sets()[0].to_vec();
    for array in &mut arrays {
        if let Elements::Texts(texts) = &mut array.data {
            texts.iter_mut().filter(|text| *text == "Porto").for_each(|text| to.clone_into(text));
        }
    }
    let settings =
        CompileSettings { calibration: Some(Inputs::new(arrays)), ..CompileSettings::default() };
    let mut bytes = std::fs::read(folder("text_lenient").join("model.onnx")).unwrap();
    let at = bytes.windows(5).position(|word| word == b"Porto").unwrap();
    bytes[at..at + 5].copy_from_slice(to.as_bytes());
    Model::compile_bytes(&bytes, "model.onnx", &settings).unwrap()
}

#[test]
fn a_key_with_another_dictionary_is_another_key() {
    let prover = |to| Prover::new(&renamed(to), &ProveSettings::default()).unwrap();
    let (same, other) = (prover("Porto"), prover("Turin"));
    let (model, _) = compiled(&folder("text_lenient"));
    let own = Prover::new(&model, &ProveSettings::default()).unwrap();
    assert_eq!(own.key().digest(), same.key().digest());
    assert_ne!(same.key().digest(), other.key().digest());
    assert_ne!(same.key().model_digest(), other.key().model_digest());
    let samples = row("Porto", "pro").samples(&model.input_specs()).unwrap();
    let bundle = same.prove(&samples).unwrap().bundle;
    verify(&bundle, &same.key()).unwrap();
    verify(&bundle, &other.key()).unwrap_err();
}

#[test]
fn a_dictionary_survives_the_file_of_a_model() {
    let (model, _) = compiled(&folder("text_strict"));
    let read = Model::from_bytes(&model.to_bytes()).unwrap();
    assert_eq!(read.interface(), model.interface());
    assert_eq!(read.input_specs(), model.input_specs());
}
