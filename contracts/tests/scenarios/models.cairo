//! A directory that knows strong keys alone.
use props::{deploy, refused};
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::stage::{client, rival};
use verifier::facts::Rest;
use verifier::models::{
    IModelsDispatcher, IModelsDispatcherTrait, IModelsSafeDispatcher, IModelsSafeDispatcherTrait,
    Models,
};

/// Registers a key, which comes from outside, and then what is wrong about it.
#[feature("safe_dispatcher")]
fn a_strong_key_is_registered_once(key: Array<felt252>, weak: Array<felt252>) -> felt252 {
    let contract_address = deploy(Models::TEST_CLASS_HASH, array![]);
    let models = IModelsDispatcher { contract_address };
    let safe = IModelsSafeDispatcher { contract_address };
    set_block_timestamp(77);
    set_contract_address(client());
    let model = models.register("ipfs://model", Rest { data: key.span() });
    assert(models.registrant_of(model) == client(), 'another registrant');
    assert(models.registered_at(model) == 77, 'another time');
    set_contract_address(rival());
    assert(models.register("ipfs://other", Rest { data: key.span() }) == model, 'another id');
    refused(safe.register("", Rest { data: weak.span() }), 'weak key: blow-up');
    let mut longer = key.clone();
    longer.append(0);
    refused(safe.register("", Rest { data: longer.span() }), 'key: too long');
    refused(safe.register("", Rest { data: key.span().slice(0, key.len() - 1) }), 'short');
    let mut uri: ByteArray = "";
    for _ in 0..2049_u32 {
        uri.append_byte(1);
    };
    refused(safe.register(uri, Rest { data: key.span() }), 'uri: too long');
    set_block_timestamp(78);
    models.register("", Rest { data: key.span() });
    assert(models.registrant_of(model) == client(), 'registrant changed');
    assert(models.registered_at(model) == 77, 'time changed');
    model
}
