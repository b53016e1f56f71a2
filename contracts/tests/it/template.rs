//! The contract of `ciro init --template starknet`: compiled as its users' Scarb does, and played.

use std::sync::{Arc, LazyLock};

use cairo_lang_compiler::CompilerConfig;
use cairo_lang_compiler::db::RootDatabase;
use cairo_lang_compiler::diagnostics::DiagnosticsReporter;
use cairo_lang_filesystem::cfg::{Cfg, CfgSet};
use cairo_lang_filesystem::db::{
    CORELIB_CRATE_NAME, CORELIB_VERSION, CrateConfigurationInput, CrateSettings, Edition,
    set_crate_configs_input,
};
use cairo_lang_filesystem::ids::CrateInput;
use cairo_lang_starknet::compile::compile_contract_in_prepared_db;
use cairo_lang_starknet::starknet_plugin_suite;
use cairo_lang_starknet_classes::allowed_libfuncs::ListSelector;
use ciro_cairo::{core_config, virtual_folder};
use ciro_contracts::{Package, Scenarios, VERIFIER};
use ciro_model::integer::ops::{ArgMax, Linear};
use ciro_model::integer::{Committing, Decoding, Encoding, ModelBuilder};
use ciro_model::{IntegerModel, Tensor};
use serde::Deserialize;
use starknet_types_core::felt::Felt as Felt252;

use crate::inference::{Inference, felts};
use crate::scenarios::{PROPS, played};

/// The files that `ciro init` writes.
const TEMPLATE: Package = Package {
    name: "herbarium",
    sources: &[
        ("lib.cairo", include_str!("../../../templates/starknet/src/lib.cairo")),
        ("integers.cairo", include_str!("../../consumers/src/integers.cairo")),
    ],
};

/// What happens to the contract.
const FLOWERS: Package = Package { name: "flowers", sources: &[("lib.cairo", HISTORY)] };

const HISTORY: &str = r#"
use herbarium::{
    Herbarium, IHerbariumDispatcher, IHerbariumDispatcherTrait, IHerbariumSafeDispatcher,
    IHerbariumSafeDispatcherTrait,
};
use props::{deploy, refused};
use starknet::ContractAddress;
use starknet::testing::{set_block_timestamp, set_contract_address};
use verifier::facts::{Facts, IFactsDispatcher, IFactsDispatcherTrait, Rest};

fn botanist() -> ContractAddress {
    'botanist'.try_into().unwrap()
}
fn rival() -> ContractAddress {
    'rival'.try_into().unwrap()
}
fn facts() -> ContractAddress {
    deploy(Facts::TEST_CLASS_HASH, array![])
}
fn deployed(facts: ContractAddress, model: felt252) -> ContractAddress {
    deploy(Herbarium::TEST_CLASS_HASH, array![facts.into(), model])
}
fn context(about: Array<felt252>) -> felt252 {
    let contract_address = deployed(facts(), *about.at(0));
    IHerbariumDispatcher { contract_address }.context_of(botanist())
}

/// Of an inference, the integers of its output, and the proof for the botanist.
#[feature("safe_dispatcher")]
fn a_flower_is_recorded_once(
    about: Array<felt252>, integers: Array<felt252>, proof: Array<felt252>,
) {
    set_block_timestamp(1);
    let (model, flower) = (*about.at(0), *about.at(1));
    let mut output: Array<i32> = array![];
    for integer in integers {
        output.append(integer.try_into().unwrap());
    };
    let (label, output) = (*output.at(0), output.span());
    let facts = IFactsDispatcher { contract_address: facts() };
    let contract_address = deployed(facts.contract_address, model);
    let here = IHerbariumDispatcher { contract_address };
    let safe = IHerbariumSafeDispatcher { contract_address };
    set_contract_address(botanist());
    refused(safe.record(flower, output), 'not proven');
    set_contract_address(rival());
    facts.prove(model, Rest { data: proof.span() });
    refused(safe.record(flower, output), 'not proven');
    set_contract_address(botanist());
    refused(safe.record(flower + 1, output), 'not proven');
    let wrong = array![label + 1, *output.at(1), *output.at(2), *output.at(3)];
    refused(safe.record(flower, wrong.span()), 'not proven');
    refused(safe.record(flower, output.slice(0, 3)), 'output: not four integers');
    let more = array![label, *output.at(1), *output.at(2), *output.at(3), 0];
    refused(safe.record(flower, more.span()), 'output: not four integers');
    let contract_address = deployed(facts.contract_address, model + 1);
    let other = IHerbariumSafeDispatcher { contract_address };
    refused(other.record(flower, output), 'not proven');
    here.record(flower, output);
    let record = here.record_of(flower);
    assert(record.by == botanist() && record.label == label, 'not recorded');
    assert(here.record_of(flower + 1).by == 0.try_into().unwrap(), 'another was recorded');
    refused(safe.record(flower, output), 'recorded already');
}
"#;

