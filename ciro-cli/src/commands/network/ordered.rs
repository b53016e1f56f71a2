//! Models whose inferences are ordered again and again, as `ciro bench network` and
//! `ciro devnet chaos` do.

use std::path::Path;

use anyhow::Result;
use ciro_protocol::amount::Amount;
use ciro_protocol::id::ModelId;
use ciro_sdk::client::{Deployment, OrderInput, Submission, Terms, default_name};
use ciro_sdk::inputs::Sample;
use ciro_sdk::{InputStatement, Key, Model};

use crate::args::{ModelArgs, RouteArgs};
use crate::commands::bench::{input, inside, read_inputs};
use crate::context::Context;
use crate::model::{self, Purpose};

/// A model with its key and the first sample of the input beside it.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) key: Key,
    pub(crate) input: OrderInput,
}

impl Ordered {
    /// Opens a model; returns it and the sample too.
    pub(crate) fn open(
        path: &Path,
        route: &RouteArgs,
        context: &Context,
    ) -> Result<(Self, Model, Vec<Sample>)> {
        let path = inside(path);
        let model_args = ModelArgs { path: path.clone(), compile: Default::default() };
        let (model, _) = model::opened(&model_args, Purpose::Publish, &context.ui)?;
        let key = model.key(&route.settings(1, context.max_memory))?;
        let mut samples = read_inputs(&input(&path)?)?.samples(&model.input_specs())?;
        samples.truncate(1);
        anyhow::ensure!(!samples.is_empty(), "the input file has no sample");
        let input = OrderInput::open(InputStatement::encode(&key, &samples)?.statement);
        let name = default_name(&path)?;
        Ok((Self { name, bytes: model.to_bytes(), key, input }, model, samples))
    }

    /// What is registered of it.
    pub(crate) fn deployment(&self) -> Deployment<'_> {
        Deployment {
            model: &self.bytes,
            keys: std::slice::from_ref(&self.key),
            name: &self.name,
            version: "1",
            licence: "unspecified",
            providers: &[],
            price_hint: Amount::from_units(10_u128.pow(16)).unwrap_or_default(),
        }
    }

    /// What is ordered of it.
    pub(crate) fn submission(&self, chosen: (ModelId, Terms)) -> Submission<'_> {
        Submission::new(chosen, &self.key, &self.input)
    }
}