/// What Scarb reads.
#[derive(Deserialize)]
struct Manifest {
    package: Named,
    dependencies: Dependencies,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    edition: Edition,
}

#[derive(Deserialize)]
struct Dependencies {
    starknet: String,
}

/// No warning either: its users would see it.
#[test]
fn the_template_compiles_as_scarb_compiles_it() {
    let manifest = include_str!("../../../templates/starknet/Scarb.toml");
    let Manifest { package, dependencies } = toml::from_str(manifest).unwrap();
    assert_eq!(
        (package.name.as_str(), dependencies.starknet.as_str()),
        ("herbarium", CORELIB_VERSION)
    );
    let cfg = [Cfg::kv("sierra", "future"), Cfg::kv("target", "starknet-contract")];
    let mut db = RootDatabase::builder()
        .with_cfg(CfgSet::from_iter(cfg))
        .with_default_plugin_suite(starknet_plugin_suite())
        .build()
        .unwrap();
    let named = |name: &str| CrateInput::Real { name: name.to_owned(), discriminator: None };
    let settings = CrateSettings { edition: package.edition, ..CrateSettings::default() };
    let root = virtual_folder(TEMPLATE.name, TEMPLATE.sources.iter().copied());
    let config = CrateConfigurationInput { root, settings, cache_file: None };
    let crates =
        [(named(CORELIB_CRATE_NAME), core_config().unwrap()), (named("herbarium"), config)];
    set_crate_configs_input(&mut db, Some(crates.into_iter().collect()));
    let mut diagnostics = String::new();
    let inputs = [named("herbarium")];
    let reporter = DiagnosticsReporter::write_to_string(&mut diagnostics).with_crates(&inputs);
    let config = CompilerConfig { diagnostics_reporter: reporter, ..CompilerConfig::default() };
    let crates = CrateInput::into_crate_ids(&db, inputs);
    let class = compile_contract_in_prepared_db(&db, Some("herbarium::Herbarium"), crates, config);
    let class = class.unwrap_or_else(|error| panic!("{error:#}\n{diagnostics}"));
    // Starknet takes nothing but audited libfuncs.
    let program = class.extract_sierra_program(false).unwrap();
    program.validate_version_compatible(ListSelector::default()).unwrap();
}

/// A label and three scores of four lengths, as the template's model has them.
fn botany() -> Arc<IntegerModel> {
    let mut b = ModelBuilder::new();
    let input = b.input("lengths", vec![1, 4]);
    let x = b.view(input, Encoding::Affine { scale: 1.0, lo: -100, hi: 100 }).unwrap();
    let weight = Tensor::new(vec![4, 3], vec![1, -2, 3, 4, 5, -6, -7, 8, 9, 2, 1, -1]).unwrap();
    let (weight, bias) = (b.constant(weight), Some(b.constant(Tensor::vector(vec![3, 0, -9]))));
    let scores = b.push("scores", Linear { weight, bias }, &[x], 1.0).unwrap();
    let label = b.push("label", ArgMax, &[scores], 1.0).unwrap();
    b.output("label", label, Decoding::Integer);
    b.output("scores", scores, Decoding::Integer);
    Arc::new(b.finish().unwrap())
}

static STAGE: LazyLock<Scenarios> =
    LazyLock::new(|| Scenarios::new(&[VERIFIER, PROPS, TEMPLATE, FLOWERS]).unwrap());

#[test]
fn the_template_records_a_flower_once_for_whom_it_is_proven() {
    let input = Tensor::new(vec![1, 4], vec![51, 34, 15, 2]).unwrap();
    let inference = Inference::new(botany(), input, Committing::Nothing);
    let plays =
        |name, arguments: &[&[Felt252]]| played(&STAGE, &format!("flowers::{name}"), arguments);
    let about = inference.about();
    let context = plays("context", &[&about])[0];
    let output: Vec<Felt252> =
        inference.outputs().iter().flat_map(|output| felts(output.data())).collect();
    assert_eq!(output.len(), 4);
    let proof = inference.prove(context).felts;
    plays("a_flower_is_recorded_once", &[&about, &output, &proof]);
}
